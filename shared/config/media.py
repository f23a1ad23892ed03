"""Which files the models of a dialect can be shown: the API refuses what an adapter can't send."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from shared.config.dialect import Dialect

PDF = "application/pdf"

TEXTS = ("text/*", "application/json", "application/xml", "application/yaml")
"""Files that go to every model as text, quoted in the message."""

_MEDIA: Mapping[Dialect, tuple[str, ...]] = {
    # Any image: the servers behind this dialect differ in what they read.
    Dialect.OPENAI_CHAT: ("image/*", "audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp3", PDF),
    Dialect.ANTHROPIC: ("image/png", "image/jpeg", "image/gif", "image/webp", PDF),
    Dialect.SCRIPTED: ("*/*",),
}


def takes(dialect: Dialect) -> tuple[str, ...]:
    """Return the types of files that the dialect's models can be shown, `*` for any."""
    return (*_MEDIA[dialect], *TEXTS)


def matches(media_type: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a media type is one of these, in whatever case it is written."""
    return any(fnmatchcase(media_type.lower(), pattern) for pattern in patterns)
