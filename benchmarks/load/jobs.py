"""What the load client is asked to do and what it answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from benchmarks.spread import Spread


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(_Wire):
    """One HTTP request, to the loopback interface."""

    port: int
    path: str
    method: Literal["GET", "POST"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    body: str = ""

    def encoded(self) -> bytes:
        """Return it as HTTP/1.1."""
        body = self.body.encode()
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Turns(_Wire):
    """So many clients, each sending a request as soon as its last one is answered."""

    kind: Literal["turns"] = "turns"
    request: Request
    pieces: int
    concurrency: int
    turns: int
    deadline_seconds: float = 60.0


class TurnsDone(_Wire):
    """The times of turns until the first piece and until the end; and what was missing."""

    first: Spread
    whole: Spread
    per_second: float
    lost: int


class Held(_Wire):
    """So many streams at the same time, opened evenly at `per_second`."""

    kind: Literal["held"] = "held"
    request: Request
    pieces: int
    streams: int
    per_second: float
    deadline_seconds: float = 90.0


class HeldDone(_Wire):
    """How late each piece was after it was said, all streams being open; and what was missing."""

    late: Spread
    lost: int
    together_seconds: float


class Readers(_Wire):
    """So many readers of one chat, which then gets a turn."""

    kind: Literal["readers"] = "readers"
    stream: Request
    turn: Request
    pieces: int
    readers: int
    deadline_seconds: float = 60.0


class ReadersDone(_Wire):
    """What all readers got together, from the first event of the turn to the last one."""

    events: int
    seconds: float
    late: Spread
    lost: int


class Gaps(_Wire):
    """Turns of so many steps, one turn after the other."""

    kind: Literal["gaps"] = "gaps"
    request: Request
    gaps: int
    turns: int
    deadline_seconds: float = 60.0


class GapsDone(_Wire):
    """The time from the end of each answer to the request of the next step."""

    gaps: Spread


class Fanout(_Wire):
    """So many subscribers of one Redis channel, which then gets messages."""

    kind: Literal["fanout"] = "fanout"
    redis_url: str
    subscribers: int
    messages: int
    size: int
    deadline_seconds: float = 60.0


class FanoutDone(_Wire):
    """What all subscribers got together."""

    messages: int
    seconds: float


Job = Annotated[Turns | Held | Readers | Gaps | Fanout, Field(discriminator="kind")]
JOB: TypeAdapter[Job] = TypeAdapter(Job)
