"""Settling goes on through an outage of the database, for as long as it is told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import psycopg
import pytest
import structlog
from psycopg import errors
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.chats.machine.machine import ChatMachine, Updated
from shared.chats.model.errors import ChatNotFound, StaleFence
from shared.chats.model.statuses import Move
from shared.chats.moves.workers.settle import Finish, Result, Settlement
from tests.chats import new_chat
from tests.unit.steps.ending import begun
from workers.steps.outcome import Lost
from workers.steps.settler import Settler

BEGUN = begun()
RESULT = Result(ending=Finish(rows=()))
DONE = Updated(value=Settlement(move=Move.SETTLE_FINISH), chat=new_chat())

AWAY = OperationalError("COMMIT", {}, psycopg.OperationalError("gone"))
BAD = DBAPIError("INSERT", {}, errors.UntranslatableCharacter("NUL"))


@dataclass(slots=True)
class _Outage:
    """Stands for a machine, a clock and a sleep: it raises what it is given, then it settles."""

    raises: list[Exception]
    time: float = 0.0
    slept: list[float] = field(default_factory=list[float])
    tried: int = 0

    def update(self, *_: object) -> Updated[Settlement]:
        self.tried += 1
        if self.raises:
            raise self.raises.pop(0)
        return DONE

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def clock(self) -> float:
        return self.time

    def settle(self, outage_seconds: float = 120) -> Settlement | Lost:
        settler = Settler(
            machine=cast(ChatMachine, self),
            outage_seconds=outage_seconds,
            sleep=self.sleep,
            clock=self.clock,
            log=structlog.stdlib.get_logger(),
        )
        return settler.settle(BEGUN.chat.id, BEGUN.fence, RESULT)


def test_a_settle_that_works_is_made_once() -> None:
    outage = _Outage([])
    assert outage.settle() is DONE.value
    assert (outage.tried, outage.slept) == (1, [])


@pytest.mark.parametrize("error", [StaleFence, ChatNotFound])
def test_a_step_that_lost_its_chat_has_nothing_to_settle(
    error: Callable[[], Exception],
) -> None:
    outage = _Outage([error()])
    assert outage.settle() == Lost()
    assert outage.slept == []


def test_an_outage_is_waited_out_with_growing_pauses() -> None:
    outage = _Outage([AWAY] * 7)
    assert outage.settle() is DONE.value
    assert outage.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_commit_without_an_answer_that_was_made_all_the_same_is_found_by_the_fence() -> None:
    outage = _Outage([AWAY, StaleFence()])
    assert outage.settle() == Lost()
    assert outage.tried == 2


def test_an_outage_that_is_too_long_is_raised() -> None:
    outage = _Outage([AWAY] * 1000)
    with pytest.raises(OperationalError):
        outage.settle(outage_seconds=10)
    assert 10 <= outage.time <= 12


def test_what_is_no_outage_is_raised_at_once() -> None:
    outage = _Outage([BAD])
    with pytest.raises(DBAPIError):
        outage.settle()
    assert outage.slept == []
