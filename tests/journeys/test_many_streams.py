"""One worker process streams many answers at once and loses nothing of any."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.fakes.process import FakeModels
from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.providing import MODELS, Ended, all_at_once, ask, declare_providers
from tests.journeys.replay import Replay
from tests.journeys.scripts import script, slowly, wait

DELTAS = 40
ANSWER = "tick " * DELTAS


def _stored(fleet: Fleet) -> list[str]:
    rows = fleet.rows("SELECT content->0->>'text' FROM messages WHERE role = 'assistant'")
    return [text for (text,) in rows]


def _check_nothing_is_lost(fleet: Fleet, number: int, read: Sequence[Ended]) -> None:
    assert _stored(fleet) == [ANSWER] * number
    for one in read:
        replay = Replay().take_all(one.events)
        assert replay.faults == []
        assert list(replay.previewed.values()) == [ANSWER]
    [worker] = fleet.workers
    assert fleet.metric(worker, "stepwell_stream_buffer_dropped_total") == 0
    assert fleet.metric(worker, "stepwell_leases_lost_total") == 0
    assert fleet.metric(worker, "stepwell_stream_retries_total") == 0
    assert fleet.metric(worker, "stepwell_turns_total", outcome="finished") == number
    assert fleet.metric(worker, "stepwell_chats") == 0


@pytest.fixture
def models(fake_models: FakeModels) -> FakeModels:
    fake_models.forget()
    return fake_models


def _stream(
    fleet: Fleet, content: str, number: int, readers: int, seconds: float
) -> Sequence[Ended]:
    """Start so many chats, some of them with a reader, and wait until all are answered."""
    acts = [partial(fleet.new_chat, content, model=MODELS[at % 2]) for at in range(number)]
    all_at_once(acts[readers:])
    watch = partial(ask, fleet, content, seconds=seconds)
    read = all_at_once([partial(watch, MODELS[at % 2]) for at in range(readers)], at_once=readers)
    eventually(lambda: len(_stored(fleet)) == number, "every answer is there", seconds=seconds)
    return read


def test_a_hundred_and_fifty_streams_at_once_lose_nothing(
    make_fleet: MakeFleet, models: FakeModels, tmp_path: Path
) -> None:
    fleet = make_fleet(STEPWELL_CONFIG=str(declare_providers(tmp_path, models))).start()
    content = script(wait(2.5), slowly("tick ", DELTAS, 0.025))
    read = _stream(fleet, content, 150, readers=25, seconds=60)
    _check_nothing_is_lost(fleet, 150, read)
    # Each has a connection of its own while it streams; on a slow machine some end before others.
    assert len({seen.connection for seen in models.requests()}) > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_streams_at_once_lose_nothing(
    make_fleet: MakeFleet, models: FakeModels, tmp_path: Path
) -> None:
    settings = {"STEPWELL_WORKER_CONCURRENCY": "1000"}
    path = declare_providers(tmp_path, models)
    fleet = make_fleet(STEPWELL_CONFIG=str(path), **settings).start()
    worker = psutil.Process(fleet.workers[0].pid)
    idle, began = worker.memory_info().rss, sum(worker.cpu_times()[:2])
    content = script(wait(40.0), slowly("tick ", DELTAS, 0.25))
    read = _stream(fleet, content, 1000, readers=50, seconds=300)
    spent, held = sum(worker.cpu_times()[:2]) - began, worker.memory_info().rss - idle
    _check_nothing_is_lost(fleet, 1000, read)
    assert len({seen.connection for seen in models.requests()}) == 1000
    print(
        f"\n1000 streams of {DELTAS} deltas at once, none lost:"
        f" {spent:.1f} ms CPU a stream, {held / 2**20:.0f} MiB more than idle"
    )
