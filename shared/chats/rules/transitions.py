"""The move table: for every move, from which status to which statuses it may lead."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.chats.model.statuses import Move, Status

_WAITING, _PENDING, _RUNNING = Status.WAITING, Status.PENDING, Status.RUNNING
_INTERRUPTING, _ACTION, _ERROR = Status.INTERRUPTING, Status.REQUIRES_ACTION, Status.ERROR

Row = Mapping[Status, frozenset[Status]]


def _row(**cells: set[Status]) -> Row:
    return MappingProxyType({Status(name): frozenset(to) for name, to in cells.items()})


def _same(*statuses: Status) -> Row:
    return MappingProxyType({status: frozenset({status}) for status in statuses})


_EVERY = tuple(Status)

TABLE: Mapping[Move, Row] = MappingProxyType(
    {
        # Creation has no status to come from: no cell, and no chat to move.
        Move.CREATE: _row(),
        Move.SEND_QUEUE: _row(
            waiting={_PENDING},
            error={_PENDING},
            pending={_PENDING},
            running={_RUNNING},
            interrupting={_INTERRUPTING},
            requires_action={_ACTION},
        ),
        Move.SEND_INTERRUPT: _row(
            waiting={_PENDING},
            error={_PENDING},
            pending={_PENDING},
            running={_INTERRUPTING},
            interrupting={_INTERRUPTING},
            requires_action={_PENDING},
        ),
        Move.SEND_REJECT: _row(waiting={_PENDING}, error={_PENDING}),
        Move.EDIT: MappingProxyType({status: frozenset({_PENDING}) for status in _EVERY}),
        Move.DELETE_QUEUED: _same(*_EVERY),
        Move.PROMOTE_QUEUED: _row(
            error={_PENDING},
            requires_action={_PENDING},
            pending={_PENDING},
            running={_INTERRUPTING},
            interrupting={_INTERRUPTING},
        ),
        Move.INTERRUPT: _row(
            pending={_WAITING, _PENDING},
            running={_INTERRUPTING},
            requires_action={_WAITING, _PENDING},
            waiting={_WAITING},
            error={_ERROR},
            interrupting={_INTERRUPTING},
        ),
        Move.RETRY: _row(error={_PENDING}),
        Move.SUBMIT_TOOL_RESULTS: _row(requires_action={_PENDING, _ACTION}),
        Move.COMPACT: _row(waiting={_PENDING}, error={_PENDING}),
        Move.CLEAR_CONTEXT: _row(waiting={_WAITING}, error={_WAITING}),
        Move.SET_FIELDS: _same(*_EVERY),
        Move.ARCHIVE: _same(_WAITING, _ERROR),
        Move.UNARCHIVE: _same(_WAITING, _ERROR),
        # The row is gone afterwards, so there is no status to lead to.
        Move.DELETE: MappingProxyType({status: frozenset[Status]() for status in _EVERY}),
        Move.BEGIN: _row(pending={_RUNNING}),
        Move.COMMIT_CALLS: _row(running={_RUNNING}),
        Move.SETTLE_MORE: _row(running={_PENDING}),
        Move.SETTLE_REQUIRE_ACTION: _row(running={_ACTION}),
        Move.SETTLE_FINISH: _row(running={_WAITING, _PENDING}),
        Move.RECORD_RETRY: _row(running={_PENDING}),
        Move.SETTLE_FAIL: _row(running={_ERROR, _PENDING}),
        Move.FAIL_LOST: _row(pending={_ERROR, _PENDING}),
        Move.DEFER: _row(running={_PENDING}),
        Move.RELEASE: _row(running={_PENDING}),
        Move.FINISH_INTERRUPTION: _row(interrupting={_WAITING, _PENDING}),
        Move.EXPIRE_ACTION: _row(requires_action={_ACTION, _PENDING}),
        Move.RECOVER: _row(
            running={_PENDING},
            interrupting={_WAITING, _PENDING},
            pending={_PENDING},
            waiting={_PENDING},
        ),
    }
)

ARCHIVED_MOVES = frozenset({Move.UNARCHIVE, Move.DELETE})
"""All that an archived chat accepts."""


def allows(move: Move, status: Status) -> bool:
    """Say whether `move` may be made from `status`."""
    return status in TABLE[move]


def sources(move: Move) -> tuple[Status, ...]:
    """Return the statuses from which `move` is allowed, in the order of `Status`."""
    return tuple(status for status in Status if status in TABLE[move])
