"""Turns what a client library or a server says into the error classes that `classify` knows.

Whoever raises what these functions return does it `from None`: the texts of the libraries would
mislead the classifier, and some of them show a URL.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp
import httpx2
from pydantic import SecretStr

from shared.failures.kinds import (
    ErrorKind,
    Failure,
    Phase,
    Preclassified,
    ProviderError,
    TransportFailed,
)
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.http.json_access import load_object, obj, text

# What aiohttp, httpx2 and the sockets below them raise; OSError covers TLS and time-outs.
TRANSPORT_ERRORS = (
    aiohttp.ClientError,
    httpx2.HTTPError,
    httpx2.StreamError,
    httpx2.InvalidURL,
    OSError,
)
MAX_BODY_CHARACTERS = 64 * 1024  # a longer body is nothing that a person would read

_SHOWN = 500  # characters of a plain-text body


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who is spoken to: the configured name, the dialect, and the key that no error may show."""

    provider: str
    dialect: str
    secret: SecretStr | None = None

    def hide(self, said: str) -> str:
        """Remove the key from what a server said."""
        key = self.secret.get_secret_value() if self.secret else ""
        return said.replace(key, "[key]") if key else said


def answered(origin: Origin, response: httpx2.Response, body: str) -> ProviderError:
    """Make the error of an HTTP status."""
    return said(origin, body, status_code=response.status_code, headers=response.headers)


def said(
    origin: Origin,
    body: str,
    *,
    status_code: int = 0,
    headers: Mapping[str, str],
    otherwise: str = "",
) -> ProviderError:
    """Make the error of a body or an event; `otherwise` is our text if it has none for people."""
    parsed = load_object(body)
    message = _plain(body) if parsed is None else _message(parsed)
    return ProviderError(
        message=origin.hide(message or otherwise),
        provider=origin.provider,
        status_code=status_code,
        headers={name: origin.hide(value) for name, value in headers.items()},
        body=origin.hide(body[:MAX_BODY_CHARACTERS]),
    )


def broken(origin: Origin, error: BaseException, phase: Phase) -> TransportFailed | Preclassified:
    """Make the error of a connection: a time-out of ours, or where it failed."""
    chain = list(_chain(error))
    if any(isinstance(one, TimeoutError) for one in chain):
        failure = Failure(kind=ErrorKind.TIMEOUT, retryable=True, provider=origin.provider)
        return Preclassified(failure)
    if any(isinstance(one, aiohttp.ClientConnectorError) for one in chain):
        return TransportFailed(origin.provider, "connect")
    return TransportFailed(origin.provider, phase)


def _message(body: JsonObject) -> str:
    """Find the sentence for a person in the shapes that servers use."""
    error = body.get("error")
    found: tuple[JsonValue, ...] = (
        obj(error).get("message"),
        error,
        body.get("message"),
        body.get("detail"),
    )
    return next((text(one) for one in found if text(one)), "")


def _plain(body: str) -> str:
    """Return a short text body on one line, nothing of a page of HTML."""
    return "" if body.lstrip().startswith("<") else " ".join(body.split())[:_SHOWN]


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
