"""A person with a chat: reads it without a break, says things, answers calls, changes its mind."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.door import Door, GivenUp
from tests.chaos.scene import Author, Line
from tests.chaos.view import View
from tests.journeys.tooling import ASK

CUT_IN = 1 / 150
"""How probable it is after an event that the client loses its own connection."""

BETWEEN_CONNECTIONS_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class Turn:
    """A turn that the API has accepted."""

    id: str
    line: Line
    disturbed: bool = False
    """Somebody came between: it may have ended otherwise, with less of an answer."""


class Client:
    """One chat from its creation to its last turn."""

    def __init__(self, door: Door, author: Author, name: str, *, model: str) -> None:
        """Take the name, which is the chat's label, and the dice of the author."""
        self.name = name
        self.view = View()
        self.turns: list[Turn] = []
        self.chat_id = ""
        self.scenes_begun = 0
        self._door = door
        self._author = author
        self._dice: random.Random = author.dice
        self._model = model
        self._changed = asyncio.Event()
        self._answered: set[str] = set()

    def scenes(self) -> list[Callable[[], Awaitable[None]]]:
        """Return all that may happen in this chat."""
        return [
            self.plain,
            self.failing,
            self.queueing,
            self.using_tools,
            self.asking,
            self.interrupting,
            self.cutting_in,
            self.editing,
        ]

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
            await self._until(self._agrees, "the view agrees with the chat")
            for task in reading:
                task.cancel()

    async def plain(self) -> None:
        """Ask and wait."""
        await self._hear(await self._say(self._author.plain()))

    async def failing(self) -> None:
        """Ask what fails at first."""
        await self._hear(await self._say(self._author.failing()))

    async def using_tools(self) -> None:
        """Ask what needs tools of the worker."""
        await self._hear(await self._say(self._author.using_tools()))

    async def asking(self) -> None:
        """Ask what needs a tool of the client."""
        await self._hear(await self._say(self._author.asking()))

    async def queueing(self) -> None:
        """Ask three things at once."""
        turns = [await self._say(self._author.plain()) for _ in range(3)]
        await self._hear(*turns)

    async def interrupting(self) -> None:
        """Stop an answer in its middle."""
        turn = await self._say(self._author.plain(words=60))
        await self._hear_parts(3, turn)
        turn.disturbed = True
        await self._do("POST", "/interrupt", {}, 202)
        await self._hear(turn)

    async def cutting_in(self) -> None:
        """Ask something else in the middle of an answer."""
        turn = await self._say(self._author.plain(words=60))
        await self._hear_parts(3, turn)
        turn.disturbed = True
        other = await self._say(self._author.plain(), busy_behavior="interrupt")
        await self._hear(turn, other)

    async def editing(self) -> None:
        """Ask, and then ask it differently while the answer comes."""
        turn = await self._say(self._author.plain(words=30))
        await self._hear_parts(3, turn)
        message_id = await self._until(lambda: self._message_of(turn), "the question is there")
        turn.disturbed = True
        line = self._author.plain()
        said = await self._do("PATCH", f"/messages/{message_id}", {"content": line.content}, 202)
        other = Turn(id=said["turn_id"], line=line)
        self.turns.append(other)
        await self._hear(turn, other)

    async def _message_of(self, turn: Turn) -> int | None:
        found = [
            id_
            for id_, message in self.view.messages.items()
            if message["role"] == "user" and message["turn_id"] == turn.id
        ]
        return found[0] if found else None

    async def _say(self, line: Line, **fields: object) -> Turn:
        if self.chat_id:
            body = {"content": line.content, **fields}
            said = await self._do("POST", "/messages", body, 202)
        else:
            said = await self._create(line)
        turn = Turn(id=said["turn_id"], line=line)
        self.turns.append(turn)
        return turn

    async def _create(self, line: Line) -> dict[str, Any]:
        body = {
            "content": line.content,
            "model": self._model,
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

    async def _do(self, method: str, what: str, body: object, expected: int) -> dict[str, Any]:
        said = await self._door.ask(method, f"/v1/chats/{self.chat_id}{what}", body)
        if said.status != expected:
            raise GivenUp(f"{method} {what}: {said}")
        return said.body

    async def _hear(self, *turns: Turn) -> None:
        async def ended() -> bool:
            return all(turn.id in self.view.outcomes for turn in turns)

        await self._until(ended, f"the turns {[turn.id for turn in turns]} end")

    async def _hear_parts(self, count: int, turn: Turn) -> None:
        before = self.view.parts

        async def heard() -> bool:
            return self.view.parts >= before + count or turn.id in self.view.outcomes

        await self._until(heard, f"{count} parts")

    async def _until(self, check: Callable[[], Awaitable[Any]], what: str) -> Any:
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
                if self._dice.random() < CUT_IN:
                    break
            await events.aclose()
            await asyncio.sleep(BETWEEN_CONNECTIONS_SECONDS)

    async def _answer_calls(self) -> None:
        async def asked() -> dict[str, Any] | None:
            new = [call for id_, call in self.view.calls.items() if id_ not in self._answered]
            return new[0] if new else None

        while True:
            try:
                call = await self._until(asked, "a call")
            except GivenUp:
                continue  # nobody promised one
            id_ = call["tool_call_id"]
            self._answered.add(id_)
            rows = [{"tool_call_id": id_, "output": f"for {id_}"}]
            await self._do("POST", "/tool-results", {"results": rows}, 202)

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
