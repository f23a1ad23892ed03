"""Start the fake model servers: for the tests, and for an operator's rehearsal."""

import argparse
import asyncio
import os
import signal
import sys

from tests.fakes.anthropic_server import AnthropicDialect
from tests.fakes.openai_server import OpenAIDialect
from tests.fakes.server import FakeServer

_HELP = """
A fake model server is listening. Point stepwell.toml at it:

    [providers.rehearsal]
    dialect = "openai-chat"
    base_url = "{url}/v1"

    [models.rehearsal]
    provider = "rehearsal"

(or dialect = "anthropic" and base_url = "{url}")
and start Stepwell with STEPWELL_CONFIG=stepwell.toml. Then send a chat a script as its message:

    {{"script": [{{"text": "Hello"}}, {{"fail": "rate_limit"}}]}}

docs/models.md has every step. {url}/admin/requests shows what came in. Stop it with Ctrl-C.
"""


async def _serve(host: str, port: int, *, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        _watch_stdin(loop, stop)
    fakes = FakeServer([OpenAIDialect(), AnthropicDialect()])
    listening = await loop.create_server(fakes, host, port)
    bound: tuple[str, int] = listening.sockets[0].getsockname()[:2]
    url = f"http://{bound[0]}:{bound[1]}"
    print(f"ready {url}", flush=True)
    print(_HELP.format(url=url), flush=True)
    await stop.wait()
    listening.close()
    await fakes.shutdown(timeout=0.1)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when the process that started this one is gone, however it went."""
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(descriptor, 1024):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, readable)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--until-stdin-closes", action="store_true", help="for the tests")
    asked = parser.parse_args()
    asyncio.run(_serve(asked.host, asked.port, until_stdin_closes=asked.until_stdin_closes))


if __name__ == "__main__":
    main()
