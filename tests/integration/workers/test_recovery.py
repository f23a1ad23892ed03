"""Chats that nobody drives any more are taken back, once, with what their stream left behind."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import pytest
import structlog
from redis import Redis

from shared.chats.model.ids import ChatId
from shared.chats.model.lease import Episode, LeasedChat
from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, TextPart, ToolResultPart
from shared.chats.model.statuses import BusyBehavior, Status
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.chats.moves.workers.settle import Finish
from shared.events.channels import parts_key
from shared.events.types import Delta, PartEntry, StreamedCall
from shared.events.wire import ENTRY_FIELD, encode_entry
from shared.redis.connection import open_redis
from tests.chats import Bench, open_bench, register_worker
from tests.integration.workers.watch import Watch
from workers.recovery.recovery import Recovery


@pytest.fixture
def bench(watch: Watch) -> Bench:
    """A bench with a worker beside the watched one, for it to die."""
    return open_bench(watch.recovery.machine.engine)


def _hold(bench: Bench, status: Status = Status.RUNNING) -> LeasedChat:
    chat_id = bench.start()
    begun = bench.begin(chat_id)
    if status is Status.INTERRUPTING:
        bench.machine.update(chat_id, partial(interrupt, clear_queue=False))
    return LeasedChat(chat_id=chat_id, fence=begun.fence, status=status, attempt=1)


def _buffer(redis: Redis, held: LeasedChat, entries: Sequence[tuple[int, Delta]]) -> None:
    """Write the parts of a step as its worker does, so many as reached Redis."""
    key = parts_key(held.chat_id, _episode(held))
    for seq, delta in entries:
        index = 0 if isinstance(delta, TextPart) else 1
        entry = PartEntry(seq=seq, first_seq=seq, index=index, role=Role.ASSISTANT, delta=delta)
        redis.xadd(key, {ENTRY_FIELD: encode_entry(entry)}, id=f"{seq}-0")  # pyright: ignore[reportUnknownMemberType]  # untyped


def _episode(held: LeasedChat) -> Episode:
    return Episode(history_version=held.fence.history_version, attempt=held.attempt)


def _last(bench: Bench, chat_id: ChatId) -> list[tuple[Role, tuple[Part, ...]]]:
    return [(row.role, row.content) for row in bench.history(chat_id)[1:]]


def test_a_running_step_of_a_dead_worker_runs_again(bench: Bench, watch: Watch) -> None:
    held = _hold(bench)
    assert watch.recovery.take_back(held)
    chat = bench.chat(held.chat_id)
    assert (chat.status, chat.losses, chat.failures) == (Status.PENDING, 1, 0)
    assert chat.enqueued_at == chat.updated_at
    assert chat.generation_attempt == 1


def test_whoever_comes_second_does_nothing(bench: Bench, watch: Watch) -> None:
    held = _hold(bench)
    assert watch.recovery.take_back(held)
    before = bench.rows(held.chat_id)
    assert not watch.recovery.take_back(held)
    assert not watch.recovery.release(held)
    assert bench.rows(held.chat_id) == before


def test_a_step_that_settled_meanwhile_is_left_alone(bench: Bench, watch: Watch) -> None:
    held = _hold(bench)
    bench.settle(held.chat_id, held.fence, Finish(rows=()))
    before = bench.rows(held.chat_id)
    assert not watch.recovery.take_back(held)
    assert bench.rows(held.chat_id) == before


def test_a_step_that_was_stopped_meanwhile_is_left_for_the_next_round(
    bench: Bench, watch: Watch
) -> None:
    held = _hold(bench)
    bench.machine.update(held.chat_id, partial(interrupt, clear_queue=False))
    assert not watch.recovery.take_back(held)
    assert bench.chat(held.chat_id).status is Status.INTERRUPTING


def test_a_chat_that_is_gone_is_nobodys(bench: Bench, watch: Watch) -> None:
    held, stopped = _hold(bench), _hold(bench, Status.INTERRUPTING)
    for one in (held, stopped):
        bench.machine.delete(one.chat_id)
        assert not watch.recovery.take_back(one)
    assert not watch.recovery.promote(held.chat_id)


def test_an_interruption_is_finished_with_the_buffered_parts(
    bench: Bench, watch: Watch, redis: Redis
) -> None:
    held = _hold(bench, Status.INTERRUPTING)
    call = StreamedCall(tool_call_id="c", tool_name="look", args_delta='{"a"')
    _buffer(redis, held, [(1, TextPart(text="as far ")), (2, TextPart(text="as")), (3, call)])
    assert watch.recovery.take_back(held)
    (said, results) = _last(bench, held.chat_id)
    assert said[0] is Role.ASSISTANT
    assert said[1][0] == TextPart(text="as far as")
    [result] = results[1]
    assert isinstance(result, ToolResultPart)
    assert (result.tool_call_id, result.is_error) == ("c", True)
    row = bench.history(held.chat_id)[1]
    assert (row.interrupted, row.usage, row.model) == (True, None, "scripted")
    assert bench.chat(held.chat_id).status is Status.WAITING


@pytest.mark.parametrize(("seqs", "text"), [([1, 2, 4], "ab"), ([2, 3], None), ([], None)])
def test_only_what_came_without_a_gap_is_kept(
    bench: Bench, watch: Watch, redis: Redis, seqs: list[int], text: str | None
) -> None:
    held = _hold(bench, Status.INTERRUPTING)
    _buffer(redis, held, [(seq, TextPart(text="-abcd"[seq])) for seq in seqs])
    assert watch.recovery.take_back(held)
    expected = [] if text is None else [(Role.ASSISTANT, (TextPart(text=text),))]
    assert _last(bench, held.chat_id) == expected


def test_parts_of_another_attempt_are_not_taken_for_these(
    bench: Bench, watch: Watch, redis: Redis
) -> None:
    held = _hold(bench, Status.INTERRUPTING)
    _buffer(redis, replace(held, attempt=2), [(1, TextPart(text="other"))])
    assert watch.recovery.take_back(held)
    assert _last(bench, held.chat_id) == []


def test_the_message_that_interrupted_follows_the_partial_answer(
    bench: Bench, watch: Watch, redis: Redis
) -> None:
    held = _hold(bench)
    bench.say(held.chat_id, "stop", BusyBehavior.INTERRUPT)
    held = replace(held, status=Status.INTERRUPTING)
    _buffer(redis, held, [(1, TextPart(text="as far"))])
    assert watch.recovery.take_back(held)
    assert [role for role, _ in _last(bench, held.chat_id)] == [Role.ASSISTANT, Role.USER]
    assert bench.chat(held.chat_id).status is Status.PENDING


def test_an_interruption_is_finished_without_parts_when_redis_is_away(bench: Bench) -> None:
    away = open_redis("redis://127.0.0.1:1/0")
    recovery = Recovery(machine=bench.machine, redis=away, log=structlog.stdlib.get_logger())
    held = _hold(bench, Status.INTERRUPTING)
    assert recovery.take_back(held)
    assert bench.chat(held.chat_id).status is Status.WAITING
    assert _last(bench, held.chat_id) == []
    away.close()


def test_no_row_is_locked_while_redis_is_asked(bench: Bench, redis: Redis) -> None:
    held = _hold(bench, Status.INTERRUPTING)
    asked: list[str] = []

    class Asking:
        """The real client; at the moment of the question it looks whether the row is free."""

        def pipeline(self, transaction: bool) -> object:
            with bench.engine.begin() as connection:
                found = connection.exec_driver_sql("SELECT id FROM chats FOR UPDATE NOWAIT")
                asked.extend(str(one) for one in found.scalars())
            return redis.pipeline(transaction=transaction)  # pyright: ignore[reportUnknownMemberType]  # untyped

    recovery = Recovery(
        machine=bench.machine, redis=cast(Redis, Asking()), log=structlog.stdlib.get_logger()
    )
    assert recovery.finish_interruption(held)
    assert asked == [str(held.chat_id)]


def test_an_edit_beats_the_recovery_of_an_interruption(
    bench: Bench, watch: Watch, redis: Redis
) -> None:
    held = _hold(bench, Status.INTERRUPTING)
    _buffer(redis, held, [(1, TextPart(text="as far"))])
    message = bench.history(held.chat_id)[0]
    bench.machine.update(
        held.chat_id, lambda change: edit(change, message.id, (TextPart(text="instead"),))
    )
    before = bench.rows(held.chat_id)
    assert not watch.recovery.take_back(held)
    assert bench.rows(held.chat_id) == before


def test_a_stranded_queue_goes_on(bench: Bench, watch: Watch) -> None:
    chat_id = bench.start()
    bench.begin(chat_id)
    bench.say(chat_id, "next")
    bench.execute(
        "UPDATE chats SET status = 'waiting', lease_id = NULL, worker_id = NULL WHERE id = :id",
        id=chat_id,
    )
    assert watch.recovery.promote(chat_id)
    assert bench.chat(chat_id).status is Status.PENDING
    assert [role for role, _ in _last(bench, chat_id)] == [Role.USER]


def test_a_round_of_the_sweeper_puts_everything_right(
    bench: Bench, watch: Watch, redis: Redis
) -> None:
    dead = open_bench(bench.engine)
    orphan, stopped = _hold(dead), _hold(dead, Status.INTERRUPTING)
    overdue = _hold(bench, Status.INTERRUPTING)
    bench.age(overdue.chat_id, "interrupting_since", 16)
    lost = bench.start()
    bench.age(lost, "enqueued_at", 100_000)
    bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=dead.worker_id)
    watch.sweeper.round()
    statuses = [bench.chat(one).status for one in (orphan.chat_id, stopped.chat_id, lost)]
    assert statuses == [Status.PENDING, Status.WAITING, Status.PENDING]
    assert bench.chat(overdue.chat_id).status is Status.WAITING
    assert bench.chat(lost).sweeps == 1
    assert watch.counts.put_right == {"orphaned": 2, "interrupting": 1, "lost_message": 1}


def test_a_silent_worker_is_declared_dead_only_by_one_that_was_steady(
    bench: Bench, watch: Watch
) -> None:
    silent = register_worker(bench.engine)
    bench.execute(
        "UPDATE workers SET renewed_at = now() - interval '2 hours' WHERE id = :id", id=silent
    )
    watch.sweeper.round()
    assert watch.counts.put_right == {}
    for _ in range(4):
        watch.clock.time += 2
        watch.renewal.round()
    watch.sweeper.round()
    assert watch.counts.put_right == {"dead_worker": 1}


def test_a_chat_that_can_not_be_recovered_does_not_stop_the_others(
    bench: Bench, watch: Watch
) -> None:
    dead = open_bench(bench.engine)
    held = [_hold(dead) for _ in range(5)]
    bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=dead.worker_id)
    bench.execute("UPDATE chats SET pending_calls = '[{}]' WHERE id = :id", id=held[0].chat_id)
    watch.sweeper.round()
    assert watch.counts.put_right == {"orphaned": 4}
    watch.sweeper.round()
    assert watch.counts.put_right == {"orphaned": 4}


def test_a_sweeper_that_stops_leaves_the_rest_to_the_next(bench: Bench, watch: Watch) -> None:
    dead = open_bench(bench.engine)
    held = _hold(dead)
    bench.execute("UPDATE workers SET dead_at = now() WHERE id = :id", id=dead.worker_id)
    watch.sweeper.start()
    watch.sweeper.stop()
    watch.sweeper.round()
    assert bench.chat(held.chat_id).status is Status.RUNNING
