"""The wire dialects that a provider can speak."""

from enum import StrEnum


class Dialect(StrEnum):
    """How a provider is spoken to."""

    OPENAI_CHAT = "openai-chat"  # chat completions, and every server compatible with them
    ANTHROPIC = "anthropic"  # the messages API
    SCRIPTED = "scripted"  # the shipped fake: no network, plays a script
