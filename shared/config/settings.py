"""All settings: names, defaults, bounds. Built once in each entry file, frozen, passed down."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

_PREFIX = "STEPWELL_"
_UNPREFIXED = ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
_CONNECTIONS_KEPT_FREE = 10

_Kind = TypeVar("_Kind", bound=BaseModel)


class SettingsError(Exception):
    """The settings can't be used; the text names each setting at fault and what it wants."""


class DatabaseSettings(BaseModel):
    """Where PostgreSQL is: all that a command needs that works on the database alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: SecretStr = Field(
        description="where PostgreSQL is: postgresql://user:password@host:port/name"
    )

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("wants the form postgresql://user:password@host:port/name")
        return value

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL with the driver that this project uses, with its password."""
        parts = urlsplit(self.database_url.get_secret_value())
        return urlunsplit(parts._replace(scheme="postgresql+psycopg"))


class Settings(DatabaseSettings):
    """The settings of every process. Names ending in `_seconds` are seconds.

    Read from `STEPWELL_<NAME>`; the three URLs also without the prefix; every one also from the
    file that `<NAME>_FILE` names, which is how secrets are handed over.
    """

    redis_url: SecretStr = Field(
        description="where Redis or Valkey is, for streams, hints and the broker: redis://host:port/0"
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="another broker, Redis or RabbitMQ; the Redis of `redis_url` if left out",
    )
    config: Path | None = Field(
        default=None, description="the path of a stepwell.toml with models, providers and tools"
    )

    host: str = Field(default="127.0.0.1", description="the address on which the API listens")
    port: int = Field(default=8642, ge=1, le=65535, description="the port on which the API listens")
    log_format: Literal["readable", "json"] = Field(
        default="readable", description="`readable` for people, `json` for machines"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least level that is logged: debug, info, warning or error"
    )

    worker_concurrency: PositiveInt = Field(
        default=200, description="steps that a worker takes at a time; each waits most of its time"
    )
    worker_metrics_host: str = Field(
        default="127.0.0.1", description="the address of a worker's /metrics"
    )
    worker_metrics_port: int = Field(
        default=8650,
        ge=1,
        le=65535,
        description="its port; the next free one if it is taken, up to 99 higher",
    )
    worker_pool_size: PositiveInt = Field(
        default=8, description="database connections of a worker, and one more for its renewals"
    )
    api_pool_size: PositiveInt = Field(
        default=24, description="database connections of an API process, and as many threads"
    )
    stream_pool_size: PositiveInt = Field(
        default=8,
        description="database connections of an API process that read for streams, and threads",
    )

    renewal_seconds: PositiveFloat = Field(
        default=2.0, description="how often a worker says that it lives"
    )
    death_seconds: PositiveFloat = Field(
        default=7.0,
        description="after so much silence a worker is declared dead; twice the renewals at least",
    )
    sweep_seconds: PositiveFloat = Field(
        default=1.0, description="how often the sweeper looks for what nobody would move again"
    )
    lost_seconds: PositiveFloat = Field(
        default=3.0,
        description="how long a due chat waits for its message; doubled by each sweep, 5 times",
    )
    interrupting_seconds: PositiveFloat = Field(
        default=15.0, description="how long a worker may owe the partial answer of a stopped step"
    )
    drain_seconds: PositiveFloat = Field(
        default=20.0, description="how long a worker that is asked to stop goes on with its steps"
    )
    settle_outage_seconds: PositiveFloat = Field(
        default=120.0,
        description="how long a worker keeps a finished answer while PostgreSQL is away",
    )
    max_losses: int = Field(
        default=25,
        ge=0,
        description="how often a turn may lose its worker before it fails; 0 = no cap",
    )
    max_failures: int = Field(
        default=25, ge=0, description="attempts of a step before its turn fails; 0 = no cap"
    )
    max_steps: PositiveInt = Field(default=1200, description="steps of a turn before it is stopped")
    max_queued: PositiveInt = Field(
        default=20, description="messages that wait in a chat before another is refused"
    )
    requires_action_seconds: PositiveFloat = Field(
        default=300.0,
        le=7 * 24 * 3600,
        description="how long a call of a client's tool waits for its result, by default",
    )
    tool_seconds: PositiveFloat = Field(
        default=120.0, description="how long a built-in tool may run, if it does not say so itself"
    )
    tool_threads: PositiveInt = Field(
        default=200, description="built-in tool calls that a worker runs at a time"
    )

    startup_seconds: PositiveFloat = Field(
        default=60.0, description="how long a provider may take to the first part of an answer"
    )
    silence_seconds: PositiveFloat = Field(
        default=300.0, description="how long a provider may be silent between two parts"
    )
    connect_seconds: PositiveFloat = Field(
        default=10.0,
        description="how long a connection to a provider may take, name look-up and TLS included",
    )

    heartbeat_seconds: PositiveFloat = Field(
        default=10.0, description="how often an idle stream gets a comment, so that proxies keep it"
    )
    stream_compare_seconds: PositiveFloat = Field(
        default=10.0,
        description="how often streams are compared with the database, for hints that got lost",
    )
    stream_client_buffer: PositiveInt = Field(
        default=1000,
        description="events that wait for a slow reader before it is cut off; it can resume",
    )
    buffer_seconds: PositiveInt = Field(
        default=900,
        description="how long the parts of a running answer are kept for readers that come back",
    )
    max_body_bytes: PositiveInt = Field(
        default=256 * 1024, description="the largest body of a request without content"
    )
    max_content_body_bytes: PositiveInt = Field(
        default=20 * 1024 * 1024,
        description="the largest body of a request with content, files included",
    )

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("wants the form redis://host:port/0")
        return value

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.death_seconds < 2 * self.renewal_seconds:
            raise ValueError("death_seconds must be at least twice renewal_seconds")
        return self

    @property
    def broker(self) -> str:
        """The broker's URL, with its password."""
        return (self.broker_url or self.redis_url).get_secret_value()

    def wanted_connections(self, *, api: int, workers: int) -> int:
        """Return how many connections so many processes may open together."""
        # One more each: a worker's for its renewals, an API process's for its start.
        an_api = self.api_pool_size + self.stream_pool_size + 1
        return api * an_api + workers * (self.worker_pool_size + 1)

    def check_connections(self, max_connections: int, *, api: int, workers: int) -> None:
        """Raise `SettingsError` if the pools of so many processes exceed what PostgreSQL allows."""
        wanted = self.wanted_connections(api=api, workers=workers)
        if wanted + _CONNECTIONS_KEPT_FREE > max_connections:
            raise SettingsError(
                f"{wanted} database connections are wanted by {api} API and {workers} worker"
                f" processes, and PostgreSQL's max_connections is {max_connections}, of which"
                f" {_CONNECTIONS_KEPT_FREE} stay free: lower STEPWELL_API_POOL_SIZE or"
                " STEPWELL_WORKER_POOL_SIZE, or raise max_connections"
            )


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from `environ` (default: the process's). Raise `SettingsError`.

    The only place of the project that reads the environment.
    """
    return _read_all(Settings, environ)


def read_database_settings(environ: Mapping[str, str] | None = None) -> DatabaseSettings:
    """Build those of the database alone, likewise. Raise `SettingsError`."""
    return _read_all(DatabaseSettings, environ)


def _read_all(kind: type[_Kind], environ: Mapping[str, str] | None) -> _Kind:
    source = environment() if environ is None else environ
    values: dict[str, object] = {}
    for name in kind.model_fields:
        value = _look_up(name.upper(), source)
        if value is not None:
            values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def environment() -> Mapping[str, str]:
    """Return the process's environment, for the names that a `stepwell.toml` refers to."""
    return os.environ


def _look_up(name: str, source: Mapping[str, str]) -> str | None:
    candidates = [_PREFIX + name, *([name] if name in _UNPREFIXED else [])]
    for candidate in candidates:
        path = source.get(f"{candidate}_FILE")
        if path:
            return _read(candidate, path)
        if source.get(candidate):
            return source[candidate]
    return None


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE names {path!r}, which can't be read: {error}") from error


def _explain(error: ValidationError) -> str:
    # The input itself is left out: it may be a secret.
    rows = [
        f"{_PREFIX}{str(row['loc'][0]).upper() if row['loc'] else 'settings'}: {row['msg']}"
        for row in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return "; ".join(rows)
