"""The entry of the workers: the settings and the one application of the process."""

from typing import Final

from shared.config.settings import read_settings
from shared.queue.app import make_app
from workers.deps import make_deps
from workers.process import work

settings: Final = read_settings()

app: Final = make_app(broker_url=settings.broker, concurrency=settings.worker_concurrency)
"""At module level so that `python -m celery -A workers.main` can inspect and control workers."""


def main() -> int:
    """Run this process as a worker."""
    return work(settings, app, make_deps)
