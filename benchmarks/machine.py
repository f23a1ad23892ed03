"""What the figures were measured on."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

_GIGABYTE = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Its size; everything of a run is on it: Stepwell, its servers, the model and the clients."""

    cores: int
    processor: str
    memory_gigabytes: float
    system: str
    python: str

    def sentence(self) -> str:
        """Say it in a line."""
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gigabytes:.0f} GB, "
            f"{self.system}, Python {self.python}"
        )


def this_machine() -> Machine:
    """Look at this one."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        processor=_processor(Path("/proc/cpuinfo")),
        memory_gigabytes=psutil.virtual_memory().total / _GIGABYTE,
        system=platform.system(),
        python=platform.python_version(),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _processor(told: Path) -> str:
    if told.is_file():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
