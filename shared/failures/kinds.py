"""The value that describes a failure of the outside world, and the exceptions that carry one.

An adapter turns every exception of a client library into one of these classes and raises it
`from None`: the text of a cause counts in `classify`, and the texts of Python clients mislead it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

Phase = Literal["connect", "headers", "body"]
"""How far a request had come when its connection failed."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

# Row 3 of the precedence knows these two sentences. Other dialects serve many providers, so their
# sentence names none: the provider would be guessed from it.
_TRUNCATION_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anthropic": "anthropic stream closed before message_stop",
        "openai-responses": "openai responses stream closed before terminal event",
    }
)
_TRUNCATION_TEXT: Final = "stream closed before its terminal event"


class ErrorKind(StrEnum):
    """What went wrong, in the words of stored errors, stream events and metric labels."""

    OVERLOADED = "overloaded"
    """The provider has too much to do for everybody."""
    RATE_LIMIT = "rate_limit"
    """The provider limits the requests of this account."""
    TIMEOUT = "timeout"
    """The provider could not be reached, broke off or fell silent."""
    STARTUP_TIMEOUT = "startup_timeout"
    """The provider took the request and did not begin to answer."""
    USAGE_LIMIT = "usage_limit"
    """The quota or the credit of the account is used up."""
    AUTH = "auth"
    """The key was refused, or may not do this."""
    CONFIG = "config"
    """The model or its settings were refused."""
    MISSING_KEY = "missing_key"
    """No key is configured for the provider of the model."""
    PROVIDER_DISABLED = "provider_disabled"
    """The provider is switched off, here or at a gateway."""
    GENERIC = "generic"
    """Anything else."""


class Nuance(StrEnum):
    """What a kind alone does not say and a person wants to know."""

    REQUEST_TIMED_OUT = "request_timed_out"
    """Our own deadline passed; nothing is known about the provider."""
    TRUNCATED = "truncated"
    """The answer broke off."""
    CANCELLED = "cancelled"
    """Somebody stopped it."""
    CONTINUATION_MISMATCH = "continuation_mismatch"
    """The provider's state and the history that we sent do not fit together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure, classified: everything that retry, storage, stream and metrics need."""

    kind: ErrorKind
    retryable: bool
    provider: str = ""
    """The normalised name of the provider; empty when unknown."""
    status_code: int = 0
    """The HTTP status; 0 when there is none."""
    retry_after: float = 0.0
    """The provider's hint in seconds; 0 when there is none."""
    message: str = ""
    """Our words, for a person: the terminal voice of `messages`."""
    detail: str = ""
    """The provider's words, at most 500 characters."""
    nuance: Nuance | None = field(default=None, compare=False)
    """What a person wants to know beyond the kind. Internal, as the next one."""
    chain_broken: bool = False
    """The provider lost the previous response. Internal: never serialised to a client."""


class ProviderFailure(Exception):
    """A model call did not come to its end: what adapters raise, whatever their dialect."""


class ProviderError(ProviderFailure):
    """The provider answered with an error, as an HTTP status or as an event in the stream.

    `status_code` is 0 for an error event of a stream that began with 200. Headers and body are
    kept out of `str()` and `repr()`, because both end up in logs.
    """

    def __init__(
        self,
        *,
        message: str = "",
        provider: str = "",
        status_code: int = 0,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: str = "",
    ) -> None:
        """Keep what the provider said; `str()` is the message alone."""
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.status_code = status_code
        self.headers = dict(headers)
        self.body = body


class TransportFailed(ProviderFailure):
    """The connection failed: connect, look-up, TLS, read, or a payload that can't be decoded."""

    def __init__(self, provider: str = "", phase: Phase = "connect") -> None:
        """Keep where it happened; the library's own text stays out."""
        super().__init__(f"transport failed in phase {phase!r}")
        self.provider = provider
        self.phase: Phase = phase


class StreamTruncated(ProviderFailure):
    """The stream ended in good order, but without the terminal event of its dialect."""

    def __init__(self, provider: str = "", dialect: str = "") -> None:
        """Say which stream it was; `dialect` is a name such as `openai-responses`."""
        super().__init__(_TRUNCATION_TEXTS.get(dialect, _TRUNCATION_TEXT))
        self.provider = provider
        self.dialect = dialect


class StreamReset(Exception):
    """An HTTP/2 stream was reset, by the peer or by our own transport."""

    def __init__(self, *, stream_id: int, code: str, from_peer: bool) -> None:
        """Keep the facts of the frame; `code` is its name, such as `REFUSED_STREAM`."""
        origin = "; received from peer" if from_peer else ""
        super().__init__(f"stream error: stream ID {stream_id}; {code}{origin}")
        self.stream_id = stream_id
        self.code = code
        self.from_peer = from_peer


class Preclassified(ProviderFailure):
    """Our own code knows what happened: its `failure` wins over everything else in the chain."""

    def __init__(self, failure: Failure) -> None:
        """Carry `failure` to `classify`."""
        super().__init__(failure.message or str(failure.kind))
        self.failure = failure
