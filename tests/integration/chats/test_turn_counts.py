"""Every turn that ends or pauses is counted once, by the process whose move it was."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from shared.chats.model.statuses import Move, Status
from shared.metrics.metrics import Metrics
from tests.chats import Bench
from tests.integration.chats.stateful.moves import PERFORM
from tests.integration.chats.stateful.setups import put

ENDS = [
    (Status.RUNNING, Move.SETTLE_FINISH, "finished"),
    (Status.RUNNING, Move.SETTLE_FAIL, "error"),
    (Status.PENDING, Move.FAIL_LOST, "error"),
    (Status.RUNNING, Move.SETTLE_REQUIRE_ACTION, "requires_action"),
    (Status.INTERRUPTING, Move.FINISH_INTERRUPTION, "interrupted"),
    (Status.INTERRUPTING, Move.SETTLE_FINISH, "interrupted"),
    (Status.INTERRUPTING, Move.COMMIT_CALLS, "interrupted"),
    (Status.INTERRUPTING, Move.RECOVER, "interrupted"),
    (Status.PENDING, Move.INTERRUPT, "interrupted"),
    (Status.PENDING, Move.SEND_INTERRUPT, "interrupted"),
    (Status.REQUIRES_ACTION, Move.INTERRUPT, "interrupted"),
]
GOES_ON = [
    (Status.RUNNING, Move.INTERRUPT),
    (Status.RUNNING, Move.SETTLE_MORE),
    (Status.RUNNING, Move.RECORD_RETRY),
    (Status.RUNNING, Move.RECOVER),
    (Status.REQUIRES_ACTION, Move.EXPIRE_ACTION),
    (Status.WAITING, Move.INTERRUPT),
    (Status.ERROR, Move.RETRY),
    (Status.RUNNING, Move.EDIT),
]


def _counted(bench: Bench, status: Status, move: Move) -> dict[str, float]:
    standing = put(bench, status)
    if move is Move.FAIL_LOST:
        bench.execute("UPDATE chats SET losses = 25")
    registry = CollectorRegistry()
    effects = replace(bench.machine.effects, metrics=Metrics(registry))
    PERFORM[move](replace(bench, machine=replace(bench.machine, effects=effects)), standing)
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name == "stepwell_turns_total"
    }


@pytest.mark.parametrize(("status", "move", "outcome"), ENDS)
def test_a_turn_that_ends_or_pauses_is_counted(
    bench: Bench, status: Status, move: Move, outcome: str
) -> None:
    assert _counted(bench, status, move) == {outcome: 1.0}


@pytest.mark.parametrize(("status", "move"), GOES_ON)
def test_a_turn_that_goes_on_or_is_taken_back_is_not_counted(
    bench: Bench, status: Status, move: Move
) -> None:
    assert _counted(bench, status, move) == {}
