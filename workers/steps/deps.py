"""What a step needs of its process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from structlog.stdlib import BoundLogger

from shared.chats.machine.machine import ChatMachine
from shared.chats.model.ids import WorkerId
from shared.config.catalog import Catalog
from shared.tools.registry import Registry
from workers.failpoints import Reached
from workers.leases.registry import Leases
from workers.loop import LoopThread
from workers.providers.protocol import Provider
from workers.steps.guard import Patience
from workers.steps.settler import Settler
from workers.streaming.flusher import Flusher
from workers.timers import Timers
from workers.tools.deps import ToolDeps
from workers.worker_metrics import WorkerMetrics


class ProviderSource(Protocol):
    """Hands out the provider of a name. Raises `Preclassified` when it can't be used."""

    def get(self, name: str) -> Provider:
        """Return the provider; on the loop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeps:
    """The parts of the process that a step works with; all of them are safe between threads,
    but for the flusher and the providers, which live on the loop."""

    machine: ChatMachine
    settler: Settler
    leases: Leases
    loop: LoopThread
    flusher: Flusher
    providers: ProviderSource
    catalog: Catalog
    patience: Patience
    timers: Timers
    max_steps: int
    worker_id: Callable[[], WorkerId]
    new_id: Callable[[], UUID]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    registry: Registry
    tools: ToolDeps
    metrics: WorkerMetrics
    log: BoundLogger

    @property
    def reached(self) -> Reached:
        """What is told where the step stands."""
        return self.tools.reached
