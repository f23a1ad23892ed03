"""The parts of `compose.yaml` that the tests look at."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).parents[3]


class Health(BaseModel):
    """A health check."""

    model_config = ConfigDict(extra="forbid")

    test: list[str]
    interval: str
    timeout: str
    retries: int = 3
    start_period: str = "0s"


class Condition(BaseModel):
    """What a service waits for."""

    condition: str


class Deploy(BaseModel):
    """How many of a service run."""

    replicas: int


class Service(BaseModel):
    """One service."""

    model_config = ConfigDict(extra="forbid")

    image: str
    build: str | None = None
    command: list[str] = Field(default_factory=list[str])
    restart: str
    environment: dict[str, str] = Field(default_factory=dict[str, str])
    ports: list[str] = Field(default_factory=list[str])
    expose: list[str] = Field(default_factory=list[str])
    volumes: list[str] = Field(default_factory=list[str])
    depends_on: dict[str, Condition] = Field(default_factory=dict[str, Condition])
    healthcheck: Health | None = None
    stop_grace_period: str = "10s"
    deploy: Deploy = Deploy(replicas=1)


class Compose(BaseModel):
    """The file."""

    services: dict[str, Service]
    volumes: dict[str, None]


def read_compose() -> Compose:
    """Parse the file of the project."""
    return Compose.model_validate(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def seconds(text: str) -> float:
    """The number of a duration such as `45s`."""
    return float(text.removesuffix("s"))
