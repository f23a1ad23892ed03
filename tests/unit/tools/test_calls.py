"""Calls are sorted by who answers them; a model that repeats itself is noticed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.chats.model.chat import DynamicTool
from shared.chats.model.ids import LeaseId, MessageId, TurnId
from shared.chats.model.messages import Message, NewMessage, Role
from shared.chats.model.parts import Part, TextPart, ToolCallPart, ToolResultPart
from shared.chats.model.timing import Spans
from shared.chats.model.tool_runs import RunKey, RunState, ToolRun
from shared.chats.moves.open_calls import OUTCOME_UNKNOWN, OpenCall
from shared.chats.moves.workers.begin import Begun
from shared.chats.moves.workers.settle import More, Released, RequireAction, Result, Stopped
from shared.jsonvalue import JsonValue
from shared.tools.clock import current_time
from shared.tools.spec import tool
from tests.chats import new_chat
from tests.unit.steps.ending import NOW, begun
from workers.leases.registry import CancelReason
from workers.providers.protocol import CallDelta, PartDone, PromptMessage
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.calls import NO_OBJECT, NO_TOOL, NOT_ALLOWED, Sorted, find_loop, sort_calls
from workers.steps.decide import after_tools, find_leftover, local_calls
from workers.steps.prompt.available_tools import AvailableTools, available_tools
from workers.steps.prompt.gathering import gather

ASK = DynamicTool(name="ask", description="Ask.", input_schema={"type": "object"})


@tool
def add(x: int, y: int) -> int:
    """Add."""
    return x + y


REGISTRY = {"add": add, "current_time": current_time}


def _call(name: str, id_: str = "c", args: JsonValue = None) -> ToolCallPart:
    given = {"x": 1, "y": 2} if args is None else args
    return ToolCallPart(tool_call_id=id_, tool_name=name, args=given)


def _offer(**changes: object) -> AvailableTools:
    return available_tools(REGISTRY, new_chat(dynamic_tools=(ASK,), **changes))


def _sorted(*calls: ToolCallPart, offer: AvailableTools | None = None) -> Sorted:
    return sort_calls(dict(enumerate(calls)), offer or _offer(), NOW)


def test_a_model_sees_built_in_tools_first() -> None:
    assert [spec.name for spec in _offer().specs()] == ["add", "current_time", "ask"]


@pytest.mark.parametrize(("tools", "seen"), [((), ["ask"]), (("add",), ["add", "ask"])])
def test_a_chat_names_the_built_in_tools_that_it_wants(
    tools: tuple[str, ...], seen: list[str]
) -> None:
    assert [spec.name for spec in _offer(tools=tools).specs()] == seen


def test_a_client_s_tool_hides_a_built_in_one_that_came_later() -> None:
    own = replace(ASK, name="add")
    offer = available_tools(REGISTRY, new_chat(dynamic_tools=(own,)))
    assert [spec.name for spec in offer.specs()] == ["current_time", "add"]
    assert _sorted(_call("add"), offer=offer).to_run == ()


def test_every_call_is_sorted() -> None:
    calls = _sorted(_call("ask", "c0"), _call("add", "c1"), _call("nope", "c2"))
    assert [call.index for call in calls.to_run] == [1]
    assert calls.to_run[0].arguments == {"x": 1, "y": 2}
    assert [*calls.dynamic] == [0]
    assert [*calls.refused] == [2]
    # The row of results leaves out what the client answers.
    assert (calls.place(1), calls.place(2)) == (0, 1)


@pytest.mark.parametrize(
    ("call", "tools", "says"),
    [
        (_call("nope"), None, NO_TOOL),
        (_call("add"), (), NOT_ALLOWED),
        (_call("add", args={"x": 1}), None, "y: Field required"),
        (_call("add", args="{oops"), None, NO_OBJECT),
        (_call("ask", args="{oops"), None, NO_OBJECT),
        (_call("ask", args=[1]), None, NO_OBJECT),
    ],
)
def test_what_nobody_can_run_is_refused(
    call: ToolCallPart, tools: tuple[str, ...] | None, says: str
) -> None:
    [refused] = _sorted(call, offer=_offer(tools=tools)).refused.values()
    assert refused.is_error
    assert says in str(refused.result)
    assert refused.created_at == NOW


def _answer(*parts: Part, id_: int = 0, turn_id: TurnId | None = None) -> Message:
    return Message(
        id=MessageId(id_),
        chat_id=new_chat().id,
        turn_id=turn_id,
        role=Role.ASSISTANT,
        content=parts,
        created_at=NOW,
        revision=1,
    )


def _is_loop(history: Sequence[Message], *calls: ToolCallPart) -> bool:
    return find_loop(history, dict(enumerate(calls))) is not None


SAME, OTHER = _call("add", args={"x": 1, "y": 2}), _call("add", args={"x": 1, "y": 3})


@pytest.mark.parametrize(
    ("before", "loop"),
    [
        ([], False),
        ([SAME] * 3, False),
        ([SAME] * 4, True),
        ([SAME] * 9, True),
        ([_call("add", "other id", {"y": 2, "x": 1})] * 4, True),
        ([SAME, SAME, OTHER, SAME], False),
        ([OTHER, SAME, SAME, SAME], False),
        ([_call("ask", args={"x": 1, "y": 2})] * 4, False),
        ([replace(SAME, provider_executed=True)] * 4, False),
    ],
)
def test_the_fifth_time_running_is_a_loop(before: list[ToolCallPart], loop: bool) -> None:
    assert _is_loop([_answer(call) for call in before], SAME) is loop


def test_two_calls_in_turns_in_the_same_answers_are_a_loop() -> None:
    assert _is_loop([_answer(SAME, OTHER)] * 4, OTHER, SAME)


def test_equal_calls_of_one_answer_count_once() -> None:
    assert not _is_loop([_answer(SAME, SAME, SAME, SAME)], SAME)


def test_the_reason_names_the_tool() -> None:
    failure = find_loop([_answer(SAME)] * 4, {0: SAME})
    assert failure is not None
    assert not failure.retryable
    assert "'add' with the same arguments 5 times running" in failure.message


def _ended(calls: Sorted, *indexes: int) -> dict[int, ToolResultPart]:
    return {
        n: ToolResultPart(
            tool_call_id=calls.asked[n].tool_call_id, tool_name="add", result=n, created_at=NOW
        )
        for n in indexes
    }


def _after(calls: Sorted, *indexes: int, reason: CancelReason | None = None) -> Result:
    return after_tools(
        None, calls, _ended(calls, *indexes), reason=reason, spans=Spans(tools=2.0), now=NOW
    )


def _ids(rows: tuple[NewMessage, ...]) -> list[str]:
    parts = [part for row in rows for part in row.content]
    return [part.tool_call_id for part in parts if isinstance(part, ToolResultPart)]


def test_results_of_all_tools_are_one_row_in_call_order() -> None:
    calls = _sorted(_call("add", "c0"), _call("nope", "c1"), _call("add", "c2"))
    result = _after(calls, 2, 0)
    assert isinstance(result.ending, More)
    assert _ids(result.ending.rows) == ["c0", "c1", "c2"]
    assert len(result.ending.rows) == 1
    assert result.spans == Spans(tools=2.0)


def test_calls_of_the_client_are_waited_for() -> None:
    calls = _sorted(_call("ask", "c0"), _call("add", "c1"))
    result = _after(calls, 1)
    assert isinstance(result.ending, RequireAction)
    assert [call.tool_call_id for call in result.ending.calls] == ["c0"]
    assert _ids(result.ending.rows) == ["c1"]
    # Stopped just then, the client's calls are answered as well.
    assert _ids(result.partial) == ["c0", "c1"]


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (CancelReason.INTERRUPTED, Stopped()),
        (CancelReason.DRAIN, Released(counts_as_loss=False)),
        (None, Stopped()),
    ],
)
def test_calls_that_did_not_end_leave_the_step_open(
    reason: CancelReason | None, ending: object
) -> None:
    calls = _sorted(_call("add", "c0"), _call("add", "c1"))
    result = _after(calls, 1, reason=reason)
    assert result.ending == ending
    assert _ids(result.partial) == ["c1"]


def _left(begun_: Begun, *calls: ToolCallPart, **runs: ToolRun) -> Begun:
    waiting = tuple(
        OpenCall(message_id=MessageId(4), index=n, call=call) for n, call in enumerate(calls)
    )
    keys = {one.call.tool_call_id: one.key(begun_.chat.id) for one in waiting}
    known: dict[RunKey, ToolRun] = {keys[id_]: run for id_, run in runs.items()}
    return replace(begun_, waiting=waiting, runs=known)


def _run(state: RunState, result: ToolResultPart | None = None) -> ToolRun:
    return ToolRun(state=state, lease_id=LeaseId(new_chat().id), runs=1, result=result)


def test_what_the_ledger_has_is_not_run_again() -> None:
    calls = [_call("add", "c0"), _call("add", "c1"), _call("gone", "c2"), _call("gone", "c3")]
    done = ToolResultPart(tool_call_id="c0", tool_name="add", result=3)
    step = _left(
        begun(),
        *calls,
        c0=_run(RunState.DONE, done),
        c1=_run(RunState.CLAIMED),
        c2=_run(RunState.CLAIMED),
    )
    left = find_leftover(step, _offer(), NOW)
    assert left.message_id == 4
    # Whether a claimed call runs again is decided with the claim, under the lock.
    assert [call.index for call in left.calls.to_run] == [1]
    assert left.known[0] is done
    assert left.known[2].result == OUTCOME_UNKNOWN
    assert left.calls.refused[3].result == NO_TOOL


def test_calls_of_an_older_message_come_later() -> None:
    step = _left(begun(), _call("add", "c0"))
    older = OpenCall(message_id=MessageId(2), index=0, call=_call("add", "old"))
    left = find_leftover(replace(step, waiting=(older, *step.waiting)), _offer(), NOW)
    assert [call.tool_call_id for call in left.calls.asked.values()] == ["c0"]


def test_only_calls_that_are_not_the_provider_s_are_ours() -> None:
    said = TextPart(text="let me see")
    search = replace(SAME, provider_executed=True)
    assert local_calls((said, search, SAME)) == {2: SAME}


def _result(id_: str) -> ToolResultPart:
    return ToolResultPart(tool_call_id=id_, tool_name="add", result=id_)


def test_results_go_to_the_model_together_in_call_order() -> None:
    asked = PromptMessage(role=Role.ASSISTANT, parts=(_call("add", "a"), _call("add", "b")))
    late, early = (
        PromptMessage(role=Role.TOOL, parts=(_result("b"),)),
        PromptMessage(role=Role.TOOL, parts=(_result("a"),)),
    )
    user = PromptMessage(role=Role.USER, parts=(TextPart(text="hi"),))
    assert gather([user, asked, late, early, user, late]) == [
        user,
        asked,
        PromptMessage(role=Role.TOOL, parts=(_result("a"), _result("b"))),
        user,
        late,
    ]


def test_an_id_that_stands_twice_is_told_apart_without_the_provider_s_own_words() -> None:
    answer = CollectedAnswer()
    call = replace(_call("add", "c"), provider_metadata={"p": 1})
    from_provider = replace(call, provider_executed=True)
    for index, part in enumerate((call, from_provider, call, call)):
        answer.add(PartDone(index, part))
    ids = [
        (part.tool_call_id, part.provider_metadata is not None)
        for part in answer.parts
        if isinstance(part, ToolCallPart)
    ]
    assert ids == [("c", True), ("c", True), ("c_again", False), ("c_again_again", False)]


def test_a_call_that_broke_off_says_when_it_came() -> None:
    answer = CollectedAnswer()
    answer.add(CallDelta(0, "c", "add", '{"x": ', created_at=NOW))
    answer.add(CallDelta(0, "c", "add", "1"))
    [part] = answer.parts
    assert part == ToolCallPart(tool_call_id="c", tool_name="add", args='{"x": 1', created_at=NOW)
