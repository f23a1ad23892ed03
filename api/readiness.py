"""Says whether this process can serve: PostgreSQL must be there and migrated, Redis may be away."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from alembic.config import Config
from alembic.script import ScriptDirectory
from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from shared.db import migrations

KEPT_SECONDS: Final = 1.0
"""An answer serves all who ask within this time: probes must not become a load."""


class DependencyState(StrEnum):
    """The state of a part."""

    OK = "ok"  # it answers
    AWAY = "away"  # it does not answer
    NOT_MIGRATED = "not_migrated"  # the schema is older than this program


class Readiness(StrEnum):
    """The state of the whole."""

    OK = "ok"  # everything answers
    DEGRADED = "degraded"  # work is accepted, and reaches workers and watchers late
    UNAVAILABLE = "unavailable"  # nothing can be accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found."""

    postgresql: DependencyState
    redis: DependencyState

    @property
    def readiness(self) -> Readiness:
        """The whole: only PostgreSQL is indispensable."""
        if self.postgresql is not DependencyState.OK:
            return Readiness.UNAVAILABLE
        return Readiness.OK if self.redis is DependencyState.OK else Readiness.DEGRADED


class Pinged(Protocol):
    """The part of a Redis client that is wanted here."""

    def ping(self) -> object:
        """Ask for a sign of life."""
        ...


class Prober:
    """Asks the parts, one asker at a time. `engine` is its own: a busy pool is not an outage."""

    def __init__(self, engine: Engine, redis: Pinged, clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds."""
        self._engine = engine
        self._redis = redis
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, Report] | None = None
        self._older = _older_revisions()

    def report(self) -> Report:
        """Return what was found, now or a moment ago. Takes seconds when a part is away."""
        with self._lock:
            if self._last is None or self._clock() - self._last[0] > KEPT_SECONDS:
                report = Report(postgresql=self._ask_postgresql(), redis=self._ask_redis())
                self._last = self._clock(), report
            return self._last[1]

    def _ask_postgresql(self) -> DependencyState:
        try:
            with self._engine.connect() as connection:
                revision = connection.execute(text("SELECT version_num FROM alembic_version"))
                # A revision that is not known here is newer: migrations only add.
                return (
                    DependencyState.NOT_MIGRATED
                    if revision.scalar() in self._older
                    else DependencyState.OK
                )
        except ProgrammingError:  # there is no such table
            return DependencyState.NOT_MIGRATED
        except SQLAlchemyError:
            return DependencyState.AWAY

    def _ask_redis(self) -> DependencyState:
        try:
            self._redis.ping()
        except (RedisError, OSError):
            return DependencyState.AWAY
        return DependencyState.OK


def _older_revisions() -> frozenset[str | None]:
    """Return the revisions before the newest one, and None for a database without any."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    return frozenset({None, *(script.revision for script in scripts.walk_revisions())} - {head})
