"""What is stored, as it is written for clients. Pure; provider metadata never gets through."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from shared.chats.model.chat import Chat, PendingCall
from shared.chats.model.messages import Message, QueuedMessage, Usage
from shared.chats.model.parts import Part
from shared.chats.model.timing import TurnTime
from shared.chats.model.turns import ChatError, RetryState, Turn
from shared.events.wire import public_part
from shared.jsonvalue import JsonValue

Json = dict[str, JsonValue]


def render_chat(chat: Chat) -> Json:
    """Return a Chat."""
    return {
        "id": str(chat.id),
        "owner": chat.owner,
        **_given(key=chat.key),
        "title": chat.title,
        "status": chat.status.value,
        "archived": chat.archived,
        "model": chat.model,
        **_given(system=chat.system),
        "labels": chat.labels,
        "metadata": chat.metadata,
        "on_error": chat.on_error.value,
        **_given(
            turn_id=_text(chat.current_turn_id),
            last_error=None if chat.last_error is None else render_error(chat.last_error),
            retry=None if chat.retry_state is None else render_retry(chat.retry_state),
        ),
        "pending_tool_calls": render_calls(chat.pending_calls),
        "queue_length": chat.queue_length,
        "usage": render_usage(chat.usage),
        "cursor": cursor_of(chat),
        "created_at": render_time(chat.created_at),
        "updated_at": render_time(chat.updated_at),
    }


def cursor_of(chat: Chat) -> str:
    """Return the stream position of all that has happened, an answer in progress left out.

    State and messages are up to now; of the current episode no part has been seen.
    """
    episode = chat.episode
    return (
        f"{chat.snapshot_version}-{chat.last_message_id}"
        f"-{episode.history_version}-{episode.attempt}-0"
    )


def render_accepted(
    chat: Chat,
    *,
    turn_id: object = None,
    message: Message | None = None,
    queued: QueuedMessage | None = None,
) -> Json:
    """Return an Accepted: what a move made of the chat."""
    return {
        "chat_id": str(chat.id),
        **_given(turn_id=_text(turn_id)),
        "status": chat.status.value,
        "cursor": cursor_of(chat),
        **_given(
            message=None if message is None else render_message(message),
            queued_message=None if queued is None else render_queued(queued),
        ),
    }


def render_turn(turn: Turn) -> Json:
    """Return a Turn."""
    return {
        "id": str(turn.id),
        "status": turn.status.value,
        **_given(
            user_message_id=turn.user_message_id,
            answer_message_id=turn.answer_message_id,
            error=None if turn.error is None else render_error(turn.error),
        ),
        "usage": render_usage(turn.usage),
        "steps": turn.steps,
        "time": render_turn_time(turn.time),
        "created_at": render_time(turn.created_at),
        **_given(ended_at=None if turn.ended_at is None else render_time(turn.ended_at)),
    }


def render_turn_time(time: TurnTime) -> Json:
    """Return where a turn's time went, in seconds, to the microsecond that it was measured."""
    return {
        "queue": round(time.queue, 6),
        "provider": round(time.provider, 6),
        "backoff": round(time.backoff, 6),
        "tools": round(time.tools, 6),
        "client_tools": round(time.client_tools, 6),
        "commit": round(time.commit, 6),
    }


def render_message(message: Message) -> Json:
    """Return a Message."""
    return {
        "id": message.id,
        "chat_id": str(message.chat_id),
        "turn_id": _text(message.turn_id),
        "role": message.role.value,
        "content": render_parts(message.content),
        **_given(
            model=message.model,
            usage=None if message.usage is None else render_usage(message.usage),
            interrupted=message.interrupted or None,
            author=message.author,
            metadata=message.metadata,
        ),
        "created_at": render_time(message.created_at),
    }


def render_queued(queued: QueuedMessage) -> Json:
    """Return a QueuedMessage; its place is its place in the list."""
    return {
        "id": queued.id,
        "chat_id": str(queued.chat_id),
        "turn_id": str(queued.turn_id),
        "interrupting": queued.interrupting,
        "content": render_parts(queued.content),
        **_given(model=queued.model, author=queued.author, metadata=queued.metadata),
        "created_at": render_time(queued.created_at),
    }


def render_parts(parts: Iterable[Part]) -> list[JsonValue]:
    """Return content."""
    return [public_part(part) for part in parts]


def render_usage(usage: Usage) -> Json:
    """Return a Usage, every count included."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_creation_tokens": usage.cache_creation_tokens,
        "context_limit": usage.context_limit,
    }


def render_error(error: ChatError) -> Json:
    """Return an Error."""
    return {
        "message": error.message,
        **_given(detail=error.detail or None),
        "kind": error.kind,
        **_given(provider=error.provider or None),
        "retryable": error.retryable,
        **_given(status_code=error.status_code or None),
        "turn_id": _text(error.turn_id),
    }


def render_retry(retry: RetryState) -> Json:
    """Return why a chat backs off and until when."""
    return {
        "attempt": retry.attempt,
        "delay_ms": retry.delay_ms,
        "error": retry.error,
        "kind": retry.kind,
        "provider": retry.provider,
        "status_code": retry.status_code,
        "retryable": retry.retryable,
        "retrying_at": render_time(retry.retrying_at),
    }


def render_calls(calls: Iterable[PendingCall]) -> list[JsonValue]:
    """Return the dynamic calls that wait for the client."""
    return [
        {
            "tool_call_id": call.tool_call_id,
            "tool_name": call.tool_name,
            "args": call.args,
            "deadline_at": render_time(call.deadline_at),
            "turn_id": str(call.turn_id),
        }
        for call in calls
    ]


def render_time(time: datetime) -> str:
    """Return a time in UTC, whatever the time zone of the database's session."""
    return time.astimezone(UTC).isoformat()


def _given(**fields: JsonValue) -> Mapping[str, JsonValue]:
    """Return the fields that have a value: absent is how the API says unknown."""
    return {name: value for name, value in fields.items() if value is not None}


def _text(id_: object) -> str | None:
    return None if id_ is None else str(id_)
