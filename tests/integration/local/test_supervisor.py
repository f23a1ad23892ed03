import os
import re
import stat
from pathlib import Path
from signal import Signals

import psutil
import psycopg
import pytest

from local.processes.spawn import Identity
from tests.integration.local.supervised import ended, supervised, told

External = dict[str, str]

STUBBORN = {"WORKER_STAYS": "1", "STEPWELL_WORKERS": "1"}
"""One worker that does not drain."""


def test_everything_is_ready_and_told_in_local_json(tmp_path: Path) -> None:
    with supervised(tmp_path) as it:
        running = it.until_ready()
        said = "\n".join(it.lines)
        pids = running.pids
        names = [psutil.Process(pid).name() for pid in (pids.postgres, pids.redis)]
        assert names == ["postgres", "valkey-server"]
        assert psutil.Process(pids.api).cmdline()[1:] == ["-m", "api"]
        assert [psutil.Process(pid).cmdline()[1:] for pid in pids.workers] == 2 * [
            ["-m", "workers"]
        ]
        assert running.base_url in said
        assert running.api_key in said
        assert stat.S_IMODE((it.state / "local.json").stat().st_mode) == 0o600
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_a_stop_ends_everything_in_order(used_path: Path) -> None:
    with supervised(used_path.parent) as it:
        pids = it.until_ready().pids
        assert it.stop() == 0
        assert ended(pids.api, *pids.workers, pids.postgres, pids.redis)
        assert not (it.state / "local.json").exists()
        said = "\n".join(it.lines)
        order = ["API got SIGTERM", "WORKER got SIGTERM", "valkey   | ", "database system is shut"]
        positions = [said.rindex(text) for text in order]
        assert positions == sorted(positions)
        assert it.lines[-1] == "stepwell | stopped"


def test_a_stop_during_the_start_ends_everything_too(tmp_path: Path) -> None:
    with supervised(tmp_path) as it:
        it.until("postgres | ")
        everyone = [child.pid for child in psutil.Process(it.process.pid).children(recursive=True)]
        assert it.stop(Signals.SIGINT) == 0
        assert everyone
        assert ended(*everyone)
        assert it.lines[-1] == "stepwell | stopped"


def test_the_key_survives_a_restart_and_is_made_known_each_time(
    tmp_path: Path, external: External
) -> None:
    keys: list[str] = []
    for _ in range(2):
        with supervised(tmp_path, external) as it:
            line = it.until("KEY ")
            key = it.until_ready().api_key
            assert told(line) == [
                ["keys", "ensure", "--owner", "dev", "--role", "admin"],
                f"{key}\n",
            ]
            assert stat.S_IMODE((it.state / "dev.key").stat().st_mode) == 0o600
            keys.append(key)
            assert it.stop() == 0
    assert re.fullmatch(r"swk_[\w-]{43}", keys[0])
    assert keys[0] == keys[1]


def test_the_data_survives_a_restart(used_path: Path) -> None:
    with supervised(used_path.parent) as it:
        first = it.until_ready()
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept ()")
        it.stop()
    with supervised(used_path.parent) as it:
        second = it.until_ready()
        with psycopg.connect(second.database_url) as connection:
            connection.execute("SELECT FROM kept")
        assert second.database_url == first.database_url
        assert second.redis_url == first.redis_url


def test_servers_that_are_named_are_used_and_not_started(
    tmp_path: Path, external: External
) -> None:
    with supervised(tmp_path, external) as it:
        running = it.until_ready()
        assert running.database_url == external["STEPWELL_DATABASE_URL"]
        assert running.redis_url == external["STEPWELL_REDIS_URL"]
        assert running.pids.postgres is None
        assert running.pids.redis is None
        assert it.stop() == 0


def test_a_worker_that_dies_is_marked_and_started_again(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path, external) as it:
        before = it.until_ready().pids.workers
        psutil.Process(before[0]).kill()
        it.until(f"marked {before[0]}")
        it.until("worker-1 ended")
        it.until("WORKER database=")
        after = it.running.pids.workers
        assert after[0] != before[0]
        assert after[1] == before[1]


@pytest.mark.parametrize("name", ["postgres", "redis", "api"])
def test_any_other_child_that_dies_is_started_again(name: str, used_path: Path) -> None:
    with supervised(used_path.parent) as it:
        before = it.until_ready()
        old: int = getattr(before.pids, name)
        psutil.Process(old).kill()
        it.until("killed by signal 9); again now")
        it.until({"postgres": "is ready to accept", "redis": "valkey  ", "api": "API "}[name])
        after = it.running
        assert getattr(after.pids, name) not in (old, None)
        assert after.database_url == before.database_url
        assert after.redis_url == before.redis_url
        assert it.stop() == 0


def test_a_child_that_keeps_failing_is_started_later_and_later(
    tmp_path: Path, external: External
) -> None:
    with supervised(tmp_path, external) as it:
        it.until_ready()
        for words in ("again now", "again in 0.5 s (start 2 in a row)", "again in 1 s"):
            psutil.Process(it.running.pids.api).terminate()
            assert words in it.until("api ended")
            it.until("API database=")


def test_a_child_that_fails_at_first_ends_the_start(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path, external, {"WORKER_FAILS": "1"}) as it:
        assert it.end() == 1
        said = "\n".join(it.lines)
        assert re.search(r"cannot run: worker-\d ended at its start \(exit status 3\)", said)
        assert "is ready" not in said


@pytest.mark.parametrize("name", ["MIGRATE", "KEY"])
def test_a_command_that_fails_ends_the_start(name: str, tmp_path: Path, external: External) -> None:
    with supervised(tmp_path, external, {f"{name}_FAILS": "1"}) as it:
        assert it.end() == 1
        assert f"cannot run: {name.lower()} failed with exit status 4" in "\n".join(it.lines)


def test_a_second_signal_does_not_wait_for_the_drain(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path, external, STUBBORN) as it:
        [worker] = it.until_ready().pids.workers
        it.process.send_signal(Signals.SIGINT)
        it.until("WORKER got SIGTERM")
        assert it.stop(Signals.SIGINT) == 0
        assert "stepwell | worker-1 still runs; it is killed" in it.lines
        assert f"stepwell | marked {worker}" in it.lines


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_one_starts(used_path: Path) -> None:
    with supervised(used_path.parent) as it:
        pids = it.until_ready().pids
        it.process.kill()
        it.end()
        assert ended(pids.api, *pids.workers, pids.postgres, pids.redis)
        assert (it.state / "local.json").exists()
    with supervised(used_path.parent) as it:
        it.until_ready()
        assert [f"stepwell | marked {pid}" for pid in pids.workers if pid] == [
            line for line in it.lines if "marked" in line
        ]
        assert it.stop() == 0


def test_a_supervisor_may_start_the_moment_another_is_killed(used_path: Path) -> None:
    with supervised(used_path.parent) as it:
        port = {"STEPWELL_PORT": it.until_ready().base_url.rpartition(":")[2]}
        it.process.kill()
        it.process.wait()
        with supervised(used_path.parent, port) as second:
            second.until_ready()
            assert second.stop() == 0


def test_a_second_supervisor_of_a_state_folder_is_refused(
    tmp_path: Path, external: External
) -> None:
    with supervised(tmp_path, external) as it:
        it.until_ready()
        with supervised(tmp_path, external) as second:
            assert second.end() == 1
            [line] = second.lines
            assert f"runs already on {it.state} (process {it.process.pid})" in line
        assert it.stop() == 0


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path / "one", external) as it:
        port = it.until_ready().base_url.rpartition(":")[2]
        with supervised(tmp_path / "two", external, {"STEPWELL_PORT": port}) as second:
            assert second.end() == 1
            assert f"port {port} on 127.0.0.1 is taken" in second.lines[0]


def test_a_taken_metrics_port_is_passed_over(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path / "one", external) as it:
        first = it.until_ready().worker_metrics_urls
        port = first[0].removesuffix("/metrics").rpartition(":")[2]
        second_port = {"STEPWELL_WORKER_METRICS_PORT": port}
        with supervised(tmp_path / "two", external, second_port) as second:
            assert set(second.until_ready().worker_metrics_urls).isdisjoint(first)


@pytest.mark.parametrize(
    ("name", "value"),
    [("STEPWELL_WORKERS", "none"), ("STEPWELL_PORT", "x"), ("STEPWELL_REDIS_URL", "x")],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, tmp_path: Path, external: External
) -> None:
    with supervised(tmp_path, external, {name: value}) as it:
        assert it.end() == 1
        assert name in it.lines[0]


def test_a_reader_that_leaves_stops_it(tmp_path: Path, external: External) -> None:
    with supervised(tmp_path, external) as it:
        pids = it.until_ready().pids
        assert it.process.stdout is not None
        it.process.stdout.close()
        psutil.Process(pids.api).kill()
        assert it.process.wait() == 0
        assert ended(*pids.workers)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all the other tests")
def test_an_ordinary_user_needs_nobody_else(tmp_path: Path) -> None:
    with supervised(tmp_path, identity=Identity.namespace(65534)) as it:
        pids = it.until_ready().pids
        assert psutil.Process(pids.postgres).uids().real == os.geteuid()
        assert it.stop() == 0
