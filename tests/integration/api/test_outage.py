"""When PostgreSQL or Redis is busy or away: a clear answer, soon."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from local.databases.valkey import Valkey
from tests.integration.api.conftest import make_settings
from tests.integration.api.served import Api, Client, Reply, serve

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def alone(database_url: str, engine: Engine) -> Iterator[Api]:
    """An API whose Redis refuses connections."""
    with serve(make_settings(database_url, NOBODY), engine) as api:
        yield api


@pytest.fixture
def stranded() -> Iterator[Api]:
    """An API whose PostgreSQL refuses connections."""
    settings = make_settings("postgresql://a:b@127.0.0.1:1/x", NOBODY)
    with serve(settings, None) as api:
        yield api


def test_without_redis_a_message_is_accepted_within_a_second(alone: Api) -> None:
    client = alone.caller("alice")
    chat = client.start("warm up")
    began = time.monotonic()
    reply = client.post(f"/v1/chats/{chat['id']}/messages", {"content": "x"})
    assert reply.status == 202
    assert time.monotonic() - began < 1


def test_a_redis_that_swallows_everything_delays_a_message_by_seconds_at_most(
    database_url: str, engine: Engine
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        with serve(make_settings(database_url, url), engine) as api:
            began = time.monotonic()
            api.caller("alice").start()
            assert time.monotonic() - began < 3


def test_without_redis_the_api_is_degraded_but_ready(alone: Api) -> None:
    reply = alone.client.get("/readyz")
    assert reply.status == 200
    assert reply.json == {
        "readiness": "degraded",
        "parts": {"postgresql": "ok", "redis": "away"},
    }


def test_without_postgresql_the_api_is_not_ready_but_alive(stranded: Api) -> None:
    reply = stranded.client.get("/readyz")
    assert (reply.status, reply.code) == (503, "unavailable")
    assert reply.json["parts"]["postgresql"] == "away"
    assert "PostgreSQL" in reply.json["detail"]
    assert stranded.client.get("/livez").status == 200
    assert "stepwell_pending_chats" not in stranded.client.get("/metrics").body.decode()


def test_without_postgresql_a_request_is_told_to_come_again(stranded: Api) -> None:
    client = stranded.client.with_key("swk_" + "a" * 40)
    reply = client.post("/v1/chats", {"content": "x"})
    assert (reply.status, reply.code) == (503, "unavailable")
    assert reply.headers["retry-after"] == "1"


def test_before_the_migration_the_api_is_not_ready(own_api: Api) -> None:
    with own_api.engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    assert own_api.client.get("/readyz").json["parts"]["postgresql"] == "not_migrated"


@pytest.mark.parametrize(("revision", "status"), [("0001", 503), ("9999", 200)])
def test_an_older_schema_is_not_enough_and_a_newer_one_is(
    own_api: Api, revision: str, status: int
) -> None:
    with own_api.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    assert own_api.client.get("/readyz").status == status


def test_a_chat_that_somebody_holds_is_unavailable_and_nothing_is_stored(own_api: Api) -> None:
    client = own_api.caller("alice")
    path = f"/v1/chats/{client.start()['id']}"
    with own_api.engine.begin() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT id FROM chats FOR UPDATE"))
        reply = client.post(f"{path}/messages", {"content": "x"}, once="k")
        assert (reply.status, reply.code) == (503, "unavailable")
        assert reply.headers["retry-after"] == "1"
        assert client.get(path).status == 200
    assert client.get(f"{path}/queue").json["items"] == []
    assert client.post(f"{path}/messages", {"content": "x"}, once="k").status == 202


def test_requests_beyond_the_pool_wait_for_their_turn(own_api: Api) -> None:
    client = own_api.caller("alice")
    path = f"/v1/chats/{client.start()['id']}"
    with own_api.engine.begin() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT id FROM chats FOR UPDATE"))
        replies: list[Reply] = []
        threads = [_asking(client, path, replies) for _ in range(8)]
        _wait_for_locks(own_api, 8)
        others = [threading.Thread(target=lambda: replies.append(client.get(path)))]
        others[0].start()
        assert own_api.client.get("/livez").status == 200
        assert own_api.client.get("/readyz").status == 200
    for thread in (*threads, *others):
        thread.join()
    assert sorted(reply.status for reply in replies) == [200] + [202] * 8


def test_a_connection_that_the_database_closed_is_not_used_again(own_api: Api) -> None:
    client = own_api.caller("alice")
    chat = client.start()
    _end_sessions(own_api)
    assert client.get(f"/v1/chats/{chat['id']}").status == 200


def test_a_standby_is_an_outage_until_there_is_a_primary(own_api: Api) -> None:
    client = own_api.caller("alice")
    path = f"/v1/chats/{client.start()['id']}/messages"
    _set_read_only(own_api, "on")
    _end_sessions(own_api)
    reply = client.post(path, {"content": "x"}, once="k")
    assert (reply.status, reply.code) == (503, "unavailable")
    _set_read_only(own_api, "off")
    assert client.post(path, {"content": "x"}, once="k").status == 202


def _set_read_only(api: Api, switch: str) -> None:
    name = api.engine.url.database
    with api.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(
            text(f"ALTER DATABASE {name} SET default_transaction_read_only = {switch}")
        )


def _end_sessions(api: Api) -> None:
    ended = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'stepwell-api%' AND datname = current_database()"
    )
    with api.engine.connect() as connection:
        assert connection.execute(ended).all()


def test_redis_may_go_and_come_back(tmp_path: Path, database_url: str, engine: Engine) -> None:
    with Valkey(tmp_path, fast=True) as valkey:
        with serve(make_settings(database_url, valkey.url), engine) as api:
            client = api.caller("alice")
            client.start()
            valkey.stop()
            client.start()
            assert api.client.get("/readyz").json["readiness"] == "degraded"
            valkey.start()
            assert _becomes_ready(api)
            client.start()


def _becomes_ready(api: Api) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if api.client.get("/readyz").json["readiness"] == "ok":
            return True
    return False


def _asking(client: Client, path: str, replies: list[Reply]) -> threading.Thread:
    def ask() -> None:
        replies.append(client.post(f"{path}/messages", {"content": "x"}))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def _wait_for_locks(api: Api, count: int) -> None:
    statement = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        with api.engine.connect() as connection:
            if connection.execute(statement).scalar_one() >= count:
                return
    raise AssertionError("the requests did not come to wait")
