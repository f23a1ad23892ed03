"""Free TCP ports on this machine."""

import random
import socket
from collections.abc import Callable, Container
from pathlib import Path

from local.machine.files import write_private

LOOPBACK = "127.0.0.1"

RANGE = range(20_000, 32_000)
"""Below every system's ephemeral ports, so that no outgoing connection takes one in a restart."""

PortChoice = Callable[[], int]
"""Gives a port that nobody listens on at this moment."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def random_free(chance: random.Random | None = None) -> int:
    """A free port anywhere in the range: two who choose at once rarely choose the same."""
    chance = chance or random.SystemRandom()
    while not is_free(port := chance.choice(RANGE)):
        pass
    return port


def next_free(start: int, taken: Container[int] = (), host: str = LOOPBACK) -> int:
    """The first free port from `start` up that is not `taken` by a plan of ours."""
    return next(p for p in range(start, 65_536) if p not in taken and is_free(p, host))


def remembered(path: Path, choose: PortChoice = random_free) -> int:
    """The port of last time if it is still free, else a new one, remembered in the file."""
    try:
        port = int(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        port = 0
    if port not in RANGE or not is_free(port):
        port = choose()
        write_private(path, f"{port}\n")
    return port
