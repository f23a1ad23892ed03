"""What journeys with tools share: the operator's file, scripts with calls, answers of clients."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scripts import say, script

ASK = {"name": "ask", "description": "Ask the client.", "input_schema": {"type": "object"}}
TELL = {"name": "tell", "description": "Tell the client.", "input_schema": {"type": "object"}}
NEXT = {"next": True}
DONE = "all done"


def declare_tools(folder: Path) -> Path:
    """Write a `stepwell.toml` with the scripted model and the tools of journeys."""
    path = folder / "stepwell.toml"
    path.write_text(
        "[providers.scripted]\n"
        'dialect = "scripted"\n'
        "[models.scripted]\n"
        'provider = "scripted"\n'
        "[models.small]\n"
        'provider = "scripted"\n'
        "context_limit = 1000\n"
        "[tools]\n"
        'modules = ["tests.journeys.kit"]\n'
    )
    return path


def call(name: str, id_: str, **args: object) -> dict[str, Any]:
    """A step of a script that calls a tool."""
    return {"call": {"name": name, "args": args, "id": id_}}


def calls(*made: dict[str, Any], then: str = DONE) -> str:
    """A script that makes calls in one answer and says something after their results."""
    return script(say("let me see"), *made, NEXT, say(then))


def asking(*ids: str) -> str:
    """A script that asks the client so many times in one answer."""
    return calls(*(call("ask", id_, n=n) for n, id_ in enumerate(ids)))


def start_asking(fleet: Fleet, *ids: str, **fields: object) -> dict[str, Any]:
    """Create a chat that asks its client, and wait until it does."""
    chat = fleet.new_chat(asking(*ids), **{"dynamic_tools": [ASK, TELL], **fields})
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert turn["status"] == "requires_action", (turn, fleet.logs())
    return chat


def answer(
    fleet: Fleet, chat_id: str, results: dict[str, object], *, api: int = 0, **fields: object
) -> Any:
    """Post results; return the answer of the API."""
    rows = [{"tool_call_id": id_, "output": output} for id_, output in results.items()]
    body = {"results": rows, **fields}
    return fleet.call("POST", f"/v1/chats/{chat_id}/tool-results", body, api=api)


def results_of(fleet: Fleet, chat_id: str) -> list[dict[str, Any]]:
    """Return every tool result of a transcript, in its order."""
    return [
        part
        for message in fleet.transcript(chat_id)
        if message["role"] == "tool"
        for part in message["content"]
    ]


def check_paired(fleet: Fleet, chat_id: str) -> None:
    """Every call has exactly one result, and no user message stands between the two."""
    waiting: Counter[str] = Counter()
    for message in fleet.transcript(chat_id):
        assert message["role"] != "user" or not +waiting, message
        for part in message["content"]:
            if part["type"] == "tool-call":
                waiting[part["tool_call_id"]] += 1
            elif part["type"] == "tool-result":
                waiting[part["tool_call_id"]] -= 1
                assert waiting[part["tool_call_id"]] >= 0, part
    assert not +waiting


def lines(path: Path) -> list[str]:
    """Return the lines of a trace, none if it is not there."""
    return path.read_text().splitlines() if path.exists() else []


def wait_for_lines(path: Path, count: int = 1) -> None:
    eventually(lambda: len(lines(path)) >= count, f"{count} lines in {path.name}")


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do things at the same moment; return what they returned."""
    barrier = threading.Barrier(len(acts))
    returned: list[Any] = [None] * len(acts)

    def do(number: int) -> None:
        barrier.wait()
        returned[number] = acts[number]()

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return returned
