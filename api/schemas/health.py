"""The shapes of what operators ask for."""

from typing import Literal

from pydantic import BaseModel

from api.readiness import DependencyState, Readiness


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Parts(BaseModel):
    """The state of each part."""

    postgresql: DependencyState
    redis: DependencyState


class Ready(BaseModel):
    """Whether work is accepted."""

    readiness: Readiness
    parts: Parts


class Version(BaseModel):
    """What runs."""

    version: str
