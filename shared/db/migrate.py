"""Brings a database to the newest schema: `python -m shared.db.migrate`."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from shared.config.settings import SettingsError, read_database_settings
from shared.db.engine import make_engine

# Any number will do, as long as every version of this program takes the same one.
_MIGRATION_LOCK = 0x57E9_0001


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate to `revision`; whoever comes second waits for the first and finds nothing to do."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        # A migration may take longer than a request, and waits for the one before it.
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
        # The limits were changed for this session only: it must not go back to the pool.
        connection.invalidate()


def main() -> int:
    """Migrate the database of the settings; 0 = at the newest schema."""
    try:
        settings = read_database_settings()
        engine = make_engine(settings.sqlalchemy_url, pool_size=1, name="stepwell-migrate")
        upgrade(engine)
    except (SettingsError, OperationalError) as error:
        print(f"stepwell: the database was not migrated: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
