"""What the process of the floors is asked for."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Commits(_Wire):
    """Rows inserted and committed one by one, into a table of its own."""

    kind: Literal["commits"] = "commits"
    database_url: str
    count: int


class PubSub(_Wire):
    """Messages published one by one, each read by a subscriber before the next one."""

    kind: Literal["pubsub"] = "pubsub"
    redis_url: str
    count: int


class Noops(_Wire):
    """Celery tasks that do nothing, sent one by one; each tells when it ran."""

    kind: Literal["noops"] = "noops"
    redis_url: str
    count: int


Job = Annotated[Commits | PubSub | Noops, Field(discriminator="kind")]
JOB: TypeAdapter[Job] = TypeAdapter(Job)
