"""The answer of a POST that wants the stream of its turn: from its own message to its end."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.auth.caller import Caller
from api.auth.stream_guard import GuardedEvents, confirming
from api.deps import Deps
from api.http.sse import HEADERS, EventStream
from api.stream.client import StreamRequest
from api.stream.stop_condition import Until
from shared.chats.model.ids import ChatId, TurnId

CHAT_HEADER = "Stepwell-Chat-Id"
TURN_HEADER = "Stepwell-Turn-Id"


class TurnStream(Response):
    """Joins the chat's stream when it is sent, which is back on the loop.

    What keeps it from joining is raised before anything has gone out, and so becomes a problem.
    """

    def __init__(self, deps: Deps, caller: Caller, chat_id: ChatId, turn_id: TurnId) -> None:
        """Take whose turn it is."""
        ids = {CHAT_HEADER: str(chat_id), TURN_HEADER: str(turn_id)}
        super().__init__(headers={**HEADERS, **ids})
        self._ids = ids
        self._deps = deps
        self._caller = caller
        self._chat_id = chat_id
        self._turn_id = turn_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        request = StreamRequest(
            may_read=self._caller.may_read, history=None, until=Until(turn_id=self._turn_id)
        )
        source = await self._deps.streams.hub.join(self._chat_id, request)
        guarded = GuardedEvents(source, confirming(self._deps.authenticator, self._caller))
        await EventStream(guarded, headers=self._ids)(scope, receive, send)
