"""Ports for the processes of tests: those that are picked side by side never meet."""

import os
import random
import socket
from collections.abc import Iterator
from functools import cache
from itertools import count

FIRST = 61_000
"""Above those that Linux gives to clients, and above those of `local.machine.ports`."""

SLICE = 550
SLICES = 8


def free_port() -> int:
    """Return a port that nobody has and that no other caller of this run is given soon."""
    for number in _numbers():
        port = FIRST + SLICE * _slice() + number % SLICE
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("numbers never end")


@cache
def _numbers() -> Iterator[int]:
    return count(random.randrange(SLICE))


def _slice() -> int:
    """Tell apart the processes of one run, which pytest-xdist names gw0, gw1 and so on."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SLICES
