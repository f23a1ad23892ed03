"""`make run` from the first check to the exit status."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from local.errors import LocalError
from local.processes.output import Printer
from local.settings import ChildSettings, LocalSettings, read_local_settings
from local.state import StateFolder
from local.supervisor import MarkDead, Supervisor
from shared.config.settings import SettingsError

MakeMarkDead = Callable[[ChildSettings, Printer], MarkDead]


def serve(
    environ: Mapping[str, str], *, root: Path, out: IO[bytes], make_mark_dead: MakeMarkDead
) -> int:
    """Run Stepwell until a signal ends it; gives the exit status. `root` is the import root."""
    try:
        settings = read_local_settings(environ, root)
        state = StateFolder(settings.state_dir)
        with state.locked():
            ready = asyncio.run(_supervise(settings, state, root, out, make_mark_dead))
    except (LocalError, SettingsError, OSError) as error:
        print(f"stepwell: {error}", file=sys.stderr)
        return 1
    return 0 if ready else 1


async def _supervise(
    settings: LocalSettings,
    state: StateFolder,
    root: Path,
    out: IO[bytes],
    make_mark_dead: MakeMarkDead,
) -> bool:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def broken() -> None:
        loop.call_soon_threadsafe(asked.set)

    printer = Printer(out, broken=broken)
    supervisor = Supervisor(
        settings,
        state,
        root=root,
        printer=printer,
        asked=asked,
        make_mark_dead=lambda children: make_mark_dead(children, printer),
    )
    try:
        return await supervisor.run()
    finally:
        printer.close()
