"""`python -m benchmarks.model`: serve on a free port, which is printed, until stdin closes."""

import asyncio
import sys

import uvloop

from benchmarks.model.server import Hops, ModelProtocol

_BACKLOG = 2048


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), closed.set)  # nothing is ever said: this is the end
    hops = Hops()
    server = await loop.create_server(lambda: ModelProtocol(hops), "127.0.0.1", 0, backlog=_BACKLOG)
    address: tuple[str, int] = server.sockets[0].getsockname()
    print(address[1], flush=True)
    await closed.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
