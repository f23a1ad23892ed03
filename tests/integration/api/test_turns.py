"""Reading a turn, and waiting for its end."""

import threading
import time
from uuid import UUID, uuid4

import pytest
import structlog
from sqlalchemy import text
from uuid_utils.compat import uuid7

from shared.chats.machine.effects import Effects
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine
from shared.chats.model.ids import ChatId
from shared.chats.moves.callers.interrupt_retry import interrupt
from shared.events.publisher import Publisher
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_redis
from tests.chats import Recorder
from tests.integration.api.served import Api, Client, Reply


def test_a_turn_has_everything_that_is_known_of_it(alice: Client) -> None:
    chat = alice.start()
    turn = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}").json
    assert turn["id"] == chat["turn_id"]
    assert turn["status"] == "active"
    assert turn["steps"] == 0
    assert turn["user_message_id"] > 0
    assert set(turn["time"]) == {"queue", "provider", "backoff", "tools", "client_tools", "commit"}
    assert all(round(seconds, 6) == seconds for seconds in turn["time"].values())
    assert turn["usage"]["input_tokens"] == 0
    assert "ended_at" not in turn


def test_the_usage_of_a_turn_is_the_sum_over_its_messages(api: Api, alice: Client) -> None:
    chat = alice.start()
    with api.engine.begin() as connection:
        for number, limit in ((1, 100), (2, 200)):
            connection.execute(
                text(
                    "INSERT INTO messages (chat_id, turn_id, role, content, revision, created_at,"
                    " input_tokens, output_tokens, context_limit)"
                    " VALUES (:chat, :turn, 'assistant', '[]', 1, now(), :n, 10, :limit)"
                ),
                {"chat": chat["id"], "turn": chat["turn_id"], "n": number, "limit": limit},
            )
    usage = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}").json["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 20)
    assert usage["context_limit"] == 200


def test_waiting_ends_when_the_turn_does(api: Api, alice: Client, redis_url: str) -> None:
    chat = alice.start()
    began = time.monotonic()
    thread, replies = _waiting(alice, chat)
    _interrupt(api, chat["id"], redis_url)
    thread.join()
    assert replies[0].json["status"] == "interrupted"
    assert time.monotonic() - began < 5


def test_waiting_ends_when_the_time_is_over(alice: Client) -> None:
    chat = alice.start()
    began = time.monotonic()
    reply = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}?wait=0.3")
    assert (reply.status, reply.json["status"]) == (200, "active")
    assert 0.3 <= time.monotonic() - began < 3


def test_waiting_for_a_turn_that_has_ended_ends_at_once(
    api: Api, alice: Client, redis_url: str
) -> None:
    chat = alice.start()
    _interrupt(api, chat["id"], redis_url)
    began = time.monotonic()
    reply = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}?wait=30")
    assert reply.json["status"] == "interrupted"
    assert time.monotonic() - began < 3


def test_waiting_ends_when_the_chat_is_deleted(alice: Client) -> None:
    chat = alice.start()
    thread, replies = _waiting(alice, chat)
    alice.delete(f"/v1/chats/{chat['id']}")
    thread.join()
    assert replies[0].code == "not_found"


def test_those_who_wait_take_no_thread_and_no_connection(alice: Client) -> None:
    chat = alice.start()
    waiting = [_waiting(alice, chat) for _ in range(20)]
    # More than twice as many as there are threads and connections.
    assert alice.get(f"/v1/chats/{chat['id']}").status == 200
    assert alice.post(f"/v1/chats/{chat['id']}/interrupt").status == 202
    for thread, replies in waiting:
        thread.join()
        assert replies[0].json["status"] == "interrupted"


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "soon"])
def test_a_wrong_time_to_wait_is_refused(alice: Client, wait: str) -> None:
    chat = alice.start()
    reply = alice.get(f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}?wait={wait}")
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert reply.json["errors"][0]["field"] == "wait"


def test_a_turn_of_another_chat_is_not_found(alice: Client) -> None:
    one, two = alice.start(), alice.start()
    for turn in (two["turn_id"], str(uuid4()), "x"):
        assert alice.get(f"/v1/chats/{one['id']}/turns/{turn}?wait=5").code == "not_found"


def _waiting(client: Client, chat: dict[str, str]) -> tuple[threading.Thread, list[Reply]]:
    path = f"/v1/chats/{chat['id']}/turns/{chat['turn_id']}?wait=30"
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(client.get(path)))
    thread.start()
    return thread, replies


def _interrupt(api: Api, chat_id: str, redis_url: str) -> None:
    """Make the move in another process's way: its hint is all that the API hears."""
    with open_redis(redis_url) as redis:
        effects = Effects(
            dispatcher=Recorder(),
            notifier=Publisher(redis),
            metrics=Metrics.noop(),
            providers={},
            log=structlog.get_logger(),
        )
        machine = ChatMachine(engine=api.engine, effects=effects, limits=Limits(), new_id=uuid7)
        machine.update(ChatId(UUID(chat_id)), lambda change: interrupt(change, clear_queue=False))
