"""Which user PostgreSQL runs as, which refuses to run as root, and whose its files are."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import Signals

from local.errors import LocalError
from local.processes.spawn import Command, Identity

NOBODY = 65534


def choose_identity(program: Path, folder: Path) -> Identity:
    """This user; for root the first identity that can run the program and enter the folder."""
    if os.geteuid() != 0:
        return Identity.same()
    refusals: list[str] = []
    for identity in candidates():
        refusal = try_out(identity, program, folder)
        if not refusal:
            return identity
        refusals.append(f"  {identity.words}: {refusal}")
    raise LocalError(
        "PostgreSQL refuses to run as root, and nobody else can run it here:\n"
        + "\n".join(refusals)
        + "\nEither run this as an ordinary user, or name a server in STEPWELL_DATABASE_URL, "
        f"or let others enter {program.parent} and {folder} (chmod o+x on every folder on the way)."
    )


def candidates() -> Iterator[Identity]:
    """Who root may be, best first; `initdb` wants its user in the list of users."""
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    if NOBODY in known:
        yield Identity.user(NOBODY)
    yield Identity.namespace(NOBODY if NOBODY in known or not known else known[0])


def try_out(identity: Identity, program: Path, folder: Path) -> str:
    """Why the identity can not be used; empty if it can."""
    command = Command(
        argv=(str(program), "--version"),
        environment={},
        folder=folder,
        death_signal=Signals.SIGKILL,
        stop=(),
        identity=identity,
    )
    done = subprocess.run(
        command.launched(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(command.environment),
        timeout=30,
        check=False,
    )
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else (lines or [f"exit status {done.returncode}"])[-1]


def give_to(owner: int, folder: Path) -> None:
    """Make the folder and all in it the owner's.

    The folder itself comes last: it is what the next start looks at, if this one dies on the way.
    """
    found = folder.stat().st_uid
    if found == owner:
        return
    if os.geteuid() != 0:
        raise LocalError(
            f"{folder} belongs to user {found}: run this as that user, "
            f"or have root do `chown -R {os.geteuid()} {folder}`"
        )
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.lchown(os.path.join(place, name), owner, owner)
    os.lchown(folder, owner, owner)
