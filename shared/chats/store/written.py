"""Writes what a change leaves behind in one statement: the chat, its turns, its new messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from shared.chats.model.chat import Chat
from shared.chats.model.ids import TurnId
from shared.chats.model.messages import Prompt
from shared.chats.model.statuses import ENDED
from shared.chats.store.chat_row import changes, stored
from shared.chats.store.messages import SqlHistory, Stored, read_prompt, without_defaults
from shared.chats.store.statements import chat as row_query
from shared.chats.store.statements.chat import Shape, TurnShape

ONE_MORE: Final = object()
"""The value of a turn's `steps` after one more."""

MOST_IN_ONE: Final = 2
"""So many new messages go into the statement that writes the chat; more go before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a change leaves to be written; one turn may be new. `before` is the chat as it was.

    `turns` are the columns that change, by turn.
    """

    before: Chat
    after: Chat
    turns: Mapping[TurnId, Mapping[str, object]]
    new_turn: TurnId | None


class SqlRows:
    """Writes a chat whose row is locked; a `shared.chats.machine.collections.Rows`."""

    def __init__(self, connection: Connection, history: SqlHistory) -> None:
        """Take the transaction that holds the lock, and what has messages that wait."""
        self._connection = connection
        self._history = history

    def write(self, written: Written) -> None:
        """Write all in one statement: what differs of the chat and its turns, new messages."""
        waiting = self._history.take_waiting(MOST_IN_ONE)
        shape, parameters = _shape(written, waiting, prompt=False)
        row_query.write(shape).run(self._connection, parameters)

    def write_and_load_prompt(self, written: Written) -> Prompt:
        """Write all in one statement, and return what the model may see; the lock is held."""
        waiting = self._history.take_waiting(MOST_IN_ONE)
        shape, parameters = _shape(written, waiting, prompt=True)
        parameters["turn"] = written.after.current_turn_id
        return read_prompt(row_query.write(shape).all(self._connection, parameters))


def _shape(
    written: Written, waiting: Sequence[Stored], *, prompt: bool
) -> tuple[Shape, dict[str, object]]:
    changed = changes(written.before, written.after)
    parameters: dict[str, object] = {"chat": written.after.id}
    parameters |= {row_query.chat_parameter(name): value for name, value in changed.items()}
    shapes: list[TurnShape] = []
    for number, (turn_id, values) in enumerate(written.turns.items()):
        bound = {name: value for name, value in values.items() if value is not ONE_MORE}
        shapes.append(
            TurnShape(
                names=tuple(bound),
                opens=turn_id == written.new_turn,
                counts_step=len(bound) < len(values),
                ends=values.get("status") in ENDED,
            )
        )
        parameters |= {row_query.turn_parameter(number, n): stored(v) for n, v in bound.items()}
        parameters[row_query.turn_parameter(number, "id")] = turn_id
    rows = [without_defaults(row) for row in waiting]
    for number, row in enumerate(rows):
        parameters |= {row_query.message_parameter(number, n): v for n, v in row.items()}
    messages = tuple(tuple(row) for row in rows)
    shape = Shape(chat=tuple(changed), turns=tuple(shapes), messages=messages, prompt=prompt)
    return shape, parameters
