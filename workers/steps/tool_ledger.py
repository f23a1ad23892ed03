"""The ledger as one step may write it: under its fence, and through an outage of the database."""

from dataclasses import dataclass
from functools import partial

from shared.chats.machine.effects import ToolResulted
from shared.chats.model.ids import ChatId, MessageId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState
from shared.chats.moves.workers.claim_tool import Claimed, Known, claim, record_run
from shared.tools.spec import Policy
from workers.steps.settler import Settler
from workers.tools.call import Call


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
        return self.settler.insist(partial(self._claim, call))

    def record(
        self, call: Call, result: ToolResultPart, state: RunState, *, truncated: bool
    ) -> None:
        """Write down, and count, what came of a claimed call; `truncated`: the result was cut."""
        self.settler.insist(partial(self._record, call, result, state, truncated))

    def _claim(self, call: Call) -> Claimed | Known:
        rerun = call.tool.policy is Policy.RERUN
        with self.settler.machine.begin(self.chat_id, self.worker_id) as change:
            return claim(change, self.fence, self._key(call), call.asked, rerun=rerun)

    def _record(self, call: Call, result: ToolResultPart, state: RunState, truncated: bool) -> None:
        with self.settler.machine.change(self.chat_id) as change:
            record_run(change, self.fence, self._key(call), result, state)
            change.effects.append(
                ToolResulted(
                    model=change.chat.model,
                    tool=call.tool.name,
                    result=result,
                    truncated=truncated,
                )
            )

    def _key(self, call: Call) -> RunKey:
        return RunKey(chat_id=self.chat_id, message_id=self.message_id, index=call.index)
