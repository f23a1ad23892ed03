import asyncio
import socket
from typing import Any, cast
from uuid import uuid4

import pytest

from shared.chats.machine.effects import Cancel, Changed, EffectFailed
from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.events.channels import worker_channel
from shared.events.errors import PublishFailed
from shared.events.publisher import Publisher
from shared.events.types import CancelHint, ChangedHint
from shared.events.wire import decode_cancel
from shared.redis.connection import open_redis
from tests.integration.events.listening import listening


def test_a_change_reaches_who_listens_to_the_chat(redis_url: str) -> None:
    chat_id = ChatId(uuid4())
    publisher = Publisher(open_redis(redis_url))

    async def scenario() -> None:
        async with listening(redis_url, chat_id) as heard:
            changed = Changed(chat_id=chat_id, snapshot_version=7)
            await asyncio.to_thread(publisher.publish, [changed])
            await heard.until(lambda one: bool(one.notes))
            assert heard.notes == [ChangedHint(snapshot_version=7)]

    asyncio.run(scenario())
    publisher.close()


def test_several_hints_leave_in_one_round_trip(redis_url: str) -> None:
    chat_id, worker_id, lease_id = ChatId(uuid4()), WorkerId(uuid4()), LeaseId(uuid4())
    redis = open_redis(redis_url)
    publisher = Publisher(redis)
    listener = cast(Any, redis).pubsub()  # which redis leaves untyped
    listener.subscribe(worker_channel(worker_id))
    assert listener.get_message(timeout=5) is not None
    publisher.publish(
        [
            Changed(chat_id=chat_id, snapshot_version=1),
            Cancel(worker_id=worker_id, chat_id=chat_id, lease_id=lease_id, reason="interrupted"),
        ]
    )
    message = listener.get_message(timeout=5)
    assert message is not None
    assert decode_cancel(message["data"]) == CancelHint(
        chat_id=str(chat_id), lease_id=str(lease_id), reason="interrupted"
    )
    listener.close()
    publisher.close()


def test_a_redis_that_is_away_is_one_typed_error_of_effects() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        publisher = Publisher(open_redis(f"redis://127.0.0.1:{unused.getsockname()[1]}/0"))
        with pytest.raises(PublishFailed) as caught:
            publisher.publish([Changed(chat_id=ChatId(uuid4()), snapshot_version=1)])
    assert isinstance(caught.value, EffectFailed)


def test_a_redis_that_does_not_answer_is_given_up_quickly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        redis = open_redis(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", timeout=0.05)
        with pytest.raises(PublishFailed):
            Publisher(redis).publish([Changed(chat_id=ChatId(uuid4()), snapshot_version=1)])
        redis.close()
