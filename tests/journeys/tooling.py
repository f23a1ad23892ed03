"""What journeys with tools share: the operator's file, scripts with calls, answers of clients."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scripts import say, script

ASK = {"name": "ask", "description": "Ask the client.", "input_schema": {"type": "object"}}
TELL = {"name": "tell", "description": "Tell the client.", "input_schema": {"type": "object"}}
NEXT = {"next": True}
DONE = "all done"

MAX_STEPS = 12
"""So many steps a turn may take in the fleet of these tests."""


_PACKAGED = '''
from shared.tools.spec import tool


@tool
def greet(who: str) -> str:
    """Greet somebody."""
    return f"Hello {who}."
'''


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
        'modules = ["tests.journeys.kit", "examples.tools"]\n'
    )
    return path


def declare_fakes(path: Path, models: FakeModels) -> None:
    """Add two models to a `stepwell.toml`: the fake server's, one for each dialect."""
    urls = {"openai-chat": models.openai_url, "anthropic": models.anthropic_url}
    with path.open("a") as file:
        for dialect, url in urls.items():
            file.write(
                f"[providers.{dialect}]\n"
                f'dialect = "{dialect}"\n'
                f'base_url = "{url}"\n'
                'api_key = "key"\n'
                f"[models.{dialect}]\n"
                f'provider = "{dialect}"\n'
            )


def install_tools(folder: Path) -> None:
    """Lay a package into a folder as an installer does, with one tool by entry point."""
    (folder / "packaged_tools.py").write_text(_PACKAGED)
    about = folder / "packaged_tools-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: packaged-tools\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[stepwell.tools]\npackaged = packaged_tools\n")


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


def check_times(turn: dict[str, Any]) -> None:
    """What a turn spent its time with adds up to its length."""
    created, ended = (datetime.fromisoformat(turn[name]) for name in ("created_at", "ended_at"))
    length = (ended - created).total_seconds()
    assert sum(turn["time"].values()) == pytest.approx(length, rel=0.01, abs=1e-4), turn
    assert min(turn["time"].values()) >= 0, turn


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
