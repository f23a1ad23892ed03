"""The API does what its OpenAPI document says, whatever is sent."""

from typing import Any, cast
from uuid import uuid4

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks

from api.auth.caller import KeyRole
from api.write_openapi import document
from tests.integration.api.served import Api, Client

# The document can't say everything (which models there are, that data is base64), and ids and keys
# are replaced below: what is refused by which rule has tests of its own.
LEFT_OUT: Any = (
    cast(Any, checks).positive_data_acceptance,
    cast(Any, checks).negative_data_rejection,
)

schema: Any = schemathesis.openapi.from_dict(orjson.loads(document()))
# A stream has no end to wait for.
finite: Any = schema.exclude(path_regex="/stream$")


@pytest.fixture(scope="module")
def root(api: Api) -> Client:
    """A client that may do everything."""
    return api.caller("schemathesis", KeyRole.ADMIN)


@pytest.fixture
def chat(root: Client) -> dict[str, Any]:
    """A chat that the requests may be about."""
    return root.start()


@finite.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)
def test_no_answer_is_undocumented(case: Any, root: Client, chat: dict[str, Any]) -> None:
    _lead_somewhere(case, chat)
    case.call_and_validate(
        base_url=f"http://{root.host}:{root.port}",
        headers={"Authorization": f"Bearer {root.key}"},
        excluded_checks=[*LEFT_OUT],
        timeout=30,
    )


def _lead_somewhere(case: Any, chat: dict[str, Any]) -> None:
    """Make random ids those of a chat that exists, and random keys those of new requests."""
    for name, value in (("chat_id", chat["id"]), ("turn_id", chat["turn_id"])):
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
    if "wait" in (case.query or {}):
        case.query["wait"] = 0
    key: object = cast(Any, case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and key.isascii() and key.isprintable() and 0 < len(key) < 256:
        case.headers["Idempotency-Key"] = str(uuid4())
