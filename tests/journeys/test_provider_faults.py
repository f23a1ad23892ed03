"""A provider fails in every way, at every event: the whole answer comes, or an error that is told.

The adapters are cut at every byte in `tests/integration/providers`; here whole workers are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.fakes.anthropic_server import AnthropicEncoder
from tests.fakes.dialect import Encoder
from tests.fakes.openai_server import OpenAIEncoder
from tests.fakes.wire import Wire
from tests.journeys.fleet import Fleet
from tests.journeys.providing import MODELS, Ended, all_at_once, ask, check_failed, wired
from tests.journeys.scripts import say, script
from workers.providers.scripted.steps import Say, ScriptedCall, Think

SAID: Sequence[Mapping[str, object]] = (
    {"reasoning": "hm"},
    say("grüße "),
    say("дом"),
    {"call": {"name": "nobody", "args": {"x": 1}, "id": "c1"}},
    {"next": True},
    say("done"),
)
BYTES_BETWEEN = 97
"""Between two cuts that are at no event's end."""

KEPT = ("type", "text", "tool_name", "args", "result")


def good_stream(model: str) -> bytes:
    """Return the first answer of `SAID` as the fake server sends it."""
    encoder: Encoder = OpenAIEncoder(model, Wire()) if model == "gpt" else AnthropicEncoder(model)
    steps = (
        Think("hm"),
        Say("grüße "),
        Say("дом"),
        ScriptedCall(name="nobody", args={"x": 1}, id="c1"),
    )
    return encoder.start() + b"".join(map(encoder.step, steps)) + encoder.end()


def ends_of_events(stream: bytes) -> list[int]:
    """Return after how many bytes an event ends, and 0."""
    ends = [0]
    while ends[-1] < len(stream):
        ends.append(stream.index(b"\n\n", ends[-1]) + 2)
    return ends


def terminal(model: str, stream: bytes) -> int:
    """Return after how many bytes an answer is complete."""
    mark = b'"finish_reason":"' if model == "gpt" else b"event: message_stop"
    return stream.index(b"\n\n", stream.index(mark)) + 2


def transcript(fleet: Fleet, ended: Ended) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return what was said, without ids and times."""
    return [
        (message["role"], [{k: part[k] for k in KEPT if k in part} for part in message["content"]])
        for message in fleet.transcript(ended.chat_id)[1:]
    ]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("close", ["clean", "abrupt"])
def test_an_answer_cut_anywhere_is_whole_or_an_error(
    provider_fleet: Fleet, model: str, close: str
) -> None:
    fleet = provider_fleet
    stream = good_stream(model)
    places = sorted({*ends_of_events(stream), *range(1, len(stream), BYTES_BETWEEN)})
    complete = terminal(model, stream)
    whole = transcript(fleet, ask(fleet, script(*SAID), model))
    assert [role for role, _ in whole] == ["assistant", "tool", "assistant"]
    failed_before = fleet.metric(fleet.workers[0], "stepwell_turns_total", outcome="error")

    contents = [wired(*SAID, cut_at=at, close=close) for at in places]
    ended = all_at_once([partial(ask, fleet, content, model) for content in contents])
    fails = [one for at, one in zip(places, ended, strict=True) if at < complete]
    assert len(fails) > len(places) / 2
    for one in ended[len(fails) :]:
        assert transcript(fleet, one) == whole
    for error in all_at_once([partial(check_failed, fleet, one) for one in fails]):
        assert (error["kind"], error["retryable"], error["provider"]) == ("timeout", True, model)
        told = "ended before it was complete" if close == "clean" else "temporarily unavailable"
        assert told in error["message"]
    counted = fleet.metric(fleet.workers[0], "stepwell_turns_total", outcome="error")
    assert counted - failed_before == len(fails)


def test_an_answer_that_stalls_at_any_event_is_a_time_out(provider_fleet: Fleet) -> None:
    streams = {model: good_stream(model) for model in MODELS}
    acts = [
        partial(ask, provider_fleet, wired(*SAID, cut_at=at, close="stall"), model)
        for model, stream in streams.items()
        for at in ends_of_events(stream)
        if at < terminal(model, stream)
    ]
    ended = all_at_once(acts)
    errors = all_at_once([partial(check_failed, provider_fleet, one) for one in ended])
    assert all(error["retryable"] for error in errors)
    for model in MODELS:
        kinds = [error["kind"] for error in errors if error["provider"] == model]
        assert kinds.count("timeout") > len(kinds) / 2
        # Once something was said it is no late start any more.
        assert [(a, b) for a, b in pairwise(kinds) if a != b] == [("startup_timeout", "timeout")]


UNREACHABLE = ("refused", "nameless", "tls")
PAGE = "<!doctype html><title>Sign in</title>"
SAID_WITH_200 = '{"error": {"type": "rate_limit_error", "message": "Rate limited"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, and how it is told; `detail` begins the provider's words, "" = none."""

    content: str
    kind: str
    retryable: bool = True
    detail: str = ""


FAULTS: Mapping[str, Fault] = {
    "error event": Fault(
        content=script(say("a"), {"fail": "overloaded"}), kind="overloaded", detail="Overloaded"
    ),
    "limit in mid-stream": Fault(
        content=script(say("a"), {"fail": "rate_limit"}), kind="rate_limit", detail="Rate limit"
    ),
    "defect in mid-stream": Fault(
        content=script(say("a"), {"fail": "server_error"}), kind="generic", detail="Internal"
    ),
    "overloaded": Fault(
        content=script({"fail": "overloaded"}), kind="overloaded", detail="Overloaded"
    ),
    "limit": Fault(content=script({"fail": "rate_limit"}), kind="rate_limit", detail="Rate limit"),
    "defect": Fault(content=script({"fail": "server_error"}), kind="generic", detail="Internal"),
    "page": Fault(
        content=wired(body=PAGE, content_type="text/html"),
        kind="generic",
        retryable=False,
        detail="the provider answered with 'text/html'",
    ),
    "page with 502": Fault(
        content=wired(body=PAGE, content_type="text/html", status=502), kind="timeout"
    ),
    "error with 200": Fault(
        content=wired(body=SAID_WITH_200, content_type="application/json"),
        kind="rate_limit",
        detail="Rate limited",
    ),
    "bad UTF-8": Fault(content=wired(body="data: \xff\n\n", latin1=True), kind="timeout"),
    "no JSON": Fault(content=wired(body="data: {oops\n\n"), kind="timeout"),
    "event of 10 MB": Fault(content=wired(say("a"), first_event=10_000_000), kind="timeout"),
    "reset": Fault(content=wired(reset=True), kind="timeout"),
    "reset in mid-stream": Fault(
        content=wired(say("a"), cut_at=150, close="reset"), kind="timeout"
    ),
    "silence": Fault(content=wired(silent=True), kind="startup_timeout"),
    "bad key": Fault(
        content=script({"fail": {"status": 401, "type": "t", "message": "bad sk-fake"}}),
        kind="auth",
        retryable=False,
        detail="bad [key]",
    ),
    **{name: Fault(content="hello", kind="timeout") for name in UNREACHABLE},
}


def test_every_fault_is_told_alike_everywhere(provider_fleet: Fleet) -> None:
    fleet = provider_fleet
    cases = [(model, name, fault) for model in MODELS for name, fault in FAULTS.items()]
    acts = [
        partial(ask, fleet, fault.content, f"{model}-{name}" if name in UNREACHABLE else model)
        for model, name, fault in cases
    ]
    ended = all_at_once(acts)
    errors = all_at_once([partial(check_failed, fleet, one) for one in ended])
    for (model, name, fault), error in zip(cases, errors, strict=True):
        told = (error["kind"], error["retryable"])
        assert told == (fault.kind, fault.retryable), (model, name, error)
        assert error["provider"].startswith(model)
        assert bool(error.get("detail")) is bool(fault.detail), (model, name, error)
        assert error.get("detail", "").startswith(fault.detail), (model, name, error)
        assert "sk-fake" not in str(error), name
