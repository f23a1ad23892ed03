"""Everything that handlers work with, made once in `api.app` and frozen."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from anyio import CapacityLimiter
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from api.auth.authenticator import Authenticator
from api.readiness import Prober
from api.stream.wiring import Streams
from shared.chats.machine.machine import ChatMachine
from shared.config.catalog import Catalog
from shared.config.settings import Settings
from shared.metrics.metrics import Metrics
from shared.submission.submitter import Submitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the application is made of. `clock` is monotonic, in seconds."""

    settings: Settings
    engine: Engine
    authenticator: Authenticator
    machine: ChatMachine
    catalog: Catalog
    metrics: Metrics
    registry: CollectorRegistry
    prober: Prober
    probe_limiter: CapacityLimiter
    streams: Streams
    submitter: Submitter
    new_id: Callable[[], UUID]
    clock: Callable[[], float]
