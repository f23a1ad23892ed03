"""The built-in tools of the fleet, as its workers have published them."""

from datetime import timedelta

from sqlalchemy import func, text, update

from shared.chats.store.tables import workers
from shared.tools.published import list_published, publish
from shared.tools.registry import load_tools
from shared.tools.spec import Policy, tool
from tests.chats import register_worker
from tests.integration.api.served import Api


@tool(policy=Policy.RERUN)
def look_up(word: str) -> str:
    """Look a word up."""
    return word


def _publish(api: Api, *tools: object) -> None:
    found = {**load_tools(()), **{one.name: one for one in (look_up,) if one in tools}}
    with api.engine.begin() as connection:
        publish(connection, found.values())


def _names(api: Api) -> list[str]:
    with api.engine.connect() as connection:
        return [one.name for one in list_published(connection)]


def test_tools_are_listed_with_all_that_a_caller_needs(own_api: Api) -> None:
    _publish(own_api, look_up)
    alice = own_api.caller("alice")
    clock, ours = alice.get("/v1/tools").json["items"]
    assert (clock["name"], clock["source"]) == ("current_time", "shared.tools.clock")
    assert ours == {
        "name": "look_up",
        "description": "Look a word up.",
        "input_schema": {
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
            "type": "object",
            "additionalProperties": False,
        },
        "source": __name__,
        "policy": "rerun",
    }


def test_tools_want_a_key(api: Api) -> None:
    assert api.client.get("/v1/tools").status == 401


def test_a_chat_may_name_a_tool_as_soon_as_a_worker_has_published_it(own_api: Api) -> None:
    alice = own_api.caller("alice")
    refused = alice.post("/v1/chats", {"content": "x", "tools": ["look_up"]})
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "tools[0]")
    assert "'current_time'" in refused.json["detail"]
    _publish(own_api, look_up)
    alice.start("x", tools=["look_up"])


def test_a_tool_is_forgotten_once_no_worker_has_it(own_api: Api) -> None:
    _publish(own_api, look_up)
    old = register_worker(own_api.engine)
    _age(own_api, timedelta(hours=-1))
    _publish(own_api)  # a second worker, which has not got it
    assert _names(own_api) == ["current_time", "look_up"]
    with own_api.engine.begin() as connection:
        gone = update(workers).where(workers.c.id == old).values(dead_at=func.now())
        connection.execute(gone)
    _publish(own_api)
    assert _names(own_api) == ["current_time"]


def _age(api: Api, by: timedelta) -> None:
    with api.engine.begin() as connection:
        connection.execute(text("UPDATE workers SET started_at = started_at + :by"), {"by": by})


def test_before_any_worker_there_is_none(own_api: Api) -> None:
    with own_api.engine.begin() as connection:
        connection.execute(text("DELETE FROM published_tools"))
    alice = own_api.caller("alice")
    assert alice.get("/v1/tools").json == {"items": []}
    refused = alice.post("/v1/chats", {"content": "x", "tools": ["current_time"]})
    assert "no worker has published one yet" in refused.json["detail"]
    alice.start("x")
