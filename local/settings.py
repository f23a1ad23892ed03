"""What `make run` reads from the environment, and what it hands to its children."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError
from shared.config.settings import Settings, read_settings

DATABASE_URL = "STEPWELL_DATABASE_URL"
REDIS_URL = "STEPWELL_REDIS_URL"

_OF_OTHERS = ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
"""What many programs read: in a shell they are of something else, which is not ours to migrate."""

OWN_POSTGRES = "postgresql://own"
OWN_REDIS = "redis://own"
"""Stand where no server is named; replaced as soon as our own ones run."""

SPARE_CONNECTIONS = 20
"""For a migration, the supervisor itself, people with a shell, and what PostgreSQL keeps back."""

CONFIG_VARIABLES = ("STEPWELL_CONFIG", "STEPWELL_CONFIG_FILE")

DEFAULT_STATE_DIR = ".stepwell"
DEFAULT_WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The common settings, and those of this machine alone."""

    common: Settings
    workers: int
    state_dir: Path
    environment: Mapping[str, str]

    @property
    def own_postgres(self) -> bool:
        """Whether no other PostgreSQL is named."""
        return self.common.database_url.get_secret_value() == OWN_POSTGRES

    @property
    def own_redis(self) -> bool:
        """Whether no other Redis is named."""
        return self.common.redis_url.get_secret_value() == OWN_REDIS

    @property
    def named_servers(self) -> Mapping[str, str]:
        """The URLs of servers that the environment names in place of our own, by variable."""
        urls = {DATABASE_URL: self.common.database_url, REDIS_URL: self.common.redis_url}
        own = {DATABASE_URL: self.own_postgres, REDIS_URL: self.own_redis}
        return {name: url.get_secret_value() for name, url in urls.items() if not own[name]}

    @property
    def wanted_connections(self) -> int:
        """The connections PostgreSQL must allow for this fleet, 100 at least."""
        wanted = self.common.wanted_connections(api=1, workers=self.workers)
        return max(100, wanted + SPARE_CONNECTIONS)

    def of_children(self, urls: Mapping[str, str]) -> "ChildSettings":
        """The settings the children see, with the URLs of our own servers filled in."""
        environment = {
            "STEPWELL_LOG_FORMAT": "readable",
            **self.environment,
            **urls,
            "PYTHONUNBUFFERED": "1",  # a line is read when it is written
        }
        return ChildSettings(common=read_settings(environment), environment=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What a child reads, and the environment it reads it from."""

    common: Settings
    environment: Mapping[str, str]

    @property
    def database_url(self) -> str:
        """Of the one database, password included."""
        return self.common.database_url.get_secret_value()

    @property
    def redis_url(self) -> str:
        """Of the one Redis, password included."""
        return self.common.redis_url.get_secret_value()


def read_local_settings(environ: Mapping[str, str], root: Path) -> LocalSettings:
    """Check everything before anything starts. Raises `LocalError` or `SettingsError`.

    A `stepwell.toml` in the root counts unless another one is named. A server is named by
    `STEPWELL_DATABASE_URL` and `STEPWELL_REDIS_URL`, and by no name without the prefix.
    """
    foreign = {name + suffix for name in _OF_OTHERS for suffix in ("", "_FILE")}
    # An empty variable means an absent one, here as in the common settings.
    given = {name: value for name, value in environ.items() if value and name not in foreign}
    config = root / "stepwell.toml"
    if config.is_file() and not any(name in given for name in CONFIG_VARIABLES):
        given["STEPWELL_CONFIG"] = str(config)
    servers = {DATABASE_URL: OWN_POSTGRES, REDIS_URL: OWN_REDIS}
    named = {name for name in servers if f"{name}_FILE" in given}
    own = {name: url for name, url in servers.items() if name not in named}
    return LocalSettings(
        common=read_settings({**own, **given}),
        workers=_count(given.get("STEPWELL_WORKERS", str(DEFAULT_WORKERS))),
        state_dir=state_dir(given),
        environment=given,
    )


def state_dir(environ: Mapping[str, str]) -> Path:
    """Where everything is kept that outlives a `make run`."""
    return Path(environ.get("STEPWELL_STATE_DIR") or DEFAULT_STATE_DIR).absolute()


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise LocalError(f"STEPWELL_WORKERS: wants a number from 1 to 64, not {text!r}")
    return int(text)
