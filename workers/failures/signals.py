"""The signals of an exception: its text, its status, its provider, and what the texts mean."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.failures.kinds import ProviderError, StreamReset, StreamTruncated, TransportFailed
from workers.failures.chain import every, joined_text
from workers.failures.response_body import Reply, read_body, read_message

# The quantifiers are possessive, so that a long run of blanks is read once.
_NAMED_STATUS: Final = re.compile(r"(?:status(?:\s+code)?|http)\s*+[:=]?\s*+(\d{3})")
# The first group is what makes it another number: the words before a stream id, a port's colon.
_BARE_STATUS: Final = re.compile(
    r"(\bstream\s++id[\s:=]*+|:)?\b(401|403|408|429|500|502|503|504|529)\b"
)

# The first hit wins: `azure openai` before `openai`, and a gateway before the model behind it.
_PROVIDER_NAMES: Final = (
    ("openai-compat", "openai-compat"),
    ("openai compatible", "openai-compat"),
    ("azure openai", "azure"),
    ("azure-openai", "azure"),
    ("openrouter", "openrouter"),
    ("bedrock", "bedrock"),
    ("vercel", "vercel"),
    ("anthropic", "anthropic"),
    ("claude", "anthropic"),
    ("google", "google"),
    ("gemini", "google"),
    ("vertex", "google"),
    ("openai", "openai"),
)
_PROVIDER_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "azure openai": "azure",
        "azure-openai": "azure",
        "openai compat": "openai-compat",
        "openai compatible": "openai-compat",
        "openai_compat": "openai-compat",
    }
)
_PEER_RESETS: Final = frozenset(
    {"NO_ERROR", "INTERNAL_ERROR", "REFUSED_STREAM", "CANCEL", "ENHANCE_YOUR_CALM"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Everything the precedence looks at, read once from the chain of an exception."""

    text: str
    """The joined text as it stands; `lowered` is what is matched."""
    lowered: str
    words: str
    """`lowered` and the codes of the body, which count for rows 4 to 12."""
    reported: str
    """What the provider said about the error, uncut."""
    status: int
    provider: str
    """What the adapter named, else a guess by the text; empty when unknown."""
    deadline: bool
    """A `TimeoutError` is the outermost error; below that it is somebody's stalled read."""
    transport: bool
    truncated: bool
    cancelled: bool
    reset: bool | None
    """Whether the HTTP/2 reset may be retried; None without one."""


def read_signals(errors: tuple[BaseException, ...]) -> Signals:
    """Read the signals of a chain, outermost error first."""
    answers = every(errors, ProviderError)
    replies = [read_body(answer.body) for answer in answers]
    text = joined_text(errors)
    lowered = text.lower()
    codes = [code for reply in replies for code in reply.codes]
    return Signals(
        text=text,
        lowered=lowered,
        # A line break joins them, so that no word arises from the end of one and the next.
        words="\n".join((lowered, *codes)).lower(),
        reported=_reported(answers, replies),
        status=_structured_status(answers) or scan_status(lowered),
        provider=_named_provider(errors) or guess_provider(lowered),
        deadline=isinstance(errors[0], TimeoutError),
        transport=bool(every(errors, TransportFailed)),
        truncated=bool(every(errors, StreamTruncated)),
        cancelled=bool(every(errors, asyncio.CancelledError)),
        reset=_retryable_reset(every(errors, StreamReset)),
    )


def scan_status(lowered: str) -> int:
    """Return the status that a lower-cased text names; 0 when it names none."""
    named = _NAMED_STATUS.search(lowered)
    if named:
        return int(named.group(1))
    bare = (match for match in _BARE_STATUS.finditer(lowered) if match.group(1) is None)
    return next((int(match.group(2)) for match in bare), 0)


def guess_provider(lowered: str) -> str:
    """Return the first provider that a lower-cased text names; empty when it names none."""
    return next((provider for name, provider in _PROVIDER_NAMES if name in lowered), "")


def normalise_provider(name: str) -> str:
    """Return the one spelling of a provider's name."""
    lowered = name.strip().lower()
    return _PROVIDER_ALIASES.get(lowered, lowered)


def _reported(answers: list[ProviderError], replies: list[Reply]) -> str:
    # The body is the provider itself; a message may have been worded by the client library.
    said = [reply.message for reply in replies] + [read_message(each.message) for each in answers]
    return next(filter(None, said), "")


def _structured_status(answers: list[ProviderError]) -> int:
    return next((answer.status_code for answer in answers if answer.status_code), 0)


def _named_provider(errors: tuple[BaseException, ...]) -> str:
    named = (
        normalise_provider(error.provider)
        for error in errors
        if isinstance(error, ProviderError | TransportFailed | StreamTruncated)
    )
    return next(filter(None, named), "")


def _retryable_reset(resets: list[StreamReset]) -> bool | None:
    if not resets:
        return None
    return any(reset.from_peer and reset.code.upper() in _PEER_RESETS for reset in resets)
