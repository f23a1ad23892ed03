"""An exception and what caused it: which errors count, and the one text they make."""

from typing import TypeVar, cast

E = TypeVar("E", bound=BaseException)


def walk(error: BaseException) -> tuple[BaseException, ...]:
    """Return `error` and everything below it once, outermost first, each branch to its end.

    Below an error are the members of a group, then its cause, or else a context that is not
    suppressed.
    """
    seen: dict[int, BaseException] = {}
    pending = [error]
    while pending:
        current = pending.pop()
        # A chain may run in circles: re-raising an old exception is enough.
        if id(current) not in seen:
            seen[id(current)] = current
            pending.extend(reversed(_below(current)))
    return tuple(seen.values())


def joined_text(errors: tuple[BaseException, ...]) -> str:
    """Return the text of the first error, then that of every other one that adds something."""
    text = str(errors[0])
    for error in errors[1:]:
        own = _own_text(error)
        if own not in text:
            text = f"{text}: {own}" if text else own
    return text.strip()


def every(errors: tuple[BaseException, ...], wanted: type[E]) -> list[E]:
    """Return the errors of one type, outermost first."""
    return [error for error in errors if isinstance(error, wanted)]


def _below(error: BaseException) -> list[BaseException]:
    below: list[BaseException] = []
    if isinstance(error, BaseExceptionGroup):
        # isinstance() can't say of what a group is; whatever it is, it was raised.
        below.extend(cast("tuple[BaseException, ...]", error.exceptions))
    if error.__cause__ is not None:
        below.append(error.__cause__)
    elif error.__context__ is not None and not error.__suppress_context__:
        below.append(error.__context__)
    return below


def _own_text(error: BaseException) -> str:
    # str() of a group adds how many members it has: Python's bookkeeping, which says nothing here.
    text = error.message if isinstance(error, BaseExceptionGroup) else str(error)
    return text.strip()
