"""The door of the worker: a message that is no call of a task does not get past it.

Celery would hand such a message to a task thread, which can't read it and never acknowledges it;
and some make the worker exit, after which the next worker gets them.
"""

from collections.abc import Callable
from typing import Any, cast

import celery.worker.strategy as stock  # pyright: ignore[reportMissingTypeStubs]
from celery.exceptions import InvalidTaskError  # pyright: ignore[reportMissingTypeStubs]

Strategy = Callable[[Any, Any, Any], Callable[..., object]]


def checked(on_refused: Callable[[], None]) -> Strategy:
    """Celery's strategy for a task, behind a check of the body; what is refused gets logged."""

    def strategy(task: Any, app: Any, consumer: Any) -> Callable[..., object]:
        take = cast(Any, stock).default(task, app, consumer)

        def take_checked(message: Any, body: Any, *rest: Any) -> object:
            if not _is_call(message.payload):
                on_refused()
                raise InvalidTaskError("the body is no call of a task")
            return take(message, body, *rest)

        return take_checked

    return strategy


def _is_call(payload: object) -> bool:
    """Whether it is `[args, kwargs, embed]`, Celery's protocol 2."""
    match payload:
        case [list(), dict(), dict() | None]:
            return True
        case _:
            return False
