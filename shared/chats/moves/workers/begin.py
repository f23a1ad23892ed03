"""Begin a step: take the lease of a chat that is due, and load what the model may see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.chats.machine.change import Change
from shared.chats.model.chat import Chat
from shared.chats.model.errors import WorkerDead
from shared.chats.model.ids import LeaseId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import PromptRow
from shared.chats.model.statuses import Move, Status
from shared.chats.model.timing import LONGEST_COUNTDOWN
from shared.chats.model.tool_runs import RunKey, ToolRun
from shared.chats.model.turns import ChatError
from shared.chats.moves.open_calls import OpenCall, open_calls
from shared.chats.moves.workers.fail import fail

EARLY = timedelta(milliseconds=250)
"""How far ahead of its time a chat may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A step that may run: its fence, the chat, and the prompt's messages, oldest first.

    `queued_seconds` is how long the chat was due before this delivery. `waiting` are the calls that
    an earlier step has left open, `runs` what the ledger knows of them.
    """

    fence: Fence
    queued_seconds: float
    chat: Chat
    messages: tuple[PromptRow, ...]
    steps: int
    chain_disabled: bool
    waiting: tuple[OpenCall, ...] = ()
    runs: Mapping[RunKey, ToolRun] = field(default_factory=dict[RunKey, ToolRun])


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDue:
    """The delivery came before the chat is due."""

    remaining_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToDo:
    """The delivery found no work: it was late, doubled or meant for a chat that moved on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The chat lost its worker too often and was failed instead of begun."""


Beginning = Begun | NotDue | NothingToDo | GivenUp


def begin(change: Change, *, worker_id: WorkerId, lease_id: LeaseId) -> Beginning:
    """Take the lease if the chat is pending and due. Raises `WorkerDead`."""
    chat = change.chat
    if chat.status is not Status.PENDING:
        change.unchanged = True
        return NothingToDo()
    early = _time_left(change)
    if early is not None:
        change.unchanged = True
        return early
    if not change.worker_alive:
        raise WorkerDead
    if change.limits.max_losses and chat.losses >= change.limits.max_losses:
        fail(change, Move.FAIL_LOST, _lost_error(change))
        return GivenUp()
    queued_seconds = _due_for(change)
    _take(change, worker_id, lease_id)
    prompt = change.write_and_load_prompt()
    waiting = open_calls([row for row in prompt.messages if row.turn_id == chat.current_turn_id])
    return Begun(
        fence=Fence(history_version=chat.history_version, lease_id=lease_id),
        queued_seconds=queued_seconds,
        chat=chat,
        messages=prompt.messages,
        steps=prompt.steps,
        chain_disabled=prompt.chain_disabled,
        waiting=tuple(waiting),
        runs=_runs(change, waiting),
    )


def _runs(change: Change, waiting: list[OpenCall]) -> Mapping[RunKey, ToolRun]:
    if not waiting:
        return {}
    return change.ledger.load({one.message_id for one in waiting})


def _time_left(change: Change) -> NotDue | NothingToDo | None:
    retry_at = change.chat.retry_at
    if retry_at is None or retry_at - change.now <= EARLY:
        return None
    remaining = retry_at - change.now
    if remaining > LONGEST_COUNTDOWN:
        return NothingToDo()
    return NotDue(remaining_seconds=remaining.total_seconds())


def _due_for(change: Change) -> float:
    times = [change.chat.enqueued_at, change.chat.retry_at]
    due = max((time for time in times if time is not None), default=change.now)
    return max((change.now - due).total_seconds(), 0.0)


def _take(change: Change, worker_id: WorkerId, lease_id: LeaseId) -> None:
    chat = change.chat
    change.apply(Move.BEGIN, Status.RUNNING)
    chat.lease_id, chat.worker_id = lease_id, worker_id
    chat.generation_attempt += 1
    chat.retry_at = chat.retry_state = None


def _lost_error(change: Change) -> ChatError:
    return ChatError(
        message=f"The worker was lost {change.chat.losses} times while it answered this turn.",
        kind="generic",
        retryable=False,
        turn_id=change.chat.current_turn_id,
    )
