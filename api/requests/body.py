"""Takes the body of a request: its kind, its size, its JSON, in this order."""

from typing import Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.http.strict_json import BadJson, ParsedJson, read_json
from api.problems import Problem, ProblemCode, invalid_field
from shared.jsonvalue import JsonValue

BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})

_LARGE: Final = 64 * 1024
"""From so many bytes on a body is parsed in a thread, so that the loop goes on."""


class ReadRequest(Request):
    """A request whose body has been read and parsed: FastAPI finds both done."""

    def __init__(self, request: Request, body: bytes, read: ParsedJson | None) -> None:
        """Take the request and what came with it; `read` None = no body."""
        super().__init__(request.scope, request.receive)
        self._bytes = body
        self._read = read

    async def body(self) -> bytes:
        """Return the bytes."""
        return self._bytes

    async def json(self) -> JsonValue:
        """Return the parsed value."""
        return None if self._read is None else self._read.value


async def take_body(request: Request, limit: int) -> tuple[bytes, ParsedJson | None]:
    """Read and parse the body; None = there is none. Raise `Problem`, as early as it is known."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    has_body = length not in ("", "0") or "transfer-encoding" in request.headers
    if has_body and not _is_json(request.headers.get("content-type", "")):
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            "Send JSON in UTF-8, and say so: 'Content-Type: application/json'.",
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without Content-Encoding."
        )
    body = await _read(request, limit)
    if not body:
        return body, None
    try:
        if len(body) < _LARGE:
            return body, read_json(body)
        return body, await run_in_threadpool(read_json, body)
    except BadJson as error:
        raise invalid_field(error.where, error.reason) from None


async def _read(request: Request, limit: int) -> bytes:
    """Read what comes, never more than the limit and one piece."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


def _is_json(content_type: str) -> bool:
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = parameters.lower().replace('"', "").replace(" ", "").partition("charset=")[2]
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    return is_json and charset.partition(";")[0] in ("", "utf-8", "utf8", "us-ascii")


def _too_large(limit: int) -> Problem:
    return Problem(
        ProblemCode.TOO_LARGE,
        f"The body of this request may have {limit} bytes at most.",
        more={"limit_bytes": limit},
    )
