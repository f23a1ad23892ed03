"""More chats are due than a worker can take: they wait their turn, and nothing multiplies."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from local.databases.valkey import Valkey
from shared.broker.wakeup import QUEUES
from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.scripts import say, script, wait

CLIENTS = 8
STEP_SECONDS = 0.1
CLOCKS_SECONDS = 0.5
"""Between asking the database and asking the API, on a busy machine."""

PENDING = "SELECT count(*) FROM chats WHERE status IN ('pending', 'running')"
OLDEST = "SELECT min(phase_since) FROM chats WHERE status = 'pending'"
AGE = "stepwell_oldest_pending_age_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """So many chats for a worker that takes so many steps at a time."""

    chats: int
    slots: int


SHORT = Backlog(chats=200, slots=4)
FULL = Backlog(chats=2000, slots=2)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey whose queues are this test's alone."""
    with Valkey(tmp_path / "valkey", fast=True) as server:
        yield server


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backlog", [SHORT, pytest.param(FULL, marks=pytest.mark.slow)])
def test_a_backlog_is_worked_off_in_order_and_not_multiplied(
    make_fleet: MakeFleet, own_valkey: Valkey, backlog: Backlog
) -> None:
    settings = {
        "REDIS_URL": own_valkey.url,
        "STEPWELL_WORKER_CONCURRENCY": str(backlog.slots),
    }
    fleet = make_fleet(**settings).start(apis=1, workers=0)
    began = datetime.now(UTC)
    _create(fleet, backlog.chats)
    age = fleet.metric(fleet.apis[0], AGE)
    assert 0 <= (datetime.now(UTC) - began).total_seconds() - age < 1 + CLOCKS_SECONDS
    assert _messages(own_valkey) == backlog.chats

    fleet.start_worker()
    most = 0
    while fleet.rows(PENDING) != [(0,)]:
        _check_age(fleet)
        most = max(most, _messages(own_valkey))
        time.sleep(STEP_SECONDS)  # a sample, not a wait for something
    print(f"{most} messages at most for {backlog.chats} chats")
    assert most < 2 * backlog.chats
    assert fleet.rows("SELECT count(*) FROM turns WHERE status = 'finished'") == [(backlog.chats,)]
    _check_order(fleet, backlog)
    eventually(lambda: _messages(own_valkey) == 0, "all messages are taken")


def test_who_backs_off_is_due_when_that_is_over(make_fleet: MakeFleet) -> None:
    fleet = make_fleet().start(apis=1, workers=1)
    [api] = fleet.apis
    failing = {"fail_times": {"times": 1, "status": 503, "retry_after": 2.0}}
    chat = fleet.new_chat(script(failing, say("late")))

    def retry() -> dict[str, Any] | None:
        return fleet.ask("GET", f"/v1/chats/{chat['id']}").get("retry")

    retrying_at = datetime.fromisoformat(eventually(retry, "it backs off")["retrying_at"])
    fleet.workers.pop().kill()
    assert fleet.metric(api, AGE) == 0
    age = eventually(lambda: fleet.metric(api, AGE), "it is due")
    due = (datetime.now(UTC) - retrying_at).total_seconds()
    assert 0 < age <= due < age + CLOCKS_SECONDS
    fleet.start_worker()
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    assert fleet.metric(api, AGE) == 0


def _create(fleet: Fleet, count: int) -> None:
    content = script(wait(STEP_SECONDS), say("done"))
    numbers = iter(range(count))
    lock = threading.Lock()

    def create() -> None:
        while True:
            with lock:
                if next(numbers, None) is None:
                    return
            fleet.new_chat(content)

    clients = [threading.Thread(target=create) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def _check_age(fleet: Fleet) -> None:
    """The age lies between what it was just before and what it is just after."""
    [(before,)] = fleet.rows(OLDEST)
    asked = datetime.now(UTC)
    age = fleet.metric(fleet.apis[0], AGE)
    [(after,)] = fleet.rows(OLDEST)
    if before is not None and after is not None:
        assert (asked - after).total_seconds() - 0.01 <= age
        assert age <= (datetime.now(UTC) - before).total_seconds() + 0.01


def _check_order(fleet: Fleet, backlog: Backlog) -> None:
    """Nobody lost more places than those at work and on their way, and a twentieth of the line.

    The order is that of the queue: who creates and who enqueues are eight clients at a time, and
    who was swept stands in it twice.
    """
    rows = fleet.rows(
        "SELECT rank() OVER (ORDER BY created_at), rank() OVER (ORDER BY ended_at) FROM turns"
    )
    jumps = [abs(ended - created) for created, ended in rows]
    print(f"{max(jumps)} places at most")
    assert max(jumps) <= CLIENTS + 4 * backlog.slots + backlog.chats // 20


def _messages(valkey: Valkey) -> int:
    """Count what the broker holds: waiting, and taken but not acknowledged."""
    with cast(Any, redis.Redis).from_url(valkey.url) as client:
        return sum(client.llen(queue) for queue in QUEUES) + client.hlen("unacked")
