"""A chat and its client: reads it without a break, says things, answers what the model asks."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.api_client import Door, GivenUp, Said
from tests.chaos.observed import View
from tests.chaos.scripts import Author, Line
from tests.journeys.tooling import ASK

MODEL = "openai-chat"
"""Of the fake server, which tells one answer from the other."""

CUT_IN = 1 / 150
"""How probable it is after an event that the client loses its own connection."""

BETWEEN_CONNECTIONS_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class Turn:
    """A turn that the API has accepted."""

    id: str
    line: Line
    queued_id: int | None = None
    disturbed: bool = False
    """Somebody came between: it may have ended otherwise, with less of an answer."""


class Client:
    """One chat from its creation to its last turn."""

    def __init__(self, door: Door, author: Author, name: str) -> None:
        """Take the name, which is the chat's label, and the dice of the author."""
        self.name = name
        self.view = View()
        self.turns: list[Turn] = []
        self.chat_id = ""
        self.scenes_begun = 0
        self.silent = False
        self._door = door
        self.author = author
        self.dice: random.Random = author.dice
        self._changed = asyncio.Event()
        self._answered: set[str] = set()

    async def live(self, scenes: Callable[[], Callable[[], Awaitable[None]] | None]) -> None:
        """Play what comes until nothing more does, reading and answering calls meanwhile."""
        scene = scenes()
        if scene is None:
            return
        async with asyncio.TaskGroup() as group:
            reading: list[asyncio.Task[None]] = []
            self._begin = lambda: reading.extend(
                (group.create_task(self._read()), group.create_task(self._answer_calls()))
            )
            while scene is not None:
                self.scenes_begun += 1
                await scene()
                scene = scenes()
            await self.until(self._agrees, "the view agrees with the chat")
            for task in reading:
                task.cancel()

    async def message_of(self, turn: Turn) -> int | None:
        """Return the message that the turn answers, once it was seen."""
        found = [
            id_
            for id_, message in self.view.messages.items()
            if message["role"] == "user" and message["turn_id"] == turn.id
        ]
        return found[0] if found else None

    async def say(self, line: Line, **fields: object) -> Turn:
        """Send a message, with the first of which the chat begins."""
        if self.chat_id:
            body = {"content": line.content, **fields}
            said = (await self.do("POST", "/messages", body)).body
        else:
            said = await self._create(line)
        return self.remember(said, line)

    def remember(self, accepted: dict[str, Any], line: Line) -> Turn:
        """Expect what was promised."""
        queued = accepted.get("queued_message", {}).get("id")
        turn = Turn(id=accepted["turn_id"], line=line, queued_id=queued)
        self.turns.append(turn)
        return turn

    async def _create(self, line: Line) -> dict[str, Any]:
        body = {
            "content": line.content,
            "model": MODEL,
            "labels": {"client": self.name},
            "dynamic_tools": [ASK],
        }
        said = await self._door.ask("POST", "/v1/chats", body)
        if said.status != 201:
            raise GivenUp(f"no chat: {said}")
        self.chat_id = said.body["id"]
        path = f"/v1/chats/{self.chat_id}/messages?after_id=0&limit=1"
        first = (await self._door.ask("GET", path)).body["items"]
        self.view.open(said.body, first)
        self._begin()
        return said.body

    async def do(self, method: str, what: str, body: object, *also: int) -> Said:
        """Ask for a move; `also` are the refusals that may come of a race."""
        said = await self._door.ask(method, f"/v1/chats/{self.chat_id}{what}", body)
        if said.status not in (200, 202, *also):
            raise GivenUp(f"{method} {what}: {said}")
        return said

    async def hear(self, *turns: Turn) -> None:
        """Wait for the end of these turns."""

        async def ended() -> bool:
            return all(turn.id in self.view.outcomes for turn in turns)

        await self.until(ended, f"the turns {[turn.id for turn in turns]} end")

    async def hear_parts(self, count: int, turn: Turn) -> None:
        """Wait for so many parts more, or the end of the turn."""
        before = self.view.parts

        async def heard() -> bool:
            return self.view.parts >= before + count or turn.id in self.view.outcomes

        await self.until(heard, f"{count} parts")

    async def until(self, check: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Check again after each event, and now and then without one."""
        deadline = time.monotonic() + self._door.patience_seconds
        while not (answer := await check()):
            if time.monotonic() > deadline:
                raise GivenUp(f"{self.name} {self.chat_id}: not within patience: {what}")
            self._changed.clear()
            try:
                async with asyncio.timeout(1):
                    await self._changed.wait()
            except TimeoutError:
                pass
        return answer

    async def _read(self) -> None:
        path = f"/v1/chats/{self.chat_id}/stream"
        while True:
            events = self._door.events(path, last_id=self.view.last_id)
            async for event in events:
                self.view.take(event)
                self._changed.set()
                if self.dice.random() < CUT_IN:
                    break
            await events.aclose()
            await asyncio.sleep(BETWEEN_CONNECTIONS_SECONDS)

    async def _answer_calls(self) -> None:
        async def asked() -> dict[str, Any] | None:
            if self.silent:
                return None
            new = [call for id_, call in self.view.calls.items() if id_ not in self._answered]
            return new[0] if new else None

        while True:
            try:
                call = await self.until(asked, "a call")
            except GivenUp:
                continue  # nobody promised one
            id_ = call["tool_call_id"]
            self._answered.add(id_)
            rows = [{"tool_call_id": id_, "output": f"for {id_}"}]
            body = {"results": rows, "partial": True}
            # 400, 409: somebody has stopped the turn meanwhile.
            await self.do("POST", "/tool-results", body, 400, 409)

    async def _agrees(self) -> bool:
        return not await self.differences()

    async def differences(self) -> list[str]:
        """Say where the view and what the API tells differ."""
        path = f"/v1/chats/{self.chat_id}"
        chat = (await self._door.ask("GET", path)).body
        page = (await self._door.ask("GET", f"{path}/messages?after_id=0&limit=200")).body
        queue = (await self._door.ask("GET", f"{path}/queue")).body
        view = self.view
        told: dict[str, tuple[object, object]] = {
            "messages": ([m for _, m in sorted(view.messages.items())], page["items"]),
            "queue": (view.queue, queue["items"]),
            "status": (view.status, chat["status"]),
            "title": (view.title, chat["title"]),
            "error": (view.error_now, chat.get("last_error")),
            "preview": (view.preview, {}),
        }
        return [
            f"{name}: {seen!r} and {is_!r}" for name, (seen, is_) in told.items() if seen != is_
        ]
