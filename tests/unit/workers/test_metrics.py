"""What steps tell is counted as the metrics' names promise."""

import pytest
from prometheus_client import CollectorRegistry

from shared.chats.model.statuses import Move
from shared.config.catalog import Model
from shared.metrics.metrics import Metrics
from workers.worker_metrics import WorkerMetrics

MODEL = Model(name="fast", provider="p", upstream_model="up")
OVER = {
    Move.SETTLE_FINISH,
    Move.SETTLE_MORE,
    Move.SETTLE_REQUIRE_ACTION,
    Move.SETTLE_FAIL,
    Move.FINISH_INTERRUPTION,
}


def _steps(model: Model | None, *moves: Move) -> float | None:
    registry = CollectorRegistry()
    counted = WorkerMetrics(Metrics(registry), busy_slots=lambda: 0)
    for move in moves:
        counted.settled(model, move)
    return registry.get_sample_value("stepwell_steps_total", {"provider": "p", "model": "fast"})


@pytest.mark.parametrize("move", list(Move))
def test_a_step_counts_when_its_move_ends_it(move: Move) -> None:
    assert _steps(MODEL, move) == (1.0 if move in OVER else None)


def test_a_step_counts_once_however_often_it_was_tried() -> None:
    assert _steps(MODEL, Move.RECORD_RETRY, Move.RELEASE, Move.SETTLE_MORE) == 1.0


def test_a_step_in_which_no_model_was_asked_does_not_count() -> None:
    assert _steps(None, Move.SETTLE_FAIL) is None
