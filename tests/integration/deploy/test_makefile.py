import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what `make` itself reads, and nothing installed."""
    for name in ("Makefile", *LOCKS):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=given, text=True, capture_output=True, check=False
    )


def install(folder: Path, *, lock_is_newer: bool) -> None:
    """Put stamps where an installation leaves them; make looks at their age alone."""
    (folder / ".venv/bin").mkdir(parents=True)
    for path, age in (
        *((folder / name, 2_000 if lock_is_newer else 1_000) for name in LOCKS),
        *((folder / ".venv" / name, 1_500) for name in ("bin/python", ".runtime", ".dev")),
    ):
        path.touch()
        os.utime(path, (age, age))


def test_help_is_what_make_does_by_default() -> None:
    done = make(ROOT)
    assert done.returncode == 0
    assert done.stdout == make(ROOT, "help").stdout
    assert re.findall(r"^  make (\w+) +\S", done.stdout, re.MULTILINE) == [
        "help",
        "run",
        "admin",
        "fakes",
        "test",
        "soak",
        "chaos",
        "bench",
        "check",
        "lock",
    ]


def test_a_machine_without_a_recent_python_is_told_so(checkout: Path) -> None:
    done = make(checkout, "run", "PYTHON3=")
    assert done.returncode != 0
    assert "Stepwell needs Python 3.11 to 3.14" in done.stdout
    assert "make PYTHON3=/path/to/python3.13 run" in done.stdout
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("target", "lock"), [("run", LOCKS[0]), ("test", LOCKS[1])])
def test_a_target_installs_its_lock_with_hashes_when_it_has_changed(
    target: str, lock: str, checkout: Path
) -> None:
    install(checkout, lock_is_newer=True)
    planned = make(checkout, "-n", target).stdout
    assert f"pip install --quiet --disable-pip-version-check --require-hashes -r {lock}" in planned
    assert planned.count("pip install") == 1


@pytest.mark.parametrize("target", ["run", "test", "check"])
def test_a_target_installs_nothing_when_the_lock_is_the_same(target: str, checkout: Path) -> None:
    install(checkout, lock_is_newer=False)
    assert "pip install" not in make(checkout, "-n", target).stdout


def test_check_runs_every_checker(checkout: Path) -> None:
    install(checkout, lock_is_newer=False)
    planned = make(checkout, "-n", "check").stdout
    for checker in ("ruff format --check", "ruff check", "basedpyright", "lint-imports"):
        assert f".venv/bin/{checker}" in planned


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_everything_and_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    requirements = re.findall(r"^[^\s#][^\n]*\n(?:    --hash[^\n]*\n?)*", text, re.MULTILINE)
    assert requirements
    for requirement in requirements:
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


def test_the_runtime_lock_is_a_part_of_the_other() -> None:
    pins = [set(re.findall(r"^\S+==\S+", (ROOT / n).read_text(), re.MULTILINE)) for n in LOCKS]
    assert pins[0] < pins[1]


def test_continuous_integration_starts_the_program_then_checks_and_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    commands = [line for line in script.read_text().splitlines() if line and line[0] != "#"]
    assert commands[-3:-1] == [".ci/smoke", "make check"]
    assert commands[-1].startswith("make test || make test ARGS=")
