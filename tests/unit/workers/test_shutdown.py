from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event

import pytest
from structlog.testing import capture_logs

from workers.shutdown import Shutdown

NEVER = 600.0
SOON_SECONDS = 5.0


class Noted:
    """What an ending did, in order."""

    def __init__(self) -> None:
        self._done: SimpleQueue[str] = SimpleQueue()

    def of(self, what: str) -> Callable[[], None]:
        return lambda: self._done.put(what)

    def next(self) -> str:
        return self._done.get(timeout=SOON_SECONDS)

    @property
    def is_empty(self) -> bool:
        return self._done.empty()


@pytest.fixture
def noted() -> Noted:
    return Noted()


@contextmanager
def started(
    noted: Noted,
    *,
    drain_seconds: float = NEVER,
    grace_seconds: float = NEVER,
    drain: Callable[[], None] | None = None,
) -> Generator[Shutdown, None, None]:
    ending = Shutdown(
        drain=drain or noted.of("drain"),
        force=noted.of("force"),
        drain_seconds=drain_seconds,
        grace_seconds=grace_seconds,
    )
    ending.start(noted.of("wake"))
    yield ending
    ending.ended()


def test_a_worker_that_ends_by_itself_is_left_alone(noted: Noted) -> None:
    with started(noted):
        pass
    assert noted.is_empty


def test_being_asked_wakes_the_worker(noted: Noted) -> None:
    with started(noted) as ending:
        ending.ask()
        assert noted.next() == "wake"
    assert noted.is_empty


@pytest.mark.parametrize("begun", [Shutdown.ask, Shutdown.begin])
def test_what_runs_after_the_drain_time_is_drained(
    noted: Noted, begun: Callable[[Shutdown], None]
) -> None:
    with started(noted, drain_seconds=0.0) as ending:
        begun(ending)
        assert [noted.next(), noted.next()] == ["wake", "drain"]
    assert noted.is_empty


def test_what_remains_after_the_grace_time_is_ended(noted: Noted) -> None:
    with started(noted, drain_seconds=0.0, grace_seconds=0.05) as ending:
        ending.begin()
        assert [noted.next(), noted.next(), noted.next()] == ["wake", "drain", "force"]


def test_each_further_signal_skips_a_wait(noted: Noted) -> None:
    with started(noted) as ending:
        for expected in ("wake", "drain", "force"):
            ending.ask()
            assert noted.next() == expected


def test_the_worker_closing_does_not_count_as_a_signal(noted: Noted) -> None:
    with started(noted) as ending:
        ending.ask()
        ending.begin()
        assert noted.next() == "wake"
    assert noted.is_empty


def test_a_drain_that_hangs_does_not_put_off_the_end(noted: Noted) -> None:
    free = Event()
    with started(noted, drain_seconds=0.0, grace_seconds=0.05, drain=lambda: _wait(free)) as ending:
        ending.begin()
        assert [noted.next(), noted.next()] == ["wake", "force"]
    free.set()


def test_a_drain_that_fails_is_logged(noted: Noted) -> None:
    def drain() -> None:
        noted.of("drain")()
        raise RuntimeError("no database")

    with (
        capture_logs() as logs,
        started(noted, drain_seconds=0.0, grace_seconds=0.2, drain=drain) as ending,
    ):
        ending.begin()
        assert [noted.next(), noted.next(), noted.next()] == ["wake", "drain", "force"]
    assert "worker.drain_failed" in [log["event"] for log in logs]


def test_an_ending_that_never_started_ends() -> None:
    noted = Noted()
    Shutdown(
        drain=noted.of("drain"), force=noted.of("force"), drain_seconds=0.0, grace_seconds=0.0
    ).ended()
    assert noted.is_empty


def _wait(event: Event) -> None:
    event.wait(SOON_SECONDS)
