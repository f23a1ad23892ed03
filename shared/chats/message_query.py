"""The statement that reads a prompt, made once: building it costs as much as running it."""

from sqlalchemy import Executable, and_, bindparam, func, select

from shared.chats.tables import messages


def prompt() -> Executable:
    """Return the statement of what the model may see of `chat`, oldest first.

    That begins with the newest boundary.
    """
    of_chat = messages.c.chat_id == bindparam("chat", type_=messages.c.chat_id.type)
    current = and_(of_chat, messages.c.deleted_at.is_(None))
    boundary = (
        select(func.coalesce(func.max(messages.c.id), 0))
        .where(current, messages.c.compressed)
        .scalar_subquery()
    )
    return (
        select(messages)
        .where(
            current,
            messages.c.visibility.in_(("model", "both")),
            messages.c.id >= boundary,
        )
        .order_by(messages.c.id)
    )
