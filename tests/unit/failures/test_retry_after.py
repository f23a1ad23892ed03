from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.failures.kinds import ProviderError
from workers.failures.classify import classify

NOW = datetime(1994, 11, 6, 8, 49, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "30"}, 30.0),
        ({"RETRY-AFTER": " 2.5 "}, 2.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-4"}, 0.0),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": ""}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "30s"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "inf"}, 0.0),
        ({"Retry-After": "1e300"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"Retry-After-MS": "0.5", "retry-after": "9"}, 0.0005),
        ({"retry-after-ms": "0", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "inf", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 7.0),
        ({"Retry-After": "Sunday, 06-Nov-94 08:49:37 GMT"}, 7.0),
        ({"Retry-After": "Sun Nov  6 08:49:37 1994"}, 7.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:29 GMT"}, 0.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:30 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 0.0),
        ({"Retry-After": "Sun, 36 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"retry-after-ms": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"x-ratelimit-reset": "30"}, 0.0),
    ],
    ids=str,
)
def test_hint_of_the_headers(headers: dict[str, str], seconds: float) -> None:
    error = ProviderError(status_code=429, headers=headers)
    assert classify(error, now=NOW).retry_after == pytest.approx(seconds, rel=1e-9, abs=0)


def test_date_is_compared_across_zones() -> None:
    error = ProviderError(headers={"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"})
    local = NOW.astimezone(timezone(timedelta(hours=-7)))
    assert classify(error, now=local).retry_after == 7.0


def test_clock_is_read_when_nobody_gives_the_time() -> None:
    error = ProviderError(headers={"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"})
    assert classify(error).retry_after == 0.0


def test_hint_is_kept_whatever_the_kind() -> None:
    error = ProviderError(status_code=401, headers={"retry-after": "5"})
    assert classify(error).retry_after == 5.0
