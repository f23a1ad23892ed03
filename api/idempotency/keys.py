"""Makes a repeated request do nothing and answer the same: `Idempotency-Key`.

The answer is written in the transaction of the move itself, under an advisory lock that ends with
it: whatever dies when, there is either the move and its answer, or neither.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from api.auth.caller import Caller
from api.idempotency.answer import RecordedAnswer
from api.problems import Problem, ProblemCode
from api.tables import idempotency_keys as kept
from shared.chats.model.ids import ChatId, TurnId

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """One request that may come again; `fingerprint` is the hash of what it asks for."""

    caller: str
    key: str
    fingerprint: bytes


class AlreadyAnswered(Exception):
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


def reserve(connection: Connection, key: IdempotencyKey) -> None:
    """Wait for a twin of this request, to the end of the transaction. Raise `AlreadyAnswered`."""
    connection.execute(select(func.pg_advisory_xact_lock(_lock_number(key))))
    answer = _read(connection, key)
    if answer is not None:
        raise AlreadyAnswered(answer)


def remember(connection: Connection, key: IdempotencyKey, answer: RecordedAnswer) -> None:
    """Write the answer down, in the transaction that makes it true."""
    values = {
        "fingerprint": key.fingerprint,
        "status": answer.status,
        "answer": answer.body,
        "chat_id": answer.chat_id,
        "turn_id": answer.turn_id,
        "created_at": func.clock_timestamp(),
    }
    statement = insert(kept).values(caller=key.caller, key=key.key, **values)
    # What stands there is over a day old: `reserve` would have found it otherwise.
    connection.execute(
        statement.on_conflict_do_update(index_elements=[kept.c.caller, kept.c.key], set_=values)
    )


def look_up(engine: Engine, key: IdempotencyKey) -> RecordedAnswer | None:
    """Return the answer that the request got before, if it was made before."""
    with engine.connect() as connection:
        return _read(connection, key)


def forget_old(engine: Engine) -> int:
    """Remove the answers that are over a day old; return how many those were."""
    with engine.begin() as connection:
        old = kept.c.created_at < func.clock_timestamp() - KEPT_FOR
        return connection.execute(delete(kept).where(old)).rowcount


def _read(connection: Connection, key: IdempotencyKey) -> RecordedAnswer | None:
    statement = select(kept).where(
        kept.c.caller == key.caller,
        kept.c.key == key.key,
        kept.c.created_at >= func.clock_timestamp() - KEPT_FOR,
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        return None
    if bytes(row["fingerprint"]) != key.fingerprint:
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


def _lock_number(key: IdempotencyKey) -> ColumnElement[int]:
    digest = hashlib.sha256(f"{key.caller}\n{key.key}".encode()).digest()
    return literal(int.from_bytes(digest[:8], "big", signed=True), BigInteger)
