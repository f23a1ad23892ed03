from pathlib import Path

import psutil
import redis

from local.databases.valkey import Valkey
from local.machine.probe import redis_refusal


def client(server: Valkey) -> redis.Redis:
    # redis-py leaves its keyword arguments untyped.
    return redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        server.url, decode_responses=True
    )


def setting(server: Valkey, name: str) -> object:
    with client(server) as connection:
        # redis-py types this command for its asynchronous client as well.
        found: object = connection.config_get(name)  # pyright: ignore[reportUnknownMemberType]
        assert isinstance(found, dict)
        return found[name]


def test_it_keeps_every_message(tmp_path: Path) -> None:
    with Valkey(tmp_path) as valkey:
        assert setting(valkey, "appendonly") == "yes"
        assert setting(valkey, "appendfsync") == "everysec"
        assert setting(valkey, "maxmemory-policy") == "noeviction"


def test_it_listens_on_loopback_and_wants_the_password(tmp_path: Path) -> None:
    with Valkey(tmp_path, fast=True) as valkey:
        listening = psutil.Process(valkey.pid).net_connections()
        places = {place.laddr for place in listening if place.status == psutil.CONN_LISTEN}
        assert places == {("127.0.0.1", valkey.port)}
        assert (tmp_path / "valkey.password").stat().st_mode & 0o777 == 0o600
        refusal = redis_refusal(f"redis://127.0.0.1:{valkey.port}/0")
        assert refusal is not None
        assert "authenticated" in refusal


def test_data_and_url_survive_a_restart(tmp_path: Path) -> None:
    with Valkey(tmp_path) as first, client(first) as connection:
        connection.set("kept", "1")
    with Valkey(tmp_path) as second, client(second) as connection:
        assert second.url == first.url
        assert connection.get("kept") == "1"


def test_data_survive_a_kill(tmp_path: Path) -> None:
    with Valkey(tmp_path) as first, client(first) as connection:
        connection.set("kept", "1")
        psutil.Process(first.pid).kill()
        with Valkey(tmp_path) as second, client(second) as again:
            assert again.get("kept") == "1"


def test_a_folder_with_odd_characters_will_do(tmp_path: Path) -> None:
    with Valkey(tmp_path / 'a "b" ü \\ c', fast=True) as valkey:
        assert valkey.answers()
