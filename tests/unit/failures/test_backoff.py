import pytest

from shared.failures.backoff import delay, wait


@pytest.mark.parametrize(
    ("n", "seconds"), [*enumerate([1, 2, 4, 8, 16, 32, 60, 60]), (10**9, 60), (-1, 1)]
)
def test_delay_doubles_up_to_a_minute(n: int, seconds: float) -> None:
    assert delay(n) == seconds
    assert isinstance(delay(n), float)


@pytest.mark.parametrize(
    ("n", "retry_after", "seconds"),
    [(0, 0.0, 1), (0, 0.5, 1), (0, 1.5, 1.5), (3, 7.9, 8), (7, 60.0, 60), (7, 3600.0, 3600)],
)
def test_hint_is_a_floor(n: int, retry_after: float, seconds: float) -> None:
    assert wait(n, retry_after) == seconds
