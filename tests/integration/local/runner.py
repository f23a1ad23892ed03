"""`python -m tests.integration.local.runner ROOT`: the supervisor over the children of a root."""

import os
import sys
from pathlib import Path

from local.app import serve
from local.processes.output import Printer
from local.settings import ChildSettings
from local.supervisor import MarkDead


def _marker(children: ChildSettings, printer: Printer) -> MarkDead:
    assert children.database_url.startswith("postgresql://")
    return lambda pid: printer.say(f"marked {pid}")


if __name__ == "__main__":
    root = Path(sys.argv[1])
    sys.exit(serve(os.environ, root=root, out=sys.stdout.buffer, make_mark_dead=_marker))
