"""The statements of stream reads. All rows of a view come as JSON in one row: one round trip."""

from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.chats.tables import chats, messages, queued_messages, turns

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

_SHOWN: ColumnElement[bool] = and_(
    messages.c.chat_id == _CHAT, messages.c.visibility.in_(("user", "both"))
)
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
    nearest = (
        select(messages, func.pg_column_size(messages.c.content).label("bytes"))
        .where(_CURRENT, messages.c.id >= first)
        .order_by(messages.c.id)
        .limit(PAGE_MESSAGES)
    ).subquery()
    before = func.sum(nearest.c.bytes).over(order_by=nearest.c.id) - nearest.c.bytes
    summed = select(nearest, before.label("before")).subquery()
    page = select(summed).where(summed.c.before < PAGE_BYTES).subquery()
    return _array(page, page.c.id)


def _newest_id() -> ScalarSelect[Any]:
    newest = select(messages.c.id).where(_CURRENT).order_by(messages.c.id.desc()).limit(1)
    return newest.scalar_subquery()


def _queue() -> ScalarSelect[Any]:
    version = select(chats.c.queue_version).where(chats.c.id == _CHAT).scalar_subquery()
    rows = select(queued_messages).where(queued_messages.c.chat_id == _CHAT, version > _STATE)
    queue = rows.subquery()
    return _array(queue, queue.c.interrupting.desc(), queue.c.position)


def _removals() -> ScalarSelect[Any]:
    rows = (
        select(messages.c.revision, func.min(messages.c.id).label("first"))
        .where(_SHOWN, messages.c.deleted_at.is_not(None), messages.c.revision > _TURNS)
        .group_by(messages.c.revision)
    )
    removals = rows.subquery()
    return _array(removals, removals.c.revision)


def _outcomes() -> ScalarSelect[Any]:
    rows = select(turns).where(turns.c.chat_id == _CHAT, turns.c.outcome_revision > _TURNS)
    ended = rows.subquery()
    return _array(ended, ended.c.outcome_revision, ended.c.id)


def _turn() -> ScalarSelect[Any]:
    turn = select(turns).where(turns.c.chat_id == _CHAT, turns.c.id == _TURN).subquery()
    return _array(turn, turn.c.id)


def _array(rows: Subquery, *order: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return the rows as one JSON array, null when there are none."""
    whole = cast(ColumnElement[Any], rows.table_valued())
    return select(func.json_agg(aggregate_order_by(whole, *order))).scalar_subquery()
