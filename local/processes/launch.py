"""The last step before a child becomes itself: its session, its user and its death signal.

Runs as a script of its own (`python -I -S launch.py PARENT SIGNAL IDENTITY FOLDER COMMAND...`) and
ends in `exec`, so that the child keeps the pid the supervisor knows. A `preexec_fn` would do the
same, but it may deadlock where threads run; and a death signal must be set after the user has
changed, because the kernel forgets it then.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000

SAME = "same"
"""Stay who the supervisor is."""

NAMESPACE = "namespace"
"""Be an ordinary user in a user namespace of one's own, and the supervisor's user outside of it."""


def main(arguments: list[str]) -> None:
    """Become the command."""
    parent, death_signal, identity, folder, *command = arguments
    restore_signals()
    os.setsid()  # a Ctrl-C in the terminal goes to the supervisor alone, which keeps the order
    become(identity)
    os.chdir(folder)  # as that user, so that a folder closed to it is refused here
    die_with(int(parent), int(death_signal))
    os.execv(command[0], command)


def restore_signals() -> None:
    """Undo what Python changes at its start and what a shell's `&` leaves ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def become(identity: str) -> None:
    """Take the identity: `same`, the number of a user, or `namespace:` and the number inside it."""
    kind, _, number = identity.partition(":")
    if kind == SAME:
        return
    if kind == NAMESPACE:
        enter_namespace(int(number))
        return
    user = int(kind)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def enter_namespace(inside: int) -> None:
    """Enter a new user namespace in which the present user and group have the number `inside`.

    What `unshare -U --map-user --map-group` does; that needs util-linux 2.36.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"a user namespace is refused: {os.strerror(number)}")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {user} 1"),
        ("gid_map", f"{inside} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send the signal when the parent's spawning thread is gone (Linux only)."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        sys.exit("the parent is gone")  # it died before the signal was set


if __name__ == "__main__":
    main(sys.argv[1:])
