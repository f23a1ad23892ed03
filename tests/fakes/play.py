"""Plays the steps of a script over the wire."""

import asyncio
from collections.abc import Sequence

import orjson
from aiohttp import web

from tests.fakes.dialect import Asked, Encoder
from tests.fakes.wire import Sender
from workers.providers.scripted.steps import Fail, Pause, Repeat, Say, Script, Stall, Step, Truncate

ASK = "{ask}"
"""Stands for the number of the request in the texts of a script that is `numbered`."""


class FailNow(Exception):
    """The script fails at this point."""

    def __init__(self, fail: Fail) -> None:
        super().__init__(fail.message)
        self.fail = fail


async def send_play(
    sender: Sender, encoder: Encoder, steps: Sequence[Step], attempt: int, *, streamed: bool
) -> web.StreamResponse:
    """Play the steps over the wire; a failure before anything was sent is an HTTP status."""
    opening = encoder.start()
    body = b""
    for step in steps:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
                continue
            case Stall():
                await sender.send(opening)
                await asyncio.get_running_loop().create_future()
            case Truncate():
                await sender.send(opening)
                return await sender.end()
            case Fail():
                if step.strikes(attempt):
                    raise FailNow(step)
                continue
            case _:
                body = encoder.step(step)
        if streamed:
            await sender.send(opening + body)
            opening = b""
    if not streamed:
        body = orjson.dumps(encoder.whole())
        return web.Response(body=body, content_type="application/json")
    await sender.send(opening + encoder.end())
    return await sender.end()


def numbered(steps: Sequence[Step], number: int) -> Sequence[Step]:
    """Return the steps with this number in their texts: no two answers are the same."""
    return [
        Say(step.text.replace(ASK, str(number))) if isinstance(step, Say) else step
        for step in steps
    ]


def steps_to_send(asked: Asked, script: Script | None) -> Sequence[Step]:
    """Return the steps of this answer, repetitions unrolled; a few words without a script."""
    steps = script.round(asked.answers) if script else None
    if steps is None:
        answer = "The script is over." if script else f"You said: {asked.text[:200]}"
        return [Say(word) for word in answer.split(" ") for word in (word, " ")][:-1]
    unrolled: list[Step] = []
    for step in steps:
        if isinstance(step, Repeat):
            unrolled += [Pause(step.delay), Say(step.text)] * step.times
        else:
            unrolled.append(step)
    return unrolled
