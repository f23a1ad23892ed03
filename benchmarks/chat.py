"""Makes a chat with an answered message, for cases that go on in it."""

import http.client
import json

from pydantic import BaseModel, ConfigDict

from benchmarks.stack import Stack

_SECONDS = 60


class ChatFailed(Exception):
    """The chat could not be made, or its turn did not finish; the text is the answer."""


class _Chat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    turn_id: str


class _Turn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: str


def new_chat(stack: Stack, model: str) -> str:
    """Return the id of a chat that waits. Raises `ChatFailed`."""
    made = _ask(stack, "POST", "/v1/chats", json.dumps({"content": "Hello", "model": model}))
    chat = _Chat.model_validate_json(made)
    answered = _ask(stack, "GET", f"/v1/chats/{chat.id}/turns/{chat.turn_id}?wait=30")
    if _Turn.model_validate_json(answered).status != "finished":
        raise ChatFailed(answered.decode(errors="replace"))
    return chat.id


def _ask(stack: Stack, method: str, path: str, body: str | None = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=_SECONDS)
    headers = {**stack.headers, "content-type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status // 100 != 2:
        raise ChatFailed(answer.decode(errors="replace"))
    return answer
