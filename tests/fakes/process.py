"""The fake model server in a process of its own, and what a test asks it."""

import http.client
import subprocess
import sys
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from tests.fakes.recorder import Ask, Connection, Seen

_ADMIN_SECONDS = 20.0  # longer than the server's own wait
_STOP_SECONDS = 10.0
_CONNECTIONS = TypeAdapter(list[Connection])
_ASKS = TypeAdapter(list[Ask])
_REQUESTS = TypeAdapter(list[Seen])
_HELD = TypeAdapter(bool)


class FakeModels:
    """Starts the server on a free port; it ends with the `with` block, or with this process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes", "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        word, _, self.url = self._process.stdout.readline().strip().partition(" ")
        if word != "ready":
            self.close()
            raise RuntimeError("the fake model server did not start")

    @property
    def openai_url(self) -> str:
        """The base URL for clients of the chat-completions dialect."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for clients of Anthropic's messages dialect."""
        return self.url

    def requests(self) -> list[Seen]:
        """Return the requests since the last `forget`, oldest first."""
        return _REQUESTS.validate_json(self._ask("requests"))

    def asks(self) -> list[Ask]:
        """Return what those requests wanted, without their bodies."""
        return _ASKS.validate_json(self._ask("asks"))

    def connections(self) -> list[Connection]:
        """Return the connections that brought requests since the last `forget`."""
        return _CONNECTIONS.validate_json(self._ask("connections"))

    def forget(self) -> None:
        """Forget requests, attempts and closed connections."""
        self._ask("forget")

    def wait_for_requests(self, number: int) -> bool:
        """Wait until so many requests came in; False after ten seconds."""
        return _HELD.validate_json(self._ask(f"wait?requests={number}"))

    def wait_for_open(self, number: int) -> bool:
        """Wait until exactly so many connections are open; False after ten seconds."""
        return _HELD.validate_json(self._ask(f"wait?open={number}"))

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate(timeout=_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, what: str) -> bytes:
        host = self.url.removeprefix("http://")
        asked = http.client.HTTPConnection(host, timeout=_ADMIN_SECONDS)
        try:
            asked.request("GET", f"/admin/{what}")
            return asked.getresponse().read()
        finally:
            asked.close()
