"""The Celery application that every process makes in the same way."""

from ssl import CERT_REQUIRED
from typing import Any, Final, cast
from urllib.parse import urlsplit

from celery import Celery  # pyright: ignore[reportMissingTypeStubs]  # it has none
from kombu.entity import Exchange, Queue

from shared.broker.wakeup import INTERACTIVE, QUEUES

GUARDED_AMQP: Final = "shared.broker.redis_transport:Amqp"

VISIBILITY_SECONDS: Final = 3600
"""After this long Redis hands a message that nobody acknowledged to somebody else."""

RESTORE_SECONDS: Final = 5
"""How often a worker looks for such messages."""

CONNECT_SECONDS: Final = 1.0
SOCKET_SECONDS: Final = 5.0
HEALTH_CHECK_SECONDS: Final = 10
ETA_TASKS: Final = 10_000

Conf = dict[str, Any]
App = Celery
"""What `make_app` makes, for whoever does not import Celery."""


def make_app(*, broker_url: str, concurrency: int = 200, amqp: str = GUARDED_AMQP) -> App:
    """Make the application for a broker at `redis://`, `rediss://`, `unix://` or `amqp(s)://`.

    `concurrency` counts in workers only. `amqp` names the class of Celery's doors to the broker:
    the tests of the guards name the stock one.
    """
    app = Celery("stepwell", amqp=amqp, set_as_current=False)
    conf = {**_common(), "worker_concurrency": concurrency, **_broker(broker_url)}
    cast(Any, app).conf.update(conf)
    return app


def _common() -> Conf:
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_create_missing_queues": False,
        "task_default_queue": INTERACTIVE,
        # Effects and retries are sent once: what the broker does not take is the sweeper's.
        "task_publish_retry": False,
        "worker_pool": "threads",
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": ETA_TASKS,
        "worker_enable_remote_control": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": CONNECT_SECONDS,
    }


def _broker(url: str) -> Conf:
    scheme = urlsplit(url).scheme
    if scheme in ("amqp", "amqps", "pyamqp"):
        return {"broker_url": url, **_rabbitmq()}
    if scheme == "unix":
        # The same URL in kombu's words.
        url = url.replace("unix:", "redis+socket:", 1).replace("?db=", "?virtual_host=", 1)
        return {"broker_url": url, **_redis()}
    if scheme == "rediss" and "ssl_" not in urlsplit(url).query:
        # kombu's own default is to take any certificate.
        return {"broker_url": url, **_redis(), "broker_use_ssl": {"ssl_cert_reqs": CERT_REQUIRED}}
    return {"broker_url": url, **_redis()}


def _redis() -> Conf:
    options = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": RESTORE_SECONDS,
        "unacked_restore_throttle": 1,
        "priority_steps": [0],  # one list a queue instead of four
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": SOCKET_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_SECONDS,
    }
    return {
        "task_queues": _queues("direct", None),
        "broker_transport_options": options,
        # Takes no more than there are free threads. Otherwise a worker that loses its connection
        # while all its threads are busy fetches as many messages again, and they wait in it.
        "worker_disable_prefetch": True,
    }


def _rabbitmq() -> Conf:
    options = {
        "confirm_publish": True,
        "read_timeout": SOCKET_SECONDS,
        "write_timeout": SOCKET_SECONDS,
    }
    return {
        # Celery delays the messages of quorum queues through topic exchanges only.
        "task_queues": _queues("topic", {"x-queue-type": "quorum"}),
        "task_default_queue_type": "quorum",
        "task_default_exchange_type": "topic",
        "worker_detect_quorum_queues": True,
        "broker_native_delayed_delivery_queue_type": "quorum",
        "broker_heartbeat": HEALTH_CHECK_SECONDS,
        "broker_transport_options": options,
    }


def _queues(exchange_type: str, arguments: dict[str, str] | None) -> tuple[Queue, ...]:
    return tuple(
        Queue(name, Exchange(name, exchange_type), routing_key=name, queue_arguments=arguments)
        for name in QUEUES
    )
