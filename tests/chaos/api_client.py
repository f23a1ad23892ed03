"""The way of clients to the API processes: to one or the other, over and over, in effect once."""

import asyncio
import itertools
import json
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.journeys.sse import Event

PAUSE_SECONDS = 0.1

KEYED = frozenset({"POST", "PATCH"})
IMPATIENT = 0.2
"""How often a client that changes something makes its request twice at once."""

REFUSED = 400
UNAVAILABLE = 503


class GivenUp(AssertionError):
    """What a client was promised has not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer of the API."""

    status: int
    body: dict[str, Any]


class Door:
    """One for all clients; knows where the API processes are just now."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        bases: Callable[[], Sequence[str]],
        dice: random.Random,
        *,
        patience_seconds: float,
        silence_seconds: float,
    ) -> None:
        """Take how long a request is repeated, and after what silence a stream is left."""
        self.patience_seconds = patience_seconds
        self._session = session
        self._bases = bases
        self._dice = dice
        self._silence_seconds = silence_seconds
        self._turns = itertools.count()

    async def ask(self, method: str, path: str, body: object = None) -> Said:
        """Ask until there is an answer. Raise `GivenUp` after the patience."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method in KEYED else {}
        deadline = time.monotonic() + self.patience_seconds
        failure: object = None
        while time.monotonic() < deadline:
            try:
                if headers and self._dice.random() < IMPATIENT:
                    said = await self._try_twice(method, path, body, headers)
                else:
                    said = await self._try(method, path, body, headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = repr(error)
            else:
                if said.status != UNAVAILABLE:
                    return said
                failure = said
            await asyncio.sleep(PAUSE_SECONDS)
        raise GivenUp(f"{method} {path}: {failure}")

    async def events(self, path: str, *, last_id: str) -> AsyncGenerator[Event]:
        """Read one connection to its end, however it ends."""
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        timeout = aiohttp.ClientTimeout(
            sock_connect=self._silence_seconds, sock_read=self._silence_seconds
        )
        try:
            async with self._session.get(
                self._next() + path, headers=headers, timeout=timeout
            ) as response:
                if response.status not in (200, UNAVAILABLE):
                    raise GivenUp(f"{path}: {response.status} {await response.text()}")
                if response.status == 200:
                    async for event in _parse(response.content):
                        yield event
        except (aiohttp.ClientError, TimeoutError, OSError):
            return  # cut off, as clients are

    async def _try_twice(
        self, method: str, path: str, body: object, headers: dict[str, str]
    ) -> Said:
        """Make the same request to both API processes at once; both answer the same."""
        tries = [self._try(method, path, body, headers) for _ in range(2)]
        one, other = await asyncio.gather(*tries, return_exceptions=True)
        answers = [said for said in (one, other) if isinstance(said, Said)]
        known = [said for said in answers if said.status != UNAVAILABLE]
        taken = [said for said in known if said.status < REFUSED]
        if len(taken) == 2 and taken[0] != taken[1]:
            raise GivenUp(f"one request, two answers: {taken}")
        if answers:
            return [*taken, *known, *answers][0]
        assert isinstance(one, BaseException)
        raise one

    async def _try(self, method: str, path: str, body: object, headers: dict[str, str]) -> Said:
        # Not the whole patience: an API process that is frozen must not keep the client.
        timeout = aiohttp.ClientTimeout(total=self._silence_seconds)
        payload = None if body is None else json.dumps(body).encode()
        sent = {**headers, "Content-Type": "application/json"} if payload else headers
        async with self._session.request(
            method, self._next() + path, data=payload, headers=sent, timeout=timeout
        ) as response:
            return Said(status=response.status, body=json.loads(await response.read() or b"{}"))

    def _next(self) -> str:
        bases = self._bases()
        if not bases:
            raise OSError("no API process is there")
        return bases[next(self._turns) % len(bases)]


async def _parse(content: aiohttp.StreamReader) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for raw in content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "event" in fields:
            yield Event(
                id=fields.get("id", ""),
                name=fields["event"],
                data=json.loads(fields.get("data", "{}")),
                at=time.monotonic(),
            )
        fields = {}
