"""Set a chat's fields, put it away, bring it back."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.chats.machine.change import Change
from shared.chats.model.statuses import Move
from shared.jsonvalue import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFields:
    """The fields to set; None leaves a field as it is."""

    title: str | None = None
    labels: Mapping[str, str] | None = None
    metadata: JsonObject | None = None
    model: str | None = None
    archived: bool | None = None


def set_fields(change: Change, new: NewFields) -> None:
    """Set fields, the archived flag last (first when it is taken away). Raises `ChatArchived`."""
    if new.archived is False:
        _unarchive(change)
    if any(value is not None for value in (new.title, new.labels, new.metadata, new.model)):
        change.require(Move.SET_FIELDS)
        _set(change, new)
    if new.archived is True and not change.chat.archived:
        change.require(Move.ARCHIVE)
        change.chat.archived = True


def set_title_by_model(change: Change, title: str) -> None:
    """Take the title that a model proposes, once, and never over one that a person set."""
    if change.chat.title_source != "words" or change.chat.archived:
        change.unchanged = True
        return
    change.chat.title = title
    change.chat.title_source = "model"


def _unarchive(change: Change) -> None:
    if change.chat.archived:
        change.require(Move.UNARCHIVE)
        change.chat.archived = False


def _set(change: Change, new: NewFields) -> None:
    chat = change.chat
    if new.title is not None:
        chat.title, chat.title_source = new.title, "person"
    if new.labels is not None:
        chat.labels = new.labels
    if new.metadata is not None:
        chat.metadata = new.metadata
    if new.model is not None:
        chat.model = new.model
