from pathlib import Path

import pytest

from local.errors import LocalError
from local.settings import read_local_settings
from shared.config.settings import SettingsError

EMPTY = Path("/nonexistent")
"""A root without a stepwell.toml."""

OWN = {
    "STEPWELL_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
    "STEPWELL_REDIS_URL": "redis://:p@127.0.0.1:2/0",
}


def test_nothing_has_to_be_set() -> None:
    settings = read_local_settings({}, EMPTY)
    assert settings.own_postgres
    assert settings.own_redis
    assert settings.workers == 2
    assert settings.common.port == 8642
    assert settings.state_dir == Path.cwd() / ".stepwell"


def test_a_server_that_is_named_is_not_ours() -> None:
    url = OWN["STEPWELL_DATABASE_URL"]
    named = read_local_settings({"STEPWELL_DATABASE_URL": url}, EMPTY)
    assert not named.own_postgres
    assert named.own_redis


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_the_servers_of_other_programs_are_left_alone(suffix: str) -> None:
    shell = {
        f"DATABASE_URL{suffix}": "postgresql://app:secret@db/app",
        f"REDIS_URL{suffix}": "redis://cache/0",
        f"BROKER_URL{suffix}": "amqp://broker/",
    }
    settings = read_local_settings({**shell, "OTHER": "x"}, EMPTY)
    assert settings.own_postgres
    assert settings.own_redis
    children = settings.of_children(OWN)
    assert children.common.broker_url is None
    assert not shell.keys() & children.environment.keys()
    assert children.environment["OTHER"] == "x"


def test_a_server_may_be_named_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "redis"
    secret.write_text(OWN["STEPWELL_REDIS_URL"])
    named = read_local_settings({"STEPWELL_REDIS_URL_FILE": str(secret)}, EMPTY)
    assert not named.own_redis
    assert (
        named.of_children({"STEPWELL_DATABASE_URL": "postgresql://x"}).redis_url
        == (OWN["STEPWELL_REDIS_URL"])
    )


def test_an_empty_variable_is_an_absent_one() -> None:
    settings = read_local_settings({"STEPWELL_DATABASE_URL": "", "STEPWELL_WORKERS": ""}, EMPTY)
    assert settings.own_postgres
    assert settings.workers == 2


@pytest.mark.parametrize("text", ["0", "65", "-1", "two", "1.5"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match="STEPWELL_WORKERS"):
        read_local_settings({"STEPWELL_WORKERS": text}, EMPTY)


def test_a_wrong_setting_is_refused_before_anything_starts() -> None:
    with pytest.raises(SettingsError, match="STEPWELL_PORT"):
        read_local_settings({"STEPWELL_PORT": "high"}, EMPTY)


def test_the_children_see_the_urls_and_what_was_given() -> None:
    settings = read_local_settings({"STEPWELL_PORT": "9000", "OTHER": "x"}, EMPTY)
    children = settings.of_children(OWN)
    assert children.database_url == OWN["STEPWELL_DATABASE_URL"]
    assert children.redis_url == OWN["STEPWELL_REDIS_URL"]
    assert children.environment["STEPWELL_PORT"] == "9000"
    assert children.environment["OTHER"] == "x"
    assert children.environment["STEPWELL_LOG_FORMAT"] == "readable"


def test_the_form_of_the_logs_may_be_chosen() -> None:
    children = read_local_settings({"STEPWELL_LOG_FORMAT": "json"}, EMPTY).of_children(OWN)
    assert children.environment["STEPWELL_LOG_FORMAT"] == "json"


@pytest.mark.parametrize("workers", [1, 2, 7, 8, 30])
def test_postgres_allows_the_connections_of_the_fleet(workers: int) -> None:
    settings = read_local_settings({"STEPWELL_WORKERS": str(workers)}, EMPTY)
    assert settings.wanted_connections >= 100
    settings.common.check_connections(settings.wanted_connections, api=1, workers=workers)


def test_the_model_file_of_the_root_counts_unless_another_is_named(tmp_path: Path) -> None:
    assert read_local_settings({}, tmp_path).of_children(OWN).common.config is None
    file = tmp_path / "stepwell.toml"
    file.touch()
    assert read_local_settings({}, tmp_path).of_children(OWN).common.config == file
    named = read_local_settings({"STEPWELL_CONFIG": "/other.toml"}, tmp_path)
    assert named.of_children(OWN).common.config == Path("/other.toml")
