"""The ledger as one step may write it: under its fence, and through an outage of the database."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.chats.machine.change import Change
from shared.chats.model.ids import ChatId, MessageId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState
from shared.chats.moves.workers.claim_tool import Claimed, Known, claim, record_run
from shared.chats.store.chats import LockedForBegin
from shared.tools.spec import Policy
from workers.steps.settler import Settler
from workers.tools.call import Call

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedLedger:
    """Writes for the calls of one message. Safe between threads."""

    settler: Settler
    fence: Fence
    worker_id: WorkerId
    chat_id: ChatId
    message_id: MessageId

    def claim(self, call: Call) -> Claimed | Known:
        """Claim a call before it runs; see `shared.chats.moves.workers.claim_tool.claim`."""

        def move(change: Change, locked: LockedForBegin) -> Claimed | Known:
            rerun = call.tool.policy is Policy.RERUN
            return claim(change, locked, self.fence, self._key(call), call.asked, rerun=rerun)

        machine = self.settler.machine
        return self._insist(lambda: machine.begin(self.chat_id, self.worker_id, move).value)

    def record(self, call: Call, result: ToolResultPart, state: RunState) -> None:
        """Write down what came of a claimed call."""

        def move(change: Change) -> None:
            record_run(change, self.fence, self._key(call), result, state)

        self._insist(lambda: self.settler.machine.update(self.chat_id, move))

    def _insist(self, act: Callable[[], T]) -> T:
        return self.settler.insist(act)

    def _key(self, call: Call) -> RunKey:
        return RunKey(chat_id=self.chat_id, message_id=self.message_id, index=call.index)
