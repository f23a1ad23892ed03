"""What processes use: CPU time and memory, with their children."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from local.state import Pids

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """CPU seconds used so far, by part."""

    seconds: Mapping[str, float]

    def since(self, earlier: "Cpu") -> dict[str, float]:
        """What was used meanwhile."""
        return {name: used - earlier.seconds[name] for name, used in self.seconds.items()}


class Parts:
    """The processes of Stepwell under the names of its parts."""

    def __init__(self, pids: Pids) -> None:
        """Take them as `local.json` tells them."""
        found = {"api": pids.api, "postgres": pids.postgres, "redis": pids.redis}
        self._parts = {n: [psutil.Process(pid)] for n, pid in found.items() if pid is not None}
        self._parts["workers"] = [psutil.Process(pid) for pid in pids.workers if pid is not None]

    def cpu(self) -> Cpu:
        """Read what all have used."""
        return Cpu(seconds={name: sum(map(_cpu, own)) for name, own in self._parts.items()})

    def memory(self) -> float:
        """Resident megabytes of API and workers together."""
        both = [*self._parts["api"], *self._parts["workers"]]
        return sum(process.memory_info().rss for process in both) / MEGABYTE


def _cpu(process: psutil.Process) -> float:
    """Of a process, its children that live (PostgreSQL's backends), and those that do not."""
    own = process.cpu_times()
    used = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # counted with its parent from now on
        used += times.user + times.system
    return used
