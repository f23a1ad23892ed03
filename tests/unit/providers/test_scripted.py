"""The scripted model: it plays what it is told, and says clearly what it can't play."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from shared.chats.model.messages import Role, Usage
from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.failures.kinds import ErrorKind, Preclassified, ProviderError, StreamTruncated
from shared.jsonvalue import JsonValue
from tests.unit.providers.prompts import assistant, prompt
from workers.providers.protocol import (
    CallDelta,
    FinishReason,
    PartDone,
    PromptMessage,
    ReasoningDelta,
    Request,
    StreamEnd,
    StreamEvent,
    TextDelta,
)
from workers.providers.scripted.client import Scripted


class Naps:
    """A sleep that takes no time and notes how long it was asked for."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def play(request: Request, naps: Naps | None = None) -> list[StreamEvent]:
    async def collect() -> list[StreamEvent]:
        model = Scripted(sleep=naps or Naps(), new_call_id=lambda: "made")
        return [event async for event in model.stream(request)]

    return asyncio.run(collect())


def script(*steps: Mapping[str, JsonValue]) -> str:
    return json.dumps({"script": steps})


def text_of(events: list[StreamEvent]) -> str:
    parts = [e.part for e in events if isinstance(e, PartDone)]
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def finish_of(events: list[StreamEvent]) -> StreamEnd:
    last = events[-1]
    assert isinstance(last, StreamEnd)
    return last


def test_text_reasoning_and_a_call_are_played_in_order() -> None:
    events = play(
        prompt(
            script(
                {"reasoning": "hm"},
                {"text": "a"},
                {"text": "b"},
                {"call": {"name": "add", "args": {"x": 1}, "id": "c1"}},
                {"usage": {"input": 5, "output": 7, "cache_read": 2}},
            )
        )
    )
    assert events == [
        ReasoningDelta(0, "hm"),
        PartDone(0, ReasoningPart(text="hm")),
        TextDelta(1, "a"),
        TextDelta(1, "b"),
        PartDone(1, TextPart(text="ab")),
        CallDelta(2, "c1", "add", ""),
        CallDelta(2, "c1", "add", '{"x"'),
        CallDelta(2, "c1", "add", ":1}"),
        PartDone(2, ToolCallPart(tool_call_id="c1", tool_name="add", args={"x": 1})),
        StreamEnd(
            reason=FinishReason.TOOL_CALLS,
            usage=Usage(input_tokens=5, output_tokens=7, cache_read_tokens=2),
        ),
    ]


def test_without_a_script_the_users_message_is_quoted_word_by_word() -> None:
    naps = Naps()
    events = play(prompt("x" * 300), naps)
    deltas = [event for event in events if isinstance(event, TextDelta)]
    assert text_of(events).endswith("x" * 200)
    assert not text_of(events).endswith("x" * 201)
    assert len(deltas) == len(naps.taken) > 5
    assert finish_of(events).reason is FinishReason.STOP


def test_a_prompt_without_a_user_message_is_answered_too() -> None:
    assert text_of(play(prompt())).startswith("Hello!")


def test_a_script_is_found_in_a_fenced_block() -> None:
    message = f"Please:\n```json\n{script({'text': 'found'})}\n```\nthanks"
    assert text_of(play(prompt(message))) == "found"


def test_a_message_in_braces_without_a_script_is_just_a_message() -> None:
    assert "You said: {hello}" in text_of(play(prompt("{hello}")))


def test_the_script_of_the_options_is_played_when_the_user_gives_none() -> None:
    options: Mapping[str, JsonValue] = {"script": [{"text": "from the options"}]}
    assert text_of(play(prompt("hi", options=options))) == "from the options"
    assert text_of(play(prompt(script({"text": "mine"}), options=options))) == "mine"


def test_each_answer_of_a_turn_plays_its_own_round() -> None:
    message = script({"text": "one"}, {"next": True}, {"text": "two"})
    assert text_of(play(prompt(message))) == "one"
    assert text_of(play(prompt(message, assistant("one")))) == "two"
    assert text_of(play(prompt(message, assistant("one"), assistant("two")))) == (
        "The script is over."
    )


def test_after_the_last_round_tool_results_are_acknowledged() -> None:
    result = ToolResultPart(tool_call_id="c", tool_name="add", result=3)
    tool = PromptMessage(role=Role.TOOL, parts=(result,))
    message = script({"call": {"name": "add"}})
    events = play(prompt(message, assistant("calling"), tool))
    assert text_of(events) == "Thank you, I have the results of add."


def test_only_the_last_user_message_counts() -> None:
    old = script({"text": "old"})
    assert text_of(play(prompt(old, assistant("old"), script({"text": "new"})))) == "new"


def test_waiting_is_asked_of_the_given_sleep() -> None:
    naps = Naps()
    repeat: JsonValue = {"text": "x", "times": 3, "delay": 0.5}
    events = play(prompt(script({"delay": 2}, {"repeat": repeat})), naps)
    assert text_of(events) == "xxx"
    assert naps.taken == [2, 0.5, 0.5, 0.5]


def test_a_call_without_an_id_gets_one_and_keeps_arguments_that_are_no_json() -> None:
    events = play(prompt(script({"call": {"name": "add", "args": "{oops"}})))
    assert PartDone(0, ToolCallPart(tool_call_id="made", tool_name="add", args="{oops")) in events


def test_the_given_reason_ends_the_answer() -> None:
    assert finish_of(play(prompt(script({"finish": "length"})))).reason is FinishReason.LENGTH


def test_a_failure_looks_like_a_providers() -> None:
    fail: JsonValue = {"status": 429, "type": "t", "message": "Slow down", "retry_after": 1.5}
    with pytest.raises(ProviderError) as caught:
        play(prompt(script({"text": "a"}, {"fail": fail})))
    assert caught.value.message == "Slow down"
    assert caught.value.status_code == 429
    assert caught.value.provider == "p"
    assert caught.value.headers == {"retry-after": "1.5"}
    assert json.loads(caught.value.body) == {"error": {"type": "t", "message": "Slow down"}}


@pytest.mark.parametrize(
    ("name", "status"), [("rate_limit", 429), ("server_error", 500), ("overloaded", 529)]
)
def test_ready_made_failures_have_names(name: str, status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        play(prompt(script({"fail": name})))
    assert caught.value.status_code == status


@pytest.mark.parametrize(("attempt", "fails"), [(0, True), (1, True), (2, False), (3, False)])
def test_fail_times_fails_the_first_attempts(attempt: int, fails: bool) -> None:
    request = prompt(script({"fail_times": {"times": 2}}, {"text": "ok"}), attempt=attempt)
    if fails:
        with pytest.raises(ProviderError):
            play(request)
    else:
        assert text_of(play(request)) == "ok"


def test_a_truncated_stream_has_no_end() -> None:
    with pytest.raises(StreamTruncated) as caught:
        play(prompt(script({"text": "a"}, {"truncate": True})))
    assert caught.value.dialect == "scripted"


def test_a_stalled_stream_says_nothing_until_it_is_cancelled() -> None:
    async def stall() -> list[StreamEvent]:
        seen: list[StreamEvent] = []
        spoke = asyncio.Event()

        async def watch() -> None:
            async for event in Scripted().stream(prompt(script({"text": "a"}, {"stall": True}))):
                seen.append(event)
                spoke.set()

        task = asyncio.create_task(watch())
        await spoke.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(stall()) == [TextDelta(0, "a")]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('{"script": [}', "is not JSON"),
        ('{"script": {}}', "is a list of steps"),
        ('{"script": [], "x": 1}', "no key 'x'"),
        ('{"script": [], "key": 1}', "'key' is a text"),
        ('{"script": ["a"]}', "step 1: a step is an object with one key"),
        ('{"script": [{"a": 1, "b": 2}]}', "step 1: a step is an object with one key"),
        ('{"script": [{"txt": "a"}]}', "step 1: there is no step 'txt'"),
        ('{"script": [{"text": "a"}, {"text": 1}]}', "step 2: text: Input should be"),
        ('{"script": [{"delay": -1}]}', "step 1: delay: Input should be"),
        ('{"script": [{"stall": false}]}', "step 1: stall: Input should be"),
        ('{"script": [{"call": {"args": {}}}]}', "step 1: call.name: "),
        ('{"script": [{"call": {"name": "a", "arg": {}}}]}', "step 1: call.arg: "),
        ('{"script": [{"fail": "nope"}]}', "no ready-made error 'nope': overloaded, "),
        ('{"script": [{"fail": {"status": "500"}}]}', "step 1: fail.status: "),
        ('{"script": [], "wire": {"cut_at": 1}}', "for the fake servers only"),
    ],
)
def test_a_script_that_can_not_be_played_is_a_config_failure(message: str, said: str) -> None:
    with pytest.raises(Preclassified) as caught:
        play(prompt(message))
    assert caught.value.failure.kind is ErrorKind.CONFIG
    assert not caught.value.failure.retryable
    assert said in caught.value.failure.message
