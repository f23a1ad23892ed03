"""Every move from every status, with an empty queue and with one: where it leads, or how it fails.

The grids are the tables of the state machine, written down a second time by hand.
"""

from collections.abc import Iterator, Mapping

import pytest

from shared.chats.model.errors import (
    ChatArchived,
    ChatBusy,
    ChatNotFound,
    ChatsError,
    MoveNotAllowed,
    QueuedNotFound,
    StaleFence,
)
from shared.chats.model.statuses import LEASED, Move, Status
from shared.chats.moves.workers.begin import NothingToDo
from shared.chats.rules.transitions import TABLE, sources
from tests.chats import Bench
from tests.integration.chats.stateful.moves import NOT_BUILT, PERFORM
from tests.integration.chats.stateful.setups import Standing, archive, put

ORDER = (
    Status.WAITING,
    Status.PENDING,
    Status.RUNNING,
    Status.INTERRUPTING,
    Status.REQUIRES_ACTION,
    Status.ERROR,
)
LETTERS = dict(zip("WPRIAE", ORDER, strict=True))

REFUSALS: Mapping[str, type[ChatsError]] = {
    "-": MoveNotAllowed,
    "b": ChatBusy,
    "q": QueuedNotFound,
    "s": StaleFence,
}

# A capital letter is the status that the move leads to, x the end of the chat, n nothing to do,
# u nothing done; the others are refusals. The columns are W P R I A E.
EMPTY_QUEUE = {
    Move.SEND_QUEUE: "P P R I A P",
    Move.SEND_INTERRUPT: "P P I I P P",
    Move.SEND_REJECT: "P b b b b P",
    Move.EDIT: "P P P P P P",
    Move.DELETE_QUEUED: "q q q q q q",
    Move.PROMOTE_QUEUED: "- q q q q q",
    Move.INTERRUPT: "W W I I W E",
    Move.RETRY: "- - - - - P",
    Move.SET_FIELDS: "W P R I A E",
    Move.ARCHIVE: "W - - - - E",
    Move.UNARCHIVE: "W P R I A E",
    Move.DELETE: "x x x x x x",
    Move.SUBMIT_TOOL_RESULTS: "- - - - P -",
    Move.BEGIN: "n R n n n n",
    Move.FAIL_LOST: "n E n n n n",
    Move.COMMIT_CALLS: "s s R W s s",
    Move.SETTLE_MORE: "s s P W s s",
    Move.SETTLE_FINISH: "s s W W s s",
    Move.RECORD_RETRY: "s s P W s s",
    Move.SETTLE_FAIL: "s s E W s s",
    Move.RELEASE: "s s P W s s",
    Move.FINISH_INTERRUPTION: "s s P W s s",
    Move.SETTLE_REQUIRE_ACTION: "s s A W s s",
    Move.EXPIRE_ACTION: "u u u u P u",
    Move.RECOVER: "W P P W s s",
}
QUEUE_OF_TWO = EMPTY_QUEUE | {
    Move.DELETE_QUEUED: "W P R I A E",
    Move.PROMOTE_QUEUED: "- P I I P P",
    Move.INTERRUPT: "W P I I P E",
    Move.COMMIT_CALLS: "s s R P s s",
    Move.SETTLE_MORE: "s s P P s s",
    Move.SETTLE_FINISH: "s s P P s s",
    Move.RECORD_RETRY: "s s P P s s",
    Move.SETTLE_FAIL: "s s E P s s",
    Move.RELEASE: "s s P P s s",
    Move.FINISH_INTERRUPTION: "s s P P s s",
    Move.SETTLE_REQUIRE_ACTION: "s s A P s s",
    Move.RECOVER: "P P P P s s",
}
GOES_ON = {
    Move.SETTLE_FAIL: "s s P P s s",
    Move.FAIL_LOST: "n P n n n n",
}


def _cells(
    grid: Mapping[Move, str], *, queued: int, **changes: object
) -> Iterator[tuple[Move, Status, str, int, Mapping[str, object]]]:
    for move, row in grid.items():
        for status, letter in zip(ORDER, row.split(), strict=True):
            yield move, status, letter, queued, changes


CELLS = [
    *_cells(EMPTY_QUEUE, queued=0),
    *_cells(QUEUE_OF_TWO, queued=2),
    *_cells(GOES_ON, queued=2, on_error="continue"),
]


def _name(cell: tuple[Move, Status, str, int, Mapping[str, object]]) -> str:
    move, status, _, queued, changes = cell
    return "-".join([move.value, status.value, str(queued), *map(str, changes.values())])


def _put(bench: Bench, move: Move, status: Status, queued: int, **changes: object) -> Standing:
    standing = put(bench, status, queued=queued)
    for column, value in changes.items():
        bench.execute(
            f"UPDATE chats SET {column} = :value WHERE id = :id",
            id=standing.chat_id,
            value=value,
        )
    if move is Move.FAIL_LOST:
        bench.execute("UPDATE chats SET losses = 25 WHERE id = :id", id=standing.chat_id)
    return standing


def test_every_move_that_is_built_stands_in_the_grid() -> None:
    assert set(EMPTY_QUEUE) == set(PERFORM)
    assert set(TABLE) - set(PERFORM) == {*NOT_BUILT, Move.CREATE}


@pytest.mark.parametrize("cell", CELLS, ids=_name)
def test_a_move_leads_where_the_table_says_or_changes_nothing(
    bench: Bench, cell: tuple[Move, Status, str, int, Mapping[str, object]]
) -> None:
    move, status, letter, queued, changes = cell
    standing = _put(bench, move, status, queued, **changes)
    before = bench.rows(standing.chat_id)
    sent = len(bench.recorder.sent), len(bench.recorder.hints)
    match letter:
        case "x":
            PERFORM[move](bench, standing)
            assert not any(bench.rows(standing.chat_id).values())
            return
        case "n":
            assert isinstance(PERFORM[move](bench, standing), NothingToDo)
        case "u":
            PERFORM[move](bench, standing)
        case letter if letter in REFUSALS:
            with pytest.raises(REFUSALS[letter]) as refusal:
                PERFORM[move](bench, standing)
            if isinstance(refusal.value, MoveNotAllowed):
                assert refusal.value.found is status
                assert refusal.value.allowed == sources(move)
        case _:
            PERFORM[move](bench, standing)
            _check_moved(bench, standing, LETTERS[letter])
            return
    assert bench.rows(standing.chat_id) == before
    assert (len(bench.recorder.sent), len(bench.recorder.hints)) == sent


def _check_moved(bench: Bench, standing: Standing, expected: Status) -> None:
    chat = bench.chat(standing.chat_id)
    assert chat.status is expected
    assert chat.queue_length == len(bench.queue(standing.chat_id))
    leased = chat.status in LEASED
    assert (chat.lease_id is not None, chat.worker_id is not None) == (leased, leased)


ACCEPTED = {Move.UNARCHIVE, Move.DELETE}
ENGINE = {move for move in PERFORM if move in tuple(Move)[tuple(Move).index(Move.BEGIN) :]}


@pytest.mark.parametrize("status", [Status.WAITING, Status.ERROR])
@pytest.mark.parametrize("move", sorted(set(PERFORM) - ACCEPTED - ENGINE - {Move.ARCHIVE}))
def test_an_archived_chat_refuses_what_people_want(
    bench: Bench, move: Move, status: Status
) -> None:
    standing = put(bench, status, queued=1 if status is Status.ERROR else 0)
    archive(bench, standing.chat_id)
    before = bench.rows(standing.chat_id)
    with pytest.raises(ChatArchived):
        PERFORM[move](bench, standing)
    assert bench.rows(standing.chat_id) == before


@pytest.mark.parametrize("status", [Status.WAITING, Status.ERROR])
@pytest.mark.parametrize("move", sorted(ENGINE))
def test_the_engine_leaves_an_archived_chat_as_it_is(
    bench: Bench, move: Move, status: Status
) -> None:
    standing = put(bench, status, queued=1)
    archive(bench, standing.chat_id)
    before = bench.rows(standing.chat_id)
    try:
        result = PERFORM[move](bench, standing)
    except (ChatArchived, StaleFence):
        result = None
    assert result is None or isinstance(result, NothingToDo)
    assert bench.rows(standing.chat_id) == before


@pytest.mark.parametrize("status", [Status.WAITING, Status.ERROR])
def test_an_archived_chat_is_unarchived_with_nothing_else_changed(
    bench: Bench, status: Status
) -> None:
    standing = put(bench, status)
    [before] = bench.rows(standing.chat_id)["chats"]
    PERFORM[Move.ARCHIVE](bench, standing)
    assert bench.chat(standing.chat_id).archived
    PERFORM[Move.UNARCHIVE](bench, standing)
    [after] = bench.rows(standing.chat_id)["chats"]
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {"snapshot_version", "updated_at"}


def test_an_archived_chat_is_deleted(bench: Bench) -> None:
    standing = put(bench, Status.ERROR, queued=1)
    archive(bench, standing.chat_id)
    PERFORM[Move.DELETE](bench, standing)
    assert not any(bench.rows(standing.chat_id).values())


# A recovery looks at the chat before it chooses its move.
@pytest.mark.parametrize("move", sorted(set(PERFORM) - {Move.RECOVER}))
def test_a_chat_that_is_gone_takes_no_move(bench: Bench, move: Move) -> None:
    standing = put(bench, Status.RUNNING)
    bench.machine.delete(standing.chat_id)
    with pytest.raises(ChatNotFound):
        PERFORM[move](bench, standing)
