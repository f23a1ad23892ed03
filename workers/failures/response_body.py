"""What a provider's error reply says: its words, its codes and its Retry-After."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from shared.jsonvalue import storable_text

BODY_LIMIT_BYTES: Final = 64 * 1024
DETAIL_LIMIT: Final = 500
# A longer hint is no delay that anybody means, and its date would overflow the database's.
HINT_LIMIT_SECONDS: Final = 366 * 24 * 3600.0

_BLANK_LINE: Final = re.compile(r"\r?\n\r?\n")
# What some clients and gateways write for a failed call: METHOD "URL": NNN Text {json}. The bounds
# keep a long text from being scanned again from every word.
_FAILED_CALL: Final = re.compile(r'\b[A-Za-z]{3,10} "[^"]*": \d{3} [^{]{0,200}(\{.*)\Z', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The error object of a response body; empty where the body says nothing."""

    message: str = ""
    codes: tuple[str, ...] = ()
    """`error.type` and `error.code`, as far as they are text."""


def read_body(body: str) -> Reply:
    """Read the error object of a body: plain, dumped with its head, or behind a failed call."""
    text = _without_head(body)
    if len(text.encode(errors="replace")) > BODY_LIMIT_BYTES:
        return Reply()
    outer = _error_object(_parse(text))
    inner = _read_call(outer.message or text)
    return Reply(message=inner.message or outer.message, codes=outer.codes + inner.codes)


def read_message(message: str) -> str:
    """Return the words in a provider's message, without the failed call around them."""
    return _read_call(message).message or message.strip()


def cut(detail: str) -> str:
    """Return `detail` storable and within 500 characters."""
    clean = storable_text(detail)
    return clean if len(clean) <= DETAIL_LIMIT else clean[: DETAIL_LIMIT - 1] + "…"


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that the headers ask us to wait; 0 when unreadable, past or absent."""
    lowered = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(lowered.get("retry-after-ms", "")) or 0.0
    if milliseconds > 0:
        return _delay(milliseconds / 1000)
    value = lowered.get("retry-after", "")
    seconds = _number(value)
    return _delay(_seconds_until(value, now) if seconds is None else seconds)


def _without_head(body: str) -> str:
    if not body.lstrip().startswith("HTTP/"):
        return body
    blank = _BLANK_LINE.search(body)
    return body[blank.end() :] if blank else ""


def _read_call(text: str) -> Reply:
    call = _FAILED_CALL.search(text)
    return _error_object(_parse(call.group(1))) if call else Reply()


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # Not JSON, or nested too deep to be an error object.


def _error_object(document: object) -> Reply:
    top = _object(document)
    error = _object(top.get("error"))
    return Reply(
        message=_text(error.get("message")) or _text(top.get("message")),
        codes=tuple(filter(None, (_text(error.get("type")), _text(error.get("code"))))),
    )


def _object(value: object) -> dict[str, object]:
    # JSON objects have no other keys.
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(value: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    # HTTP dates are in GMT, also the old form that does not say so.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now).total_seconds()


def _delay(seconds: float) -> float:
    return seconds if 0 < seconds <= HINT_LIMIT_SECONDS else 0.0
