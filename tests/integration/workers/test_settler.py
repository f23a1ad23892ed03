"""Settling through a COMMIT whose answer is lost, with a real database behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from shared.chats.model.ids import ChatId
from shared.chats.model.messages import NewMessage, Usage
from shared.chats.model.statuses import Move, Status
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.settle import Ending, Failed, Finish, More, Result, Settlement
from tests.chats import PASSING, Bench, answer, open_bench
from tests.statements import before_each_statement
from workers.steps.outcome import Lost
from workers.steps.settler import Settler


@dataclass(slots=True)
class _Commits:
    """Loses the answer to the next COMMIT, after it was made or before it could be."""

    engine: Engine
    made: bool
    lost: int = 0
    left: int = 1
    slept: list[float] = field(default_factory=list[float])

    def listen(self) -> None:
        event.listen(self.engine, "commit", self._commit)

    def stop(self) -> None:
        event.remove(self.engine, "commit", self._commit)

    def _commit(self, connection: Connection) -> None:
        if self.left == 0:
            return
        self.left -= 1
        self.lost += 1
        if not self.made:
            _end_session(self.engine, connection)
            return  # and the COMMIT finds nobody
        connection.connection.commit()
        _end_session(self.engine, connection)
        raise OperationalError("COMMIT", {}, psycopg.OperationalError("no answer"))


def _end_session(engine: Engine, connection: Connection) -> None:
    session = cast(psycopg.Connection, connection.connection.driver_connection).info.backend_pid
    with psycopg.connect(
        engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
        autocommit=True,
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [session])


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return open_bench(engine)


def _settler(bench: Bench, slept: list[float]) -> Settler:
    return Settler(
        machine=bench.machine,
        outage_seconds=120,
        sleep=slept.append,
        clock=lambda: 0.0,
        log=structlog.stdlib.get_logger(),
    )


def _begin(bench: Bench) -> tuple[ChatId, Begun]:
    chat_id = bench.start()
    return chat_id, bench.begin(chat_id)


ENDINGS: list[Callable[[Begun], Ending]] = [
    lambda begun: Finish(rows=_rows(begun)),
    lambda begun: Finish(rows=()),
    lambda begun: More(rows=_rows(begun)),
    lambda _: Failed(failure=PASSING),
    lambda _: Failed(failure=replace(PASSING, retryable=False)),
]


def _rows(begun: Begun) -> tuple[NewMessage, ...]:
    usage = Usage(input_tokens=7)
    return (answer(turn_id=begun.chat.current_turn_id, usage=usage),)


@pytest.mark.parametrize("number", range(len(ENDINGS)))
def test_a_commit_that_was_made_is_not_made_again(bench: Bench, number: int) -> None:
    chat_id, begun = _begin(bench)
    commits = _Commits(bench.engine, made=True)
    commits.listen()
    result = Result(ending=ENDINGS[number](begun))
    assert _settler(bench, commits.slept).settle(chat_id, begun.fence, result) == Lost()
    commits.stop()
    assert (commits.lost, commits.slept) == (1, [0.1])
    chat = bench.chat(chat_id)
    assert chat.snapshot_version == 3
    assert chat.status is not Status.RUNNING
    assert chat.usage.input_tokens == (7 if len(bench.history(chat_id)) == 2 else 0)


@pytest.mark.parametrize("number", range(len(ENDINGS)))
def test_a_commit_that_was_not_made_is_made_once(bench: Bench, number: int) -> None:
    chat_id, begun = _begin(bench)
    commits = _Commits(bench.engine, made=False, left=3)
    commits.listen()
    result = Result(ending=ENDINGS[number](begun))
    settlement = _settler(bench, commits.slept).settle(chat_id, begun.fence, result)
    commits.stop()
    assert isinstance(settlement, Settlement)
    assert commits.slept == [0.1, 0.2, 0.4]
    assert bench.chat(chat_id).snapshot_version == 3


def test_a_connection_that_the_server_ended_is_an_outage(bench: Bench) -> None:
    chat_id, begun = _begin(bench)
    slept: list[float] = []
    ended: list[int] = []

    def end(statement: str) -> None:
        # Once, in the middle of the transaction, as a restart of the server does.
        if "INSERT INTO messages" in statement and not ended:
            ended.append(1)
            with bench.engine.connect() as other:
                other.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND state = 'idle in transaction'"
                )

    result = Result(ending=Finish(rows=_rows(begun)))
    with before_each_statement(bench.engine, end):
        updated = _settler(bench, slept).settle(chat_id, begun.fence, result)
    assert isinstance(updated, Settlement)
    assert updated.move is Move.SETTLE_FINISH
    assert (ended, slept) == ([1], [0.1])


def test_a_row_that_somebody_holds_for_too_long_is_an_outage(bench: Bench) -> None:
    chat_id, begun = _begin(bench)
    held = bench.engine.connect()
    held.exec_driver_sql("SELECT id FROM chats FOR UPDATE")
    slept: list[float] = []

    def let_go(seconds: float) -> None:
        slept.append(seconds)
        held.close()

    def wait_briefly(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")

    event.listen(bench.engine, "begin", wait_briefly)
    settler = replace(_settler(bench, slept), sleep=let_go)
    updated = settler.settle(chat_id, begun.fence, Result(ending=Finish(rows=())))
    assert isinstance(updated, Settlement)
    assert slept == [0.1]


def test_an_answer_is_kept_through_a_failover_to_a_standby(bench: Bench) -> None:
    chat_id, begun = _begin(bench)
    _make_read_only(bench.engine, "on")
    slept: list[float] = []

    def fail_over(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            _make_read_only(bench.engine, "off")

    settler = replace(_settler(bench, slept), sleep=fail_over)
    result = Result(ending=Finish(rows=_rows(begun)))
    updated = settler.settle(chat_id, begun.fence, result)
    assert isinstance(updated, Settlement)
    assert updated.move is Move.SETTLE_FINISH
    # The pool's connections are to the standby: they are left as soon as it says what it is.
    assert slept == [0.1, 0.2, 0.4]


def _make_read_only(engine: Engine, switch: str) -> None:
    """Have the database refuse writes in every new session, as a standby does; end none."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                sql.Identifier(engine.url.database or ""), sql.Literal(switch)
            )
        )
    if switch == "on":
        engine.dispose()


def test_an_error_of_ours_is_no_outage(bench: Bench) -> None:
    chat_id, begun = _begin(bench)
    bench.execute("ALTER TABLE turns RENAME TO mislaid")
    slept: list[float] = []
    with pytest.raises(Exception, match="turns") as error:
        _settler(bench, slept).settle(chat_id, begun.fence, Result(ending=Finish(rows=())))
    assert not isinstance(error.value, OperationalError)
    assert slept == []
