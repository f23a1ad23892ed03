"""Chooses the messages that get a prompt-cache mark; a pure function over their roles."""

from collections.abc import Sequence

from shared.chats.model.messages import Role

_NEWEST = 2


def cache_marks(roles: Sequence[Role]) -> frozenset[int]:
    """Return the places of the marks: the end of the leading system block, the last two messages.

    The first keeps what never changes, the other two let a conversation grow by one message and
    still find what was written for the one before.
    """
    leading = next((at for at, role in enumerate(roles) if role is not Role.SYSTEM), len(roles))
    newest = range(max(len(roles) - _NEWEST, 0), len(roles))
    return frozenset({leading - 1, *newest} - {-1})
