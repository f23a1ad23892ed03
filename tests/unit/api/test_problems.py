"""Every error has one status and one code."""

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError, TimeoutError

from api.problems import ProblemCode, problem_of
from shared.chats.model import errors
from shared.chats.model.statuses import Move, Status

LISTED = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "move_not_allowed": 409,
    "chat_busy": 409,
    "chat_archived": 409,
    "key_taken": 409,
    "nothing_to_compact": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_mismatch": 422,
    "queue_full": 429,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}

MOVE = errors.MoveNotAllowed(move=Move.RETRY, found=Status.WAITING, allowed=(Status.ERROR,))


def _database(kind: type[psycopg.Error]) -> OperationalError:
    return OperationalError("SELECT secret", {}, kind("server text"))


def test_the_codes_are_those_that_are_documented() -> None:
    assert {code.value for code in ProblemCode} == set(LISTED)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ChatNotFound(), "not_found"),
        (errors.MessageNotFound(), "not_found"),
        (errors.QueuedNotFound(), "not_found"),
        (errors.NotAUserMessage(), "invalid_request"),
        (MOVE, "move_not_allowed"),
        (errors.ChatArchived(), "chat_archived"),
        (errors.ChatBusy(found=Status.RUNNING), "chat_busy"),
        (errors.QueueFull(limit=20), "queue_full"),
        (errors.KeyTaken(key="k"), "key_taken"),
        (errors.NothingToCompact(), "nothing_to_compact"),
        (errors.StaleFence(), "internal"),
        (TimeoutError("QueuePool limit"), "unavailable"),
        (_database(psycopg.errors.LockNotAvailable), "unavailable"),
        (_database(psycopg.errors.QueryCanceled), "unavailable"),
        (_database(psycopg.errors.AdminShutdown), "unavailable"),
        (_database(psycopg.errors.DeadlockDetected), "unavailable"),
        (_database(psycopg.errors.TooManyConnections), "unavailable"),
        (_database(psycopg.errors.ReadOnlySqlTransaction), "unavailable"),
        (_database(psycopg.OperationalError), "unavailable"),
        (DataError("SELECT", {}, psycopg.errors.UntranslatableCharacter("x")), "internal"),
        (DataError("SELECT", {}, psycopg.errors.UniqueViolation("x")), "internal"),
        (ValueError("a secret"), "internal"),
    ],
)
def test_an_error_becomes_its_problem(error: Exception, code: str) -> None:
    body = problem_of(error).body()
    assert (body["code"], body["status"]) == (code, LISTED[code])


@pytest.mark.parametrize(
    "error", [ValueError("a secret"), _database(psycopg.errors.LockNotAvailable)]
)
def test_a_problem_tells_nothing_of_the_inside(error: Exception) -> None:
    assert "secret" not in str(problem_of(error).body())
    assert "server text" not in str(problem_of(error).body())


def test_a_refused_move_names_the_status_and_those_that_would_do() -> None:
    body = problem_of(MOVE).body()
    assert (body["current_status"], body["allowed"]) == ("waiting", ["error"])


def test_what_is_over_soon_says_when_to_come_back() -> None:
    for error in (errors.QueueFull(limit=20), TimeoutError("x")):
        problem = problem_of(error)
        assert problem.headers["Retry-After"] == "1"
        assert problem.body()["retry_after"] == 1
