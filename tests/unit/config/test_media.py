"""The API and the adapters agree on the files that a dialect takes."""

import pytest

from shared.chats.model.messages import Role
from shared.chats.model.parts import FilePart
from shared.config.dialect import Dialect
from shared.config.media import matches, takes
from tests.unit.providers.prompts import prompt
from workers.providers.anthropic.prompt import message_body
from workers.providers.http.error_mapping import Origin
from workers.providers.openai_chat.prompt import chat_body
from workers.providers.protocol import PromptMessage

KINDS = (
    "image/png image/jpeg image/gif image/webp image/tiff IMAGE/PNG application/pdf Application/PDF"
    " audio/wav audio/x-wav audio/mpeg audio/mp3 audio/ogg video/mp4 application/zip"
    " application/octet-stream text/plain text/csv Text/Markdown application/json application/xml"
    " application/yaml application/json5"
).split()


def shown(dialect: Dialect, kind: str) -> bool:
    """Say whether the adapter sends the file itself or its text, not only its name."""
    file = FilePart(media_type=kind, data="aGk=", name="f")
    request = prompt(PromptMessage(role=Role.USER, parts=(file,)))
    origin = Origin(provider="p", dialect=dialect)
    if dialect is Dialect.ANTHROPIC:
        return "not shown" not in str(message_body(request, origin))
    return "not shown" not in str(chat_body(request, origin, limit_field="max_tokens"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OPENAI_CHAT])
def test_a_file_is_taken_if_and_only_if_the_adapter_sends_it(dialect: Dialect, kind: str) -> None:
    assert matches(kind, takes(dialect)) is shown(dialect, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripted_model_takes_any_file(kind: str) -> None:
    assert matches(kind, takes(Dialect.SCRIPTED))
