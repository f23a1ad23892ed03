"""Why an event could not leave."""

from shared.chats.machine.effects import EffectFailed


class PublishFailed(EffectFailed):
    """Hints could not be published; what they point at is in the database all the same."""


class BufferUnavailable(Exception):
    """The buffered parts of an episode can't be read, which is not the same as there being none."""
