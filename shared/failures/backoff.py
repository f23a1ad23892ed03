"""How long to wait before the next attempt: a fixed table, the same for every worker."""

from typing import Final

FIRST_SECONDS: Final = 1
CAP_SECONDS: Final = 60
# 2**6 = 64 is the first power above the cap; a larger exponent only makes a larger number.
_CAPPED_FROM: Final = 6


def delay(n: int) -> float:
    """Return the seconds to wait after failure `n` (0, 1, …): 1 2 4 8 16 32 60 60, no jitter."""
    exponent = min(max(n, 0), _CAPPED_FROM)
    return float(min(FIRST_SECONDS * 2**exponent, CAP_SECONDS))


def wait(n: int, retry_after: float) -> float:
    """Return the seconds to wait when the provider hinted at `retry_after` seconds (0 = no hint).

    The hint is a floor and may exceed the cap: a provider that names a time refuses until then.
    """
    return max(delay(n), retry_after)
