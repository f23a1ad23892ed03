"""The built-in tools of the fleet, as its workers publish them: whoever reads imports no tool."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shared.chats.store.workers import oldest_start
from shared.jsonvalue import JsonObject
from shared.tools.spec import Policy, Tool
from shared.tools.tables import published_tools as published


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTool:
    """A tool that a worker has; `source` is the module that it comes from."""

    name: str
    description: str
    input_schema: JsonObject
    source: str
    policy: Policy


def publish(connection: Connection, tools: Iterable[Tool]) -> None:
    """Publish what a worker that starts has, and forget what no worker has any more.

    Each worker does so at its start: what is older than the start of all that live is nobody's.
    """
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    for tool in sorted(tools, key=lambda tool: tool.name):
        values = {
            "description": tool.description,
            "input_schema": dict(tool.input_schema),
            "source": tool.source,
            "policy": tool.policy.value,
            "published_at": now,
        }
        statement = insert(published).values(name=tool.name, **values)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[published.c.name], set_=values)
        )
    alive_since = oldest_start(connection)
    older = published.c.published_at < (now if alive_since is None else min(alive_since, now))
    connection.execute(delete(published).where(older))


def list_published(connection: Connection) -> Sequence[PublishedTool]:
    """Return the tools of the fleet, by name."""
    rows = connection.execute(select(published).order_by(published.c.name)).mappings()
    return [
        PublishedTool(
            name=row["name"],
            description=row["description"],
            input_schema=row["input_schema"],
            source=row["source"],
            policy=Policy(row["policy"]),
        )
        for row in rows
    ]
