import re

from tests.unit.deploy.compose import ROOT

LINES = (ROOT / "Dockerfile").read_text().splitlines()


def test_every_copied_path_exists_and_passes_the_ignore_file() -> None:
    sources = [line.split()[1] for line in LINES if line.startswith("COPY ")]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert "requirements.lock" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in kept


def test_nothing_runs_as_root() -> None:
    users = [line.split()[1] for line in LINES if line.startswith("USER ")]
    assert users == ["stepwell"]
    assert LINES.index("USER stepwell") < LINES.index('CMD ["python", "-m", "api"]')


def test_the_runtime_lock_is_installed_with_its_hashes() -> None:
    [install] = [line for line in LINES if "pip install" in line]
    assert "--require-hashes" in install
    assert install.endswith("--requirement requirements.lock")


def test_the_python_is_one_that_the_project_is_tested_on() -> None:
    [base] = [line for line in LINES if line.startswith("FROM ")]
    found = re.fullmatch(r"FROM python:3\.(\d+)-slim", base)
    assert found is not None
    assert 11 <= int(found[1]) <= 14
