"""A worker that ends without a word at the crash point that a file names, and takes the file along.

`DOOM=path python -m tests.journeys.doomed`; the rest is as for `python -m workers`.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from shared.config.settings import read_settings
from shared.logs.setup import configure
from shared.queue.app import make_app
from workers.deps import make_deps
from workers.process import work
from workers.tools.crash import CrashPoint


def end_at(doom: Path, point: CrashPoint) -> None:
    try:
        if doom.read_text() != point:
            return
        # Whoever moves it dies: the other worker lives to tell the tale.
        doom.rename(doom.with_suffix(f".{os.getpid()}"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def main(doom: Path) -> int:
    settings = read_settings()
    configure(settings.log_format, settings.log_level, f"worker-{os.getpid()}")
    app = make_app(broker_url=settings.broker, concurrency=settings.worker_concurrency)
    return work(settings, app, partial(make_deps, reached=partial(end_at, doom)))


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["DOOM"])))
