from ssl import CERT_NONE, CERT_REQUIRED
from typing import Any

import pytest

from shared.broker.celery_app import make_app
from shared.broker.redis_transport import Transport
from shared.broker.wakeup import BACKGROUND, INTERACTIVE

REDIS = "redis://:secret@broker.example:6380/3"
RABBIT = "amqp://user:secret@broker.example//"


def app_of(url: str) -> Any:
    return make_app(broker_url=url, concurrency=7)


def connection(url: str) -> Any:
    return app_of(url).connection()


@pytest.mark.parametrize("url", [REDIS, RABBIT])
def test_every_broker_gets_late_acknowledged_json_in_two_queues(url: str) -> None:
    conf = app_of(url).conf
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert conf.task_acks_late
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_concurrency == 7
    assert conf.result_backend is None
    assert conf.worker_enable_remote_control
    assert conf.worker_eta_task_limit == 10_000
    assert conf.broker_connection_max_retries is None
    assert [queue.name for queue in conf.task_queues] == [INTERACTIVE, BACKGROUND]


def test_redis_gets_its_messages_back_after_an_hour() -> None:
    options = app_of(REDIS).conf.broker_transport_options
    assert options["visibility_timeout"] == 3600
    assert options["unacked_restore_interval"] == 5
    assert options["unacked_restore_throttle"] == 1
    assert {"socket_timeout", "socket_connect_timeout", "health_check_interval"} <= options.keys()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (REDIS, ("broker.example", 6380, "3", False)),
        ("rediss://broker.example/0", ("broker.example", 6379, "0", True)),
        ("unix:///run/valkey.sock", ("redis+socket:///run/valkey.sock", 6379, "/", False)),
        (
            "unix:///run/valkey.sock?db=3",
            ("redis+socket:///run/valkey.sock?virtual_host=3", 6379, "/", False),
        ),
    ],
)
def test_redis_is_reached_by_the_guarded_transport(
    url: str, expected: tuple[str, int, str, bool]
) -> None:
    found = connection(url)
    assert isinstance(found.transport, Transport)
    info = found.info()
    assert (info["hostname"], info["port"], info["virtual_host"], bool(info["ssl"])) == expected


def test_pooled_connections_are_guarded_too() -> None:
    with app_of(REDIS).pool.acquire() as pooled:
        assert isinstance(pooled.transport, Transport)


@pytest.mark.parametrize(
    ("url", "requirement"),
    [
        ("rediss://broker.example/0", CERT_REQUIRED),
        ("rediss://broker.example/0?ssl_cert_reqs=CERT_NONE", CERT_NONE),
    ],
)
def test_the_certificate_of_redis_is_checked_unless_the_url_says_otherwise(
    url: str, requirement: object
) -> None:
    assert connection(url).ssl == {"ssl_cert_reqs": requirement}


@pytest.mark.parametrize("url", [REDIS, RABBIT])
def test_the_password_is_not_shown(url: str) -> None:
    assert "secret" not in connection(url).as_uri()
    assert connection(url).as_uri().startswith(url.split(":", 1)[0] + "://")


def test_rabbitmq_gets_quorum_queues_that_can_delay() -> None:
    conf = app_of(RABBIT).conf
    for queue in conf.task_queues:
        assert queue.queue_arguments == {"x-queue-type": "quorum"}
        assert queue.exchange.type == "topic"
    assert conf.worker_detect_quorum_queues
    assert conf.broker_transport_options["confirm_publish"]


def test_rabbitmq_is_reached_by_its_own_transport() -> None:
    assert connection(RABBIT).transport.driver_type == "amqp"
