"""What lies below the dialects, for each of them: connections, cuts, time-outs, cancelling."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Sequence

import pytest
from pydantic import JsonValue

from shared.chats.model.parts import TextPart
from shared.config.dialect import Dialect
from shared.failures.kinds import (
    ErrorKind,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from tests.fakes.anthropic_server import AnthropicEncoder
from tests.fakes.openai_server import OpenAIEncoder
from tests.fakes.process import FakeModels
from tests.fakes.wire import Wire
from tests.integration.providers.playing import (
    KEY,
    Speaker,
    ask,
    collect,
    finish_of,
    opened,
    parts_of,
    script,
)
from tests.unit.providers.prompts import prompt
from workers.failures.classify import classify
from workers.providers.protocol import Provider, StreamEvent, TextDelta
from workers.providers.scripted.steps import Say

CLOSED_SECONDS = 0.05
CALL: JsonValue = {"name": "add", "args": {"x": 1}, "id": "c1"}


def test_without_a_key_no_authorization_is_sent(speaker: Speaker, models: FakeModels) -> None:
    ask(lambda: speaker.make(key=None), prompt("hi"))
    [seen] = models.requests()
    assert "authorization" not in seen.headers


def test_one_connection_serves_one_answer_after_the_other(
    speaker: Speaker, models: FakeModels
) -> None:
    ask(speaker.make, *[prompt(f"hi {n}") for n in range(5)])
    numbers = {seen.connection for seen in models.requests()}
    assert len(models.requests()) == 5
    assert len(numbers) == 1


@pytest.mark.parametrize(
    "wire",
    [
        {"newline": "\r\n"},
        {"newline": "\r"},
        {"chunk": 1},
        {"chunk": 7, "newline": "\r\n"},
        {"content_type": "text/plain"},
        {"done": False},
    ],
)
def test_the_form_of_the_stream_makes_no_difference(
    speaker: Speaker, wire: dict[str, JsonValue]
) -> None:
    steps = ({"reasoning": "hm"}, {"text": "grüße 🙂"}, {"call": CALL})
    assert speaker.answer(script(*steps, wire=wire)) == speaker.answer(script(*steps))


def test_a_connection_that_stays_open_after_the_answer_delays_its_end_a_little_only(
    speaker: Speaker,
    models: FakeModels,
) -> None:
    began = time.monotonic()
    events = speaker.answer(script({"text": "a"}, wire={"hang": True}))
    assert finish_of(events).usage is not None
    assert time.monotonic() - began < 2
    assert models.wait_for_open(0)


def test_the_hint_when_to_come_back_is_kept(speaker: Speaker) -> None:
    fail: JsonValue = {"status": 429, "message": "Slow", "retry_after": 12.5}
    with pytest.raises(ProviderError) as caught:
        speaker.answer(script({"fail": fail}))
    assert {k.lower(): v for k, v in caught.value.headers.items()}["retry-after"] == "12.5"


def test_a_server_that_recovers_is_asked_once_for_each_attempt(speaker: Speaker) -> None:
    message = script({"fail_times": {"times": 2, "status": 503}}, {"text": "ok"}, key="recovers")

    async def run() -> tuple[list[int], list[StreamEvent]]:
        statuses: list[int] = []
        async with opened(speaker.make()) as provider:
            for _ in range(2):
                with pytest.raises(ProviderError) as caught:
                    await collect(provider, prompt(message))
                statuses.append(caught.value.status_code)
            return statuses, await collect(provider, prompt(message))

    statuses, events = asyncio.run(run())
    assert statuses == [503, 503]
    assert parts_of(events) == [TextPart(text="ok")]


def test_an_html_error_page_shows_its_status_and_nothing_of_the_page(speaker: Speaker) -> None:
    page = "<html>502 nginx</html>"
    wire: JsonValue = {"status": 502, "content_type": "text/html", "body": page}
    with pytest.raises(ProviderError) as caught:
        speaker.answer(script(wire=wire))
    assert (caught.value.status_code, caught.value.message) == (502, "")
    assert caught.value.body == page


def test_a_key_that_the_server_repeats_is_hidden(speaker: Speaker) -> None:
    fail: JsonValue = {"status": 401, "type": KEY, "message": f"Incorrect key: {KEY}"}
    with pytest.raises(ProviderError) as caught:
        speaker.answer(script({"fail": fail}))
    assert caught.value.message == "Incorrect key: [key]"
    assert KEY not in caught.value.body
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("body", ["data: {oops\n\n", "data: []\n\n", "data: \xff\n\n"])
def test_a_stream_that_can_not_be_decoded_is_a_failure_of_the_transport(
    speaker: Speaker, body: str
) -> None:
    with pytest.raises(TransportFailed) as caught:
        speaker.answer(script(wire={"body": body, "latin1": True}))
    assert caught.value.phase == "body"


@pytest.mark.parametrize("body", ["", ": ping\n\n", 'data: {"type": "ping"}\n\n'])
def test_a_stream_without_its_end_is_truncated(speaker: Speaker, body: str) -> None:
    with pytest.raises(StreamTruncated) as caught:
        speaker.answer(script(wire={"body": body}))
    assert (caught.value.provider, caught.value.dialect) == ("p", speaker.dialect.value)


def test_a_connection_reset_before_the_answer_is_a_failure_of_the_transport(
    speaker: Speaker,
) -> None:
    with pytest.raises(TransportFailed) as caught:
        speaker.answer(script(wire={"reset": True}))
    assert caught.value.phase == "headers"


@pytest.mark.parametrize("tail", ['data: {"error": {"message": "late"}}', "data: {oops"])
def test_what_comes_in_one_piece_with_the_end_does_not_matter(speaker: Speaker, tail: str) -> None:
    anthropic = speaker.dialect is Dialect.ANTHROPIC
    encoder = AnthropicEncoder("m") if anthropic else OpenAIEncoder("m", Wire())
    whole = encoder.start() + encoder.step(Say("a")) + encoder.end()
    events = speaker.answer(script(wire={"body": f"{whole.decode()}{tail}\n\n"}))
    assert parts_of(events) == [TextPart(text="a")]
    finish_of(events)


def test_a_refused_connection_is_a_failure_to_connect(speaker: Speaker) -> None:
    with pytest.raises(TransportFailed) as caught:
        ask(
            lambda: speaker.make(url="http://127.0.0.1:1"),
            prompt("hi"),
        )
    assert (caught.value.provider, caught.value.phase) == ("p", "connect")


def test_a_server_that_speaks_no_tls_is_a_failure_to_connect(speaker: Speaker) -> None:
    with pytest.raises(TransportFailed) as caught:
        ask(
            lambda: speaker.make(url=speaker.url.replace("http://", "https://")),
            prompt("hi"),
        )
    assert caught.value.phase == "connect"


def test_a_connection_that_is_never_made_times_out(speaker: Speaker) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than the queue of the server holds
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        with pytest.raises(Preclassified) as caught:
            ask(lambda: speaker.make(url=url, connect_seconds=0.1), prompt("hi"))
        for one in waiting:
            one.close()
    assert caught.value.failure.kind is ErrorKind.TIMEOUT
    assert caught.value.failure.retryable


@pytest.mark.parametrize("wire", [{"reset": True}, {"cut_at": 9}, {"body": "data: {\n\n"}])
def test_no_library_speaks_through_a_failure(speaker: Speaker, wire: dict[str, JsonValue]) -> None:
    with pytest.raises(TransportFailed) as caught:
        speaker.answer(script({"text": "a"}, wire=wire))
    failure = classify(caught.value, provider="p")
    assert (failure.kind, failure.retryable, failure.detail) == (ErrorKind.TIMEOUT, True, "")


def test_a_wire_that_falls_silent_times_out(speaker: Speaker) -> None:
    def impatient() -> Provider:
        return speaker.make(read_seconds=0.05)

    for silent in (script(wire={"silent": True}), script({"text": "a"}, {"stall": True})):
        with pytest.raises(Preclassified) as caught:
            ask(impatient, prompt(silent))
        assert caught.value.failure.kind is ErrorKind.TIMEOUT
        assert caught.value.failure.retryable


@pytest.mark.parametrize("message", [script({"stall": True}), script(wire={"silent": True})])
def test_cancelling_closes_the_connection_at_once(
    speaker: Speaker, models: FakeModels, message: str
) -> None:
    async def cancel() -> float:
        models.forget()
        async with opened(speaker.make()) as provider:
            task = asyncio.create_task(collect(provider, prompt(message)))
            assert await asyncio.to_thread(models.wait_for_requests, 1)
            cancelled = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(models.wait_for_open, 0)
            return closed_at(models) - cancelled

    assert quickest(cancel) < CLOSED_SECONDS


def test_closing_the_generator_closes_the_connection_at_once(
    speaker: Speaker, models: FakeModels
) -> None:
    async def close() -> float:
        models.forget()
        async with opened(speaker.make()) as provider:
            stream = provider.stream(prompt(script({"text": "a"}, {"stall": True})))
            assert await anext(stream) == TextDelta(0, "a")
            closed = time.monotonic()
            await stream.aclose()
            assert await asyncio.to_thread(models.wait_for_open, 0)
            return closed_at(models) - closed

    assert quickest(close) < CLOSED_SECONDS


def quickest(measure: Callable[[], Coroutine[None, None, float]]) -> float:
    """Measure three times: a busy machine slows one, a connection left open slows them all."""
    return min(asyncio.run(measure()) for _ in range(3))


def closed_at(models: FakeModels) -> float:
    [connection] = models.connections()
    assert connection.closed is not None
    return connection.closed


def test_three_hundred_streams_run_at_once(speaker: Speaker, models: FakeModels) -> None:
    message = script({"delay": 0.3}, {"text": "a"})

    async def run() -> Sequence[list[StreamEvent]]:
        async with opened(speaker.make()) as provider:
            asked = [collect(provider, prompt(message)) for _ in range(300)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(run())
    assert all(parts_of(events) == [TextPart(text="a")] for events in answers)
    assert len({seen.connection for seen in models.requests()}) == 300
