"""Files that a model can't be shown are refused where they are posted, and named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from shared.config.settings import Settings
from tests.integration.api.served import Client, Reply, serve

CATALOG = """
[providers.claude]
dialect = "anthropic"
base_url = "http://127.0.0.1:9"
[providers.gpt]
dialect = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[models.claude]
provider = "claude"
[models.gpt]
provider = "gpt"
"""
SOUND = {"type": "file", "media_type": "audio/wav", "data": "aGk=", "name": "hi.wav"}
ZIP = {"type": "file", "media_type": "application/zip", "data": "aGk=", "name": "a.zip"}
PICTURE = {"type": "file", "media_type": "image/png", "data": "aGk="}
TEXT = {"type": "text", "text": "what is this?"}


@pytest.fixture
def client(database_url: str, redis_url: str, engine: Engine, tmp_path: Path) -> Iterator[Client]:
    """A caller of an API whose default model is `claude`."""
    path = tmp_path / "stepwell.toml"
    path.write_text(CATALOG)
    settings = Settings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        api_pool_size=8,
        config=path,
    )
    with serve(settings, engine) as api:
        yield api.caller("alice")


def refusal(reply: Reply) -> list[tuple[str, str]]:
    """Return the fields at fault and what is said of each."""
    assert (reply.status, reply.code) == (400, "invalid_request"), reply
    return [(row["field"], row["detail"]) for row in reply.json["errors"]]


def test_a_file_is_refused_by_index_with_the_types_that_can_be_taken(client: Client) -> None:
    reply = client.post("/v1/chats", {"content": [TEXT, SOUND, PICTURE, ZIP]})
    taken = "image/png, image/jpeg, image/gif, image/webp, application/pdf, text/*"
    [(first, said), (second, _)] = refusal(reply)
    assert (first, second) == ("content[1].media_type", "content[3].media_type")
    assert said.startswith("the model 'claude' can't be shown audio/wav files; it takes " + taken)
    assert client.get("/v1/chats").json["items"] == []


@pytest.mark.parametrize("key", [None, "k"])
def test_the_model_decides_which_files_are_taken(client: Client, key: str | None) -> None:
    def create(**body: Any) -> Reply:
        if key is None:
            return client.post("/v1/chats", body)
        return client.put(f"/v1/chats/by-key/{key}/messages", body)

    assert refusal(create(content=[ZIP], model="gpt"))
    assert refusal(create(content=[SOUND]))
    assert create(content=[SOUND], model="gpt").status == 201


def test_a_message_is_held_to_the_chat_s_model_or_its_own(client: Client) -> None:
    chat = client.start()
    path = f"/v1/chats/{chat['id']}/messages"
    assert refusal(client.post(path, {"content": [SOUND]}))
    assert refusal(client.post(path, {"content": [ZIP], "model": "gpt"}))
    assert client.post(path, {"content": [SOUND], "model": "gpt"}).status == 202
    assert len(client.get(f"/v1/chats/{chat['id']}/queue").json["items"]) == 1


def test_a_keyed_message_is_held_to_the_model_of_the_chat_there_is(client: Client) -> None:
    client.start(key="k", model="gpt")
    path = "/v1/chats/by-key/k/messages"
    assert client.put(path, {"content": [SOUND]}).status == 202
    assert refusal(client.put(path, {"content": [ZIP]}))
    assert refusal(client.put(path, {"content": [SOUND], "model": "claude"}))


def test_an_edit_is_held_to_the_chat_s_model(client: Client) -> None:
    chat = client.start()
    path = f"/v1/chats/{chat['id']}/messages"
    [message] = client.get(path).json["items"]
    assert refusal(client.patch(f"{path}/{message['id']}", {"content": [SOUND]}))
    assert client.get(path).json["items"] == [message]
    assert client.patch(f"{path}/{message['id']}", {"content": [PICTURE]}).status == 202


def test_another_model_is_not_refused_for_files_in_the_history(client: Client) -> None:
    chat = client.start([SOUND], model="gpt")
    reply = client.patch(f"/v1/chats/{chat['id']}", {"model": "claude"})
    assert (reply.status, reply.json["model"]) == (200, "claude")
