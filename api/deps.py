"""Everything that handlers work with, made once in `api.main` and frozen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from anyio import CapacityLimiter
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from api.access.gate import Gate
from api.live import Live
from api.readiness import Prober
from api.tool_schema import SchemaChecks
from shared.chats.machine.machine import ChatMachine
from shared.config.catalog import Catalog
from shared.config.settings import Settings
from shared.metrics.metrics import Metrics


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
    builtin_tools: frozenset[str]
    new_id: Callable[[], UUID]
    clock: Callable[[], float]
    schema_checks: SchemaChecks = field(default_factory=SchemaChecks)
