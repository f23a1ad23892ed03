"""A machine whose name server does not answer: run under `unshare --map-root-user --mount --net`.

Asks models at eight names that nobody knows, and one at `localhost`; prints what came of them.
"""

import asyncio
import fcntl
import json
import socket
import struct
import subprocess
import sys
from typing import Final

from shared.config.dialect import Dialect
from tests.fakes.openai_server import OpenAIDialect
from tests.fakes.server import FakeServer
from tests.integration.providers.playing import Speaker, collect
from tests.unit.providers.prompts import prompt
from workers.loop import LoopThread

DEAD: Final = 8
_HEADER: Final = 12  # of a DNS message, with a number of its own; then comes the question
_SET_FLAGS: Final = 0x8914  # SIOCSIFFLAGS
_UP_AND_RUNNING: Final = 0x41  # IFF_UP, IFF_RUNNING


def _bring_loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))


def _name_server(file: str) -> socket.socket:
    """Be the name server, and say nothing."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
    with open(file, "w", encoding="ascii") as resolv:
        resolv.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", file, "/etc/resolv.conf"], check=True)
    return silent


def _until_asked_for(silent: socket.socket, names: int) -> None:
    """Wait until somebody waits for the answers to so many questions."""
    asked: set[bytes] = set()
    while len(asked) < names:
        asked.add(silent.recv(512)[_HEADER:])


async def _ask(silent: socket.socket) -> dict[str, int]:
    fakes = FakeServer([OpenAIDialect()])
    listening = await asyncio.get_running_loop().create_server(fakes, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    good = Speaker(Dialect.OPENAI_CHAT, f"http://localhost:{port}/v1").make()
    dead = [
        Speaker(Dialect.OPENAI_CHAT, f"http://model{number}.example/v1").make()
        for number in range(DEAD)
    ]
    waiting = [asyncio.ensure_future(collect(one, prompt("hi"))) for one in dead]
    await asyncio.to_thread(_until_asked_for, silent, DEAD)
    events = await collect(good, prompt("hi"))
    still = sum(not one.done() for one in waiting)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for provider in (good, *dead):
        await provider.aclose()
    listening.close()
    await fakes.shutdown(timeout=0.1)
    return {"events": len(events), "waiting": still}


def main() -> None:
    _bring_loopback_up()
    with _name_server(sys.argv[1]) as silent:
        loop = LoopThread()
        loop.start()
        print(json.dumps(loop.run(_ask(silent))))
        loop.stop()


if __name__ == "__main__":
    main()
