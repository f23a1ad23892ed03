"""A turn in a long chat against one in a short chat."""

from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.cases.plans import SHORT
from benchmarks.chat import new_chat
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.load.jobs import Turns, TurnsDone

SHORT_HISTORY = 10
TURNS = 10
"""A round; each makes the history two messages longer."""

RATIO = 3.0
CONTENT = "What about this one? " * 10


def measure(bench: Bench) -> Sequence[Figure]:
    """Grow two chats, then take turns in both."""
    long_history = bench.size.long_history
    long, short = (
        _grown(bench, long_history),
        [_grown(bench, SHORT_HISTORY) for _ in range(bench.size.rounds)],
    )
    ours: list[TurnsDone] = []
    floors: list[TurnsDone] = []
    for chat_id in short:
        floors.append(_turns(bench, chat_id, TURNS))
        ours.append(_turns(bench, long, TURNS))
    return [
        median_of(
            f"a turn behind {long_history} messages, p50",
            [done.whole.at(50) for done in ours],
            "ms",
            floors=[done.whole.at(50) for done in floors],
            floor_name=f"behind {SHORT_HISTORY} messages",
            bar=Bar.RATIO_BELOW,
            limit=RATIO,
        )
    ]


def _grown(bench: Bench, messages: int) -> str:
    chat_id = new_chat(bench.stack, SHORT.name)
    _turns(bench, chat_id, messages // 2 - 1)
    return chat_id


def _turns(bench: Bench, chat_id: str, turns: int) -> TurnsDone:
    request = bench.stack.request(f"/v1/chats/{chat_id}/messages", content=CONTENT)
    job = Turns(request=request, pieces=SHORT.deltas, concurrency=1, turns=turns)
    return bench.load.ask(job, TurnsDone)
