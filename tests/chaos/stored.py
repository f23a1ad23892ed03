"""What the database has of some chats, read in a few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.fleet import Fleet

Tokens = tuple[int, int]
"""Of input and of output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A row of `turns`."""

    status: str
    error: Any
    time: Mapping[str, float]
    seconds: float
    """From its creation to its end; 0 = it has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A row of `messages` that has not been removed."""

    turn_id: str
    role: str
    content: list[dict[str, Any]]
    usage: Tokens


@dataclass(slots=True, kw_only=True)
class Stored:
    """A chat with its turns, and its messages in the order of their ids."""

    counted: Tokens
    spent: Tokens = (0, 0)
    """By all messages, the removed ones included."""

    turns: dict[str, StoredTurn] = field(default_factory=dict[str, StoredTurn])
    messages: list[StoredMessage] = field(default_factory=list[StoredMessage])


def load(fleet: Fleet, chat_ids: Sequence[str]) -> dict[str, Stored]:
    """Return the chats by their ids."""
    ids = [*chat_ids]
    chats: dict[str, Stored] = {}
    for id_, usage in fleet.rows("SELECT id, usage FROM chats WHERE id = ANY(%(ids)s)", ids=ids):
        tokens = (usage.get("input_tokens", 0), usage.get("output_tokens", 0))
        chats[str(id_)] = Stored(counted=tokens)
    for chat_id, id_, *row in fleet.rows(
        "SELECT chat_id, id, status, error, time,"
        " coalesce(extract(epoch FROM ended_at - created_at), 0)::float"
        " FROM turns WHERE chat_id = ANY(%(ids)s)",
        ids=ids,
    ):
        status, error, time, seconds = row
        turn = StoredTurn(status=status, error=error, time=time, seconds=seconds)
        chats[str(chat_id)].turns[str(id_)] = turn
    for chat_id, *row in fleet.rows(
        "SELECT chat_id, turn_id, role, content, coalesce(input_tokens, 0),"
        " coalesce(output_tokens, 0), deleted_at"
        " FROM messages WHERE chat_id = ANY(%(ids)s) ORDER BY id",
        ids=ids,
    ):
        turn_id, role, content, input_, output, deleted_at = row
        chat = chats[str(chat_id)]
        chat.spent = (chat.spent[0] + input_, chat.spent[1] + output)
        if deleted_at is None:
            message = StoredMessage(
                turn_id=str(turn_id), role=role, content=content, usage=(input_, output)
            )
            chat.messages.append(message)
    return chats
