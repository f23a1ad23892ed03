"""Take the results of dynamic tools from the client that ran them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.chats.machine.change import Change
from shared.chats.model.chat import PendingCall
from shared.chats.model.errors import InvalidToolResults
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.statuses import Move, Status
from shared.chats.moves.await_client import take_results
from shared.jsonvalue import JsonValue
from shared.metrics.metrics import DYNAMIC_TOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientResult:
    """What a client says of one call."""

    tool_call_id: str
    output: JsonValue
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedResults:
    """What one request brings; `canonical` is the same for the same words in any order of keys."""

    results: Sequence[ClientResult]
    partial: bool
    canonical: bytes

    @property
    def fingerprint(self) -> str:
        """Return what tells this submission from others."""
        return hashlib.sha256(self.canonical).hexdigest()


def submit_tool_results(change: Change, submission: SubmittedResults) -> None:
    """Take results, cut to the room of the model, and go on with the turn after the last one.

    The newest submission once more changes nothing. Raises `MoveNotAllowed`,
    `InvalidToolResults`.
    """
    if _is_repeat(change, submission):
        change.unchanged = True
        return
    change.require(Move.SUBMIT_TOOL_RESULTS)
    pending = {call.tool_call_id: call for call in change.chat.pending_calls}
    _check(submission, pending)
    results = tuple(
        change.fit(
            DYNAMIC_TOOL,
            ToolResultPart(
                tool_call_id=result.tool_call_id,
                tool_name=pending[result.tool_call_id].tool_name,
                result=result.output,
                is_error=result.is_error,
                created_at=change.now,
            ),
        )
        for result in submission.results
    )
    take_results(change, Move.SUBMIT_TOOL_RESULTS, results)
    change.chat.last_submission = submission.fingerprint


def _is_repeat(change: Change, submission: SubmittedResults) -> bool:
    chat = change.chat
    if chat.last_submission != submission.fingerprint:
        return False
    if chat.status is not Status.REQUIRES_ACTION:
        return True
    # Some models give a later call the id of an earlier one, and the answer may be the same.
    pending = {call.tool_call_id for call in chat.pending_calls}
    return not all(result.tool_call_id in pending for result in submission.results)


def _check(submission: SubmittedResults, pending: dict[str, PendingCall]) -> None:
    ids = [result.tool_call_id for result in submission.results]
    doubled = [id_ for id_, times in Counter(ids).items() if times > 1]
    if doubled:
        raise InvalidToolResults(reason="more than one result came for", tool_call_ids=doubled)
    missing = [id_ for id_ in pending if id_ not in ids]
    if missing and not submission.partial:
        raise InvalidToolResults(
            reason="without 'partial' every pending call needs a result; there is none for",
            tool_call_ids=missing,
        )
    foreign = [id_ for id_ in ids if id_ not in pending]
    if foreign:
        raise InvalidToolResults(reason="unknown or already answered:", tool_call_ids=foreign)
