"""A chat that lives beside its model: every move is made on both, and both are compared."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.limits import Limits
from shared.chats.model.errors import ChatsError
from shared.chats.model.ids import ChatId, LeaseId, TurnId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.statuses import ENDED, LEASED, Status
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt, retry
from shared.chats.moves.callers.queue import delete_queued, promote_queued
from shared.chats.moves.callers.send import send
from shared.chats.moves.workers.begin import Begun, begin
from shared.chats.moves.workers.recover import recover_interrupting, recover_running
from shared.chats.moves.workers.settle import settle
from shared.chats.store import codec
from shared.chats.store.sweep import SweepPlan
from shared.jsonvalue import JsonObject
from tests.chats import LONG_SECONDS, Bench, open_bench, register_worker, start_chat
from tests.integration.chats.stateful.model import Model, Refusal, Refused, Row

T = TypeVar("T")

LIMITS = Limits(max_queued=3, max_failures=3, max_losses=3, death_seconds=LONG_SECONDS)
REFUSALS = frozenset(refusal.value for refusal in Refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The rules under test; a test of the test swaps one for a broken one."""

    send: Callable[..., object] = send
    edit: Callable[..., object] = edit
    delete_queued: Callable[..., object] = delete_queued
    promote_queued: Callable[..., object] = promote_queued
    interrupt: Callable[..., object] = interrupt
    retry: Callable[..., object] = retry
    begin: Callable[..., object] = begin
    settle: Callable[..., object] = settle
    recover_running: Callable[..., object] = recover_running
    recover_interrupting: Callable[..., object] = recover_interrupting


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that has begun, and that may believe itself under way for ever."""

    number: int
    fence: Fence
    turn: str


@dataclass(slots=True)
class Living:
    """One chat, two workers, and what the chat ought to look like."""

    bench: Bench
    chat_id: ChatId
    model: Model
    names: dict[TurnId, str]
    workers: list[WorkerId]
    steps: list[Step] = field(default_factory=list[Step])
    episodes: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    versions: dict[str, int] = field(default_factory=dict[str, int])
    ended: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    numbers: int = 0

    @classmethod
    def start(cls, engine: Engine, *, goes_on: bool) -> "Living":
        bench = open_bench(engine, limits=LIMITS)
        created = start_chat(bench.machine, "m0", on_error="continue" if goes_on else "hold")
        model = Model(
            first="m0",
            goes_on=goes_on,
            max_queued=LIMITS.max_queued,
            max_failures=LIMITS.max_failures,
            max_losses=LIMITS.max_losses,
        )
        return cls(
            bench=bench,
            chat_id=created.chat.id,
            model=model,
            names={created.value.turn_id: "m0"},
            workers=[register_worker(engine), register_worker(engine)],
        )

    def close(self) -> None:
        """Leave nothing for the rounds of other chats to find."""
        self.bench.machine.delete(self.chat_id)
        self.bench.execute("DELETE FROM workers")

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def move(self, move: Callable[[Change], T]) -> T:
        return self.bench.machine.update(self.chat_id, move).value

    def attempt(self, real: Callable[[], T], imagined: Callable[[Model], object]) -> T | None:
        """Make a move on both sides; what the model refuses must be refused, and change nothing."""
        model = copy.deepcopy(self.model)
        why: Refusal | None = None
        try:
            imagined(model)
        except Refused as refused:
            why = refused.why
        before = None if why is None else self.rows()
        result: T | None = None
        try:
            result = real()
            found = type(result).__name__
        except ChatsError as error:
            found = type(error).__name__
        if why is None:
            assert found not in REFUSALS, f"{found}, which the model does not expect"
            self.model = model
            return result
        assert found == why.value, f"{found} where the model expects {why.value}"
        assert self.rows() == before, "a refused move has changed something"
        return None

    def deliver(self, moves: Moves, worker: int) -> object:
        lease_id, worker_id = LeaseId(uuid7()), self.workers[worker]
        with self.bench.machine.begin(self.chat_id, worker_id) as change:
            result = moves.begin(change, worker_id=worker_id, lease_id=lease_id)
        if isinstance(result, Begun):
            episode = astuple(result.chat.episode)
            assert episode not in self.episodes, "an episode was used twice"
            self.episodes.add(cast("tuple[int, int]", episode))
            turn_id = result.chat.current_turn_id
            assert turn_id is not None
            step = Step(number=self.numbers, fence=result.fence, turn=self.names[turn_id])
            self.steps.append(step)
        return result

    def sweep(self, *, lost_seconds: float = LONG_SECONDS) -> SweepPlan:
        plan = self.bench.machine.sweep(lost_seconds=lost_seconds, may_declare_death=False)
        assert plan is not None
        return plan

    def rows(self) -> dict[str, list[JsonObject]]:
        return self.bench.rows(self.chat_id)

    def check(self) -> None:
        """Compare with the model, and check what holds whatever the model says."""
        rows = self.rows()
        [chat] = rows["chats"]
        self._compare(chat, rows)
        self._check_row(chat, rows)
        self._check_versions(chat, rows)
        self._check_turns(rows["turns"])

    def _compare(self, chat: JsonObject, rows: Mapping[str, list[JsonObject]]) -> None:
        model = self.model
        assert chat["status"] == model.status.value
        assert chat["archived"] == model.archived
        assert self._name(chat["current_turn_id"]) == model.current
        queue = [
            (self._name(row["turn_id"]), row["interrupting"])
            for row in sorted(rows["queued_messages"], key=_place)
        ]
        assert queue == model.queue
        history = [self._row(row) for row in rows["messages"] if row["deleted_at"] is None]
        assert history == model.history
        turns = {self._name(row["id"]): row["status"] for row in rows["turns"]}
        assert turns == {name: status.value for name, status in model.turns.items()}
        if model.status in (Status.PENDING, Status.RUNNING):
            assert (chat["failures"], chat["losses"]) == (model.failures, model.losses)

    def _check_row(self, chat: JsonObject, rows: Mapping[str, list[JsonObject]]) -> None:
        leased = chat["status"] in LEASED
        assert (chat["lease_id"] is not None) == leased
        assert (chat["worker_id"] is not None) == leased
        assert (chat["interrupting_since"] is not None) == (chat["status"] == "interrupting")
        assert chat["queue_length"] == len(rows["queued_messages"])
        assert (chat["last_error"] is not None) == (chat["status"] == "error")
        assert (chat["retry_state"] is None) == (chat["retry_at"] is None)
        assert chat["retry_state"] is None or chat["status"] == "pending"
        waiting = chat["status"] == "requires_action"
        assert bool(chat["pending_calls"]) == waiting
        assert (chat["requires_action_deadline_at"] is not None) == waiting

    def _check_versions(self, chat: JsonObject, rows: Mapping[str, list[JsonObject]]) -> None:
        versions = {name: _int(value) for name, value in chat.items() if name.endswith("_version")}
        snapshot = versions["snapshot_version"]
        for name, version in versions.items():
            assert self.versions.get(name, 0) <= version <= snapshot, name
        self.versions = versions
        ids = [_int(row["id"]) for row in rows["messages"]]
        assert ids == sorted(ids)
        assert all(_int(row["revision"]) <= versions["history_version"] for row in rows["messages"])
        assert chat["last_message_id"] == ids[-1]

    def _check_turns(self, turns: list[JsonObject]) -> None:
        for row in turns:
            name, ended = self._name(row["id"]), row["status"] in ENDED
            assert (row["ended_at"] is not None) == ended, name
            paused = row["status"] == "requires_action"
            assert (row["outcome_revision"] is not None) == (ended or paused), name
            if ended:
                self._check_ended(name, row)
            else:
                self.ended.pop(str(name), None)

    def _check_ended(self, name: str | None, row: JsonObject) -> None:
        assert self.ended.setdefault(str(name), row) == row, "a turn has ended twice"
        time = codec.load_turn_time(cast(JsonObject, row["time"]))
        length = (_time(row["ended_at"]) - _time(row["created_at"])).total_seconds()
        assert abs(sum(astuple(time)) - length) <= max(length / 100, 0.000_01), name

    def _name(self, turn_id: object) -> str | None:
        return None if turn_id is None else self.names[TurnId(UUID(str(turn_id)))]

    def _row(self, row: JsonObject) -> Row:
        parts = cast("list[dict[str, str]]", row["content"])
        words = [part["text"] if "text" in part else part["tool_call_id"] for part in parts]
        return str(row["role"]), str(self._name(row["turn_id"])), ",".join(words)


def _place(row: JsonObject) -> tuple[bool, int]:
    return not row["interrupting"], _int(row["position"])


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value))
