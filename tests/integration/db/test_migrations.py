"""Migrations lead to the schema that the code works with, and may be run by everybody at once."""

from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

import api.tables
import shared.chats.store.tables
import shared.tools.tables
from shared.db.base import metadata
from shared.db.migrate import upgrade


def test_the_migrated_schema_is_the_one_of_the_code(engine: Engine) -> None:
    assert api.tables.metadata is shared.chats.store.tables.metadata is metadata
    assert shared.tools.tables.metadata is metadata
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_migration_waits_for_the_first_and_finds_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(upgrade, engine) for _ in range(3)]:
            done.result()
    with engine.connect() as connection:
        versions = connection.execute(text("SELECT version_num FROM alembic_version")).all()
    assert len(versions) == 1
