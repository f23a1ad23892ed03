"""One way out for everything that is logged."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from shared.logs.setup import Format, Level, configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def _configured(format: Format = "json", level: Level = "info") -> io.StringIO:
    out = io.StringIO()
    configure(format, level, "api", stream=out)
    return out


def _lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_fields() -> None:
    out = _configured()
    structlog.stdlib.get_logger().info("chat.created", attempt=3)
    [line] = _lines(out)
    assert line["event"] == "chat.created"
    assert line["attempt"] == 3
    assert line["level"] == "info"
    assert line["process"] == "api"
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize("name", ["uvicorn.error", "celery.worker", "anything"])
def test_the_standard_library_takes_the_same_way(name: str) -> None:
    out = _configured()
    logging.getLogger(name).warning("started %s", "swk_secretsecret")
    [line] = _lines(out)
    assert line["event"] == "started swk_***"


def test_what_is_bound_to_the_context_is_on_lines_of_both_kinds() -> None:
    out = _configured()
    with structlog.contextvars.bound_contextvars(chat_id="c", turn_id="t", attempt=2):
        structlog.stdlib.get_logger().info("one")
        logging.getLogger("two").info("two")
    assert [(line["chat_id"], line["turn_id"], line["attempt"]) for line in _lines(out)] == [
        ("c", "t", 2),
        ("c", "t", 2),
    ]


def test_an_exception_keeps_its_traceback_and_loses_its_secret() -> None:
    out = _configured()
    try:
        raise RuntimeError("could not reach postgresql://me:hunter2@db/x")
    except RuntimeError:
        structlog.stdlib.get_logger().exception("api.failed")
    [line] = _lines(out)
    assert "RuntimeError" in str(line["exception"])
    assert "hunter2" not in out.getvalue()


def test_lines_below_the_level_are_left_out() -> None:
    out = _configured(level="warning")
    structlog.stdlib.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert out.getvalue() == ""


@pytest.mark.parametrize("name", ["openai", "anthropic", "kombu"])
def test_libraries_that_log_requests_are_held_back_even_at_debug(name: str) -> None:
    out = _configured(level="debug")
    logging.getLogger(f"{name}.client").debug("request options")
    assert out.getvalue() == ""


@pytest.mark.parametrize("value", [2**80, "\ud800", float("nan"), object(), {1: {2}}])
def test_a_value_that_json_lacks_does_not_lose_the_line(value: object) -> None:
    out = _configured()
    structlog.stdlib.get_logger().info("odd", value=value)
    [line] = _lines(out)
    assert line["event"] == "odd"


def test_the_readable_form_names_event_and_fields() -> None:
    out = _configured(format="readable")
    structlog.stdlib.get_logger().warning("queue.full", limit=20)
    assert "queue.full" in out.getvalue()
    assert "limit=20" in out.getvalue()


def test_configuring_twice_does_not_double_the_lines() -> None:
    _configured()
    out = _configured()
    logging.getLogger("x").info("once")
    assert len(_lines(out)) == 1


def test_without_a_stream_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info", "worker")
    print("an answer", file=sys.stdout)
    structlog.stdlib.get_logger().info("said")
    caught = capsys.readouterr()
    assert caught.out == "an answer\n"
    assert '"event":"said"' in caught.err


def test_what_a_server_says_in_colour_is_not_said_twice() -> None:
    out = _configured()
    logging.getLogger("uvicorn.error").info("up", extra={"color_message": "\x1b[36mup"})
    [line] = _lines(out)
    assert "color_message" not in line
