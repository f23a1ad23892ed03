"""`python -m local`, which is what `make run` runs."""

import os
import sys
from pathlib import Path

from local.app import serve
from local.marks import mark_dead_with
from local.processes.output import Printer
from local.settings import ChildSettings
from local.supervisor import MarkDead
from shared.chats.store.workers import mark_dead

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run everything on this machine until Ctrl-C."""
    return serve(os.environ, root=ROOT, out=sys.stdout.buffer, make_mark_dead=_marker)


def _marker(children: ChildSettings, printer: Printer) -> MarkDead:
    return mark_dead_with(mark_dead, children, printer)


if __name__ == "__main__":
    sys.exit(main())
