"""A process that helps to measure: started here, asked line by line, gone when its stdin closes."""

import subprocess
import sys
from types import TracebackType
from typing import IO, Self, TypeVar

from pydantic import BaseModel

_END_SECONDS = 10.0

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class HelperFailed(Exception):
    """A helper process ended; it has said why on stderr."""


class Helper:
    """One of them; its standard error is ours. Ends with the `with` block, or with this process."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Start `python -m module`."""
        self._name = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, job: BaseModel) -> None:
        """Hand over a job, without waiting."""
        stdin = _pipe(self._process.stdin)
        stdin.write(job.model_dump_json().encode() + b"\n")
        stdin.flush()

    def line(self) -> bytes:
        """Wait for the next line that it says. Raises `HelperFailed`."""
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise HelperFailed(f"{self._name} ended with status {self._process.wait()}")
        return line

    def ask(self, job: BaseModel, answer: type[AnswerT]) -> AnswerT:
        """Hand over a job and wait for the answer. Raises `HelperFailed`."""
        self.tell(job)
        return self.hear(answer)

    def hear(self, answer: type[AnswerT]) -> AnswerT:
        """Wait for the answer to a job. Raises `HelperFailed`."""
        return answer.model_validate_json(self.line())

    def close(self) -> None:
        """End it: first in its own time, then by force."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
