"""Events a second to 1 000 readers of one chat."""

from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.cases.plans import SHORT, fast
from benchmarks.chat import new_chat
from benchmarks.figure import Bar, Figure, median_of
from benchmarks.load.jobs import Fanout, FanoutDone, Readers, ReadersDone

EVENTS_A_SECOND = 20_000.0
MESSAGES = 200
EVENT_BYTES = 350
"""About what a streamed part is on the wire."""


def measure(bench: Bench) -> Sequence[Figure]:
    """Measure the rate, and how late the parts are."""
    ours: list[ReadersDone] = []
    floors: list[FanoutDone] = []
    for _ in range(bench.size.rounds):
        floors.append(_fanout(bench))
        ours.append(_readers(bench))
    rate = median_of(
        f"events to {bench.size.readers} readers of a chat",
        [done.events / done.seconds for done in ours],
        "/s",
        floors=[done.messages / done.seconds for done in floors],
        floor_name="Redis to as many subscribers",
        bar=Bar.VALUE_AT_LEAST,
        limit=EVENTS_A_SECOND,
    )
    lost = Figure(
        name="  deltas lost", value=sum(x.lost for x in ours), unit="", bar=Bar.VALUE_AT_MOST
    )
    return [rate, lost, *(_late(ours, percent) for percent in (50, 99))]


def _late(ours: Sequence[ReadersDone], percent: int) -> Figure:
    late = [done.late.at(percent) for done in ours]
    return median_of(f"  delay of a delta, p{percent}", late, "ms")


def _fanout(bench: Bench) -> FanoutDone:
    job = Fanout(
        redis_url=bench.redis_url,
        subscribers=bench.size.readers,
        messages=MESSAGES,
        size=EVENT_BYTES,
    )
    return bench.load.ask(job, FanoutDone)


def _readers(bench: Bench) -> ReadersDone:
    plan = fast(bench.size.reader_seconds)
    chat_id = new_chat(bench.stack, SHORT.name)
    path = f"/v1/chats/{chat_id}"
    job = Readers(
        stream=bench.stack.stream(f"{path}/stream?history=0"),
        turn=bench.stack.request(f"{path}/messages", content="Hello", model=plan.name),
        pieces=plan.deltas,
        readers=bench.size.readers,
    )
    return bench.load.ask(job, ReadersDone)
