"""Takes chats back that nobody drives any more, with what their stream has left behind."""

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from structlog.stdlib import BoundLogger

from shared.chats.machine.change import Change
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.errors import ChatNotFound, StaleFence
from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode, LeasedChat
from shared.chats.model.parts import Part
from shared.chats.model.statuses import Status
from shared.chats.moves.await_client import expire_action
from shared.chats.moves.workers.recover import (
    recover_interrupting,
    recover_running,
    recover_stranded,
)
from shared.chats.moves.workers.settle import Released, Result, settle
from shared.events.errors import BufferUnavailable
from shared.events.parts_buffer import seal_episode
from workers.steps.partial import partial_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Recovers one chat at a time, each under its fence: whoever comes second does nothing."""

    machine: ChatMachine
    redis: Redis
    log: BoundLogger

    def take_back(self, held: LeasedChat) -> bool:
        """Recover a chat of a dead worker; False = somebody else was faster."""
        if held.status is Status.INTERRUPTING:
            return self.finish_interruption(held)
        return self._update(held.chat_id, lambda change: recover_running(change, held.fence))

    def finish_interruption(self, held: LeasedChat) -> bool:
        """Finish an interruption with the parts that were buffered; False as above."""
        # Redis first: nothing is waited for while the row is locked.
        parts = self._said(held)

        def move(change: Change) -> None:
            chat = change.chat
            rows = partial_rows(
                parts, turn_id=chat.current_turn_id, model=chat.model, now=change.now
            )
            recover_interrupting(change, held.fence, rows)

        return self._update(held.chat_id, move)

    def release(self, held: LeasedChat) -> bool:
        """Give a chat back that this worker holds and does not run."""
        if held.status is Status.INTERRUPTING:
            return self.finish_interruption(held)
        result = Result(ending=Released(counts_as_loss=True))

        def move(change: Change) -> None:
            settle(change, held.fence, result)

        return self._update(held.chat_id, move)

    def promote(self, chat_id: ChatId) -> bool:
        """Go on with the queue of a chat that waits although it has one."""
        return self._update(chat_id, recover_stranded)

    def expire(self, chat_id: ChatId) -> int:
        """Answer the calls for which the client took too long; return how many those were."""
        try:
            return self.machine.update(chat_id, expire_action).value
        except ChatNotFound:
            return 0

    def _said(self, held: LeasedChat) -> tuple[Part, ...]:
        episode = Episode(history_version=held.fence.history_version, attempt=held.attempt)
        try:
            return seal_episode(self.redis, held.chat_id, episode)
        except BufferUnavailable as error:
            self.log.warning("recovery.parts_lost", chat_id=str(held.chat_id), error=str(error))
            return ()

    def _update(self, chat_id: ChatId, move: Callable[[Change], None]) -> bool:
        try:
            self.machine.update(chat_id, move)
        except (StaleFence, ChatNotFound):
            return False
        return True
