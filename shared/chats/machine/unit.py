"""What a change leaves to be written with its chat: the columns of turns, at once and only once."""

from dataclasses import dataclass, field

from shared.chats.machine.collections import Rows
from shared.chats.model.chat import Chat
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import Prompt
from shared.chats.store.written import Written


@dataclass(slots=True, kw_only=True)
class Unit:
    """The unit of work of a change. Once it is `sealed`, nothing more may be added to it."""

    rows: Rows
    sealed: bool = False
    new_turn: TurnId | None = None
    turns: dict[TurnId, dict[str, object]] = field(default_factory=dict[TurnId, dict[str, object]])

    def open_turn(self, turn_id: TurnId, **values: object) -> None:
        """Insert a turn with what is written; one change opens one at the most."""
        assert self.new_turn is None
        self.new_turn = turn_id
        self.change_turn(turn_id, **values)

    def change_turn(self, turn_id: TurnId, **values: object) -> None:
        """Set columns of a turn."""
        assert not self.sealed
        self.turns.setdefault(turn_id, {}).update(values)

    def write(self, before: Chat, after: Chat) -> None:
        """Write the chat and its turns."""
        self.rows.write(self._seal(before, after))

    def write_and_load_prompt(self, before: Chat, after: Chat) -> Prompt:
        """Write the chat and its turns, and read what the model may see along."""
        return self.rows.write_and_load_prompt(self._seal(before, after))

    def _seal(self, before: Chat, after: Chat) -> Written:
        assert not self.sealed
        self.sealed = True
        return Written(before=before, after=after, turns=self.turns, new_turn=self.new_turn)
