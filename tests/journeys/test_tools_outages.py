"""Chats wait for their clients through everything, and answers are taken or refused, never lost."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.databases.postgres import Postgres
from local.databases.server import Server
from local.databases.valkey import Valkey
from tests.journeys.fleet import Fleet, eventually, kill_server
from tests.journeys.scripts import say, script
from tests.journeys.tooling import (
    ASK,
    NEXT,
    answer,
    asking,
    call,
    calls,
    check_paired,
    check_times,
    declare_tools,
    lines,
    results_of,
    start_asking,
    wait_for_lines,
)
from tests.servers import migrate

CHATS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A fleet with servers of its own, all of which a test may end and start again."""

    postgres: Postgres
    valkey: Valkey
    fleet: Fleet

    def restart(self, server: Server) -> None:
        kill_server(server)
        server.start()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of all these tests: each leaves it running."""
    tmp_path = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(tmp_path / "postgres", max_connections=60))
        valkey = stack.enter_context(Valkey(tmp_path / "valkey"))
        migrate(postgres.url)
        settings = {"STEPWELL_CONFIG": str(declare_tools(tmp_path))}
        fleet = stack.enter_context(Fleet(postgres.url, valkey.url, tmp_path, settings))
        fleet.start(apis=1, workers=2)
        yield Site(postgres=postgres, valkey=valkey, fleet=fleet)


def _statuses(fleet: Fleet, label: str) -> dict[str, int]:
    statement = (
        "SELECT status, count(*) FROM chats WHERE labels->>'test' = %(label)s GROUP BY status"
    )
    return dict(fleet.rows(statement, label=label))


def _waiting(fleet: Fleet, count: int, label: str, *ids: str) -> list[dict[str, Any]]:
    """Create so many chats that ask their client, and wait until all of them do."""
    fields: dict[str, Any] = {"dynamic_tools": [ASK], "labels": {"test": label}}
    chats = [fleet.new_chat(asking(*ids), **fields) for _ in range(count)]
    eventually(lambda: _statuses(fleet, label) == {"requires_action": count}, "all of them wait")
    return chats


def _end(fleet: Fleet) -> None:
    """End every process of the fleet, without a word."""
    for process in [*fleet.workers, *fleet.apis]:
        process.kill()
    fleet.workers.clear()
    fleet.apis.clear()


def _start_tools(fleet: Fleet, trace: Path) -> dict[str, Any]:
    """Create a chat with mixed calls, and wait until one tool is done and one has begun."""
    content = calls(
        call("count_slowly", "b1", trace=str(trace)), call("add", "b2", x=1, y=2), call("ask", "d1")
    )
    chat = fleet.new_chat(content, dynamic_tools=[ASK])
    done = "SELECT count(*) FROM tool_runs WHERE chat_id = %(id)s AND state = 'done'"
    eventually(lambda: fleet.rows(done, id=chat["id"]) == [(1,)], "the short one is done")
    wait_for_lines(trace)
    return chat


def _check_tools(fleet: Fleet, chat: dict[str, Any], trace: Path) -> None:
    """The chat waits for its client, goes on after the answer, and no tool ran twice."""
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "requires_action"
    assert answer(fleet, chat["id"], {"d1": "mine"}).status == 202
    turn = fleet.turn(chat["id"], chat["turn_id"])
    assert (turn["status"], turn["steps"]) == ("finished", 2)
    check_times(turn)
    check_paired(fleet, chat["id"])
    results = {part["tool_call_id"]: part["result"] for part in results_of(fleet, chat["id"])}
    assert results.pop("b1").startswith("Outcome unknown")
    assert results == {"b2": 3, "d1": "mine"}
    assert len(lines(trace)) == 1


@pytest.mark.timeout(180)
def test_everything_is_restarted_while_a_hundred_chats_wait_and_one_runs_a_tool(
    site: Site, tmp_path: Path
) -> None:
    fleet, trace = site.fleet, tmp_path / "trace"
    chats = _waiting(fleet, CHATS, "hundred", "c1")
    # Nothing of a worker is held while they wait.
    for worker in fleet.workers:
        eventually(lambda one=worker: fleet.metric(one, "stepwell_chats") == 0, "nothing runs")
    waiting = (
        "SELECT id, pending_calls, snapshot_version FROM chats"
        " WHERE labels->>'test' = 'hundred' ORDER BY id"
    )
    before = fleet.rows(waiting)
    in_tools = _start_tools(fleet, trace)

    _end(fleet)
    site.restart(site.valkey)
    site.restart(site.postgres)
    fleet.start(apis=1, workers=2)

    assert fleet.rows(waiting) == before
    _check_tools(fleet, in_tools, trace)
    for number, chat in enumerate(chats):
        assert answer(fleet, chat["id"], {"c1": number}).status == 202
    eventually(
        lambda: _statuses(fleet, "hundred") == {"waiting": CHATS}, "all of them end", seconds=60
    )
    for number, chat in enumerate(chats):
        [part] = results_of(fleet, chat["id"])
        assert part["result"] == number


def test_an_answer_while_postgres_is_away_is_refused_clearly(site: Site) -> None:
    chat = start_asking(site.fleet, "c1")
    kill_server(site.postgres)
    refused = answer(site.fleet, chat["id"], {"c1": "mine"})
    assert (refused.status, refused.body["code"]) == (503, "unavailable")
    assert refused.headers["retry-after"] == "1"
    site.postgres.start()
    taken = eventually(
        lambda: (one := answer(site.fleet, chat["id"], {"c1": "mine"})).status == 202 and one,
        "the same answer is taken",
    )
    assert taken.body["status"] in ("pending", "running", "waiting")
    assert _end_of(site.fleet, chat) == "finished"
    [part] = results_of(site.fleet, chat["id"])
    assert part["result"] == "mine"


def test_an_answer_while_valkey_is_away_is_taken_and_not_lost(site: Site) -> None:
    chat = start_asking(site.fleet, "c1")
    kill_server(site.valkey)
    taken = answer(site.fleet, chat["id"], {"c1": "mine"})
    assert (taken.status, taken.body["status"]) == (202, "pending")
    site.valkey.start()
    assert _end_of(site.fleet, chat) == "finished"
    check_paired(site.fleet, chat["id"])


@pytest.mark.timeout(120)
def test_answers_in_a_storm_are_taken_or_refused_and_never_lost(site: Site) -> None:
    """Clients answer and answer again while the servers die under them, one after the other."""
    fleet = site.fleet
    chats = _waiting(fleet, 20, "storm", "c1", "c2")
    accepted: dict[tuple[str, str], str] = {}
    faults: list[Any] = []

    def persist(chat_id: str) -> None:
        for call_id in ("c1", "c2"):
            said = f"{chat_id} {call_id}"

            def told(call_id: str = call_id, said: str = said) -> bool:
                one = answer(fleet, chat_id, {call_id: said}, partial=True)
                if one.status == 202:
                    accepted[chat_id, call_id] = said
                elif one.status != 503:
                    faults.append(one)
                return one.status == 202

            eventually(told, "the answer is taken", seconds=60)

    clients = [threading.Thread(target=persist, args=(chat["id"],)) for chat in chats]
    for client in clients:
        client.start()
    site.restart(site.valkey)
    site.restart(site.postgres)
    for client in clients:
        client.join()
    eventually(lambda: _statuses(fleet, "storm") == {"waiting": 20}, "all of them end", seconds=60)
    assert faults == []
    assert len(accepted) == 40
    for chat in chats:
        results = {part["tool_call_id"]: part["result"] for part in results_of(fleet, chat["id"])}
        assert results == {id_: accepted[chat["id"], id_] for id_ in ("c1", "c2")}


def test_a_tool_ends_while_postgres_is_away(site: Site) -> None:
    content = script(call("nap", "c1", seconds=1.0), NEXT, say("done"))
    chat = site.fleet.new_chat(content)
    claimed = "SELECT count(*), max(runs) FROM tool_runs WHERE chat_id = %(id)s"
    eventually(lambda: site.fleet.rows(claimed, id=chat["id"]) == [(1, 1)], "it was claimed")
    kill_server(site.postgres)
    site.postgres.start()
    assert _end_of(site.fleet, chat) == "finished"
    [part] = results_of(site.fleet, chat["id"])
    # Its worker may have been declared dead meanwhile: then nobody knows. It ran once all the same.
    assert part["result"] == "rested" or part["result"].startswith("Outcome unknown")
    assert site.fleet.rows(claimed, id=chat["id"]) == [(1, 1)]


def _end_of(fleet: Fleet, chat: dict[str, Any]) -> str:
    def ended() -> str | None:
        found = fleet.call("GET", f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}?wait=5")
        status = found.body["status"] if found.status == 200 else "active"
        return None if status in ("active", "requires_action") else status

    return eventually(ended, "the turn has ended", seconds=40)
