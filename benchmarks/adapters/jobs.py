"""What the process of the adapters is asked for."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Reader(StrEnum):
    """Who reads the stream."""

    OURS_OPENAI = "ours-openai"  # the adapter of the chat-completions dialect
    OFFICIAL_OPENAI = "official-openai"  # `chat.completions.create(stream=True)`
    OURS_ANTHROPIC = "ours-anthropic"  # the adapter of the messages dialect
    OFFICIAL_ANTHROPIC = "official-anthropic"  # `messages.create(stream=True)`


class Read(BaseModel):
    """Streams of one model, read one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: Reader
    model: str
    streams: int


class Cost(BaseModel):
    """What all streams took together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_ns: int
    deltas: int
