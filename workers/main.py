"""The entry of the workers: the settings and the one application of the process."""

import os
import sys
from typing import Final

from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from shared.broker.celery_app import make_app
from shared.config.catalog import CatalogError
from shared.config.settings import read_settings
from shared.logs.setup import configure
from workers.process.engine import make_worker_engine
from workers.process.frame import work

settings: Final = read_settings()

app: Final = make_app(broker_url=settings.broker, concurrency=settings.worker_concurrency)
"""At module level so that `python -m celery -A workers.main` can inspect and control workers."""


def main() -> int:
    """Run this process as a worker; 1 = it could not start."""
    configure(settings.log_format, settings.log_level, f"worker-{os.getpid()}")
    try:
        return work(settings, app, make_worker_engine)
    except CatalogError as error:
        problem = str(error)
    except ProgrammingError as error:
        problem = f"the database has another schema (python -m shared.db.migrate): {error.orig}"
    except SQLAlchemyError as error:
        # Only the start meets the database here: the steps have their own way with it.
        problem = f"PostgreSQL can't be used: {error}"
    print(f"stepwell: the worker did not start: {problem}", file=sys.stderr)
    return 1
