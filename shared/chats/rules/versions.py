"""Which versions a change of a chat stamps, so that streams know what is new. Pure."""

from shared.chats.model.chat import Chat


def stamp_versions(before: Chat, after: Chat, *, history: bool, queue: bool) -> None:
    """Stamp what differs with the new snapshot; a changed history starts a new row of episodes."""
    version = after.snapshot_version
    if history:
        after.history_version = version
        after.generation_attempt = 0
        after.clear_retry()
    if queue:
        after.queue_version = version
    if after.status is not before.status:
        after.status_version = version
    if after.title != before.title:
        after.title_version = version
    if after.last_error != before.last_error:
        after.error_version = version
    if after.retry_state != before.retry_state:
        after.retry_version = version
    if after.pending_calls != before.pending_calls:
        after.action_version = version
