"""Children of the fork server: started through it, waited for as if they were our own."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import IO, Any


class ForkedProcess:
    """A process, with as much of `subprocess.Popen` as the tests use."""

    def __init__(self, told: int) -> None:
        """Take the pipe through which its keeper tells its pid and its exit status, a line each."""
        self.returncode: int | None = None
        self._told = told
        self._lock = Lock()
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Give the exit status, None = it runs."""
        return self._end(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raise `TimeoutExpired`."""
        status = self._end(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)

    def _end(self, timeout: float | None) -> int | None:
        # Somebody else may read the end, and close the pipe, while this waits: it wakes all.
        with self._lock:
            if self.returncode is not None:
                return self.returncode
            waiting = os.dup(self._told)
        try:
            ended, _, _ = select.select([waiting], [], [], timeout)
        finally:
            os.close(waiting)
        with self._lock:
            if ended and self.returncode is None:
                # Without a line the keeper was killed, and has taken it along.
                self.returncode = int(self._line() or -signal.SIGKILL)
                os.close(self._told)
        return self.returncode

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self._told, 1)):
            line += byte
        return line


def fork(
    module: str, *arguments: str, environment: Mapping[str, str], output: IO[Any]
) -> ForkedProcess:
    """Start `python -m MODULE ARGUMENTS` from the server, with its output in a file or a pipe."""
    asked = {"module": module, "arguments": arguments, "environment": dict(environment)}
    reading, writing = os.pipe()
    socket.send_fds(_fork_server(), [json.dumps(asked).encode()], [output.fileno(), writing])
    os.close(writing)
    return ForkedProcess(reading)


@cache
def _fork_server() -> socket.socket:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver.server", str(its.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[its.fileno()],
        start_new_session=True,
    )
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
