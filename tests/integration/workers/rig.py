"""Everything that a step needs of its process, on real servers, with a provider that obeys."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import structlog
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, WorkerId
from shared.chats.model.lease import Episode
from shared.chats.model.statuses import Move
from shared.config.catalog import Catalog, Model
from shared.events.merge import assemble
from shared.events.parts_buffer import read_episode
from shared.metrics.metrics import Metrics
from shared.redis.connection import open_async_redis, open_redis
from shared.tools.registry import load_tools
from tests.chats import Bench, open_bench
from tests.unit.steps.ending import NOW
from tests.unit.steps.playing import Puppet, StillTimers
from workers.failpoints import pass_by
from workers.leases.registry import Leases
from workers.loop import LoopThread
from workers.steps.deps import StepDeps
from workers.steps.guard import Patience
from workers.steps.outcome import Outcome
from workers.steps.run import run_step
from workers.steps.settler import Settler
from workers.streaming.flusher import Flusher
from workers.timers import TimerName
from workers.tools.deps import ToolDeps
from workers.worker_metrics import Stage, WorkerMetrics

T = TypeVar("T")

WAIT_SECONDS = 20.0
MODEL = Model(name="scripted", provider="p", upstream_model="u", context_limit=1000)


class Notes(WorkerMetrics):
    """Writes down what a step counts."""

    def __init__(self) -> None:
        super().__init__(Metrics.noop(), busy_slots=lambda: 0)
        self.messages: list[int] = []
        self.stages: list[Stage] = []
        self.moves: list[Move] = []
        self.asked: list[str | None] = []
        self.first_parts = 0
        self.streams = 0
        self.dropped = 0

    def request(self, model: Model, *, messages: int, size_bytes: int) -> None:
        del model
        assert size_bytes > 0
        self.messages.append(messages)

    def first_part(self, model: Model, seconds: float) -> None:
        del model, seconds
        self.first_parts += 1

    def stage(self, stage: Stage, seconds: float) -> None:
        assert seconds >= 0
        self.stages.append(stage)

    def streaming(self, change: int) -> None:
        self.streams += change

    def settled(self, model: Model | None, move: Move) -> None:
        self.moves.append(move)
        self.asked.append(None if model is None else model.name)

    def stream_buffer_dropped(self, count: int) -> None:
        self.dropped += count


@dataclass(frozen=True, slots=True, kw_only=True)
class OneProvider:
    """Hands out the same provider under every name."""

    puppet: Puppet

    def get(self, name: str) -> Puppet:
        del name
        return self.puppet


@dataclass(slots=True, kw_only=True)
class Rig:
    """A process of one worker without Celery, renewal and sweeper."""

    bench: Bench
    redis: Redis
    loop: LoopThread
    flusher: Flusher
    flusher_redis: AsyncRedis
    puppet: Puppet
    timers: StillTimers
    notes: Notes
    deps: StepDeps
    pool: ThreadPoolExecutor

    def step(self, chat_id: ChatId) -> Outcome:
        """Do what a delivery does, to its end."""
        return self.begin_step(chat_id).result(WAIT_SECONDS)

    def begin_step(self, chat_id: ChatId) -> "Future[Outcome]":
        return self.pool.submit(run_step, self.deps, chat_id)

    def until_asked(self) -> None:
        """Return once the provider was asked."""
        self.on_loop(self.puppet.opened.wait())

    def on_loop(self, coro: Coroutine[Any, Any, T]) -> T:
        return self.loop.submit(coro).result(WAIT_SECONDS)

    def parts(self, chat_id: ChatId, episode: Episode) -> tuple[object, ...]:
        entries = self.on_loop(read_episode(self.flusher_redis, chat_id, episode))
        return assemble(entries)

    def with_deps(self, **changes: object) -> None:
        # dataclasses.replace knows the fields by name only.
        self.deps = replace(self.deps, **changes)  # pyright: ignore[reportArgumentType]

    def close(self) -> None:
        self.pool.shutdown()
        self.on_loop(self.flusher.stop())
        self.on_loop(self.flusher_redis.aclose())
        self.loop.stop()
        self.redis.close()


def open_rig(engine: Engine, redis_url: str) -> Rig:
    bench, loop, notes = open_bench(engine), LoopThread(), Notes()
    loop.start()

    async def make() -> tuple[AsyncRedis, Flusher, Puppet]:
        redis = open_async_redis(redis_url)
        flusher = Flusher(redis, metrics=notes)
        flusher.start()
        return redis, flusher, Puppet()

    redis, flusher, puppet = loop.run(make())
    timers = StillTimers()
    deps = _deps(bench, loop, flusher, puppet, timers, notes)
    return Rig(
        bench=bench,
        redis=open_redis(redis_url),
        loop=loop,
        flusher=flusher,
        flusher_redis=redis,
        puppet=puppet,
        timers=timers,
        notes=notes,
        deps=deps,
        pool=ThreadPoolExecutor(max_workers=2),
    )


def _deps(
    bench: Bench,
    loop: LoopThread,
    flusher: Flusher,
    puppet: Puppet,
    timers: StillTimers,
    notes: Notes,
) -> StepDeps:
    log = structlog.stdlib.get_logger()

    def worker_id() -> WorkerId:
        return bench.worker_id

    tools = ToolDeps(
        slots=asyncio.Semaphore(10),
        seconds=10.0,
        grace_seconds=1.0,
        start_limit=partial(timers.start, TimerName.TOOL),
        start_grace=partial(timers.start, TimerName.GRACE),
        now=lambda: NOW,
        reached=pass_by,
        log=log,
    )
    return StepDeps(
        machine=bench.machine,
        settler=Settler(
            machine=bench.machine,
            outage_seconds=0,
            sleep=lambda _: None,
            clock=timers.now,
            log=log,
        ),
        leases=Leases(slots=10),
        loop=loop,
        flusher=flusher,
        providers=OneProvider(puppet=puppet),
        catalog=Catalog(providers={}, models={MODEL.name: MODEL}, default_model=MODEL.name),
        patience=Patience(),
        timers=timers,
        max_steps=10,
        worker_id=worker_id,
        new_id=uuid7,
        clock=timers.now,
        now=lambda: NOW,
        registry=load_tools(()),
        tools=tools,
        metrics=notes,
        log=log,
    )
