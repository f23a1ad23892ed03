"""What operators see."""

from uuid import UUID

import pytest
from sqlalchemy import text

from shared.version import VERSION
from tests.integration.api.served import Api, Client


def _value(api: Api, sample: str) -> float | None:
    lines = api.client.get("/metrics").body.decode().splitlines()
    found = [line for line in lines if line.startswith(f"{sample} ")]
    return float(found[0].rpartition(" ")[2]) if found else None


def test_the_version_is_told(api: Api) -> None:
    assert api.client.get("/version").json == {"version": VERSION}
    assert _value(api, f'stepwell_build_info{{version="{VERSION}"}}') == 1


def test_the_api_is_ready(api: Api) -> None:
    assert api.client.get("/readyz").json["readiness"] == "ok"


def test_requests_are_counted_by_the_template_of_their_route(api: Api, alice: Client) -> None:
    chat_id = alice.start()["id"]
    sample = 'stepwell_http_requests_total{method="GET",route="/v1/chats/{chat_id}",status="200"}'
    before = _value(api, sample) or 0
    alice.get(f"/v1/chats/{chat_id}")
    assert _value(api, sample) == before + 1
    assert chat_id not in api.client.get("/metrics").body.decode()


def test_what_has_no_route_is_counted_under_one_name(api: Api) -> None:
    sample = 'stepwell_http_requests_total{method="GET",route="unmatched",status="404"}'
    before = _value(api, sample) or 0
    api.client.get("/a")
    api.client.get("/b/c")
    assert _value(api, sample) == before + 2


def test_waiting_chats_are_counted_when_they_are_asked_for(own_api: Api) -> None:
    client = own_api.caller("alice")
    due, late, idle = (client.start()["id"] for _ in range(3))
    own_api.set_status(idle, "waiting")
    with own_api.engine.begin() as connection:
        connection.execute(
            text("UPDATE chats SET retry_at = now() + interval '1 hour' WHERE id = :id"),
            {"id": UUID(late)},
        )
        connection.execute(
            text("UPDATE chats SET phase_since = now() - interval '90 s' WHERE id = :id"),
            {"id": UUID(due)},
        )
    assert _value(own_api, 'stepwell_pending_chats{state="due"}') == 1
    assert _value(own_api, 'stepwell_pending_chats{state="backing_off"}') == 1
    assert 90 <= (_value(own_api, "stepwell_oldest_pending_age_seconds") or 0) < 120


def test_every_answer_has_the_id_that_the_log_has(api: Api) -> None:
    assert UUID(api.client.get("/livez").headers["x-request-id"])
    given = {"X-Request-Id": "proxy-1.2"}
    assert api.client.ask("GET", "/livez", headers=given).headers["x-request-id"] == "proxy-1.2"


@pytest.mark.parametrize("given", ["a b", "x" * 129, "ü", ""])
def test_an_odd_request_id_is_replaced(api: Api, given: str) -> None:
    reply = api.client.ask("GET", "/livez", headers={"X-Request-Id": given})
    assert UUID(reply.headers["x-request-id"])


def test_the_models_say_whether_they_can_be_used(alice: Client) -> None:
    assert alice.get("/v1/models").json == {
        "items": [
            {
                "id": "scripted",
                "provider": "scripted",
                "context_limit": 0,
                "default": True,
                "available": True,
            }
        ]
    }
