"""Rows of a newer version of this program, in a rolling deploy: the turn goes on."""

from collections.abc import Mapping
from typing import Final

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import text

from shared.chats.model.ids import ChatId
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.settle import Finish
from shared.chats.reads.messages import load_queue
from shared.chats.reads.stream import Since, read_view
from shared.chats.store.codec import UNREADABLE
from tests.chats import Bench, answer

HOLOGRAM: Final[Mapping[str, object]] = {"type": "hologram", "depth": [1, {"of": "field"}]}
NEWER_TEXT: Final[Mapping[str, object]] = {"type": "text", "text": "said", "tone": {"of": [1]}}
TEXTS: Final = ("hello", UNREADABLE)


def _texts(parts: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(part.text for part in parts if isinstance(part, TextPart))


def _write_newer(
    bench: Bench, table: str, chat_id: ChatId, part: Mapping[str, object] = HOLOGRAM
) -> None:
    statement = text(f"UPDATE {table} SET content = content || :part WHERE chat_id = :id")
    with bench.engine.begin() as connection:
        connection.execute(statement, {"part": Jsonb([part]), "id": chat_id})


def _stored(bench: Bench, chat_id: ChatId) -> list[list[object]]:
    statement = text("SELECT content FROM messages WHERE chat_id = :id ORDER BY id")
    with bench.engine.connect() as connection:
        return list(connection.execute(statement, {"id": chat_id}).scalars())


def test_a_part_of_a_newer_version_is_told_as_one_and_the_turn_goes_on(bench: Bench) -> None:
    chat_id = bench.start("hello")
    _write_newer(bench, "messages", chat_id)
    begun = bench.begin(chat_id)
    assert _texts(begun.messages[0].content) == TEXTS
    with bench.engine.connect() as connection:
        view = read_view(connection, chat_id, Since())
    assert view is not None
    assert _texts(view.messages[0].content) == TEXTS
    bench.settle(chat_id, begun.fence, Finish(rows=(answer(turn_id=begun.chat.current_turn_id),)))
    assert bench.chat(chat_id).status is Status.WAITING
    assert _stored(bench, chat_id)[0][1] == HOLOGRAM


def test_a_queued_part_of_a_newer_version_moves_into_the_history_as_it_is(bench: Bench) -> None:
    chat_id = bench.start("first")
    begun = bench.begin(chat_id)
    bench.say(chat_id, "hello")
    _write_newer(bench, "queued_messages", chat_id)
    with bench.engine.connect() as connection:
        [queued] = load_queue(connection, chat_id)
    assert _texts(queued.content) == TEXTS
    bench.settle(chat_id, begun.fence, Finish(rows=()))
    assert _stored(bench, chat_id)[-1][1] == HOLOGRAM
    assert _texts(bench.begin(chat_id).messages[-1].content) == TEXTS


def test_a_field_of_a_newer_version_moves_into_the_history_too(bench: Bench) -> None:
    chat_id = bench.start("first")
    begun = bench.begin(chat_id)
    bench.say(chat_id, "hello")
    _write_newer(bench, "queued_messages", chat_id, NEWER_TEXT)
    bench.settle(chat_id, begun.fence, Finish(rows=()))
    assert _stored(bench, chat_id)[-1] == [{"type": "text", "text": "hello"}, NEWER_TEXT]
    assert _texts(bench.begin(chat_id).messages[-1].content) == ("hello", "said")


@pytest.mark.parametrize("column", ["usage", "turn_time"])
def test_a_field_of_a_newer_version_is_left_out(bench: Bench, column: str) -> None:
    chat_id = bench.start()
    statement = text(f"UPDATE chats SET {column} = {column} || '{{\"newer\": 1}}' WHERE id = :id")
    with bench.engine.begin() as connection:
        connection.execute(statement, {"id": chat_id})
    assert bench.begin(chat_id).chat.status is Status.RUNNING
