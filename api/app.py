"""Makes the application: the only place of the API where its parts are chosen."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Final

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Route
from uuid_utils.compat import uuid7

from api import error_handlers
from api.access_log import AccessLog
from api.auth.authenticator import Authenticator
from api.deps import Deps
from api.http.methods import EveryMethod
from api.idempotency.purge import purge_forever
from api.openapi import describe
from api.readiness import Prober
from api.routes import (
    chats,
    content,
    control,
    health,
    messages,
    models,
    queue,
    stream,
    tool_results,
    tools,
)
from api.stream.wiring import Streams
from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from shared.chats.machine.effects import Effects
from shared.chats.machine.limits import Limits
from shared.chats.machine.machine import ChatMachine
from shared.chats.reads.backlog import count_waiting
from shared.config.catalog import Catalog, load_catalog
from shared.config.settings import Settings, environment
from shared.db.engine import make_engine
from shared.events.publisher import Publisher
from shared.metrics.metrics import Metrics, PendingCollector, PendingLoad
from shared.redis.connection import open_redis
from shared.submission.fleet_tools import FleetTools
from shared.submission.submitter import Submitter
from shared.version import VERSION

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

ROUTES: Final = (
    content,
    chats,
    messages,
    queue,
    control,
    tool_results,
    stream,
    models,
    tools,
    health,
)

_log = structlog.stdlib.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """Make the application. Nothing connects before the first request."""
    closing = ExitStack()
    deps = make_deps(settings, closing)
    app = make_routes(_lifespan(deps, closing))
    app.state.deps = deps
    app.add_middleware(EveryMethod, routes=_routes(app))
    app.add_middleware(AccessLog, metrics=deps.metrics, new_id=deps.new_id, clock=deps.clock)
    return app


def make_routes(lifespan: Lifespan | None = None) -> FastAPI:
    """Make the application without its parts: enough to describe it."""
    app = FastAPI(
        title="Stepwell",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for routes in ROUTES:
        app.include_router(routes.router)
    error_handlers.register(app, _routes(app))
    describe(app)
    return app


def _routes(app: FastAPI) -> list[Route]:
    """Return our routes, and the framework's own of the document."""
    ours = [route for routes in ROUTES for route in routes.router.routes]
    return [route for route in (*ours, *app.routes) if isinstance(route, Route)]


def make_deps(settings: Settings, closing: ExitStack) -> Deps:
    """Make the parts; `closing` closes those that hold connections, the last one first."""
    catalog = load_catalog(settings.config, environment())
    if catalog.warnings:
        # Once, and here: workers say it to whoever asks such a model.
        _log.warning("catalog.incomplete", problem="; ".join(catalog.warnings))
    engine = _engine(settings, closing, settings.api_pool_size, "stepwell-api")
    probe_engine = _engine(settings, closing, 1, "stepwell-api-probe", seconds=2)
    stream_engine = _engine(settings, closing, settings.stream_pool_size, "stepwell-api-stream")
    redis = open_redis(settings.redis_url.get_secret_value())
    closing.callback(redis.close)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.build_info.labels(version=VERSION).set(1)
    registry.register(PendingCollector(lambda: _pending(probe_engine)))
    machine = _machine(settings, catalog, engine, redis, metrics, closing)
    return Deps(
        settings=settings,
        engine=engine,
        authenticator=Authenticator(engine, time.monotonic),
        machine=machine,
        catalog=catalog,
        metrics=metrics,
        registry=registry,
        prober=Prober(probe_engine, redis, time.monotonic),
        probe_limiter=CapacityLimiter(2),
        streams=Streams(settings, stream_engine, metrics, closing),
        submitter=Submitter(
            machine=machine,
            engine=engine,
            catalog=catalog,
            tools=FleetTools(engine, time.monotonic),
            new_id=uuid7,
        ),
        new_id=uuid7,
        clock=time.monotonic,
    )


def _machine(
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    redis: Redis,
    metrics: Metrics,
    closing: ExitStack,
) -> ChatMachine:
    dispatcher = Dispatcher(make_app(broker_url=settings.broker))
    closing.callback(dispatcher.close)
    effects = Effects(
        dispatcher=dispatcher,
        notifier=Publisher(redis),
        metrics=metrics,
        providers=catalog.provider_of,
        log=structlog.get_logger(),
    )
    return ChatMachine(
        engine=engine, effects=effects, limits=Limits.of(settings, catalog), new_id=uuid7
    )


def _engine(
    settings: Settings, closing: ExitStack, size: int, name: str, *, seconds: int = 5
) -> Engine:
    engine = make_engine(
        settings.sqlalchemy_url,
        pool_size=size,
        name=name,
        connect_seconds=seconds,
        pool_seconds=seconds,
    )
    closing.callback(engine.dispose)
    return engine


def _pending(engine: Engine) -> PendingLoad | None:
    """Count the chats that wait; None = PostgreSQL does not say."""
    try:
        with engine.connect() as connection:
            waiting = count_waiting(connection)
    except SQLAlchemyError as error:
        _log.warning("metrics.pending_unknown", error=str(error))
        return None
    return PendingLoad(
        due=waiting.due, backing_off=waiting.backing_off, oldest_seconds=waiting.oldest_seconds
    )


def _lifespan(deps: Deps, closing: ExitStack) -> Lifespan:
    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncGenerator[None]:
        # As many threads as connections: whoever has a thread has a connection.
        to_thread.current_default_thread_limiter().total_tokens = deps.settings.api_pool_size
        deps.streams.start()
        purge = asyncio.create_task(purge_forever(deps.engine, sleep=asyncio.sleep))
        try:
            yield
        finally:
            purge.cancel()
            await deps.streams.stop()
            await to_thread.run_sync(closing.close)

    return live
