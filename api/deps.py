"""Everything that handlers work with, made once in `api.main` and frozen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from anyio import CapacityLimiter
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from starlette.responses import Response

from api.access.caller import Caller
from api.access.gate import Gate
from api.live import Live
from api.readiness import Prober
from api.tool_schema import SchemaChecks
from shared.chats.machine import ChatMachine
from shared.chats.types import ChatId, TurnId
from shared.config.catalog import Catalog
from shared.config.settings import Settings
from shared.metrics.metrics import Metrics


class TurnStreams(Protocol):
    """Answers a POST with the stream of the turn that it began."""

    def __call__(self, caller: Caller, chat_id: ChatId, turn_id: TurnId) -> Response:
        """Return the answer: from the turn's own message to its end or pause."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the application is made of. `clock` is monotonic, in seconds."""

    settings: Settings
    engine: Engine
    gate: Gate
    machine: ChatMachine
    catalog: Catalog
    metrics: Metrics
    registry: CollectorRegistry
    prober: Prober
    probe_limiter: CapacityLimiter
    live: Live
    turn_streams: TurnStreams | None = None
    builtin_tools: frozenset[str]
    new_id: Callable[[], UUID]
    clock: Callable[[], float]
    schema_checks: SchemaChecks = field(default_factory=SchemaChecks)
