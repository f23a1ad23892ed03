"""Why a stream can't be had. The docstring is the sentence; what was sent is not repeated."""


class StreamError(Exception):
    """The stream can't be had."""

    def __str__(self) -> str:
        """Say the class's sentence."""
        return type(self).__doc__ or ""


class BadCursor(StreamError):
    """This is not an id of an event of this stream, nor a cursor."""


class BadUntil(StreamError):
    """until wants 'idle' or 'turn:' and the id of a turn."""


class TurnUnknown(StreamError):
    """The chat has no such turn."""


class StreamUnavailable(StreamError):
    """The chat can't be read at the moment."""
