"""The statement that reads a prompt, made once: building it costs as much as running it."""

from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select

from shared.chats.store.tables import messages, turns


def prompt() -> Select[Any, Any, Any, Any, Any, Any]:
    """Return the statement of what the model may see of `chat`, oldest first.

    That begins with the newest boundary. Every row also has what is known of `turn`.
    """
    of_chat = messages.c.chat_id == bindparam("chat", type_=messages.c.chat_id.type)
    current = and_(of_chat, messages.c.deleted_at.is_(None))
    boundary = (
        select(func.coalesce(func.max(messages.c.id), 0))
        .where(current, messages.c.compressed)
        .scalar_subquery()
    )
    # Not for the statement that locks the chat: that one sees all as it was before it waited.
    of_turn = turns.c.id == bindparam("turn", type_=turns.c.id.type)
    return (
        select(
            # No more than a step needs: a history is long, and every column costs.
            messages.c.id,
            messages.c.turn_id,
            messages.c.role,
            messages.c.content,
            select(turns.c.steps).where(of_turn).scalar_subquery().label("turn_steps"),
            select(turns.c.chain_disabled).where(of_turn).scalar_subquery().label("turn_unchained"),
        )
        .where(
            current,
            messages.c.visibility != "user",
            messages.c.id >= boundary,
        )
        .order_by(messages.c.id)
    )
