"""The shipped fake model: plays a script without any network, or answers something friendly."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import orjson

from shared.chats.model.messages import Usage
from shared.chats.model.parts import Part, TextPart
from shared.config.catalog import ProviderConfig
from shared.failures.kinds import ProviderError, StreamTruncated
from workers.providers.parts.assembly import Assembly, new_call_id
from workers.providers.protocol import FinishReason, Request, StreamEnd, StreamEvent
from workers.providers.scripted.choose import steps_to_play
from workers.providers.scripted.steps import (
    Count,
    Fail,
    Next,
    Pause,
    Repeat,
    Say,
    ScriptedCall,
    ScriptedEnd,
    Stall,
    Step,
    Think,
    Truncate,
)

DIALECT = "scripted"
_CHARACTERS_PER_TOKEN = 4  # a rough guess that fits English


def make(config: ProviderConfig, *, connect_seconds: float, read_seconds: float) -> "Scripted":
    """Make the adapter; there is no connection that could take its time."""
    del config, connect_seconds, read_seconds
    return Scripted()


class Scripted:
    """Plays the script of the last user message, else of the options, else its own words."""

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_call_id: Callable[[], str] = new_call_id,
    ) -> None:
        """Take time and identity from the caller, so that a test decides on both."""
        self._sleep = sleep
        self._new_call_id = new_call_id

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer that the script describes; raise what it says."""
        play = _Play(request, self._new_call_id)
        for step in steps_to_play(request):
            match step:
                case Pause(seconds):
                    await self._sleep(seconds)
                case Stall():
                    await asyncio.get_running_loop().create_future()
                case Truncate():
                    raise StreamTruncated(request.provider, DIALECT)
                case Fail():
                    if step.strikes(request.attempt):
                        raise _failure(step, request.provider)
                case _:
                    for event in play.events(step):
                        yield event
        for event in play.end():
            yield event

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


class _Play:
    """What one answer has come to so far."""

    def __init__(self, request: Request, new_call_id: Callable[[], str]) -> None:
        self._new_call_id = new_call_id
        self._assembly = Assembly()
        self._reason: FinishReason | None = None
        self._heard = _size([part for message in request.messages for part in message.parts])
        self._said = 0
        self._count: Count | None = None

    def events(self, step: Step) -> list[StreamEvent]:
        """Play a step that neither waits nor fails."""
        match step:
            case Say(text):
                self._said += len(text)
                return self._assembly.text(text)
            case Think(text):
                self._said += len(text)
                return self._assembly.reasoning(text)
            case ScriptedCall():
                return self._call(step)
            case Count():
                self._count = step
            case ScriptedEnd(reason):
                self._reason = FinishReason(reason)
            case Pause() | Stall() | Truncate() | Fail() | Repeat() | Next():
                pass  # played by the caller, or unrolled before
        return []

    def end(self) -> list[StreamEvent]:
        """End the answer in good order."""
        usual = FinishReason.TOOL_CALLS if self._assembly.has_calls else FinishReason.STOP
        return [
            *self._assembly.end(),
            StreamEnd(reason=self._reason or usual, usage=self._usage()),
        ]

    def _call(self, step: ScriptedCall) -> list[StreamEvent]:
        call_id = step.id or self._new_call_id()
        args = step.args if isinstance(step.args, str) else orjson.dumps(step.args).decode()
        self._said += len(args)
        events = self._assembly.open_call(call_id, call_id, step.name)
        half = (len(args) + 1) // 2
        for piece in filter(None, (args[:half], args[half:])):
            events += self._assembly.args(call_id, piece)
        return events + self._assembly.end_call(call_id)

    def _usage(self) -> Usage:
        if self._count is None:
            return Usage(
                input_tokens=self._heard // _CHARACTERS_PER_TOKEN + 1,
                output_tokens=self._said // _CHARACTERS_PER_TOKEN + 1,
            )
        return Usage(
            input_tokens=self._count.input,
            output_tokens=self._count.output,
            reasoning_tokens=self._count.reasoning,
            cache_read_tokens=self._count.cache_read,
            cache_creation_tokens=self._count.cache_creation,
        )


def _failure(step: Fail, provider: str) -> ProviderError:
    body = orjson.dumps({"error": {"type": step.type, "message": step.message}}).decode()
    headers = {} if step.retry_after is None else {"retry-after": f"{step.retry_after:g}"}
    return ProviderError(
        message=step.message,
        provider=provider,
        status_code=step.status,
        headers=headers,
        body=body,
    )


def _size(parts: Sequence[Part]) -> int:
    return sum(len(part.text) for part in parts if isinstance(part, TextPart))
