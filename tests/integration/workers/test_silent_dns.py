"""Providers whose names are dead hold up no other provider of the worker."""

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.workers.silent_dns import DEAD

ROOT = Path(__file__).parents[3]
NAMESPACES = ("unshare", "--map-root-user", "--mount", "--net")


def test_a_model_is_asked_while_the_names_of_others_are_dead(tmp_path: Path) -> None:
    module = (sys.executable, "-m", "tests.integration.workers.silent_dns")
    done = subprocess.run(
        [*NAMESPACES, *module, str(tmp_path / "resolv.conf")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["events"] > 0
    assert said["waiting"] == DEAD
