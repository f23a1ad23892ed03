"""The move table, cell by cell, written down a second time as the state machine's page has it."""

from typing import cast

import pytest
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from shared.chats.machine.change import Change
from shared.chats.machine.collections import History, Ledger, Queue, Rows
from shared.chats.machine.limits import Limits
from shared.chats.machine.unit import Unit
from shared.chats.model.errors import ChatArchived, MoveNotAllowed
from shared.chats.model.ids import LeaseId, WorkerId
from shared.chats.model.statuses import ENDED, LEASED, Move, Status, TurnStatus
from shared.chats.model.turns import ChatError
from shared.chats.rules.transitions import ARCHIVED_MOVES, TABLE, allows, sources
from tests.chats import new_chat

ORDER = "WPRIAE"
LETTERS = dict(
    zip(
        ORDER,
        (
            Status.WAITING,
            Status.PENDING,
            Status.RUNNING,
            Status.INTERRUPTING,
            Status.REQUIRES_ACTION,
            Status.ERROR,
        ),
        strict=True,
    )
)

# From W P R I A E; a cell holds every status that the move may lead to, `x` the end of the chat.
GRID = {
    Move.CREATE: "- - - - - -",
    Move.SEND_QUEUE: "P P R I A P",
    Move.SEND_INTERRUPT: "P P I I P P",
    Move.SEND_REJECT: "P - - - - P",
    Move.EDIT: "P P P P P P",
    Move.DELETE_QUEUED: "W P R I A E",
    Move.PROMOTE_QUEUED: "- P I I P P",
    Move.INTERRUPT: "W WP I I WP E",
    Move.RETRY: "- - - - - P",
    Move.SUBMIT_TOOL_RESULTS: "- - - - PA -",
    Move.COMPACT: "P - - - - P",
    Move.CLEAR_CONTEXT: "W - - - - W",
    Move.SET_FIELDS: "W P R I A E",
    Move.ARCHIVE: "W - - - - E",
    Move.UNARCHIVE: "W - - - - E",
    Move.DELETE: "x x x x x x",
    Move.BEGIN: "- R - - - -",
    Move.COMMIT_CALLS: "- - R - - -",
    Move.SETTLE_MORE: "- - P - - -",
    Move.SETTLE_REQUIRE_ACTION: "- - A - - -",
    Move.SETTLE_FINISH: "- - WP - - -",
    Move.RECORD_RETRY: "- - P - - -",
    Move.SETTLE_FAIL: "- - PE - - -",
    Move.FAIL_LOST: "- PE - - - -",
    Move.DEFER: "- - P - - -",
    Move.RELEASE: "- - P - - -",
    Move.FINISH_INTERRUPTION: "- - - WP - -",
    Move.EXPIRE_ACTION: "- - - - PA -",
    Move.RECOVER: "P P P WP - -",
}

CELLS = [
    (move, LETTERS[letter], cell)
    for move, row in GRID.items()
    for letter, cell in zip(ORDER, row.split(), strict=True)
]


def _targets(cell: str) -> frozenset[Status]:
    return frozenset(LETTERS[letter] for letter in cell if letter in LETTERS)


def _open(status: Status, *, archived: bool = False) -> Change:
    leased = status in LEASED
    chat = new_chat(
        status=status,
        archived=archived,
        lease_id=LeaseId(uuid7()) if leased else None,
        worker_id=WorkerId(uuid7()) if leased else None,
        last_error=ChatError(message="m", kind="generic", retryable=False, turn_id=None),
    )
    return Change(
        # A change of status asks the database nothing.
        connection=cast(Connection, None),
        queue=cast(Queue, None),
        history=cast(History, None),
        ledger=cast(Ledger, None),
        unit=Unit(rows=cast(Rows, None)),
        chat=chat,
        before=chat.copy(),
        now=chat.created_at,
        limits=Limits(),
        new_id=uuid7,
    )


def test_the_grid_has_every_move() -> None:
    assert set(GRID) == set(Move) == set(TABLE)


@pytest.mark.parametrize(("move", "status", "cell"), CELLS)
def test_a_cell_is_what_the_page_says(move: Move, status: Status, cell: str) -> None:
    assert allows(move, status) is (cell != "-")
    assert TABLE[move].get(status, frozenset()) == _targets(cell)


@pytest.mark.parametrize("target", list(Status))
@pytest.mark.parametrize(("move", "status", "cell"), CELLS)
def test_a_change_of_status_stays_within_its_cell(
    move: Move, status: Status, cell: str, target: Status
) -> None:
    change = _open(status)
    before = change.chat.copy()
    if cell == "-":
        with pytest.raises(MoveNotAllowed) as refused:
            change.apply(move, target)
        assert (refused.value.move, refused.value.found) == (move, status)
        assert refused.value.allowed == sources(move)
    elif target not in _targets(cell):
        with pytest.raises(AssertionError):
            change.apply(move, target)
    else:
        change.apply(move, target)
        assert change.chat.status is target
        return
    assert change.chat == before


@pytest.mark.parametrize("status", [Status.WAITING, Status.ERROR])
@pytest.mark.parametrize("move", list(Move))
def test_an_archived_chat_takes_no_move_but_two(move: Move, status: Status) -> None:
    change = _open(status, archived=True)
    if move in (Move.UNARCHIVE, Move.DELETE):
        change.require(move)
        return
    with pytest.raises(ChatArchived):
        change.require(move)


def test_the_two_moves_of_an_archived_chat_are_these() -> None:
    assert ARCHIVED_MOVES == {Move.UNARCHIVE, Move.DELETE}


def test_a_refusal_says_where_the_move_is_possible() -> None:
    with pytest.raises(MoveNotAllowed) as refused:
        _open(Status.RUNNING).require(Move.RETRY)
    assert str(refused.value) == (
        "retry is not possible while the chat is 'running'; it is in: error"
    )


@pytest.mark.parametrize(
    ("move", "status", "target"),
    [
        (Move.EDIT, Status.RUNNING, Status.PENDING),
        (Move.SETTLE_FAIL, Status.RUNNING, Status.ERROR),
        (Move.SETTLE_FINISH, Status.RUNNING, Status.WAITING),
        (Move.FINISH_INTERRUPTION, Status.INTERRUPTING, Status.WAITING),
        (Move.SETTLE_REQUIRE_ACTION, Status.RUNNING, Status.REQUIRES_ACTION),
        (Move.RELEASE, Status.RUNNING, Status.PENDING),
    ],
)
def test_who_leaves_a_lease_leaves_all_of_it(move: Move, status: Status, target: Status) -> None:
    change = _open(status)
    change.chat.interrupting_since = change.now
    change.apply(move, target)
    chat = change.chat
    assert (chat.lease_id, chat.worker_id, chat.interrupting_since) == (None, None, None)


def test_an_interruption_keeps_the_lease_and_notes_the_time() -> None:
    change = _open(Status.RUNNING)
    change.apply(Move.INTERRUPT, Status.INTERRUPTING)
    assert change.chat.interrupting_since == change.now
    assert change.chat.lease_id == change.before.lease_id is not None


@pytest.mark.parametrize(
    ("move", "target"), [(Move.RETRY, Status.PENDING), (Move.CLEAR_CONTEXT, Status.WAITING)]
)
def test_leaving_an_error_clears_it(move: Move, target: Status) -> None:
    change = _open(Status.ERROR)
    change.apply(move, target)
    assert change.chat.last_error is None


def test_staying_in_an_error_keeps_it() -> None:
    change = _open(Status.ERROR)
    change.apply(Move.INTERRUPT, Status.ERROR)
    assert change.chat.last_error is not None


def test_a_turn_that_ended_has_an_outcome_and_no_other_has() -> None:
    assert {
        TurnStatus.FINISHED,
        TurnStatus.FAILED,
        TurnStatus.INTERRUPTED,
        TurnStatus.REPLACED,
    } == ENDED
    assert {Status.RUNNING, Status.INTERRUPTING} == LEASED
