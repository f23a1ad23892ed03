"""Settles a step, through an outage of the database if need be: a finished answer is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from structlog.stdlib import BoundLogger

from shared.chats.machine.change import Change
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.errors import ChatNotFound, StaleFence
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Fence
from shared.chats.moves.workers.commit_calls import Commitment, Committed, commit_calls
from shared.chats.moves.workers.settle import Result, Settlement, settle
from shared.db.outage import is_outage
from workers.steps.outcome import Lost

T = TypeVar("T")

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Writes the end of steps; `sleep` and `clock` in seconds."""

    machine: ChatMachine
    outage_seconds: float
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    log: BoundLogger

    def settle(self, chat_id: ChatId, fence: Fence, result: Result) -> Settlement | Lost:
        """Write, and try again while the database is away.

        A COMMIT whose answer was lost is repeated too: had it been made, the fence says so.
        Raises what `insist` raises.
        """
        return self._write(chat_id, lambda change: settle(change, fence, result))

    def commit_calls(
        self, chat_id: ChatId, fence: Fence, commitment: Commitment
    ) -> Committed | Settlement | Lost:
        """Put an answer into the history whose calls are about to run.

        A settlement says that a person had stopped the step, which has ended by that.
        """
        return self._write(chat_id, lambda change: commit_calls(change, fence, commitment))

    def insist(self, act: Callable[[], T]) -> T:
        """Do something with the database, again and again while it is away.

        Raises what the database raises when it is no outage, or not over in time.
        """
        deadline = self.clock() + self.outage_seconds
        pause = _FIRST_SECONDS
        while True:
            try:
                return act()
            except SQLAlchemyError as error:
                if not is_outage(error) or self.clock() >= deadline:
                    raise
                self.log.warning("settle.postponed", seconds=pause, error=type(error).__name__)
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_SECONDS)

    def _write(self, chat_id: ChatId, move: Callable[[Change], T]) -> T | Lost:
        try:
            return self.insist(lambda: self.machine.update(chat_id, move)).value
        except (StaleFence, ChatNotFound):
            return Lost()
