"""The one door: all of a move or nothing, effects after the commit, and what the table enforces."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import structlog
from sqlalchemy.exc import IntegrityError, StatementError
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.effects import Cancel, Changed, EffectFailed, Effects, Hint
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.errors import ChatNotFound, KeyTaken, QueueFull
from shared.chats.model.ids import ChatId
from shared.chats.model.parts import TextPart, ToolCallPart
from shared.chats.model.statuses import BusyBehavior, Status
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.fields import NewFields, set_fields, set_title_by_model
from shared.chats.moves.callers.send import create
from shared.chats.moves.workers.settle import Finish
from shared.metrics.metrics import Metrics
from tests.chats import LONG_SECONDS, Bench, answer, new_chat, open_bench, said, start_chat
from tests.integration.chats.stateful.setups import put


@dataclass(slots=True)
class _Watcher:
    """Looks at the database at the moment an effect is sent, on a connection of its own."""

    bench: Bench
    seen: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def _look(self, what: str, chat_id: ChatId) -> None:
        self.seen.append((what, self.bench.chat(chat_id).snapshot_version))

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        del countdown_seconds, background
        self._look("enqueue", chat_id)

    def publish(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            self._look(type(hint).__name__, hint.chat_id)


@dataclass(slots=True)
class _Broken:
    """A broker and a Redis that are away."""

    tried: int = 0

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        del chat_id, countdown_seconds, background
        self.tried += 1
        raise EffectFailed("the broker is away")

    def publish(self, hints: Sequence[Hint]) -> None:
        del hints
        self.tried += 1
        raise EffectFailed("Redis is away")


def _machine(bench: Bench, out: _Watcher | _Broken) -> ChatMachine:
    log = structlog.stdlib.get_logger()
    effects = Effects(dispatcher=out, notifier=out, metrics=Metrics.noop(), providers={}, log=log)
    return replace(bench.machine, effects=effects)


def test_effects_leave_after_the_commit_the_delivery_first(bench: Bench) -> None:
    watcher = _Watcher(bench=bench)
    created = start_chat(_machine(bench, watcher))
    assert created.chat.snapshot_version == 1
    assert watcher.seen == [("enqueue", 1), ("Changed", 1)]


def test_what_is_rolled_back_sends_nothing(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    before = bench.rows(standing.chat_id)
    sent = len(bench.recorder.sent), len(bench.recorder.hints)

    def move(change: Change) -> None:
        change.insert([answer(turn_id=None)])
        change.wake()
        raise QueueFull(limit=1)

    with pytest.raises(QueueFull):
        bench.machine.update(standing.chat_id, move)
    assert bench.rows(standing.chat_id) == before
    assert (len(bench.recorder.sent), len(bench.recorder.hints)) == sent


def test_what_fails_behind_the_write_takes_the_move_back(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    before = bench.rows(standing.chat_id)

    def move(change: Change) -> None:
        set_fields(change, NewFields(title="new"))
        assert change.write().title == "new"
        raise QueueFull(limit=1)

    with pytest.raises(QueueFull):
        bench.machine.update(standing.chat_id, move)
    assert bench.rows(standing.chat_id) == before


def test_a_dead_broker_is_logged_and_nothing_more(bench: Bench) -> None:
    broken = _Broken()
    with capture_logs() as logs:
        created = start_chat(_machine(bench, broken))
    assert bench.chat(created.chat.id).status is Status.PENDING
    assert broken.tried == 2
    assert [entry["event"] for entry in logs] == [
        "effects.enqueue_failed",
        "effects.publish_failed",
    ]


def test_a_stop_tells_the_worker_under_which_lease(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    bench.recorder.hints.clear()
    bench.say(standing.chat_id, "stop", BusyBehavior.INTERRUPT)
    [cancel, changed] = bench.recorder.hints
    assert cancel == Cancel(
        worker_id=bench.worker_id,
        chat_id=standing.chat_id,
        lease_id=standing.fence.lease_id,
        reason="interrupted",
    )
    assert isinstance(changed, Changed)


@pytest.mark.parametrize("how", ["edit", "delete"])
@pytest.mark.parametrize("status", [Status.RUNNING, Status.INTERRUPTING])
def test_a_step_that_lost_its_chat_is_told_that_nothing_is_kept(
    bench: Bench, status: Status, how: str
) -> None:
    standing = put(bench, status)
    bench.recorder.hints.clear()
    if how == "edit":
        content = (TextPart(text="instead"),)
        bench.machine.update(
            standing.chat_id, lambda change: edit(change, standing.message_id, content)
        )
    else:
        bench.machine.delete(standing.chat_id)
    cancels = [hint for hint in bench.recorder.hints if isinstance(hint, Cancel)]
    assert [(cancel.lease_id, cancel.reason) for cancel in cancels] == [
        (standing.fence.lease_id, "fenced")
    ]


def test_deleting_tells_the_watchers(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    bench.recorder.hints.clear()
    bench.machine.delete(standing.chat_id)
    assert [type(hint) for hint in bench.recorder.hints] == [Changed]
    with pytest.raises(ChatNotFound):
        bench.machine.delete(standing.chat_id)


def test_the_key_of_a_chat_is_its_owners_own(bench: Bench) -> None:
    start_chat(bench.machine, key="ticket-1")
    start_chat(bench.machine, key="ticket-1", owner="bob")
    with pytest.raises(KeyTaken) as taken:
        start_chat(bench.machine, key="ticket-1")
    assert taken.value.key == "ticket-1"


def test_a_chat_that_can_not_be_created_leaves_nothing(bench: Bench) -> None:
    none = open_bench(bench.engine, limits=Limits(max_queued=1, death_seconds=LONG_SECONDS))
    chat = new_chat()

    def begin_and_fail() -> None:
        with none.machine.create(chat) as change:
            create(change, said("hello"))
            raise QueueFull(limit=1)

    with pytest.raises(QueueFull):
        begin_and_fail()
    assert not any(none.rows(chat.id).values())
    assert none.recorder.sent == []


def test_what_was_said_does_not_get_into_an_error_of_the_database(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    row = answer("a secret", turn_id=standing.turn_id)
    with pytest.raises(StatementError) as error:
        bench.settle(
            standing.chat_id,
            standing.fence,
            Finish(rows=(replace(row, author="\x00"),)),
        )
    assert "a secret" not in repr(error.value) + str(error.value)


LEASED_ROW = {"lease_id": str(uuid7()), "worker_id": str(uuid7())}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("columns", [(), ("lease_id",), ("worker_id",), ("lease_id", "worker_id")])
def test_the_table_takes_a_lease_exactly_where_one_is_held(
    bench: Bench, status: Status, columns: tuple[str, ...]
) -> None:
    chat_id = bench.start()
    values = ", ".join(f"{name} = '{LEASED_ROW[name]}'" for name in columns)
    sql = f"UPDATE chats SET status = '{status}'{', ' if values else ''}{values} WHERE id = :id"
    leased = status in (Status.RUNNING, Status.INTERRUPTING)
    if len(columns) == (2 if leased else 0):
        bench.execute(sql, id=chat_id)
        return
    with pytest.raises(IntegrityError, match="chats_lease_check"):
        bench.execute(sql, id=chat_id)


@pytest.mark.parametrize(
    ("sql", "constraint"),
    [
        ("UPDATE chats SET status = 'asleep' WHERE id = :id", "chats_status_check"),
        ("UPDATE chats SET archived = true WHERE id = :id", "chats_archived_check"),
        ("UPDATE turns SET status = 'asleep' WHERE chat_id = :id", "turns_status_check"),
        ("UPDATE messages SET role = 'nobody' WHERE chat_id = :id", "messages_role_check"),
        ("UPDATE messages SET visibility = 'x' WHERE chat_id = :id", "messages_visibility_check"),
    ],
)
def test_the_tables_take_no_other_words(bench: Bench, sql: str, constraint: str) -> None:
    chat_id = bench.start()
    with pytest.raises(IntegrityError, match=constraint):
        bench.execute(sql, id=chat_id)


def test_a_title_by_the_model_comes_once_and_never_over_a_persons(bench: Bench) -> None:
    chat_id = bench.start()
    bench.machine.update(chat_id, lambda change: set_title_by_model(change, "first"))
    bench.machine.update(chat_id, lambda change: set_title_by_model(change, "second"))
    assert bench.chat(chat_id).title == "first"
    mine = bench.start()
    bench.machine.update(mine, lambda change: set_fields(change, NewFields(title="mine")))
    bench.machine.update(mine, lambda change: set_title_by_model(change, "first"))
    assert bench.chat(mine).title == "mine"


def test_an_archived_chat_keeps_its_title(bench: Bench) -> None:
    standing = put(bench, Status.WAITING)
    bench.machine.update(
        standing.chat_id, lambda change: set_fields(change, NewFields(archived=True))
    )
    before = bench.rows(standing.chat_id)
    bench.machine.update(standing.chat_id, lambda change: set_title_by_model(change, "late"))
    assert bench.rows(standing.chat_id) == before


@pytest.mark.parametrize(
    "text",
    ["NUL \x00 here", "half a pair \ud83d", "\udca9 the other half", "whole 💩"],
)
def test_what_a_model_says_can_always_be_stored(bench: Bench, text: str) -> None:
    standing = put(bench, Status.RUNNING)
    row = replace(
        answer(turn_id=standing.turn_id),
        provider_response_id=text,
        content=(
            TextPart(text=text, provider_metadata={text: [text, {"deep": text}]}),
            ToolCallPart(tool_call_id="c", tool_name="look", args={"said": [text]}),
        ),
    )
    bench.settle(standing.chat_id, standing.fence, Finish(rows=(row,)))
    stored = bench.history(standing.chat_id)[-1].content
    [said_part, call] = stored
    assert isinstance(said_part, TextPart)
    assert isinstance(call, ToolCallPart)
    expected = "".join("�" if one in "\x00\ud83d\udca9" else one for one in text)
    assert said_part.text == expected
    assert said_part.provider_metadata == {expected: [expected, {"deep": expected}]}
    assert call.args == {"said": [expected]}


def test_an_integer_of_any_length_can_be_stored(bench: Bench) -> None:
    standing = put(bench, Status.RUNNING)
    call = ToolCallPart(tool_call_id="c", tool_name="add", args={"number": 2**80})
    row = replace(answer(turn_id=standing.turn_id), content=(call,))
    bench.settle(standing.chat_id, standing.fence, Finish(rows=(row,)))
    [stored] = bench.history(standing.chat_id)[-1].content
    assert isinstance(stored, ToolCallPart)
    assert stored.args == {"number": float(2**80)}
