"""Every move that is built, as a function of a chat in any status."""

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy import text

from shared.chats.machine.change import Change
from shared.chats.model.ids import QueuedId
from shared.chats.model.parts import TextPart, ToolCallPart
from shared.chats.model.statuses import BusyBehavior, Move, Status
from shared.chats.model.timing import Spans
from shared.chats.moves.await_client import expire_action
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.fields import NewFields, set_fields
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.callers.send import send
from shared.chats.moves.callers.tool_results import (
    ClientResult,
    SubmittedResults,
    submit_tool_results,
)
from shared.chats.moves.workers.commit_calls import Commitment, commit_calls
from shared.chats.moves.workers.recover import (
    recover_interrupting,
    recover_running,
    recover_stranded,
)
from shared.chats.moves.workers.settle import (
    Ending,
    Failed,
    Finish,
    More,
    Released,
    RequireAction,
    Stopped,
)
from tests.chats import PASSING, TERMINAL, Bench, answer, call_row, said
from tests.integration.chats.stateful.setups import Standing

_LATE = text(
    "UPDATE chats SET requires_action_deadline_at = now() - interval '1 second', pending_calls ="
    " (SELECT jsonb_agg(jsonb_set(call, '{deadline_at}', '\"2020-01-01T00:00:00+00:00\"'))"
    " FROM jsonb_array_elements(pending_calls) call)"
    " WHERE id = :id AND status = 'requires_action'"
)

Perform = Callable[[Bench, Standing], object]

MISSING = QueuedId(-1)


def _update(act: Callable[[Change, Standing], object]) -> Perform:
    return lambda bench, standing: (
        bench.machine.update(standing.chat_id, lambda change: act(change, standing)).value
    )


def _send(busy: BusyBehavior) -> Perform:
    return _update(lambda change, _: send(change, said("and this"), busy))


def _fields(new: NewFields) -> Perform:
    return _update(lambda change, _: set_fields(change, new))


def _settle(ending: Callable[[Standing], Ending]) -> Perform:
    def perform(bench: Bench, standing: Standing) -> object:
        rows = (answer("partial", turn_id=standing.turn_id),)
        return bench.settle(standing.chat_id, standing.fence, ending(standing), partial=rows)

    return perform


def _deliver(bench: Bench, standing: Standing) -> object:
    return bench.deliver(standing.chat_id)


def _delete(bench: Bench, standing: Standing) -> object:
    bench.machine.delete(standing.chat_id)
    return None


def _submit(bench: Bench, standing: Standing) -> object:
    results = [ClientResult(tool_call_id=call_id, output="found") for call_id in ("a", "b")]
    submission = SubmittedResults(results=results, partial=False, canonical=b"these")
    return bench.machine.update(
        standing.chat_id,
        lambda change: submit_tool_results(change, submission),
    ).value


def _expire(bench: Bench, standing: Standing) -> object:
    with bench.engine.begin() as connection:
        connection.execute(_LATE, {"id": standing.chat_id})
    bench.machine.update(standing.chat_id, expire_action)
    return None


def _require_action(standing: Standing) -> Ending:
    row = call_row(standing.turn_id, "a", "b")
    calls = tuple(part for part in row.content if isinstance(part, ToolCallPart))
    return RequireAction(rows=(row,), calls=calls)


def _commit(bench: Bench, standing: Standing) -> object:
    commitment = Commitment(
        answer=call_row(standing.turn_id, "a", "b"),
        if_stopped=(answer("partial", turn_id=standing.turn_id),),
        spans=Spans(),
    )
    return bench.machine.update(
        standing.chat_id, lambda change: commit_calls(change, standing.fence, commitment)
    ).value


def _queued(standing: Standing) -> QueuedId:
    return standing.queued[-1] if standing.queued else MISSING


def _recover(bench: Bench, standing: Standing) -> object:
    match bench.chat(standing.chat_id).status:
        case Status.INTERRUPTING:
            move: Callable[[Change], None] = partial(
                recover_interrupting,
                fence=standing.fence,
                partial=(answer("buffered", turn_id=standing.turn_id),),
            )
        case Status.WAITING:
            move = recover_stranded
        case Status.PENDING:
            bench.age(standing.chat_id, "enqueued_at", 4)
            plan = bench.machine.sweep(lost_seconds=3, may_declare_death=False)
            return plan and plan.resent
        case _:
            move = partial(recover_running, fence=standing.fence)
    return bench.machine.update(standing.chat_id, move).value


PERFORM: Mapping[Move, Perform] = {
    Move.SEND_QUEUE: _send(BusyBehavior.QUEUE),
    Move.SEND_INTERRUPT: _send(BusyBehavior.INTERRUPT),
    Move.SEND_REJECT: _send(BusyBehavior.REJECT),
    Move.EDIT: _update(
        lambda change, standing: edit(change, standing.message_id, (TextPart(text="instead"),))
    ),
    Move.DELETE_QUEUED: _update(lambda change, at: delete_queued(change, _queued(at))),
    Move.PROMOTE_QUEUED: _update(lambda change, at: promote_queued(change, _queued(at))),
    Move.INTERRUPT: _update(lambda change, _: interrupt(change, clear_queue=False)),
    Move.RETRY: _update(lambda change, _: retry(change)),
    Move.SET_FIELDS: _fields(NewFields(title="another", labels={"a": "b"}, model="other")),
    Move.ARCHIVE: _fields(NewFields(archived=True)),
    Move.UNARCHIVE: _fields(NewFields(archived=False)),
    Move.DELETE: _delete,
    Move.SUBMIT_TOOL_RESULTS: _submit,
    Move.BEGIN: _deliver,
    Move.FAIL_LOST: _deliver,
    Move.COMMIT_CALLS: _commit,
    Move.SETTLE_MORE: _settle(lambda at: More(rows=(answer(turn_id=at.turn_id),))),
    Move.SETTLE_FINISH: _settle(lambda at: Finish(rows=(answer(turn_id=at.turn_id),))),
    Move.RECORD_RETRY: _settle(lambda _: Failed(failure=PASSING)),
    Move.SETTLE_FAIL: _settle(lambda _: Failed(failure=TERMINAL)),
    Move.RELEASE: _settle(lambda _: Released(counts_as_loss=False)),
    Move.FINISH_INTERRUPTION: _settle(lambda _: Stopped()),
    Move.SETTLE_REQUIRE_ACTION: _settle(_require_action),
    Move.EXPIRE_ACTION: _expire,
    Move.RECOVER: _recover,
}
"""CREATE has no status to start from; the moves that are missing besides it are not built."""

NOT_BUILT = frozenset(Move) - frozenset(PERFORM) - {Move.CREATE}
