"""The rules of a chat's life: what people and two workers may do to it, in any order."""

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import Engine

from shared.chats.machine.change import Change
from shared.chats.model.ids import MessageId, TurnId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import NewMessage, Role
from shared.chats.model.parts import TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.statuses import LEASED, BusyBehavior, Status
from shared.chats.model.timing import Spans
from shared.chats.moves.await_client import expire_action
from shared.chats.moves.callers.fields import NewFields, set_fields
from shared.chats.moves.callers.tool_results import (
    ClientResult,
    SubmittedResults,
    submit_tool_results,
)
from shared.chats.moves.turns import Placed
from shared.chats.moves.workers.commit_calls import Commitment, Committed, commit_calls
from shared.chats.moves.workers.settle import (
    Ending,
    Failed,
    Finish,
    More,
    Released,
    RequireAction,
    Result,
    Stopped,
)
from shared.chats.store import workers
from tests.chats import PASSING, TERMINAL, register_worker, said
from tests.integration.chats.stateful.model import Model, Row
from tests.integration.chats.stateful.subject import Living, Moves, Step

COMPLETE = ("finish", "finish_empty", "more", "require_action")
BROKEN = ("fail", "retry", "release", "lost", "stopped")


class ChatLife(RuleBasedStateMachine):
    """The rules; `engine` and `moves` are given by a subclass that the test makes."""

    engine: Engine
    moves: Moves
    living: Living

    @initialize(goes_on=st.booleans())
    def start(self, goes_on: bool) -> None:
        self.living = Living.start(self.engine, goes_on=goes_on)

    def teardown(self) -> None:
        if hasattr(self, "living"):
            self.living.close()

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "living"):
            self.living.check()

    # What people do.

    @rule(busy=st.sampled_from(list(BusyBehavior)))
    def send(self, busy: BusyBehavior) -> None:
        name = self._fresh()
        self._place(
            name,
            lambda change: self.moves.send(change, said(name), busy),
            lambda model: model.send(name, busy.value),
        )

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        name = self._fresh()
        users = [at for at, row in enumerate(self._model.history) if row[0] == "user"]
        place = data.draw(st.sampled_from(users))
        message_id = self._message_ids()[place]
        content = (TextPart(text=name),)
        self._place(
            name,
            lambda change: self.moves.edit(change, message_id, content),
            lambda model: model.edit(place, name),
        )

    @precondition(lambda self: self.living.model.queue)
    @rule(data=st.data(), promote=st.booleans())
    def change_the_queue(self, data: st.DataObject, promote: bool) -> None:
        queue = self.living.bench.queue(self.living.chat_id)
        place = data.draw(st.integers(0, len(queue) - 1))
        move = self.moves.promote_queued if promote else self.moves.delete_queued
        self._attempt(
            lambda change: move(change, queue[place].id),
            lambda model: model.promote_queued(place) if promote else model.delete_queued(place),
        )

    @rule(clear=st.booleans())
    def interrupt(self, clear: bool) -> None:
        self._attempt(
            lambda change: self.moves.interrupt(change, clear_queue=clear),
            lambda model: model.interrupt(clear=clear),
        )

    @rule(what=st.sampled_from(["retry", "archive", "unarchive", "rename"]))
    def change_something_else(self, what: str) -> None:
        if what == "retry":
            self._retry()
            return
        title = f"title {self.living.number()}" if what == "rename" else None
        archived = {"archive": True, "unarchive": False}.get(what)
        new = NewFields(title=title, archived=archived)
        imagined = {
            "archive": Model.archive,
            "unarchive": Model.unarchive,
            "rename": Model.set_fields,
        }[what]
        self._attempt(lambda change: set_fields(change, new), imagined)

    @precondition(lambda self: self.living.model.status is Status.ERROR)
    @rule()
    def try_again(self) -> None:
        self._retry()

    @precondition(lambda self: self.living.model.status is Status.REQUIRES_ACTION)
    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        calls = self._model.calls
        ids = data.draw(st.lists(st.sampled_from(calls), min_size=1, unique=True))
        submission = SubmittedResults(
            results=[ClientResult(tool_call_id=id_, output="found") for id_ in ids],
            partial=True,
            canonical=str(self.living.number()).encode(),
        )
        self._attempt(
            lambda change: submit_tool_results(change, submission),
            lambda model: model.submit(ids),
        )

    # What the engine does.

    @precondition(lambda self: self.living.model.status is Status.PENDING)
    @rule(worker=st.sampled_from([0, 1]))
    def begin(self, worker: int) -> None:
        self.living.model.due = True
        self.living.bench.age(self.living.chat_id, "retry_at", 3600)
        self._deliver(worker)

    @precondition(lambda self: self.living.model.lease and not self.living.model.calls)
    @rule()
    def commit_calls(self) -> None:
        self._commit(self._holder())

    @precondition(lambda self: self.living.model.status in LEASED)
    @rule(kind=st.sampled_from(COMPLETE + BROKEN))
    def settle(self, kind: str) -> None:
        self._settle(self._holder(), kind)

    @rule(
        data=st.data(),
        worker=st.sampled_from([0, 1]),
        kind=st.sampled_from((*COMPLETE, *BROKEN, "commit")),
    )
    def come_late(self, data: st.DataObject, worker: int, kind: str) -> None:
        """A delivery, or the settling of any step that ever began, whatever has become of it."""
        step = data.draw(st.sampled_from([None, *self.living.steps[-4:]]))
        if step is None:
            self._deliver(worker)
        elif kind == "commit":
            self._commit(step)
        else:
            self._settle(step, kind)

    @precondition(lambda self: self.living.model.status in LEASED)
    @rule(how=st.sampled_from(["killed", "killed", "overdue", "looked at"]))
    def lose_the_worker(self, how: str) -> None:
        living = self.living
        if how == "killed":
            self._kill()
        elif how == "overdue":
            living.bench.age(living.chat_id, "interrupting_since", 16)
        plan = living.sweep()
        expected = how == "overdue" and self._model.status is Status.INTERRUPTING
        assert [len(plan.orphaned), len(plan.overdue)] == [how == "killed", expected]
        for held in (*plan.orphaned, *plan.overdue):
            self._recover(held.fence, held.status)

    @rule()
    def lose_the_message(self) -> None:
        living = self.living
        living.bench.age(living.chat_id, "enqueued_at", 10_000)
        due = self._model.status is Status.PENDING and self._model.due
        assert living.sweep(lost_seconds=10).resent == ((living.chat_id,) if due else ())

    @precondition(lambda self: self.living.model.status is Status.REQUIRES_ACTION)
    @rule()
    def expire(self) -> None:
        self.living.bench.execute(
            "UPDATE chats SET pending_calls = (SELECT jsonb_agg(jsonb_set(call,"
            """ '{deadline_at}', '"2020-01-01T00:00:00+00:00"'))"""
            " FROM jsonb_array_elements(pending_calls) call) WHERE id = :id",
            id=self.living.chat_id,
        )
        self._attempt(expire_action, lambda model: model.expire())

    # How it is done.

    @property
    def _model(self) -> Model:
        return self.living.model

    def _fresh(self) -> str:
        return f"m{self.living.number()}"

    def _attempt(
        self, move: Callable[[Change], object], imagined: Callable[[Model], object]
    ) -> object:
        return self.living.attempt(lambda: self.living.move(move), imagined)

    def _place(
        self, name: str, move: Callable[[Change], object], imagined: Callable[[Model], object]
    ) -> None:
        placed = self._attempt(move, imagined)
        if isinstance(placed, Placed):
            self.living.names[placed.turn_id] = name

    def _retry(self) -> None:
        self._attempt(self.moves.retry, Model.retry)

    def _deliver(self, worker: int) -> None:
        number = self.living.number()
        self.living.attempt(
            lambda: self.living.deliver(self.moves, worker), lambda model: model.begin(number)
        )

    def _kill(self) -> None:
        held = self.living.bench.chat(self.living.chat_id).worker_id
        [worker] = [at for at, id_ in enumerate(self.living.workers) if id_ == held]
        workers.mark_own_dead(self.engine, self.living.workers[worker])
        self.living.workers[worker] = register_worker(self.engine)

    def _message_ids(self) -> list[MessageId]:
        return [row.id for row in self.living.bench.history(self.living.chat_id)]

    def _holder(self) -> Step:
        [step] = [one for one in self.living.steps if one.number == self._model.lease]
        return step

    def _commit(self, step: Step) -> None:
        """Commit an answer with calls; once more, it finds what it wrote."""
        living, turn_id = self.living, self._turn_id(step.turn)
        if self._model.calls and step.number == self._model.lease:
            return  # a step asks its model once
        number, following = living.number(), living.number()
        calls = [f"c{number}a", f"c{number}b"]
        [row] = _rows(turn_id, "calls", calls)
        kept = _kept(turn_id, "calls", calls)
        said: Row = ("assistant", step.turn, ",".join(calls))
        found = self._attempt(
            lambda change: commit_calls(
                change, step.fence, Commitment(answer=row, if_stopped=kept, spans=Spans())
            ),
            lambda model: model.commit_calls(step.number, following, said, calls),
        )
        if isinstance(found, Committed) and self._model.lease == following:
            living.steps.append(Step(number=following, fence=found.fence, turn=step.turn))
        elif isinstance(found, Committed):
            assert found.fence == self._holder().fence

    def _settle_calls(self, step: Step, kind: str) -> None:
        """End a step whose calls are committed: with their results, or without."""
        ids = list(self._model.calls)
        results = tuple(
            ToolResultPart(tool_call_id=id_, tool_name="look", result="found") for id_ in ids
        )
        row = NewMessage(role=Role.TOOL, content=results, turn_id=self._turn_id(step.turn))
        complete = kind in COMPLETE or kind == "retry"
        ending = More(rows=(row,)) if complete else _ending(kind, ())
        said: Row | None = ("tool", step.turn, ",".join(ids)) if complete else None

        def imagine(model: Model) -> None:
            left = [] if complete else ids
            model.settle(step.number, "results" if complete else kind, said, left)
            if kind == "lost" and self._model.status is Status.RUNNING:
                model.losses += 1

        result = Result(ending=ending)
        self._attempt(lambda change: self.moves.settle(change, step.fence, result), imagine)

    def _settle(self, step: Step, kind: str) -> None:
        if self._model.calls and step.number == self._model.lease:
            self._settle_calls(step, kind)
            return
        number, turn_id = self.living.number(), self._turn_id(step.turn)
        calls = [f"c{number}a", f"c{number}b"] if kind == "require_action" else []
        text = "" if kind == "finish_empty" else f"a{number}"
        row: Row | None = ("assistant", step.turn, ",".join(calls) or text) if text else None
        rows = _rows(turn_id, text, calls)
        ending = _ending(kind, rows)
        result = Result(ending=ending, partial=_kept(turn_id, text, calls))
        imagined = {"finish_empty": "finish", "lost": "lost"}.get(kind, kind)

        def imagine(model: Model) -> None:
            model.settle(step.number, imagined, row, calls)
            if kind == "lost" and self._model.status is Status.RUNNING:
                model.losses += 1

        self._attempt(lambda change: self.moves.settle(change, step.fence, result), imagine)

    def _recover(self, fence: Fence, status: Status) -> None:
        [step] = [one for one in self.living.steps if one.fence == fence]
        # With calls open the episode has no answer of its own, so that nothing was buffered.
        text = "" if self._model.calls else f"p{self.living.number()}"
        rows = _rows(self._turn_id(step.turn), text, [])
        move: Callable[[Change], object]
        if status is Status.INTERRUPTING:
            move = partial(self.moves.recover_interrupting, fence=fence, partial=rows)
        else:
            move = partial(self.moves.recover_running, fence=fence)
        row = ("assistant", step.turn, text) if text else None
        self._attempt(move, lambda model: model.recover(step.number, row))

    def _turn_id(self, name: str) -> TurnId:
        [turn_id] = [id_ for id_, known in self.living.names.items() if known == name]
        return turn_id


def _rows(turn_id: TurnId, text: str, calls: list[str]) -> tuple[NewMessage, ...]:
    parts = [ToolCallPart(tool_call_id=id_, tool_name="look", args={}) for id_ in calls]
    content = tuple(parts) or (TextPart(text=text),)
    row = NewMessage(role=Role.ASSISTANT, content=content, turn_id=turn_id, model="scripted")
    return (row,) if text else ()


def _kept(turn_id: TurnId, text: str, calls: list[str]) -> tuple[NewMessage, ...]:
    """Return what is kept of a step that was stopped: no call is left open."""
    results = tuple(
        ToolResultPart(tool_call_id=id_, tool_name="look", result="not run") for id_ in calls
    )
    tool = NewMessage(role=Role.TOOL, content=results, turn_id=turn_id)
    return (*_rows(turn_id, text, calls), *((tool,) if results else ()))


def _ending(kind: str, rows: tuple[NewMessage, ...]) -> Ending:
    match kind:
        case "finish" | "finish_empty":
            return Finish(rows=rows)
        case "more":
            return More(rows=rows)
        case "require_action":
            calls = tuple(part for part in rows[0].content if isinstance(part, ToolCallPart))
            return RequireAction(rows=rows, calls=calls)
        case "fail":
            return Failed(failure=TERMINAL)
        case "retry":
            return Failed(failure=PASSING)
        case "release" | "lost":
            return Released(counts_as_loss=kind == "lost")
        case _:
            return Stopped()
