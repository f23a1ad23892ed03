"""What happens in the thread of a call: claim, run, record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunKey, RunState
from shared.chats.moves.open_calls import error_result
from shared.chats.moves.workers.claim_tool import Known
from shared.chats.rules.result_room import cut
from shared.tools.context import ToolContext
from workers.failpoints import Failpoint
from workers.tools.call import Call, Run
from workers.tools.deps import About, StepLedger, ToolDeps
from workers.tools.invoke import invoke
from workers.tools.output import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Runs calls of one step; safe between threads."""

    deps: ToolDeps
    about: About
    ledger: StepLedger

    def make(self, run: Run, begins: Callable[[], None]) -> ToolResultPart | None:
        """Run a call to its end; None = it was stopped. `begins` hears that its time runs.

        Raises what the ledger raises.
        """
        self.deps.reached(Failpoint.CLAIMING)
        if run.cancellation.cancelled:
            # Without a claim the call can run elsewhere, or is known not to have run.
            run.give_up()
            return None
        claimed = self.ledger.claim(run.call)
        self.deps.reached(Failpoint.CLAIMED)
        if isinstance(claimed, Known):
            run.end(claimed.result)
            return claimed.result
        if run.given_up:
            # The claim outlasted its step, through an outage: nobody would hear how it ended.
            return None
        begins()
        output = invoke(run.call.tool, run.call.arguments, self._context(run), self.deps.log)
        if output is None:
            run.give_up()
            return None
        whole = self._result(run.call, output)
        fitting = cut(whole, self.about.result_room)
        if not run.end(fitting):
            return None
        self.deps.reached(Failpoint.RAN)
        self._record(run, fitting, RunState.DONE, truncated=fitting is not whole)
        self.deps.reached(Failpoint.RECORDED)
        return fitting

    def seconds(self, call: Call) -> float:
        """Return the call's time limit."""
        return call.tool.timeout_seconds or self.deps.seconds

    def give_up(self, run: Run) -> ToolResultPart:
        """Return what stands for the result of a call whose time is over."""
        text = (
            f"The tool did not end within {self.seconds(run.call):g} s and was given up. Outcome"
            " unknown: it may have taken effect or not."
        )
        return error_result(run.call.asked, text, self.deps.now())

    def record_given_up(self, run: Run, result: ToolResultPart) -> None:
        """Write down that nobody knows how it ended. Raises what the ledger raises."""
        self._record(run, result, RunState.UNKNOWN, truncated=False)

    def _record(
        self, run: Run, result: ToolResultPart, state: RunState, *, truncated: bool
    ) -> None:
        self.ledger.record(run.call, result, state, truncated=truncated)

    def _context(self, run: Run) -> ToolContext:
        about, index = self.about, run.call.index
        key = RunKey(chat_id=about.chat_id, message_id=about.message_id, index=index)
        return ToolContext(
            chat_id=about.chat_id,
            turn_id=about.turn_id,
            owner=about.owner,
            labels=about.labels,
            deadline=self.deps.now() + timedelta(seconds=self.seconds(run.call)),
            idempotency_key=str(key),
            cancellation=run.cancellation,
        )

    def _result(self, call: Call, output: Output) -> ToolResultPart:
        asked = call.asked
        return ToolResultPart(
            tool_call_id=asked.tool_call_id,
            tool_name=asked.tool_name,
            result=output.result,
            is_error=output.is_error,
            is_media=output.is_media,
            created_at=self.deps.now(),
        )
