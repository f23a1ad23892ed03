"""What a stream that ended, in whatever way, brings to the settling of its step."""

from dataclasses import replace

import pytest

from shared.chats.model.messages import NewMessage, Role, Usage
from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.timing import Spans
from shared.chats.moves.open_calls import NOT_RUN
from shared.chats.moves.workers.settle import Failed, Finish, More, Released, Result, Stopped
from shared.failures.kinds import (
    ErrorKind,
    Failure,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from tests.unit.steps.ending import MODEL, NOW, begun, broken, finished
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason
from workers.steps.answer.read_stream import ProviderFailure, Streamed
from workers.steps.result import make_result

SAID = TextPart(text="said")
CALL = ToolCallPart(tool_call_id="c", tool_name="look", args={})
SEARCH = replace(CALL, tool_call_id="s", provider_executed=True)
TOOLS = FinishReason.TOOL_CALLS
BEGUN = begun()


def _result(streamed: Streamed, *, steps: int = 0, max_steps: int = 10) -> Result:
    return make_result(replace(BEGUN, steps=steps), MODEL, streamed, max_steps=max_steps, now=NOW)


def _answered(call: ToolCallPart, text: str) -> ToolResultPart:
    return ToolResultPart(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        result=text,
        is_error=True,
        created_at=NOW,
    )


def _rows(ending: object) -> tuple[NewMessage, ...]:
    assert isinstance(ending, Finish | More)
    return ending.rows


def test_a_complete_answer_finishes_with_its_usage() -> None:
    usage = Usage(input_tokens=5, output_tokens=3)
    result = _result(finished(SAID, usage=usage))
    assert isinstance(result.ending, Finish)
    [row] = result.ending.rows
    assert (row.role, row.content, row.interrupted) == (Role.ASSISTANT, (SAID,), False)
    assert (row.turn_id, row.model) == (BEGUN.chat.current_turn_id, "fast")
    assert row.usage == replace(usage, context_limit=1000)
    assert row.provider_response_id is None
    assert result.spans == Spans(provider=1.5)


def test_the_limit_that_the_provider_names_wins() -> None:
    [row] = _rows(_result(finished(SAID, usage=Usage(context_limit=7))).ending)
    assert row.usage == Usage(context_limit=7)


@pytest.mark.parametrize(("store", "kept"), [(True, "resp_1"), (False, None)])
def test_the_response_id_is_kept_where_the_provider_stores(store: bool, kept: str | None) -> None:
    model = replace(MODEL, store=store)
    streamed = finished(SAID, response_id="resp_1")
    result = make_result(BEGUN, model, streamed, max_steps=10, now=NOW)
    assert _rows(result.ending)[0].provider_response_id == kept


@pytest.mark.parametrize("parts", [(), (TextPart(text=""),), (ReasoningPart(text=" \n"),)])
def test_an_answer_without_content_has_no_row(parts: tuple[TextPart, ...]) -> None:
    assert _result(finished(*parts)).ending == Finish(rows=())


def test_a_signature_is_content() -> None:
    signed = ReasoningPart(text="", provider_metadata={"signature": "s"})
    assert len(_rows(_result(finished(signed)).ending)) == 1


def test_calls_are_answered_and_one_more_step_follows() -> None:
    result = _result(finished(SAID, CALL, reason=TOOLS))
    assert isinstance(result.ending, More)
    answer, results = result.ending.rows
    assert answer.content == (SAID, CALL)
    assert (results.role, results.content) == (Role.TOOL, (_answered(CALL, NOT_RUN),))


def test_the_calls_of_a_last_step_were_not_run_if_a_person_is_faster() -> None:
    result = _result(finished(SAID, CALL, reason=TOOLS), steps=9)
    assert isinstance(result.ending, Failed)
    assert result.partial[1].content == (_answered(CALL, NOT_RUN),)


@pytest.mark.parametrize(
    "reason", [FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER]
)
def test_calls_that_the_model_does_not_wait_for_are_answered_and_not_run(
    reason: FinishReason,
) -> None:
    result = _result(finished(CALL, reason=reason))
    assert isinstance(result.ending, Finish)
    _, results = result.ending.rows
    assert results.content == (_answered(CALL, NOT_RUN),)


def test_an_answer_that_is_paused_goes_on_as_long_as_steps_are_left() -> None:
    result = _result(finished(SEARCH, SAID, reason=FinishReason.PAUSE))
    assert isinstance(result.ending, More)
    [row] = result.ending.rows
    assert row.content == (SEARCH, SAID)
    assert isinstance(_result(finished(SAID, reason=FinishReason.PAUSE), steps=9).ending, Failed)
    assert _result(finished(reason=FinishReason.PAUSE)).ending == Finish(rows=())


def test_what_the_provider_ran_itself_is_the_end() -> None:
    result = _result(finished(SEARCH, SAID, reason=TOOLS))
    assert isinstance(result.ending, Finish)
    assert len(result.ending.rows) == 1


def test_the_last_step_that_is_allowed_may_finish_but_not_go_on() -> None:
    assert isinstance(_result(finished(SAID), steps=9).ending, Finish)
    assert isinstance(_result(finished(CALL, reason=TOOLS), steps=8).ending, More)
    ending = _result(finished(CALL, reason=TOOLS), steps=9).ending
    assert isinstance(ending, Failed)
    assert not ending.failure.retryable
    assert "10 steps" in ending.failure.message


def test_a_person_who_stops_a_complete_answer_gets_it_whole() -> None:
    usage = Usage(input_tokens=5)
    for steps in (0, 9):
        result = _result(finished(CALL, reason=TOOLS, usage=usage), steps=steps)
        answer, results = result.partial
        assert (answer.usage, answer.interrupted) == (replace(usage, context_limit=1000), False)
        assert len(results.content) == 1


@pytest.mark.parametrize("reason", list(CancelReason))
def test_a_stop_that_came_after_the_terminal_event_came_too_late(reason: CancelReason) -> None:
    assert isinstance(_result(finished(SAID, stopped=reason)).ending, Finish)


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (ProviderError(status_code=529), ErrorKind.OVERLOADED, True),
        (ProviderError(status_code=401), ErrorKind.AUTH, False),
        (TransportFailed(phase="body"), ErrorKind.TIMEOUT, True),
        (StreamTruncated(), ErrorKind.TIMEOUT, True),
        (
            Preclassified(Failure(kind=ErrorKind.STARTUP_TIMEOUT, retryable=True)),
            ErrorKind.STARTUP_TIMEOUT,
            True,
        ),
    ],
)
def test_a_failure_is_classified_for_the_configured_provider(
    error: ProviderFailure, kind: ErrorKind, retryable: bool
) -> None:
    result = _result(broken(SAID, error=error))
    assert isinstance(result.ending, Failed)
    failure = result.ending.failure
    assert (failure.kind, failure.retryable, failure.provider) == (kind, retryable, "p")
    assert failure.message


def test_what_a_failed_attempt_said_is_kept_only_for_a_person_who_stops_it() -> None:
    result = _result(broken(SAID, CALL, error=StreamTruncated()))
    answer, results = result.partial
    assert (answer.content, answer.interrupted, answer.usage) == ((SAID, CALL), True, None)
    assert results.content == (_answered(CALL, NOT_RUN),)


def test_a_model_that_is_not_declared_is_a_failure() -> None:
    failure = Failure(kind=ErrorKind.CONFIG, retryable=False, message="choose another")
    streamed = broken(error=Preclassified(failure))
    result = make_result(BEGUN, None, streamed, max_steps=10, now=NOW)
    assert result.ending == Failed(failure=failure)


def test_a_drain_gives_the_step_back() -> None:
    result = _result(broken(SAID, stopped=CancelReason.DRAIN))
    assert result.ending == Released(counts_as_loss=False)
    assert result.partial[0].content == (SAID,)  # should a person have stopped it as well


def test_a_stop_keeps_what_was_said() -> None:
    result = _result(broken(SAID, stopped=CancelReason.INTERRUPTED))
    assert result.ending == Stopped()
    assert result.partial[0].content == (SAID,)
    assert result.spans == Spans(provider=1.5)
