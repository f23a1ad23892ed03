import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import pytest

from shared.failures.backoff import delay, wait
from shared.failures.kinds import ErrorKind, Failure, ProviderError
from tests.unit.failures.cases import Case, build, load
from workers.failures.classify import classify

NOW: Final = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
AUX: Final = load("aux_cases.json")
CASES: Final[list[Case]] = load("classify.json")
FIELDS: Final = frozenset(
    {"kind", "retryable", "status_code", "provider", "detail", "chain_broken"}
)
OTHER: Final = frozenset(
    {
        "detail_contains",
        "detail_length",
        "must_not_contain",
        "retry_after_seconds",
        "retry_after_seconds_between",
    }
)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_worked_case_holds(case: Case) -> None:
    given = _dated(case["input"])
    failure = classify(build(given), provider=given.get("provider", ""), now=NOW)
    expect = case["expect"]
    assert expect.keys() <= FIELDS | OTHER, "a column that this test does not check"
    for field in FIELDS & expect.keys():
        assert getattr(failure, field) == expect[field], field
    _check_others(failure, expect)


def test_ids_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("row", AUX["backoff_delay_seconds"], ids=lambda row: row["attempt"])
def test_delay_follows_the_table(row: dict[str, int]) -> None:
    assert delay(row["attempt"]) == row["expect"]


@pytest.mark.parametrize("row", AUX["effective_delay"], ids=str)
def test_wait_follows_the_table(row: dict[str, int]) -> None:
    assert wait(row["attempt"], row["retry_after"]) == row["expect"]


@pytest.mark.parametrize("row", AUX["status_code_retryable"], ids=lambda row: row["status_code"])
def test_status_alone_decides_whether_to_retry(row: dict[str, Any]) -> None:
    failure = classify(ProviderError(status_code=row["status_code"]))
    assert failure.retryable is row["expect"]
    assert failure.status_code == row["status_code"]


@pytest.mark.parametrize("row", AUX["record_stream_retry_labels"], ids=str)
def test_kind_of_the_metric_label_exists(row: dict[str, str]) -> None:
    assert ErrorKind(row["kind"]) == row["kind"]


def _dated(given: Case) -> Case:
    """Replace `{{HTTP_DATE: now+3s …}}` by that date."""
    headers = {
        name: re.sub(r"\{\{HTTP_DATE: now([+-]\d+)s[^}]*\}\}", _http_date, value)
        for name, value in given.get("headers", {}).items()
    }
    return {**given, "headers": headers}


def _http_date(match: re.Match[str]) -> str:
    return format_datetime(NOW + timedelta(seconds=int(match.group(1))), usegmt=True)


def _check_others(failure: Failure, expect: Case) -> None:
    assert expect.get("detail_contains", "") in failure.detail
    assert len(failure.detail) == expect.get("detail_length", len(failure.detail))
    for secret in expect.get("must_not_contain", []):
        assert secret not in f"{failure.message} {failure.detail}"
    seconds = failure.retry_after
    assert seconds == expect.get("retry_after_seconds", seconds)
    low, high = expect.get("retry_after_seconds_between", [seconds, seconds])
    assert low <= seconds <= high
