"""Requests for the provider tests."""

from collections.abc import Mapping, Sequence

from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.jsonvalue import JsonValue
from workers.providers.protocol import PromptMessage, Request


def said(role: Role, text: str) -> PromptMessage:
    return PromptMessage(role=role, parts=(TextPart(text=text),))


def user(text: str) -> PromptMessage:
    return said(Role.USER, text)


def assistant(text: str) -> PromptMessage:
    return said(Role.ASSISTANT, text)


def prompt(
    *messages: PromptMessage | str,
    options: Mapping[str, JsonValue] | None = None,
    attempt: int = 0,
) -> Request:
    return Request(
        model="m",
        provider="p",
        upstream_model="upstream",
        messages=tuple(user(m) if isinstance(m, str) else m for m in messages),
        options=options or {},
        attempt=attempt,
    )


def dialogue(*texts: str) -> Sequence[PromptMessage]:
    return [assistant(t) if at % 2 else user(t) for at, t in enumerate(texts)]
