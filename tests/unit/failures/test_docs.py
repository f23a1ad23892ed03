import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from shared.failures import wording
from shared.failures.kinds import ErrorKind, Failure

DOC: Final = (Path(__file__).parents[3] / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS: Final = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL))
PARTS: Final = ("**Meaning.**", "**What to do.**", "**In the stream.**", "**In the metrics.**")
ERROR_FIELDS: Final = frozenset(
    {"message", "detail", "kind", "provider", "retryable", "status_code", "turn_id"}
)
RETRY_FIELDS: Final = frozenset(
    {
        "attempt",
        "delay_ms",
        "error",
        "kind",
        "provider",
        "status_code",
        "retryable",
        "retrying_at",
        "turn_id",
    }
)


def _event(kind: ErrorKind, event: str) -> dict[str, Any] | None:
    found = re.search(rf"^event: {event}\ndata: (.*)$", SECTIONS[kind], re.MULTILINE)
    return json.loads(found.group(1)) if found else None


def test_every_kind_has_its_section_and_no_other_has() -> None:
    assert list(SECTIONS) == list(ErrorKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_section_has_its_parts_in_order(kind: ErrorKind) -> None:
    places = [SECTIONS[kind].find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("kind", ErrorKind)
def test_shown_error_is_what_the_code_says(kind: ErrorKind) -> None:
    error = _event(kind, "error")
    assert error is not None
    assert error.keys() <= ERROR_FIELDS
    assert error["kind"] == kind
    assert error["message"] == wording.terminal(kind, error["provider"])


@pytest.mark.parametrize("kind", ErrorKind)
def test_shown_retry_is_what_the_code_says(kind: ErrorKind) -> None:
    error, retry = _event(kind, "error"), _event(kind, "retry")
    assert error is not None
    assert (retry is not None) is error["retryable"]
    if retry is not None:
        failure = Failure(kind=kind, retryable=True, provider=retry["provider"])
        assert retry.keys() == RETRY_FIELDS
        assert (retry["error"], retry["kind"]) == (wording.retry(failure), kind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_metric_is_shown_for_kinds_that_are_retried(kind: ErrorKind) -> None:
    series = re.findall(
        r'^stepwell_stream_retries_total\{provider="\w+",model="\w+",'
        r'kind="(\w+)",chain_broken="(\w+)"\}$',
        SECTIONS[kind],
        re.MULTILINE,
    )
    assert bool(series) is (_event(kind, "retry") is not None)
    assert {name for name, _ in series} <= {kind}
    broken = {"false", "true"} if kind is ErrorKind.GENERIC else {"false"}
    assert {flag for _, flag in series} <= broken


def test_fields_of_both_events_are_explained() -> None:
    for field in ERROR_FIELDS | RETRY_FIELDS:
        assert re.search(rf"^\| [^|]*`{field}`", DOC, re.MULTILINE), field
