"""A watch, and what keeps it going while somebody watches."""

import asyncio
from dataclasses import dataclass

from api.stream.watch import Watch


@dataclass(eq=False, slots=True, kw_only=True)
class Post:
    """One watched chat of the hub: its subscription and the task that reads for it."""

    watch: Watch
    subscribed: asyncio.Future[None]
    kicked: asyncio.Event
    joining: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def deserted(self) -> bool:
        """Nobody watches."""
        return not (self.joining or self.watch.clients)

    def kick(self) -> None:
        """Have a look at what is to be read."""
        self.kicked.set()
