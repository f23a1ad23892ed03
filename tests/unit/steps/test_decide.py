"""A stream that ended, in whatever way, is decided upon once: what the step brings to its end."""

from dataclasses import replace

import pytest

from shared.chats.model.ids import MessageId
from shared.chats.model.messages import NewMessage, PromptRow, Role, Usage
from shared.chats.model.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.timing import Spans
from shared.chats.moves.open_calls import NOT_RUN
from shared.chats.moves.workers.settle import Failed, Finish, More, Released, Result, Stopped
from shared.config.catalog import Model
from shared.failures.kinds import (
    ErrorKind,
    Failure,
    Preclassified,
    ProviderError,
    StreamTruncated,
    TransportFailed,
)
from shared.tools.spec import tool
from tests.unit.steps.ending import MODEL, NOW, begun, broken, finished
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason
from workers.steps.answer.read_stream import ProviderFailure, Streamed
from workers.steps.calls import NO_TOOL
from workers.steps.decide import RunTools, Said, next_of, read_answer
from workers.steps.prompt.available_tools import available_tools

SAID = TextPart(text="said")
CALL = ToolCallPart(tool_call_id="c", tool_name="look", args={})
WRONG = ToolCallPart(tool_call_id="w", tool_name="nope", args={})
SEARCH = replace(CALL, tool_call_id="s", provider_executed=True)
TOOLS = FinishReason.TOOL_CALLS
BEGUN = begun()


@tool
def look() -> str:
    """Look."""
    return "seen"


def _decide(
    streamed: Streamed, *, steps: int = 0, max_steps: int = 10, model: Model | None = MODEL
) -> Result | RunTools:
    at = replace(BEGUN, steps=steps)
    said = read_answer(at, model, streamed, NOW)
    if isinstance(said, Result):
        return said
    tools = available_tools({"look": look}, at.chat)
    return next_of(said, at, tools, max_steps=max_steps, now=NOW)


def _result(streamed: Streamed, *, steps: int = 0, model: Model | None = MODEL) -> Result:
    decided = _decide(streamed, steps=steps, model=model)
    assert isinstance(decided, Result)
    return decided


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
    result = _result(streamed, model=model)
    assert _rows(result.ending)[0].provider_response_id == kept


@pytest.mark.parametrize("parts", [(), (TextPart(text=""),), (ReasoningPart(text=" \n"),)])
def test_an_answer_without_content_has_no_row(parts: tuple[TextPart, ...]) -> None:
    assert _result(finished(*parts)).ending == Finish(rows=())


def test_a_signature_is_content() -> None:
    signed = ReasoningPart(text="", provider_metadata={"signature": "s"})
    assert len(_rows(_result(finished(signed)).ending)) == 1


def test_calls_are_to_be_run_once_their_answer_stands_in_the_history() -> None:
    usage = Usage(input_tokens=5)
    decided = _decide(finished(SAID, CALL, WRONG, reason=TOOLS, usage=usage))
    assert isinstance(decided, RunTools)
    assert decided.commitment.answer.content == (SAID, CALL, WRONG)
    assert [call.asked for call in decided.calls.to_run] == [CALL]
    # Were a person faster, nothing of it had run; what is refused is refused all the same.
    answer, results = decided.commitment.if_stopped
    assert answer.usage == replace(usage, context_limit=1000)
    assert results.content == (_answered(CALL, NOT_RUN), _answered(WRONG, NO_TOOL))
    assert [one.result for one in decided.commitment.refused] == [_answered(WRONG, NO_TOOL)]


def test_calls_that_nobody_can_run_are_answered_and_one_more_step_follows() -> None:
    result = _result(finished(SAID, WRONG, reason=TOOLS))
    assert isinstance(result.ending, More)
    answer, results = result.ending.rows
    assert answer.content == (SAID, WRONG)
    assert (results.role, results.content) == (Role.TOOL, (_answered(WRONG, NO_TOOL),))


def test_the_calls_of_a_last_step_were_not_run_if_a_person_is_faster() -> None:
    result = _result(finished(SAID, CALL, WRONG, reason=TOOLS), steps=9)
    assert isinstance(result.ending, Failed)
    _, results = result.partial
    assert results.content == (_answered(CALL, NOT_RUN), _answered(WRONG, NO_TOOL))
    assert result.refused == ()  # no model gets them


def test_a_loop_that_a_person_is_faster_than_keeps_what_is_true_of_its_calls() -> None:
    row = PromptRow(
        id=MessageId(1),
        turn_id=BEGUN.chat.current_turn_id,
        role=Role.ASSISTANT,
        content=(CALL,),
    )
    looping = replace(BEGUN, messages=(row,) * 4)
    said = read_answer(looping, MODEL, finished(CALL, WRONG, reason=TOOLS), NOW)
    assert isinstance(said, Said)
    tools = available_tools({"look": look}, looping.chat)
    result = next_of(said, looping, tools, max_steps=10, now=NOW)
    assert isinstance(result, Result)
    assert isinstance(result.ending, Failed)
    _, results = result.partial
    assert results.content == (_answered(CALL, NOT_RUN), _answered(WRONG, NO_TOOL))


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
    assert isinstance(_decide(finished(CALL, reason=TOOLS), steps=8), RunTools)
    ending = _result(finished(CALL, reason=TOOLS), steps=9).ending
    assert isinstance(ending, Failed)
    assert not ending.failure.retryable
    assert "10 steps" in ending.failure.message


def test_a_person_who_stops_a_complete_answer_gets_it_whole() -> None:
    usage = Usage(input_tokens=5)
    for call, steps in ((WRONG, 0), (CALL, 9)):
        result = _result(finished(call, reason=TOOLS, usage=usage), steps=steps)
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
    result = _result(streamed, model=None)
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
