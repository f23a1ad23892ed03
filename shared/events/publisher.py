"""Publishes hints after a commit: several in one round trip, quickly or not at all."""

from collections.abc import Sequence

from redis import Redis

from shared.chats.machine.effects import Cancel, Changed, Hint
from shared.events.channels import chat_channel, worker_channel
from shared.events.errors import PublishFailed
from shared.events.types import CancelHint
from shared.events.wire import encode_cancel, encode_changed
from shared.redis.connection import REDIS_ERRORS, open_pipeline, send_command


class Publisher:
    """The way of hints out of a process; is a `shared.chats.machine.effects.Notifier`.

    Safe between threads. Wants a client of `open_redis`: half a second for each wait, no retry.
    Every method raises `PublishFailed` when Redis did not take the hints.
    """

    def __init__(self, redis: Redis) -> None:
        """Take the client; it connects at the first hint."""
        self._redis = redis

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish hints in one round trip."""
        try:
            if len(hints) == 1:
                send_command(self._redis, "PUBLISH", *_addressed(hints[0]))
                return
            pipeline = open_pipeline(self._redis)
            for hint in hints:
                pipeline.execute_command("PUBLISH", *_addressed(hint))
            pipeline.execute()
        except REDIS_ERRORS as error:
            raise PublishFailed(f"Redis did not take {len(hints)} hints: {error!r}") from error

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _addressed(hint: Hint) -> tuple[str, bytes]:
    match hint:
        case Changed():
            return chat_channel(hint.chat_id), encode_changed(hint.snapshot_version)
        case Cancel():
            cancel = CancelHint(
                chat_id=str(hint.chat_id), lease_id=str(hint.lease_id), reason=hint.reason
            )
            return worker_channel(hint.worker_id), encode_cancel(cancel)
