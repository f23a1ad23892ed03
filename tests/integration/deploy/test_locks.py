"""What `make run` installs is enough to run; the tests have more at hand, which hides a gap."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAMS = ("local.__main__", "api.__main__", "api.admin", "workers.main", "shared.db.migrate")
"""Every program that `make run` and `compose.yaml` start."""

ADAPTERS = ("workers.providers.anthropic.client", "workers.providers.openai_chat.client")
"""What a worker loads when it is configured."""

SCRIPT = """
import importlib, re, sys
from importlib.metadata import packages_distributions

normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
lock = open("requirements.lock").read()
locked = {normal(name) for name in re.findall(r"^([\\w.-]+)==", lock, re.MULTILINE)}

class Runtime:
    "Hides every module that the runtime lock does not bring."

    hidden = {
        module
        for module, distributions in packages_distributions().items()
        if locked.isdisjoint(map(normal, distributions))
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.hidden:
            raise ModuleNotFoundError(f"No module named {name!r} in the runtime lock", name=name)

sys.meta_path.insert(0, Runtime())
assert "pytest" in Runtime.hidden
for name in sys.argv[1:]:
    importlib.import_module(name)
from kombu import Connection  # its transports are imported when they are needed
for url in ("redis://", "amqp://"):
    Connection(url).transport
"""


def test_every_program_imports_with_the_runtime_lock_alone() -> None:
    urls = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *PROGRAMS, *ADAPTERS],
        cwd=ROOT,
        env=urls,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
