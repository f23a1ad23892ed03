"""Builders for tests that work with chats directly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from shared.chats.admit.send import create
from shared.chats.change import Limits
from shared.chats.effects import Effects, Hint
from shared.chats.machine import ChatMachine, Updated
from shared.chats.record import Chat
from shared.chats.states import Status
from shared.chats.turning import Placed, UserMessage
from shared.chats.types import ChatId, MessageId, TextPart, TurnTime, Usage


@dataclass(slots=True)
class Recorder:
    """Takes what effects send, as a dispatcher and a notifier would."""

    sent: list[tuple[ChatId, float]] = field(default_factory=list[tuple[ChatId, float]])
    hints: list[Hint] = field(default_factory=list[Hint])

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        del background
        self.sent.append((chat_id, countdown_seconds))

    def publish(self, hints: Sequence[Hint]) -> None:
        self.hints.extend(hints)


def make_machine(
    engine: Engine, *, recorder: Recorder | None = None, limits: Limits | None = None
) -> ChatMachine:
    recorder = recorder or Recorder()
    effects = Effects(dispatcher=recorder, notifier=recorder, log=structlog.stdlib.get_logger())
    return ChatMachine(engine=engine, effects=effects, limits=limits or Limits(), new_id=uuid7)


def new_chat(**changes: object) -> Chat:
    now = datetime.now(UTC)
    values: dict[str, object] = {
        "id": ChatId(uuid7()),
        "owner": "alice",
        "title": "hello",
        "model": "scripted",
        "status": Status.PENDING,
        "snapshot_version": 0,
        "history_version": 0,
        "status_version": 1,
        "phase_since": now,
        "created_at": now,
        "updated_at": now,
        "labels": {},
        "metadata": {},
        "usage": Usage(),
        "last_message_id": MessageId(0),
        "turn_time": TurnTime(),
    }
    return Chat(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def said(text: str) -> UserMessage:
    return UserMessage(content=(TextPart(text=text),))


def start_chat(machine: ChatMachine, text: str = "hello", **changes: object) -> Updated[Placed]:
    return machine.create(new_chat(**changes), lambda change: create(change, said(text)))
