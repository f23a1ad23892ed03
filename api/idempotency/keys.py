"""Makes a repeated request do nothing and answer the same: `Idempotency-Key`.

The answer is written in the transaction of the move itself, under an advisory lock that ends with
it: whatever dies when, there is either the move and its answer, or neither.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from api.auth.caller import Caller
from api.idempotency.answer import RecordedAnswer
from api.problems import Problem, ProblemCode
from api.tables import idempotency_keys as kept
from shared.chats.model.errors import ChatsError
from shared.chats.model.ids import ChatId, TurnId

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """One request that may come again; `fingerprint` is the hash of what it asks for."""

    caller: str
    key: str
    fingerprint: bytes


class Answered(Exception):
    """The request was made before: leave the transaction, and give this answer."""

    def __init__(self, answer: RecordedAnswer) -> None:
        """Keep the answer."""
        super().__init__()
        self.answer = answer


def identify(
    caller: Caller, key: str | None, *, method: str, path: str, canonical: bytes
) -> IdempotencyKey | None:
    """Return what makes a request the same as another; None = it has no key."""
    if key is None:
        return None
    # The path belongs to it: the same words to another chat are another request.
    asked = b"\n".join((method.encode(), path.encode("utf-8", "replace"), canonical))
    return IdempotencyKey(caller=caller.name, key=key, fingerprint=hashlib.sha256(asked).digest())


def answer_once(
    engine: Engine, once: IdempotencyKey | None, act: Callable[[], RecordedAnswer]
) -> RecordedAnswer:
    """Return the answer of the request, which is acted upon once. Raise what `act` raises."""
    if once is None:
        return act()
    answer = _look_up(engine, once)
    if answer is not None:
        return answer
    try:
        return act()
    except Answered as answered:
        return answered.answer
    except ChatsError:
        # Its twin may have come between, and be the reason why this one is refused.
        answer = _look_up(engine, once)
        if answer is None:
            raise
        return answer


def reserve(connection: Connection, once: IdempotencyKey | None) -> None:
    """Wait for a twin of this request, to the end of the transaction. Raise `Answered`."""
    if once is None:
        return
    connection.execute(select(func.pg_advisory_xact_lock(_lock_number(once))))
    answer = _read(connection, once)
    if answer is not None:
        raise Answered(answer)


def remember(connection: Connection, once: IdempotencyKey | None, answer: RecordedAnswer) -> None:
    """Write the answer down, in the transaction that makes it true."""
    if once is None:
        return
    values = {
        "fingerprint": once.fingerprint,
        "status": answer.status,
        "answer": answer.body,
        "chat_id": answer.chat_id,
        "turn_id": answer.turn_id,
        "created_at": func.clock_timestamp(),
    }
    statement = insert(kept).values(caller=once.caller, key=once.key, **values)
    # What stands there is over a day old: `claim` would have found it otherwise.
    connection.execute(
        statement.on_conflict_do_update(index_elements=[kept.c.caller, kept.c.key], set_=values)
    )


def forget_old(engine: Engine) -> int:
    """Remove the answers that are over a day old; return how many those were."""
    with engine.begin() as connection:
        old = kept.c.created_at < func.clock_timestamp() - KEPT_FOR
        return connection.execute(delete(kept).where(old)).rowcount


def _look_up(engine: Engine, once: IdempotencyKey) -> RecordedAnswer | None:
    with engine.connect() as connection:
        return _read(connection, once)


def _read(connection: Connection, once: IdempotencyKey) -> RecordedAnswer | None:
    statement = select(kept).where(
        kept.c.caller == once.caller,
        kept.c.key == once.key,
        kept.c.created_at >= func.clock_timestamp() - KEPT_FOR,
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        return None
    if bytes(row["fingerprint"]) != once.fingerprint:
        raise Problem(
            ProblemCode.IDEMPOTENCY_MISMATCH,
            f"This {HEADER} came with another request before: take a new one.",
        )
    return RecordedAnswer(
        status=row["status"],
        body=bytes(row["answer"]),
        chat_id=ChatId(row["chat_id"]),
        turn_id=None if row["turn_id"] is None else TurnId(row["turn_id"]),
    )


def _lock_number(once: IdempotencyKey) -> ColumnElement[int]:
    digest = hashlib.sha256(f"{once.caller}\n{once.key}".encode()).digest()
    return literal(int.from_bytes(digest[:8], "big", signed=True), BigInteger)
