"""What is done to a site, by name; times are given for a fleet with full-length times."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import psycopg
import redis

from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from shared.broker.errors import EnqueueFailed
from shared.broker.wakeup import INTERACTIVE
from shared.chats.model.ids import ChatId
from tests.chaos.deployment import Part, Site, frozen
from tests.journeys.fleet import POLL_SECONDS

HEIR_SECONDS = 2.0
"""So long an heir answers, and has shown something, before the frozen worker thaws."""

PATIENCE_SECONDS = 40.0

_HELD = (
    "SELECT chats.id FROM chats JOIN workers ON workers.id = chats.worker_id"
    " WHERE workers.pid = %(pid)s"
)
_INHERITED = (
    "SELECT 1 FROM chats JOIN workers ON workers.id = chats.worker_id"
    " WHERE chats.id = ANY(%(ids)s) AND workers.pid <> %(pid)s AND workers.dead_at IS NULL"
    " AND phase_since < clock_timestamp() - make_interval(secs => %(seconds)s)"
)

BOGUS = (b"", b"not json", b"[]", b'{"body": 1}', b'{"body": "e30=", "properties": {}}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that fails; when `happen` returns, it is over."""

    name: str
    act: Callable[["Blow"], None]
    weight: int = 2

    def happen(self, site: Site, dice: random.Random, *, scale: float) -> None:
        """Let it happen, as long as times are in this fleet: `scale` is 0.1 or 1."""
        self.act(Blow(site=site, dice=dice, scale=scale))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A fault as it strikes: at what, and how hard."""

    site: Site
    dice: random.Random
    scale: float

    def api(self) -> Part:
        return self.dice.choice([Part.FIRST_API, Part.SECOND_API])

    def worker(self) -> Part:
        return self.dice.choice([Part.FIRST_WORKER, Part.SECOND_WORKER])

    def freeze(self, part: Part, seconds: float) -> None:
        with frozen(self.site, part):
            # A frozen process tells nobody anything: there is nothing to wait for.
            time.sleep(seconds * self.scale)


def _thaw_beside_heirs(blow: Blow) -> None:
    """Freeze a worker until another one answers in its place, and let both go on."""
    fleet, part = blow.site.fleet, blow.worker()
    pid = blow.site.pid(part)
    try:
        with frozen(blow.site, part):
            held = [id_ for (id_,) in fleet.rows(_HELD, pid=pid)]
            seconds = HEIR_SECONDS * blow.scale
            deadline = time.monotonic() + PATIENCE_SECONDS * blow.scale
            while held and time.monotonic() < deadline:
                if fleet.rows(_INHERITED, ids=held, pid=pid, seconds=seconds):
                    break
                time.sleep(POLL_SECONDS)
    except psycopg.OperationalError:
        pass  # PostgreSQL is away, which is somebody else's doing


def _cut_postgres(blow: Blow) -> None:
    """Cut every second connection of the fleet."""
    with psycopg.connect(blow.site.fleet.database_url, autocommit=True) as own:
        rows = own.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
        ).fetchall()
        for (pid,) in blow.dice.sample(rows, len(rows) // 2):
            own.execute("SELECT pg_terminate_backend(%s)", [pid])


def _cut_valkey(blow: Blow) -> None:
    """Cut every second connection of the fleet, and all that subscribe."""
    with open_valkey(blow.site.fleet.redis_url) as client:
        kinds = [("CLIENT", "KILL", "TYPE", "pubsub")] if blow.dice.random() < 0.5 else []
        ids = connections(client)
        chosen = blow.dice.sample(ids, len(ids) // 2)
        for command in [*kinds, *(("CLIENT", "KILL", "ID", id_) for id_ in chosen)]:
            run(client, *command)


def _send_needless(blow: Blow) -> None:
    """Send deliveries that are double, early or for nobody, and what is no delivery."""
    fleet, dice = blow.site.fleet, blow.dice
    rows = fleet.rows("SELECT id FROM chats ORDER BY updated_at DESC LIMIT 30")
    dispatcher = Dispatcher(make_app(broker_url=fleet.redis_url, concurrency=1))
    known = [ChatId(id_) for (id_,) in rows]
    unknown = [ChatId(UUID(int=dice.getrandbits(128))) for _ in range(3)]
    try:
        for chat_id in [*known, *unknown]:
            for _ in range(dice.randrange(1, 4)):
                dispatcher.send(chat_id, countdown_seconds=dice.choice([0.0, 0.0, 0.3, 1.0]))
    except EnqueueFailed:
        pass  # Valkey is away, which is somebody else's doing
    finally:
        dispatcher.close()
    with open_valkey(blow.site.fleet.redis_url) as client:
        for bogus in BOGUS:
            run(client, "LPUSH", INTERACTIVE, bogus)


def connections(client: redis.Redis) -> list[str]:
    """Return the ids of all connections to Valkey but this one."""
    own = cast(int, run(client, "CLIENT", "ID"))
    lines = cast(bytes, run(client, "CLIENT", "LIST")).decode().splitlines()
    ids = [line.split(" ", 1)[0].removeprefix("id=") for line in lines]
    return [id_ for id_ in ids if id_ != str(own)]


def open_valkey(url: str) -> redis.Redis:
    return cast(Any, redis.Redis).from_url(url)


def run(client: redis.Redis, *command: str | bytes) -> object:
    """Ask Valkey, with an answer whose type redis-py leaves open."""
    return cast(Any, client).execute_command(*command)


API_KILLED = Fault(name="an API process is killed", act=lambda blow: blow.site.kill(blow.api()))
WORKER_KILLED = Fault(name="a worker is killed", act=lambda blow: blow.site.kill(blow.worker()))
WORKERS_KILLED = Fault(
    name="both workers are killed at once",
    act=lambda blow: blow.site.kill(Part.FIRST_WORKER, Part.SECOND_WORKER),
)
WORKER_DRAINED = Fault(
    name="a worker is told to end", act=lambda blow: blow.site.drain(blow.worker())
)
VALKEY_KILLED = Fault(
    name="Valkey is killed and keeps its data", act=lambda blow: blow.site.kill(Part.VALKEY)
)
VALKEY_EMPTIED = Fault(
    name="Valkey is killed and comes back empty", act=lambda blow: blow.site.empty_valkey()
)
VALKEY_FROZEN = Fault(
    name="Valkey is frozen for 20 s", act=lambda blow: blow.freeze(Part.VALKEY, 20)
)
POSTGRES_KILLED = Fault(
    name="PostgreSQL is restarted", act=lambda blow: blow.site.kill(Part.POSTGRES)
)
POSTGRES_AWAY = Fault(
    name="PostgreSQL is away for 60 s",
    act=lambda blow: blow.site.kill(Part.POSTGRES, away_seconds=60 * blow.scale),
)
POSTGRES_FROZEN = Fault(
    name="PostgreSQL is frozen for 15 s", act=lambda blow: blow.freeze(Part.POSTGRES, 15)
)
WORKER_FROZEN = Fault(
    name="a worker is frozen for longer than it may be silent",
    act=lambda blow: blow.freeze(blow.worker(), blow.dice.uniform(3, 15)),
)
WORKER_INHERITED = Fault(
    name="a worker thaws while another one answers in its place",
    act=_thaw_beside_heirs,
)
API_FROZEN = Fault(name="an API process is frozen", act=lambda blow: blow.freeze(blow.api(), 15))
POSTGRES_CUT = Fault(name="connections to PostgreSQL are cut", act=_cut_postgres)
VALKEY_CUT = Fault(name="connections to Valkey are cut", act=_cut_valkey)
NEEDLESS = Fault(name="needless and unreadable deliveries come", act=_send_needless)
EVERYTHING = Fault(
    name="everything is killed", act=lambda blow: blow.site.kill_everything(), weight=1
)

RESTARTS = (
    API_KILLED,
    VALKEY_EMPTIED,
    VALKEY_KILLED,
    VALKEY_FROZEN,
    POSTGRES_KILLED,
    POSTGRES_AWAY,
    WORKERS_KILLED,
    EVERYTHING,
)
ALL = (
    *RESTARTS,
    WORKER_KILLED,
    WORKER_DRAINED,
    WORKER_FROZEN,
    WORKER_INHERITED,
    API_FROZEN,
    POSTGRES_FROZEN,
    POSTGRES_CUT,
    VALKEY_CUT,
    NEEDLESS,
)
