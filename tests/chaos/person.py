"""What people do with their chats: they ask, wait, and change their minds at bad moments."""

from collections.abc import Awaitable, Callable

from tests.chaos.client import Client, Turn

Scene = Callable[[], Awaitable[None]]

TOO_LATE = (404, 409)
"""What a move is answered with when the turn it was meant for is over."""

LONG_NAP_SECONDS = 1.5
LONG_WORDS = 60


class Person(Client):
    """A client with a will."""

    def scenes(self) -> list[Scene]:
        """Return all that may happen in this chat."""
        return [
            self.plain,
            self.failing,
            self.failing_for_good,
            self.queueing,
            self.using_tools,
            self.stopping_tools,
            self.asking,
            self.stopping_a_question,
            self.interrupting,
            self.interrupting_at_once,
            self.cutting_in,
            self.cutting_in_again_and_again,
            self.editing,
            self.editing_what_is_over,
            self.promoting,
            self.deleting_queued,
        ]

    async def plain(self) -> None:
        """Ask and wait."""
        await self.hear(await self.say(self.author.plain()))

    async def failing(self) -> None:
        """Ask what fails at first."""
        await self.hear(await self.say(self.author.failing()))

    async def failing_for_good(self) -> None:
        """Ask what can't be answered, and go on after it."""
        await self.hear(await self.say(self.author.failing_for_good()))
        await self.hear(await self.say(self.author.plain()))

    async def using_tools(self) -> None:
        """Ask what needs tools of the worker."""
        await self.hear(await self.say(self.author.using_tools()))

    async def stopping_tools(self) -> None:
        """Stop while tools run."""
        turn = await self.say(self.author.using_tools(nap_seconds=LONG_NAP_SECONDS))
        await self.hear_parts(4, turn)
        await self._stop(turn)

    async def asking(self) -> None:
        """Ask what needs a tool of the client."""
        await self.hear(await self.say(self.author.asking()))

    async def stopping_a_question(self) -> None:
        """Stop instead of answering the model's question, or say something else."""
        self.silent = True
        known = {*self.view.calls}
        turn = await self.say(self.author.asking())

        async def asked() -> bool:
            return bool({*self.view.calls} - known) or turn.id in self.view.outcomes

        await self.until(asked, "the model asks")
        if self.dice.random() < 0.5:
            turn.disturbed = True
            other = await self.say(self.author.plain(), busy_behavior="interrupt")
            await self.hear(turn, other)
        else:
            await self._stop(turn)
        self.silent = False

    async def queueing(self) -> None:
        """Ask three things at once."""
        turns = [await self.say(self.author.plain()) for _ in range(3)]
        await self.hear(*turns)

    async def interrupting(self) -> None:
        """Stop an answer in its middle."""
        turn = await self.say(self.author.plain(words=LONG_WORDS))
        await self.hear_parts(3, turn)
        await self._stop(turn)

    async def interrupting_at_once(self) -> None:
        """Stop what may not have begun, with two more in the queue."""
        turns = [await self.say(self.author.plain()) for _ in range(3)]
        clear = self.dice.random() < 0.5
        for turn in turns:
            # Nobody knows how far they have come.
            turn.disturbed = True
        await self.do("POST", "/interrupt", {"clear_queue": clear})
        await self.hear(*turns)

    async def cutting_in(self) -> None:
        """Ask something else in the middle of an answer."""
        turn = await self.say(self.author.plain(words=LONG_WORDS))
        await self.hear_parts(3, turn)
        turn.disturbed = True
        other = await self.say(self.author.plain(), busy_behavior="interrupt")
        await self.hear(turn, other)

    async def cutting_in_again_and_again(self) -> None:
        """Interrupt oneself without waiting for anything."""
        turns: list[Turn] = []
        for _ in range(4):
            for turn in turns:
                turn.disturbed = True
            busy = self.dice.choice(["interrupt", "queue"])
            turns.append(await self.say(self.author.plain(), busy_behavior=busy))
        await self.hear(*turns)

    async def editing(self) -> None:
        """Ask, and then ask it differently while the answer comes."""
        turn = await self.say(self.author.plain(words=LONG_WORDS))
        await self.hear_parts(self.dice.randrange(4), turn)
        await self._edit(turn)

    async def editing_what_is_over(self) -> None:
        """Ask two things, and go back to the first."""
        turn, other = [await self.say(self.author.plain()) for _ in range(2)]
        await self.hear(turn)
        other.disturbed = True
        await self._edit(turn)
        await self.hear(other)

    async def promoting(self) -> None:
        """Let the last of the queue go first."""
        turns = [await self.say(self.author.plain(words=LONG_WORDS))]
        turns += [await self.say(self.author.plain()) for _ in range(2)]
        for turn in turns[:2]:
            turn.disturbed = True
        if turns[-1].queued_id is not None:
            await self.do("POST", f"/queue/{turns[-1].queued_id}/promote", {}, *TOO_LATE)
        await self.hear(*turns)

    async def deleting_queued(self) -> None:
        """Take a question back."""
        first = await self.say(self.author.plain(words=LONG_WORDS))
        other = await self.say(self.author.plain())
        other.disturbed = True
        if other.queued_id is not None:
            await self.do("DELETE", f"/queue/{other.queued_id}", None, *TOO_LATE)
        await self.hear(first, other)

    async def _stop(self, turn: Turn) -> None:
        turn.disturbed = True
        await self.do("POST", "/interrupt", {})
        await self.hear(turn)

    async def _edit(self, turn: Turn) -> None:
        message_id = await self.until(lambda: self.message_of(turn), "the question is there")
        turn.disturbed = True
        line = self.author.plain()
        said = await self.do("PATCH", f"/messages/{message_id}", {"content": line.content})
        await self.hear(turn, self.remember(said.body, line))
