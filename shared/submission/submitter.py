"""Submits what a producer says: a new chat, a message to one, or whichever fits a key."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.chats.machine.change import Change
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.chat import Chat
from shared.chats.model.errors import ChatNotFound, KeyTaken
from shared.chats.model.ids import ChatId
from shared.chats.model.messages import UserMessage
from shared.chats.model.statuses import BusyBehavior
from shared.chats.moves.callers.send import create, send
from shared.chats.moves.turns import Placed
from shared.chats.reads.chats import find_chat_id
from shared.config.catalog import Catalog
from shared.submission.errors import KeyContended
from shared.submission.fleet_tools import FleetTools
from shared.submission.media import require_media
from shared.submission.new_chat import NewChat, build_chat, require_model
from shared.submission.tool_schema import SchemaChecks

TRIES: Final = 5
"""How often a chat may appear and vanish while one submission looks for it."""

Reserve = Callable[[Connection], None]
"""Called under the lock and before the move: waits for a twin, and raises if this is a repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Where a message went, in a change that is still open; `created`: the chat is new."""

    change: Change
    message: UserMessage
    placed: Placed
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """The way in for producers. Each submission is one transaction, open while it is entered.

    What a producer writes inside, on `change.connection`, is committed with the message or not at
    all. Everything raises `InvalidSubmission`, what the moves and `reserve` raise, and the
    database's errors; then nothing has happened.
    """

    machine: ChatMachine
    engine: Engine
    catalog: Catalog
    tools: FleetTools
    new_id: Callable[[], UUID]
    checks: SchemaChecks = field(default_factory=SchemaChecks)

    @contextmanager
    def create(self, new: NewChat, *, reserve: Reserve) -> Generator[Submitted]:
        """Create a chat with its first message. Raises `KeyTaken`."""
        with self.machine.create(self._build(new)) as change:
            reserve(change.connection)
            yield self._begun(change, new)

    @contextmanager
    def send(
        self,
        chat_id: ChatId,
        message: UserMessage,
        busy: BusyBehavior,
        *,
        owner: str | None,
        reserve: Reserve,
    ) -> Generator[Submitted]:
        """Send a message to a chat; with `owner` only to that owner's. Raises `ChatNotFound`."""
        require_model(self.catalog, message.model)
        with self.machine.change(chat_id) as change:
            if owner is not None and change.chat.owner != owner:
                raise ChatNotFound
            reserve(change.connection)
            yield self._sent(change, message, busy)

    @contextmanager
    def create_or_send(
        self, new: NewChat, busy: BusyBehavior, *, reserve: Reserve
    ) -> Generator[Submitted]:
        """Send to the owner's chat with this key, or create it. Raises `KeyContended`."""
        # Checked whether or not it comes to creating: a submission is good or bad by itself.
        chat = self._build(new)
        with ExitStack() as opened:
            change = self._open_by_key(opened, chat)
            reserve(change.connection)
            if change.chat is chat:
                yield self._begun(change, new)
            else:
                message = UserMessage(content=new.content, model=new.model, author=new.author)
                yield self._sent(change, message, busy)

    def _open_by_key(self, opened: ExitStack, chat: Chat) -> Change:
        """Whoever comes between makes this one look again: the row decides, not the look."""
        for _ in range(TRIES):
            with self.engine.connect() as connection:
                chat_id = find_chat_id(connection, owner=chat.owner, key=chat.key or "")
            try:
                if chat_id is None:
                    return opened.enter_context(self.machine.create(chat))
                return opened.enter_context(self.machine.change(chat_id))
            except (KeyTaken, ChatNotFound):
                continue
        raise KeyContended

    def _build(self, new: NewChat) -> Chat:
        return build_chat(
            new,
            chat_id=ChatId(self.new_id()),
            catalog=self.catalog,
            builtin_tools=self.tools.names(including=new.tools or ()),
            checks=self.checks,
        )

    def _begun(self, change: Change, new: NewChat) -> Submitted:
        require_media(self.catalog, change.chat.model, new.content)
        message = UserMessage(content=new.content, author=new.author)
        placed = create(change, message)
        return Submitted(change=change, message=message, placed=placed, created=True)

    def _sent(self, change: Change, message: UserMessage, busy: BusyBehavior) -> Submitted:
        require_media(self.catalog, message.model or change.chat.model, message.content)
        placed = send(change, message, busy)
        return Submitted(change=change, message=message, placed=placed, created=False)
