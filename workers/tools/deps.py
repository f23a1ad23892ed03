"""What running tools need: of their process, of their step, and of the ledger."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from structlog.stdlib import BoundLogger

from shared.chats.model.ids import ChatId, MessageId, TurnId
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.tool_runs import RunState
from shared.chats.moves.workers.claim_tool import Claimed, Known
from workers.failpoints import Reached
from workers.timers import Timer
from workers.tools.call import Call

StartTimer = Callable[[float, Callable[[], None]], Timer]
"""Calls something on the loop after so many seconds."""


class StepLedger(Protocol):
    """The ledger as one step may write it, from any thread. Goes on through an outage.

    Both raise `StaleFence`, `ChatNotFound` and what the database raises; `claim` also
    `StepStopped` and `WorkerDead`.
    """

    def claim(self, call: Call) -> Claimed | Known:
        """Claim a call before it runs."""
        ...

    def record(
        self, call: Call, result: ToolResultPart, state: RunState, *, truncated: bool
    ) -> None:
        """Write down, and count, what came of a claimed call; `truncated`: the result was cut."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Whose calls these are; of a result its model gets `result_room` bytes."""

    chat_id: ChatId
    message_id: MessageId
    turn_id: TurnId | None
    owner: str
    labels: Mapping[str, str]
    result_room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDeps:
    """What runs of tools need of their process; `slots` bounds how many go on at once.

    `seconds` is the time limit of tools that have none of their own, `grace_seconds` how long
    those that are told to stop are waited for.
    """

    slots: asyncio.Semaphore
    seconds: float
    grace_seconds: float
    start_limit: StartTimer
    start_grace: StartTimer
    now: Callable[[], datetime]
    reached: Reached
    log: BoundLogger
