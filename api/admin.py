"""`python -m api.admin keys …`: who may call. Needs the database only."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from api.auth import keys
from api.auth.caller import KeyId, KeyRole
from api.auth.errors import AuthError, NoSuchKey
from api.auth.secret import check_secret, new_secret
from shared.config.settings import DatabaseSettings, SettingsError, read_database_settings
from shared.db.engine import make_engine

MAX_OWNER_CHARACTERS: Final = 200


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; 1 = it failed, and says why. `environ` None = the process's."""
    asked = _parser().parse_args(arguments)
    try:
        said = _run_alone(read_database_settings(environ), asked)
    except (SettingsError, SQLAlchemyError, AuthError) as error:
        print(f"stepwell: {error}", file=sys.stderr)
        return 1
    # After the commit: a key that is shown is a key that counts.
    for line in said:
        print(line)
    return 0


def _run_alone(settings: DatabaseSettings, asked: argparse.Namespace) -> list[str]:
    engine = make_engine(settings.sqlalchemy_url, pool_size=1, name="stepwell-admin")
    try:
        with engine.begin() as connection:
            return _run(connection, asked)
    finally:
        engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.admin", description=__doc__)
    keys = parser.add_subparsers(required=True).add_parser("keys", help="the keys of callers")
    commands = keys.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key; it is shown once")
    ensure = commands.add_parser("ensure", help="make sure that the key on stdin counts")
    for command in (create, ensure):
        command.add_argument("--owner", required=True, type=_owner)
        command.add_argument("--role", type=KeyRole, choices=list(KeyRole), default=KeyRole.USER)
    commands.add_parser("list", help="show all keys, without their secrets")
    revoke = commands.add_parser("revoke", help="end a key, within five seconds")
    rotate = commands.add_parser("rotate", help="give a key a new secret; the old one ends")
    for command in (revoke, rotate):
        command.add_argument("id", type=UUID)
    return parser


def _run(connection: Connection, asked: argparse.Namespace) -> list[str]:
    match asked.command:
        case "create":
            key_id, secret = KeyId(uuid7()), new_secret()
            keys.add(connection, key_id, secret, owner=asked.owner, role=asked.role)
            return [secret]
        case "ensure":
            secret = check_secret(sys.stdin.readline().strip())
            keys.ensure(connection, KeyId(uuid7()), secret, owner=asked.owner, role=asked.role)
            return []
        case "list":
            return [_row(key) for key in keys.list_keys(connection)]
        case "revoke":
            if not keys.revoke(connection, KeyId(asked.id)):
                raise NoSuchKey
            return []
        case _:
            secret = new_secret()
            if not keys.replace_secret(connection, KeyId(asked.id), secret):
                raise NoSuchKey
            return [secret]


def _row(key: keys.Key) -> str:
    state = "live" if key.revoked_at is None else f"revoked {_time(key.revoked_at)}"
    used = "never" if key.last_used_at is None else _time(key.last_used_at)
    fields = (str(key.id), f"{key.hint}…", key.role.value, key.owner, state, f"used {used}")
    return "\t".join(fields)


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _owner(text: str) -> str:
    if not 0 < len(text.strip()) <= MAX_OWNER_CHARACTERS or not text.isprintable():
        raise argparse.ArgumentTypeError(f"1 to {MAX_OWNER_CHARACTERS} printable characters")
    return text.strip()


if __name__ == "__main__":
    sys.exit(main())
