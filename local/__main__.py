"""`python -m local`, which is what `make run` runs."""

import os
import sys
from pathlib import Path

from sqlalchemy import Engine, text

from local.app import serve
from local.marks import mark_dead_with
from local.output import Printer
from local.settings import ChildSettings
from local.supervisor import MarkDead

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run everything on this machine until Ctrl-C."""
    return serve(os.environ, root=ROOT, out=sys.stdout.buffer, make_mark_dead=_marker)


def _marker(children: ChildSettings, printer: Printer) -> MarkDead:
    return mark_dead_with(_mark_row, children, printer)


def _mark_row(engine: Engine, *, host: str, pid: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workers SET dead_at = clock_timestamp()"
                " WHERE host = :host AND pid = :pid AND dead_at IS NULL"
            ),
            {"host": host, "pid": pid},
        )


if __name__ == "__main__":
    sys.exit(main())
