import asyncio
import io
import sys
import threading
from pathlib import Path
from signal import Signals

from typing_extensions import Buffer

from local.processes.child import Child, run_once
from local.processes.output import Printer
from local.processes.spawn import Command, Patience

STUBBORN = (
    "import os, signal\n"
    "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'no\\n'))\n"
    "print('up', flush=True)\n"
    "while True: signal.pause()\n"
)


class Out(io.BytesIO):
    """Keeps what is written, and tells when a word came by."""

    def __init__(self) -> None:
        super().__init__()
        self.up = threading.Event()

    def write(self, data: Buffer, /) -> int:
        if b"| up" in bytes(data):
            self.up.set()
        return super().write(data)


class Terminal:
    """What a person would see."""

    def __init__(self) -> None:
        self.out = Out()
        self.printer = Printer(self.out, broken=lambda: None)

    def lines(self) -> list[str]:
        self.printer.close()
        return self.out.getvalue().decode().splitlines()


def command(folder: Path, script: str, *stop: Patience) -> Command:
    return Command(
        argv=(sys.executable, "-c", script),
        environment={},
        folder=folder,
        death_signal=Signals.SIGKILL,
        stop=stop,
    )


def test_every_line_has_the_childs_name_in_front(tmp_path: Path) -> None:
    terminal = Terminal()
    script = "import sys; print('one'); print('zwei ü', file=sys.stderr); sys.exit(5)"

    async def run() -> int:
        return await run_once("child", command(tmp_path, script), terminal.printer, text="")

    assert asyncio.run(run()) == 5
    assert sorted(terminal.lines()) == ["child    | one", "child    | zwei ü"]


def test_a_long_line_comes_in_pieces(tmp_path: Path) -> None:
    terminal = Terminal()

    async def run() -> int:
        script = "print('x' * 40_000)"
        return await run_once("child", command(tmp_path, script), terminal.printer, text="")

    assert asyncio.run(run()) == 0
    lines = terminal.lines()
    assert len(lines) == 3
    assert sum(line.count("x") for line in lines) == 40_000


def test_the_text_is_its_standard_input_and_not_an_argument(tmp_path: Path) -> None:
    terminal = Terminal()
    script = "import sys; print(sys.stdin.read(), sys.argv)"

    async def run() -> int:
        return await run_once("child", command(tmp_path, script), terminal.printer, text="in")

    assert asyncio.run(run()) == 0
    assert terminal.lines() == ["child    | in ['-c']"]


def test_a_child_that_ignores_the_signal_is_killed_when_patience_ends(tmp_path: Path) -> None:
    terminal = Terminal()
    patience = Patience(signal=Signals.SIGTERM, seconds=0.2)

    async def run() -> int:
        child = Child("child", command(tmp_path, STUBBORN, patience), terminal.printer)
        await asyncio.to_thread(terminal.out.up.wait)
        return await child.stop()

    assert asyncio.run(run()) == -Signals.SIGKILL
    assert terminal.lines() == [
        "child    | up",
        "child    | no",
        "stepwell | child still runs; it is killed",
    ]


def test_a_cancelled_command_is_stopped(tmp_path: Path) -> None:
    terminal = Terminal()
    patience = Patience(signal=Signals.SIGTERM, seconds=0.1)

    async def run() -> None:
        whole = command(tmp_path, STUBBORN, patience)
        task = asyncio.create_task(run_once("child", whole, terminal.printer, text=""))
        await asyncio.to_thread(terminal.out.up.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(run())
    assert terminal.lines()[-1] == "stepwell | child still runs; it is killed"
