"""One event on its way to clients, and how it is written."""

from dataclasses import dataclass

import orjson

from api.render import (
    Json,
    render_calls,
    render_error,
    render_message,
    render_queued,
    render_retry,
)
from api.stream.cursor import Cursor
from shared.chats.model.chat import PendingCall
from shared.chats.model.ids import TurnId
from shared.chats.model.lease import Episode
from shared.chats.model.messages import Message, QueuedMessage
from shared.chats.model.statuses import Status
from shared.chats.model.turns import ChatError, RetryState, TurnOutcome
from shared.events.types import EventName, PartEntry
from shared.events.wire import public_part


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBody:
    """The name says it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusBody:
    """A status and the turn it is about."""

    status: Status
    turn_id: TurnId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleBody:
    """A title."""

    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBody:
    """A piece of an episode."""

    episode: Episode
    entry: PartEntry
    turn_id: TurnId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBody:
    """A back-off and whose."""

    retry: RetryState
    turn_id: TurnId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBody:
    """The queue."""

    items: tuple[QueuedMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBody:
    """The calls that wait for the client."""

    calls: tuple[PendingCall, ...]
    turn_id: TurnId | None


Body = (
    NoBody
    | StatusBody
    | TitleBody
    | PartBody
    | RetryBody
    | QueueBody
    | ActionBody
    | Message
    | ChatError
    | TurnOutcome
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event, and where a client stands once it has it."""

    name: EventName
    body: Body
    cursor: Cursor


def encode_event(event: Event) -> bytes:
    """Write one server-sent event."""
    id_, name = str(event.cursor).encode(), event.name.value.encode()
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (id_, name, orjson.dumps(_render(event.body)))


def _render(body: Body) -> Json:
    match body:
        case PartBody():
            return _render_part(body)
        case Message():
            return render_message(body)
        case ChatError():
            return render_error(body)
        case TurnOutcome():
            return _render_outcome(body)
        case _:
            return _render_state(body)


def _render_state(
    body: NoBody | StatusBody | TitleBody | RetryBody | QueueBody | ActionBody,
) -> Json:
    match body:
        case NoBody():
            return {}
        case StatusBody():
            return {"status": body.status.value, **_turn(body.turn_id)}
        case TitleBody():
            return {"title": body.title}
        case RetryBody():
            return {**render_retry(body.retry), **_turn(body.turn_id)}
        case QueueBody():
            return {"items": [render_queued(item) for item in body.items]}
        case ActionBody():
            return {"tool_calls": render_calls(body.calls), **_turn(body.turn_id)}


def _render_part(body: PartBody) -> Json:
    return {
        "history_version": body.episode.history_version,
        "attempt": body.episode.attempt,
        "seq": body.entry.seq,
        "index": body.entry.index,
        "role": body.entry.role.value,
        "part": public_part(body.entry.delta),
        **_turn(body.turn_id),
    }


def _render_outcome(outcome: TurnOutcome) -> Json:
    written: Json = {"turn_id": str(outcome.turn_id), "status": outcome.status.value}
    if outcome.answer_message_id is not None:
        written["answer_message_id"] = outcome.answer_message_id
    if outcome.error is not None:
        written["error"] = render_error(outcome.error)
    return written


def _turn(turn_id: TurnId | None) -> Json:
    return {} if turn_id is None else {"turn_id": str(turn_id)}
