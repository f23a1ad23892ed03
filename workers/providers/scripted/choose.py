"""Chooses what the scripted model plays: the user's script, the model's options, or small talk."""

import re
from collections.abc import Iterator, Mapping, Sequence

import pydantic

from shared.chats.model.messages import Role
from shared.chats.model.parts import Part, TextPart, ToolResultPart
from shared.failures.kinds import ErrorKind, Failure, Preclassified
from shared.jsonvalue import JsonObject
from workers.providers.protocol import PromptMessage, Request
from workers.providers.scripted.grammar import find_script, parse_script
from workers.providers.scripted.steps import Fail, Pause, Repeat, Say, Script, ScriptError, Step

READY_MADE: Mapping[str, Fail] = {
    "rate_limit": Fail(status=429, type="rate_limit_exceeded", message="Rate limit exceeded"),
    "server_error": Fail(),
    "overloaded": Fail(status=529, type="overloaded_error", message="Overloaded"),
}

_QUOTED = 200  # characters of the user's message
_WORD_SECONDS = 0.02

_JSON: pydantic.TypeAdapter[pydantic.JsonValue] = pydantic.TypeAdapter(pydantic.JsonValue)


def steps_to_play(request: Request) -> Iterator[Step]:
    """Yield the steps of this answer, repetitions unrolled; a bad script is a `config` failure."""
    for step in _steps(request):
        if isinstance(step, Repeat):
            for _ in range(step.times):
                if step.delay:
                    yield Pause(step.delay)
                yield Say(step.text)
        else:
            yield step


def _steps(request: Request) -> Sequence[Step]:
    """Return what to play now: every answer since the user spoke used up one round."""
    last_user = max(
        (at for at, message in enumerate(request.messages) if message.role is Role.USER),
        default=-1,
    )
    since = request.messages[last_user + 1 :]
    text = _text(request.messages[last_user].parts) if last_user >= 0 else ""
    script = _script(text, request.options)
    number = sum(message.role is Role.ASSISTANT for message in since)
    steps = script.round(number) if script else None
    return _friendly(text, script is not None, since) if steps is None else steps


def _script(text: str, options: JsonObject) -> Script | None:
    try:
        script = find_script(text, READY_MADE)
        if script is None and "script" in options:
            script = parse_script({"script": _JSON.validate_python(options["script"])}, READY_MADE)
        if script is not None and script.wire:
            raise ScriptError("'wire' is for the fake servers only")
    except ScriptError as error:
        message = f"The script can't be played: {error}"
        failure = Failure(kind=ErrorKind.CONFIG, retryable=False, message=message)
        raise Preclassified(failure) from None
    return script


def _friendly(text: str, scripted: bool, since: Sequence[PromptMessage]) -> Sequence[Step]:
    """Answer with words of our own, one by one."""
    results = [p for message in since for p in message.parts if isinstance(p, ToolResultPart)]
    if results:
        names = ", ".join(sorted({result.tool_name for result in results}))
        answer = f"Thank you, I have the results of {names}."
    elif scripted:
        answer = "The script is over."
    elif text.strip():
        quoted = text.strip()[:_QUOTED]
        answer = f"Hello! I am the scripted model, I have no provider behind me. You said: {quoted}"
    else:
        answer = "Hello! I am the scripted model, I have no provider behind me."
    return [
        step for word in re.findall(r"\S+\s*", answer) for step in (Pause(_WORD_SECONDS), Say(word))
    ]


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))
