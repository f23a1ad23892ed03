"""Waiting for a turn, as a client of its chat's stream: without a thread or a connection."""

import asyncio

from api.auth.caller import Caller
from api.stream.client import StreamRequest
from api.stream.hub import Hub
from api.stream.stop_condition import Until
from shared.chats.model.ids import ChatId, TurnId


async def wait_for_turn(
    hub: Hub, caller: Caller, chat_id: ChatId, turn_id: TurnId, *, seconds: float
) -> None:
    """Return when the turn has ended or paused, when the chat is gone, or after `seconds`.

    Raises `ChatNotFound`, `TurnUnknown` and `StreamUnavailable`.
    """
    wish = StreamRequest(may_read=caller.may_read, history=0, until=Until(turn_id=turn_id))
    try:
        async with asyncio.timeout(seconds):
            stream = await hub.join(chat_id, wish)
            try:
                while await stream.take() is not None:
                    pass  # what happens meanwhile is read from the database in the end
            finally:
                stream.close()
    except TimeoutError:
        return
