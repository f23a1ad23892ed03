import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from local.databases.identity import give_to
from local.databases.postgres import Postgres
from local.errors import ServerFailed
from local.processes.spawn import processes_in
from tests.integration.local.supervised import PROJECT, ended

IS_ROOT = os.geteuid() == 0


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_it_is_a_recent_server_with_our_database_and_durability(tmp_path: Path) -> None:
    with Postgres(tmp_path) as postgres:
        version = one(postgres.url, "SHOW server_version_num")
        assert str(version).startswith("18")
        assert one(postgres.url, "SELECT current_database()") == "stepwell"
        assert one(postgres.url, "SHOW server_encoding") == "UTF8"
        settings = {"fsync", "full_page_writes", "synchronous_commit"}
        assert {one(postgres.url, f"SHOW {name}") for name in settings} == {"on"}


def test_fast_gives_up_durability_and_nothing_else(tmp_path: Path) -> None:
    with Postgres(tmp_path, fast=True, max_connections=33) as postgres:
        assert one(postgres.url, "SHOW fsync") == "off"
        assert one(postgres.url, "SHOW max_connections") == "33"


def test_it_listens_on_loopback_and_wants_the_password(used_path: Path) -> None:
    with Postgres(used_path, fast=True) as postgres:
        listening = psutil.Process(postgres.pid).net_connections()
        assert [place.laddr for place in listening] == [("127.0.0.1", postgres.port)]
        assert (used_path / "postgres.password").stat().st_mode & 0o777 == 0o600
        user_and_place = postgres.url.partition("//")[2].rpartition("@")
        wrong = f"postgresql://stepwell:wrong@{user_and_place[2]}"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            one(wrong, "SELECT 1")


def test_what_people_wrote_stays_out_of_the_log(used_path: Path) -> None:
    with Postgres(used_path, fast=True) as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE said (words text CHECK (words = 'no'))")
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute("INSERT INTO said VALUES ('a secret')")
    log = (used_path / "postgres.log").read_text()
    assert "violates check constraint" in log
    assert "secret" not in log


def test_data_password_and_port_survive_a_restart(tmp_path: Path) -> None:
    with Postgres(tmp_path, fast=True) as first, psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept ()")
    with Postgres(tmp_path, fast=True) as second:
        assert second.url == first.url
        assert one(second.url, "SELECT count(*) FROM kept") == 0


def test_it_starts_after_its_postmaster_was_killed(used_path: Path) -> None:
    with Postgres(used_path) as first:
        with psycopg.connect(first.url) as connection:
            connection.execute("CREATE TABLE kept ()")
        psutil.Process(first.pid).kill()
        with Postgres(used_path) as second:
            assert one(second.url, "SELECT count(*) FROM kept") == 0


def test_it_ends_a_server_that_was_left_running(used_path: Path) -> None:
    with Postgres(used_path, fast=True) as left, Postgres(used_path, fast=True) as second:
        assert ended(left.pid)
        assert one(second.url, "SELECT 1") == 1


def test_a_lock_file_with_somebody_elses_pid_is_no_obstacle(used_path: Path) -> None:
    with Postgres(used_path, fast=True) as first:
        pass
    lock = used_path / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n{first.port}\n\n127.0.0.1\n")
    os.chown(lock, lock.parent.stat().st_uid, -1)
    with Postgres(used_path, fast=True) as second:
        assert one(second.url, "SELECT 1") == 1


def test_half_a_cluster_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "postgres.new-killed" / "data").mkdir(parents=True)
    with Postgres(tmp_path, fast=True):
        assert not list(tmp_path.glob("postgres.new-*"))


def test_a_port_that_is_taken_at_the_next_start_is_given_up(tmp_path: Path) -> None:
    with Postgres(tmp_path / "one", fast=True) as first:
        (tmp_path / "two").mkdir()
        shutil.copy(tmp_path / "one" / "postgres.port", tmp_path / "two" / "postgres.port")
        with Postgres(tmp_path / "two", fast=True) as second:
            assert second.port != first.port


def test_a_start_that_fails_tells_the_servers_last_words(used_path: Path) -> None:
    (used_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServerFailed, match="files are incompatible"):
        Postgres(used_path, fast=True).start()
    assert not processes_in("postgres", used_path / "postgres")


def test_it_dies_with_its_parent(used_path: Path) -> None:
    script = (
        "import sys, pathlib, signal; from local.databases.postgres import Postgres\n"
        "with Postgres(pathlib.Path(sys.argv[1]), fast=True) as it:\n"
        "    print(it.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    arguments = [sys.executable, "-c", script, str(used_path)]
    with subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
        assert ended(pid)


@pytest.mark.skipif(not IS_ROOT, reason="only root chooses who PostgreSQL runs as")
def test_as_root_it_is_nobody_where_nobody_may_enter(open_path: Path) -> None:
    with Postgres(open_path, fast=True) as postgres:
        assert psutil.Process(postgres.pid).uids().real == 65534
        assert (open_path / "postgres").stat().st_uid == 65534


@pytest.mark.skipif(not IS_ROOT, reason="only root chooses who PostgreSQL runs as")
def test_the_owner_of_the_data_follows_the_method(open_path: Path) -> None:
    for mode, owner in ((0o711, 65534), (0o700, 0), (0o711, 65534)):
        open_path.chmod(mode)
        with Postgres(open_path, fast=True) as postgres:
            assert psutil.Process(postgres.pid).uids().real == owner
            assert one(postgres.url, "SELECT 1") == 1
        assert {path.lstat().st_uid for path in (open_path / "postgres").rglob("*")} == {owner}


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder away")
def test_an_interrupted_change_of_owner_is_done_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    os.chown(folder, 65534, 65534)
    give_to(0, folder)
    give_to(65534, folder)
    assert {path.stat().st_uid for path in (folder, folder / "deep")} == {65534}
