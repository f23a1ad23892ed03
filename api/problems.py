"""Every refusal as RFC 9457 `application/problem+json`: the only place that decides a status."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response

from api.auth.errors import AuthError
from api.stream.errors import BadCursor, BadUntil, StreamError, TurnUnknown
from shared.chats.model import errors
from shared.db.outage import is_outage
from shared.jsonvalue import JsonValue
from shared.submission.errors import FieldFault, InvalidSubmission, SubmissionError

RETRY_SECONDS: Final = 1
"""What `Retry-After` says when something of ours is away for a moment."""


class ProblemCode(StrEnum):
    """What is wrong with a request, for programs."""

    INVALID_REQUEST = "invalid_request"  # a field, a parameter or the JSON itself
    UNAUTHENTICATED = "unauthenticated"  # no key, or one that does not count
    FORBIDDEN = "forbidden"  # the key's role does not allow it
    NOT_FOUND = "not_found"  # no such thing, or not for this caller
    METHOD_NOT_ALLOWED = "method_not_allowed"  # the path exists, with other methods
    MOVE_NOT_ALLOWED = "move_not_allowed"  # not in the chat's present status
    CHAT_BUSY = "chat_busy"  # busy, and the message asked to be refused then
    CHAT_ARCHIVED = "chat_archived"  # unarchive it first
    KEY_TAKEN = "key_taken"  # the owner has another chat with this key
    NOTHING_TO_COMPACT = "nothing_to_compact"  # there is no history to summarise
    TOO_LARGE = "too_large"  # the body is over its limit
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"  # the body is not JSON
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"  # the key was used for another request
    QUEUE_FULL = "queue_full"  # the chat's queue is at its limit
    RATE_LIMITED = "rate_limited"  # too many requests
    INTERNAL = "internal"  # a defect of the server
    UNAVAILABLE = "unavailable"  # a part of the server is away; try again


STATUS: Final[Mapping[ProblemCode, HTTPStatus]] = {
    ProblemCode.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    ProblemCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ProblemCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ProblemCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ProblemCode.MOVE_NOT_ALLOWED: HTTPStatus.CONFLICT,
    ProblemCode.CHAT_BUSY: HTTPStatus.CONFLICT,
    ProblemCode.CHAT_ARCHIVED: HTTPStatus.CONFLICT,
    ProblemCode.KEY_TAKEN: HTTPStatus.CONFLICT,
    ProblemCode.NOTHING_TO_COMPACT: HTTPStatus.CONFLICT,
    ProblemCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.IDEMPOTENCY_MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProblemCode.QUEUE_FULL: HTTPStatus.TOO_MANY_REQUESTS,
    ProblemCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ProblemCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    ProblemCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
_TITLES: Final[Mapping[ProblemCode, str]] = {
    ProblemCode.INVALID_REQUEST: "The request is not valid",
    ProblemCode.UNAUTHENTICATED: "A valid key is needed",
    ProblemCode.FORBIDDEN: "This key may not do this",
    ProblemCode.NOT_FOUND: "There is no such thing",
    ProblemCode.METHOD_NOT_ALLOWED: "The path does not take this method",
    ProblemCode.MOVE_NOT_ALLOWED: "Not possible in the chat's present status",
    ProblemCode.CHAT_BUSY: "The chat is busy",
    ProblemCode.CHAT_ARCHIVED: "The chat is archived",
    ProblemCode.KEY_TAKEN: "The key is taken",
    ProblemCode.NOTHING_TO_COMPACT: "There is nothing to compact",
    ProblemCode.TOO_LARGE: "The body is too large",
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: "The body must be JSON",
    ProblemCode.IDEMPOTENCY_MISMATCH: "The Idempotency-Key belongs to another request",
    ProblemCode.QUEUE_FULL: "The queue is full",
    ProblemCode.RATE_LIMITED: "Too many requests",
    ProblemCode.INTERNAL: "The server made a mistake",
    ProblemCode.UNAVAILABLE: "A part of the server is away",
}


class Problem(Exception):
    """A refusal, as it goes out. `detail` says what to do about it."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        more: Mapping[str, JsonValue] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the code, the sentence for a person, and what else helps."""
        super().__init__(detail)
        self.code, self.detail = code, detail
        self.more: Mapping[str, JsonValue] = more or {}
        self.headers: Mapping[str, str] = headers or {}

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status."""
        return STATUS[self.code]

    def body(self) -> dict[str, JsonValue]:
        """Return the members of the problem."""
        return {
            "type": f"urn:stepwell:problem:{self.code.value}",
            "title": _TITLES[self.code],
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code.value,
            **self.more,
        }


def invalid(faults: Sequence[FieldFault]) -> Problem:
    """Return the refusal of a request, field by field."""
    rows = [{"field": fault.field, "detail": fault.detail} for fault in faults]
    detail = "; ".join(
        f"{fault.field}: {fault.detail}" if fault.field else fault.detail for fault in faults
    )
    return Problem(ProblemCode.INVALID_REQUEST, detail, more={"errors": rows})


def invalid_field(field_name: str, detail: str) -> Problem:
    """Return the refusal of one field."""
    return invalid([FieldFault(field=field_name, detail=detail)])


def not_found(what: str) -> Problem:
    """Return the refusal for something that is not there, or not for this caller."""
    return Problem(ProblemCode.NOT_FOUND, f"There is no such {what}.")


def unavailable(part: str) -> Problem:
    """Return the refusal while a part is away."""
    return Problem(
        ProblemCode.UNAVAILABLE,
        f"{part} is away or busy: try again.",
        more={"retry_after": RETRY_SECONDS},
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def problem_of(error: Exception) -> Problem:
    """Return what a caller is told of an error; one that nobody expects is `internal`."""
    match error:
        case Problem():
            return error
        case AuthError():
            return Problem(
                ProblemCode.UNAUTHENTICATED, str(error), headers={"WWW-Authenticate": "Bearer"}
            )
        case errors.ChatsError():
            return _refused_move(error)
        case SubmissionError():
            return _refused_submission(error)
        case StreamError():
            return _refused_stream(error)
        case _ if is_outage(error):
            return unavailable("PostgreSQL")
        case _:
            detail = "An error that nobody expected; the log has it under this request's id."
            return Problem(ProblemCode.INTERNAL, detail)


def _refused_stream(error: StreamError) -> Problem:
    match error:
        case BadCursor():
            return invalid_field("after", str(error))
        case BadUntil():
            return invalid_field("until", str(error))
        case TurnUnknown():
            return not_found("turn")
        case _:
            return unavailable("PostgreSQL")


def _refused_submission(error: SubmissionError) -> Problem:
    match error:
        case InvalidSubmission():
            return invalid(error.faults)
        case _:
            return unavailable("The chat with this key")


def _refused_move(error: errors.ChatsError) -> Problem:
    detail = str(error)
    match error:
        case errors.ChatNotFound() | errors.MessageNotFound() | errors.QueuedNotFound():
            return Problem(ProblemCode.NOT_FOUND, detail)
        case errors.InvalidToolResults():
            return invalid_field("results", detail)
        case errors.NotAUserMessage():
            return Problem(ProblemCode.INVALID_REQUEST, detail)
        case errors.MoveNotAllowed():
            more: Mapping[str, JsonValue] = {
                "current_status": error.found.value,
                "allowed": [status.value for status in error.allowed],
            }
            return Problem(ProblemCode.MOVE_NOT_ALLOWED, detail, more=more)
        case errors.ChatBusy():
            more = {"current_status": error.found.value}
            return Problem(ProblemCode.CHAT_BUSY, detail, more=more)
        case errors.ChatArchived():
            return Problem(ProblemCode.CHAT_ARCHIVED, detail)
        case errors.QueueFull():
            more = {"retry_after": RETRY_SECONDS}
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return Problem(ProblemCode.QUEUE_FULL, detail, more=more, headers=headers)
        case errors.KeyTaken():
            return Problem(ProblemCode.KEY_TAKEN, detail)
        case errors.NothingToCompact():
            return Problem(ProblemCode.NOTHING_TO_COMPACT, detail)
        case _:
            return Problem(ProblemCode.INTERNAL, detail)


PROBLEM_JSON: Final = "application/problem+json"


class ProblemResponse(Response):
    """A refusal."""

    media_type = PROBLEM_JSON

    def __init__(self, problem: Problem) -> None:
        """Write the problem."""
        super().__init__(orjson.dumps(problem.body()), problem.status.value, dict(problem.headers))
