"""Many clients on an event loop of their own: the test's thread is free to break things."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.chaos.api_client import Door
from tests.chaos.person import Person, Scene
from tests.chaos.scripts import Author

Next = Callable[[Person, random.Random], Scene | None]
"""What a client does next; None = it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How clients are: seconds between two words they make the model say, and their patience."""

    pace_seconds: float
    patience_seconds: float
    silence_seconds: float


class Crowd:
    """Clients come in groups, and all are gone with the `with` block."""

    def __init__(
        self, bases: Callable[[], Sequence[str]], key: str, folder: Path, manners: Manners
    ) -> None:
        """Take where the API processes are, and where tools leave their traces."""
        self.clients: list[Person] = []
        self.failures: list[str] = []
        self._bases = bases
        self._key = key
        self._folder = folder
        self._manners = manners
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="crowd", daemon=True)
        self._numbers = itertools.count(1)
        self._lives: list[Future[None]] = []

    def __enter__(self) -> Self:
        """Start the loop."""
        self._thread.start()
        self._session = self._run(self._open())
        self._door = Door(
            self._session,
            self._bases,
            random.Random(0),
            patience_seconds=self._manners.patience_seconds,
            silence_seconds=self._manners.silence_seconds,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End whoever is still there, and the loop."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def come(
        self,
        count: int,
        next_scene: Next,
        dice: random.Random,
        *,
        heirs: bool = False,
    ) -> None:
        """Let so many clients begin; each has dice of its own, so that none disturbs another.

        `heirs` = who is done is followed by another one, until one has nothing to do at all.
        """
        for _ in range(count):
            own = random.Random(dice.random())
            line = self._line(next_scene, own, heirs=heirs)
            self._lives.append(asyncio.run_coroutine_threadsafe(line, self._loop))

    def complains(self) -> bool:
        """Say whether a client has seen what it must not see, or has given up."""
        return bool(self.failures) or any(client.view.faults for client in [*self.clients])

    def wait(self) -> None:
        """Wait until all are done; their patience is bounded. What went wrong is in `failures`."""
        for life in self._lives:
            life.result()
        self._lives.clear()

    async def _line(self, next_scene: Next, dice: random.Random, *, heirs: bool) -> None:
        """Let one live after the other."""
        idle = False
        while not idle:
            name = f"{next(self._numbers)}"
            author = Author(dice, self._folder, name, pace=self._manners.pace_seconds)
            client = Person(self._door, author, name)
            self.clients.append(client)
            await self._live(client, next_scene, dice)
            if not client.turns:
                self.clients.remove(client)
            idle = not heirs or not client.turns

    async def _live(self, client: Person, next_scene: Next, dice: random.Random) -> None:
        try:
            await client.live(lambda: next_scene(client, dice))
        except* Exception as group:
            differences: list[str] = []
            with contextlib.suppress(Exception):
                differences = await client.differences()
            self.failures.append(
                "\n".join(
                    [
                        f"client {client.name}, chat {client.chat_id}: {group.exceptions!r}",
                        *differences,
                        *client.view.recent,
                    ]
                )
            )

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key}"},
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=2**20,
        )

    async def _close(self) -> None:
        me = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not me]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._session.close()

    def _run(self, job: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await job

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()
