"""What must not be left of all that was: work, leases, keys, connections, channels, processes."""

from typing import cast

import psutil
import redis

from shared.broker.wakeup import QUEUES
from tests.chaos.deployment import APIS, APIS_AND_WORKERS, WORKERS, Site
from tests.chaos.fault import connections as connections_of
from tests.chaos.fault import open_valkey, run
from tests.journeys.fleet import Fleet, eventually

REST_SECONDS = 60.0

BUFFER_SECONDS = 900
"""How long the parts of an episode are kept that died with its worker."""

CONNECTIONS = (
    "SELECT application_name, count(*)::int FROM pg_stat_activity"
    " WHERE datname = current_database() GROUP BY 1"
)
OPEN_TRANSACTIONS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')"
)
MOVING = (
    "SELECT id, status FROM chats WHERE lease_id IS NOT NULL"
    " OR status IN ('pending', 'running', 'interrupting')"
)

REDIS_CONNECTIONS = 50
"""Of one process at most: 32 that send deliveries, and some that consume, publish and subscribe."""


def check_rest(site: Site, *, connections: int) -> None:
    """Assert that everything comes to rest, soon after the last client has left.

    `connections` to PostgreSQL are what the pools of the fleet may open.
    """
    fleet = site.fleet
    site.wait_until_whole()
    assert not site.surprises, "\n".join(site.surprises)
    eventually(lambda: fleet.rows(MOVING) == [], "no chat moves or is held", seconds=REST_SECONDS)
    eventually(lambda: fleet.rows(OPEN_TRANSACTIONS) == [], "no transaction is open")
    counted = fleet.rows(CONNECTIONS)
    # One more, which asks.
    assert sum(count for _, count in counted) <= connections + 1, counted
    with open_valkey(fleet.redis_url) as client:
        for queue in QUEUES:
            eventually(lambda queue=queue: run(client, "LLEN", queue) == 0, f"{queue} is empty")
        eventually(
            lambda: run(client, "PUBSUB", "CHANNELS", "stepwell:chat:*") == [],
            "no channel is subscribed to",
        )
        _check_keys(client)
        opened = len(connections_of(client))
        assert opened <= REDIS_CONNECTIONS * (APIS + WORKERS), f"{opened} connections to Valkey"
    _check_processes(site)
    check_gauges(fleet)


def check_gauges(fleet: Fleet) -> None:
    """Assert that the processes count nothing that is not there any more."""
    for worker in fleet.workers:
        eventually(lambda one=worker: fleet.metric(one, "stepwell_chats") == 0, "no step is left")
    for api in fleet.apis:
        for gauge in ("stream_subscribers", "pending_chats", "oldest_pending_age_seconds"):
            eventually(
                lambda one=api, gauge=gauge: fleet.metric(one, f"stepwell_{gauge}") == 0,
                f"{gauge} is 0",
            )


def _check_keys(client: redis.Redis) -> None:
    known = {"unacked", "unacked_index", "unacked_mutex", *QUEUES}
    for raw in cast(list[bytes], run(client, "KEYS", "*")):
        key = raw.decode()
        if key in known or key.startswith("_kombu.binding"):
            continue
        assert key.startswith("stepwell:parts:"), f"a stray key: {key}"
        lives = cast(int, run(client, "TTL", key))
        # -2: it has gone meanwhile. -1, for ever, is what must not be.
        assert lives == -2 or 0 <= lives <= BUFFER_SECONDS, f"{key} lives {lives} s"


def _check_processes(site: Site) -> None:
    for part in APIS_AND_WORKERS:
        children = psutil.Process(site.pid(part)).children(recursive=True)
        assert children == [], f"{part} has left {children}"
