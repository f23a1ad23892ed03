import io
import threading

from typing_extensions import Buffer

from local.processes.output import BACKLOG_LINES, Printer


class Stalled(io.BytesIO):
    """A terminal whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = threading.Event()
        self.goes_on = threading.Event()

    def write(self, data: Buffer, /) -> int:
        self.taken.set()
        self.goes_on.wait()
        return super().write(data)


class Gone(io.BytesIO):
    """A pipe whose reader has left."""

    def write(self, data: Buffer, /) -> int:
        raise BrokenPipeError


def test_lines_stand_under_each_other() -> None:
    out = io.BytesIO()
    printer = Printer(out, broken=lambda: None)
    printer.say("one\ntwo")
    printer.line("worker-10", "three")
    printer.raw("four")
    printer.close()
    assert out.getvalue().decode().splitlines() == [
        "stepwell | one",
        "stepwell | two",
        "worker-10| three",
        "four",
    ]


def test_a_stalled_reader_stalls_nobody_and_hears_of_the_gap() -> None:
    out = Stalled()
    printer = Printer(out, broken=lambda: None)
    printer.raw("first")
    out.taken.wait()
    for number in range(BACKLOG_LINES + 3):
        printer.raw(str(number))
    out.goes_on.set()
    printer.close()
    lines = out.getvalue().decode().splitlines()
    assert lines[:3] == ["first", "3 lines were not read in time", "0"]
    assert lines[-1] == str(BACKLOG_LINES - 1)


def test_a_reader_that_has_left_is_told() -> None:
    told = threading.Event()
    printer = Printer(Gone(), broken=told.set)
    printer.raw("x")
    assert told.wait(10)
    printer.close()
