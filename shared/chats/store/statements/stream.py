"""The statements of stream reads. All rows of a view come as JSON in one row: one round trip."""

from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.chats.store.tables import chats, messages, queued_messages, turns

PAGE_MESSAGES: Final = 200
PAGE_BYTES: Final = 8 * 1024 * 1024
"""A read ends with the message that reaches either limit: a client may be very far back."""

_NEVER = 2**63 - 1
_CHAT = bindparam("chat", type_=chats.c.id.type)
_TURN = bindparam("turn", type_=turns.c.id.type)
_FIRST = bindparam("first", type_=BigInteger)
_NEWEST = bindparam("newest", type_=BigInteger)
_STATE = bindparam("state", type_=BigInteger)
_TURNS = bindparam("turns", type_=BigInteger)

_SHOWN: ColumnElement[bool] = and_(messages.c.chat_id == _CHAT, messages.c.visibility != "model")
_CURRENT: ColumnElement[bool] = and_(_SHOWN, messages.c.deleted_at.is_(None))


def from_id() -> Select[Any]:
    """Return the statement of a view with the messages from the id `first` on.

    All three want the parameters `chat`, `state`, `turns` and `turn`, too.
    """
    return _view(_FIRST)


def from_newest() -> Select[Any]:
    """Return the statement of a view with the `newest` messages."""
    newest = select(messages.c.id).where(_CURRENT).order_by(messages.c.id.desc()).limit(_NEWEST)
    first = select(func.min(newest.subquery().c.id)).scalar_subquery()
    return _view(func.coalesce(first, literal(_NEVER)))


def from_turn() -> Select[Any]:
    """Return the statement of a view with the messages from the one that began `turn` on."""
    began = select(turns.c.user_message_id).where(turns.c.chat_id == _CHAT, turns.c.id == _TURN)
    return _view(func.coalesce(began.scalar_subquery(), literal(_NEVER)))


def _view(first: ColumnElement[int]) -> Select[Any]:
    return select(
        chats,
        _messages(first).label("messages"),
        _newest_id().label("newest_id"),
        _queue().label("queue"),
        _removals().label("removals"),
        _outcomes().label("outcomes"),
        _turn().label("turn"),
    ).where(chats.c.id == _CHAT)


def _messages(first: ColumnElement[int]) -> ScalarSelect[Any]:
    size = func.pg_column_size(messages.c.content).label("bytes")
    nearest = (
        select(messages.c.id, _row(messages).label("row"), size)
        .where(_CURRENT, messages.c.id >= first)
        .order_by(messages.c.id)
        .limit(PAGE_MESSAGES)
    ).subquery()
    before = func.sum(nearest.c.bytes).over(order_by=nearest.c.id) - nearest.c.bytes
    summed = select(nearest.c.id, nearest.c.row, before.label("before")).subquery()
    page = func.json_agg(aggregate_order_by(summed.c.row, summed.c.id))
    return select(page).where(summed.c.before < PAGE_BYTES).scalar_subquery()


def _newest_id() -> ScalarSelect[Any]:
    newest = select(messages.c.id).where(_CURRENT).order_by(messages.c.id.desc()).limit(1)
    return newest.scalar_subquery()


def _queue() -> ScalarSelect[Any]:
    version = select(chats.c.queue_version).where(chats.c.id == _CHAT).scalar_subquery()
    order = (queued_messages.c.interrupting.desc(), queued_messages.c.position)
    return (
        _array(queued_messages, *order)
        .where(queued_messages.c.chat_id == _CHAT, version > _STATE)
        .scalar_subquery()
    )


def _removals() -> ScalarSelect[Any]:
    rows = (
        select(messages.c.revision, func.min(messages.c.id).label("first"))
        .where(_SHOWN, messages.c.deleted_at.is_not(None), messages.c.revision > _TURNS)
        .group_by(messages.c.revision)
    )
    removals = rows.subquery()
    return _array(removals, removals.c.revision).scalar_subquery()


def _outcomes() -> ScalarSelect[Any]:
    ended = and_(turns.c.chat_id == _CHAT, turns.c.outcome_revision > _TURNS)
    return _array(turns, turns.c.outcome_revision, turns.c.id).where(ended).scalar_subquery()


def _turn() -> ScalarSelect[Any]:
    asked = and_(turns.c.chat_id == _CHAT, turns.c.id == _TURN)
    return _array(turns, turns.c.id).where(asked).scalar_subquery()


def _array(rows: FromClause, *order: ColumnElement[Any]) -> Select[Any]:
    """Return the rows as one JSON array, null when there are none.

    Whole rows: psycopg takes a statement apart anew each time when it has over 4 096 characters.
    """
    return select(func.json_agg(aggregate_order_by(_row(rows), *order))).select_from(rows)


def _row(rows: FromClause) -> ColumnElement[Any]:
    return cast(ColumnElement[Any], cast(Any, rows).table_valued())
