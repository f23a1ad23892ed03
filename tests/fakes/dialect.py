"""What a fake server needs to know of a wire dialect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.jsonvalue import JsonObject
from tests.fakes.wire import Wire
from workers.providers.scripted.steps import Fail, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as far as the play cares."""

    text: str  # of the last user message
    answers: int  # assistant messages after it
    streamed: bool
    key: str  # tells callers apart that send the same script
    model: str


class Encoder(Protocol):
    """Writes one answer in the dialect."""

    def start(self) -> bytes:
        """Return what a stream begins with."""
        ...

    def step(self, step: Step) -> bytes:
        """Return what a step adds to the stream."""
        ...

    def end(self) -> bytes:
        """Return what ends a stream in good order."""
        ...

    def failure(self, fail: Fail) -> bytes:
        """Return the error event of a stream that has begun."""
        ...

    def whole(self) -> JsonObject:
        """Return everything since the start as an answer in one piece."""
        ...


class FakeDialect(Protocol):
    """One wire dialect, at one path."""

    path: str
    errors: Mapping[str, Fail]

    def read(self, body: JsonObject) -> Asked:
        """Find in a request what decides the answer."""
        ...

    def encoder(self, asked: Asked, wire: Wire) -> Encoder:
        """Begin an answer."""
        ...

    def error_body(self, fail: Fail) -> JsonObject:
        """Return the body of an error with an HTTP status."""
        ...
