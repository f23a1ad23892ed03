"""A watch, and what keeps it going while somebody watches."""

import asyncio
from dataclasses import dataclass, field

from api.stream.watch import Watch


@dataclass(eq=False, slots=True, kw_only=True)
class Post:
    """One watched chat of the hub: its subscription and the task that reads for it."""

    watch: Watch
    subscribed: asyncio.Future[None]
    kicked: asyncio.Event
    joining: int = 0
    listeners: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    task: asyncio.Task[None] | None = None

    @property
    def deserted(self) -> bool:
        """Nobody watches, and nobody listens."""
        return not (self.joining or self.watch.clients or self.listeners)

    def tell(self) -> None:
        """Tell who only listens that the chat may have changed."""
        for listener in self.listeners:
            listener.set()

    def kick(self) -> None:
        """Have a look at what is to be read."""
        self.kicked.set()
