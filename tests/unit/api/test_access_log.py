"""Every request has an id, is counted, and is answered whatever breaks."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from api.access_log import AccessLog
from shared.metrics.metrics import Metrics

Sent = list[MutableMapping[str, Any]]


def _ask(app: Any, metrics: Metrics, sent: Sent, *headers: tuple[bytes, bytes]) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": list(headers)}
    observer = AccessLog(app, metrics=metrics, new_id=uuid7, clock=lambda: 0.0)
    asyncio.run(observer(scope, receive, send))


async def _broken(*_: object) -> None:
    raise ValueError("a secret")


async def _half(_: object, __: object, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("a secret")


def test_a_defect_is_answered_with_a_problem_that_the_log_explains() -> None:
    registry = CollectorRegistry()
    sent: Sent = []
    with capture_logs() as logged:
        _ask(_broken, Metrics(registry), sent, (b"x-request-id", b"r1"))
    head, body = sent
    assert head["status"] == 500
    assert (b"x-request-id", b"r1") in head["headers"]
    problem = orjson.loads(body["body"])
    assert problem["code"] == "internal"
    assert "secret" not in str(problem)
    assert [
        (line["event"], line["log_level"]) for line in logged if line["log_level"] == "error"
    ] == [("http.failed", "error")]
    counted = {"method": "GET", "route": "unmatched", "status": "500"}
    assert registry.get_sample_value("stepwell_http_requests_total", counted) == 1


def test_an_answer_that_breaks_off_is_left_to_the_server() -> None:
    sent: Sent = []
    with pytest.raises(ValueError, match="secret"):
        _ask(_half, Metrics.noop(), sent)
    assert len(sent) == 1
