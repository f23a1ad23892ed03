"""Has a model propose a chat's title after its first answer; whatever fails leaves the words."""

import asyncio
from contextlib import aclosing

from sqlalchemy.exc import SQLAlchemyError

from shared.chats.model.errors import ChatsError
from shared.chats.model.ids import ChatId
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.chats.moves.callers.fields import set_title_by_model
from shared.chats.moves.workers.begin import Begun
from shared.config.catalog import Model
from shared.failures import backoff
from shared.failures.kinds import ProviderFailure
from workers.failures.classify import classify
from workers.providers.protocol import PromptMessage, Request, TextDelta
from workers.steps.deps import StepDeps

LONGEST = 80
"""Characters of a title."""

SECONDS = 30.0
"""For all attempts together."""

ATTEMPTS = 3

_SEEN_CHARACTERS = 2_000
_TASK = (
    "Write a title for the conversation that begins with this message: at most six words, in its"
    " language, no quotes, no full stop. Answer with the title only."
)


def improve_title(deps: StepDeps, begun: Begun) -> None:
    """Ask in the background, if this was a chat's first answer and nobody has set a title."""
    name = deps.catalog.title_model
    if name is None or begun.chat.title_source != "words" or not _is_first(begun):
        return
    deps.loop.submit(_improve(deps, begun.chat.id, _request(deps.catalog.models[name], begun)))


def clean_title(text: str) -> str:
    """Return what a model said as one line without quotes, cut to the longest title."""
    line = " ".join(text.split()).strip("\"'“”«»` ").rstrip(".")
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"


def _is_first(begun: Begun) -> bool:
    roles = [message.role for message in begun.messages]
    return roles.count(Role.USER) == 1 and Role.ASSISTANT not in roles


def _request(model: Model, begun: Begun) -> Request:
    parts = [part for row in begun.messages for part in row.content]
    said = [part.text for part in parts if isinstance(part, TextPart)]
    question = TextPart(text="\n".join(said)[:_SEEN_CHARACTERS])
    return Request(
        model=model.name,
        provider=model.provider,
        upstream_model=model.upstream_model,
        system=_TASK,
        messages=(PromptMessage(role=Role.USER, parts=(question,)),),
        options=model.options,
    )


async def _improve(deps: StepDeps, chat_id: ChatId, request: Request) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            title = clean_title(await _ask(deps, request))
        if title:
            await asyncio.to_thread(_set, deps, chat_id, title)
    except (TimeoutError, ProviderFailure, SQLAlchemyError, ChatsError) as error:
        # The first six words stay: no event, no metric, nothing that a person has to see.
        deps.log.info("title.not_improved", chat_id=str(chat_id), error=type(error).__name__)


async def _ask(deps: StepDeps, request: Request) -> str:
    for attempt in range(ATTEMPTS):
        try:
            return await _read(deps, request)
        except ProviderFailure as error:
            failure = classify(error, provider=request.provider)
            if not failure.retryable or attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(backoff.wait(attempt, failure.retry_after))
    raise AssertionError("the last attempt returns or raises")


async def _read(deps: StepDeps, request: Request) -> str:
    said: list[str] = []
    async with aclosing(deps.providers.get(request.provider).stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                said.append(event.text)
    return "".join(said)


def _set(deps: StepDeps, chat_id: ChatId, title: str) -> None:
    with deps.machine.change(chat_id) as change:
        set_title_by_model(change, title)
