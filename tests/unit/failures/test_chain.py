import asyncio
from itertools import pairwise

import pytest

from shared.failures.kinds import ErrorKind, Failure, Preclassified, ProviderError
from workers.failures.classify import classify

INNER = ProviderError(message="slow down", status_code=429)


def _raised(outer: Exception, inner: BaseException, *, suppressed: bool) -> Exception:
    """Return `outer` as Python chains it when it is raised while `inner` is handled."""
    outer.__context__ = inner
    outer.__suppress_context__ = suppressed
    return outer


def _below(inner: BaseException, depth: int) -> BaseException:
    for number in range(depth):
        outer = RuntimeError(f"layer {number}")
        outer.__cause__ = inner
        inner = outer
    return inner


@pytest.mark.parametrize(
    "error",
    [
        _below(INNER, 1),
        _below(INNER, 3),
        _below(INNER, 5_000),
        _raised(RuntimeError("cleanup"), INNER, suppressed=False),
        _below(_raised(RuntimeError("cleanup"), INNER, suppressed=False), 2),
        ExceptionGroup("tasks", [ValueError("other"), INNER]),
        ExceptionGroup("outer", [ExceptionGroup("inner", [INNER])]),
        BaseExceptionGroup("tasks", [asyncio.CancelledError(), INNER]),
        _below(ExceptionGroup("tasks", [_below(INNER, 2)]), 2),  # pyright: ignore[reportArgumentType]  # layers are exceptions
    ],
    ids=["cause", "causes", "deep", "context", "mixed", "group", "groups", "base", "all"],
)
def test_typed_error_is_found_in_the_chain(error: BaseException) -> None:
    failure = classify(error)
    assert (failure.kind, failure.status_code) == (ErrorKind.RATE_LIMIT, 429)
    assert failure.detail == "slow down"


def test_suppressed_context_counts_for_nothing() -> None:
    failure = classify(_raised(RuntimeError("cleanup"), INNER, suppressed=True))
    assert (failure.kind, failure.status_code, failure.detail) == (ErrorKind.GENERIC, 0, "cleanup")


def test_context_beside_a_cause_counts_for_nothing() -> None:
    error = _raised(RuntimeError("cleanup"), INNER, suppressed=False)
    error.__cause__ = ValueError("because")
    failure = classify(error)
    assert (failure.kind, failure.detail) == (ErrorKind.GENERIC, "cleanup: because")


def test_cause_of_a_group_counts_beside_its_members() -> None:
    group = ExceptionGroup("tasks", [ValueError("other")])
    group.__cause__ = INNER
    assert classify(group).kind is ErrorKind.RATE_LIMIT


def test_chain_in_a_circle_ends() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert classify(first).detail == "first: second"


@pytest.mark.parametrize(
    ("texts", "detail"),
    [
        (["outer", "inner"], "outer: inner"),
        (["outer: inner", "inner"], "outer: inner"),
        (["outer", "inner", "inner"], "outer: inner"),
        (["outer", "middle", "inner"], "outer: middle: inner"),
        (["outer", "", "inner"], "outer: inner"),
        (["outer: inner", "inner\n"], "outer: inner"),
        (["", "inner"], "inner"),
        (["  outer", "inner  "], "outer: inner"),
        (["Inner", "inner"], "Inner: inner"),
    ],
)
def test_text_joins_what_each_cause_adds(texts: list[str], detail: str) -> None:
    errors = [RuntimeError(text) for text in texts]
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    assert classify(errors[0]).detail == detail


def test_members_of_a_group_add_their_texts() -> None:
    outer = RuntimeError("failed")
    outer.__cause__ = ExceptionGroup("tasks", [ValueError("one"), ValueError("two")])
    assert classify(outer).detail == "failed: tasks: one: two"


def test_signal_may_be_spread_over_the_chain() -> None:
    outer = RuntimeError("previous response with id 'resp_1'")
    outer.__cause__ = RuntimeError("not found")
    assert classify(outer).chain_broken


def test_preclassified_failure_is_found_in_a_group() -> None:
    given = Preclassified(Failure(kind=ErrorKind.TIMEOUT, retryable=True))
    group = BaseExceptionGroup("tasks", [asyncio.CancelledError(), given])
    assert classify(group).kind is ErrorKind.TIMEOUT


def test_exception_raised_by_the_code_itself_is_classified() -> None:
    failure = classify(KeyError("x"))
    assert (failure.kind, failure.retryable, failure.status_code) == (ErrorKind.GENERIC, False, 0)
