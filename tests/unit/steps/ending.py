"""Steps that have begun and streams that have ended, for tests without a database."""

from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from shared.chats.model.ids import LeaseId, TurnId, WorkerId
from shared.chats.model.lease import Fence
from shared.chats.model.messages import Usage
from shared.chats.model.parts import Part
from shared.chats.model.statuses import Status
from shared.chats.moves.workers.begin import Begun
from shared.config.catalog import Model
from tests.chats import new_chat
from workers.leases.registry import CancelReason
from workers.providers.protocol import FinishReason, PartDone, StreamEnd
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.answer.read_stream import ProviderFailure, Streamed

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODEL = Model(name="fast", provider="p", upstream_model="up", context_limit=1000)


def begun(*, steps: int = 0, model: str = "fast") -> Begun:
    lease_id = LeaseId(uuid7())
    chat = new_chat(
        status=Status.RUNNING,
        model=model,
        lease_id=lease_id,
        worker_id=WorkerId(uuid7()),
        current_turn_id=TurnId(uuid7()),
    )
    return Begun(
        fence=Fence(history_version=chat.history_version, lease_id=lease_id),
        queued_seconds=0.0,
        chat=chat,
        messages=(),
        steps=steps,
        chain_disabled=False,
    )


def finished(
    *parts: Part,
    reason: FinishReason = FinishReason.STOP,
    usage: Usage | None = None,
    response_id: str | None = None,
    stopped: CancelReason | None = None,
) -> Streamed:
    """A stream whose terminal event was seen."""
    streamed = broken(*parts, stopped=stopped)
    streamed.answer.add(StreamEnd(reason=reason, usage=usage, response_id=response_id))
    return streamed


def broken(
    *parts: Part, error: ProviderFailure | None = None, stopped: CancelReason | None = None
) -> Streamed:
    """A stream that ended before its terminal event."""
    answer = CollectedAnswer()
    for index, part in enumerate(parts):
        answer.add(PartDone(index, part))
    return Streamed(
        answer=answer, asked=True, seconds=1.5, first_part_seconds=0.5, error=error, stopped=stopped
    )
