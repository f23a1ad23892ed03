"""Random sequences of all moves that exist, compared with a simple model.

`--hypothesis-profile=deep` makes the long run of it.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine, text

from shared.chats.machine.change import Change
from shared.chats.model.ids import LeaseId, MessageId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import UserMessage
from shared.chats.model.parts import TextPart
from shared.chats.model.statuses import BusyBehavior
from shared.chats.moves.callers.edit import edit
from shared.chats.moves.callers.send import send
from shared.chats.moves.turns import Placed
from shared.chats.moves.workers.begin import Beginning, begin
from shared.chats.moves.workers.settle import Result, Settlement, settle
from tests.integration.chats.stateful.rules import ChatLife
from tests.integration.chats.stateful.subject import Moves

STEPS = 30

SHORT = settings(max_examples=30)
COMMON = settings(
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)


def _live(engine: Engine, moves: Moves, chosen: settings, often: tuple[str, ...] = ()) -> None:
    """Let chats live; a rule that is drawn `often` is there four times, under other names."""
    more = {f"{name}_{n}": getattr(ChatLife, name) for name in often for n in range(3)}
    life = type("Life", (ChatLife,), {"engine": engine, "moves": moves, **more})
    run_state_machine_as_test(life, settings=chosen)  # pyright: ignore[reportUnknownMemberType]  # untyped


def _chosen() -> settings:
    deep = settings.get_current_profile_name() == "deep"
    return settings(COMMON, max_examples=(settings() if deep else SHORT).max_examples)


@pytest.mark.timeout(7200)
def test_a_chat_lives_as_its_model_does(engine: Engine) -> None:
    _live(engine, Moves(), _chosen())


def _deaf_fence(change: Change, fence: Fence, result: Result) -> Settlement:
    """Settle whatever step comes, as long as somebody holds the chat."""
    chat = change.chat
    lease_id = chat.lease_id or fence.lease_id
    return settle(change, Fence(history_version=chat.history_version, lease_id=lease_id), result)


def _forgetful_begin(change: Change, *, worker_id: WorkerId, lease_id: LeaseId) -> Beginning:
    """Give every attempt the same number."""
    beginning = begin(change, worker_id=worker_id, lease_id=lease_id)
    change.chat.generation_attempt = min(change.chat.generation_attempt, 1)
    return beginning


def _rude_send(change: Change, message: UserMessage, busy: BusyBehavior) -> Placed:
    """Let an interrupting message go to the end of the queue."""
    placed = send(change, message, busy)
    if placed.queued is not None:
        statement = text("UPDATE queued_messages SET interrupting = false WHERE id = :id")
        change.connection.execute(statement, {"id": placed.queued.id})
    return placed


def _forgetful_edit(change: Change, message_id: MessageId, content: tuple[TextPart, ...]) -> Placed:
    """Leave the turn that is edited away open."""
    turn_id = change.chat.current_turn_id
    placed = edit(change, message_id, content)
    if turn_id is not None:
        change.unit.turns.pop(turn_id, None)
    return placed


@pytest.mark.parametrize(
    ("moves", "often"),
    [
        (Moves(settle=_deaf_fence), ("come_late", "begin")),
        (Moves(begin=_forgetful_begin), ("begin", "lose_the_worker")),
        (Moves(send=_rude_send), ("send",)),
        (Moves(edit=_forgetful_edit), ("edit",)),
    ],
    ids=["deaf fence", "forgetful begin", "rude send", "forgetful edit"],
)
def test_a_broken_rule_is_found(engine: Engine, moves: Moves, often: tuple[str, ...]) -> None:
    chosen = settings(
        COMMON, max_examples=100, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError):
        _live(engine, moves, chosen, often)
