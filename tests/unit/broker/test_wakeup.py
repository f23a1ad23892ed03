from uuid import uuid4

import pytest
from pydantic import ValidationError

from shared.broker.wakeup import RunStep

CHAT = uuid4()


def test_a_payload_from_a_newer_process_can_be_read() -> None:
    payload = {"chat_id": str(CHAT), "priority": 3, "because": {"of": "a newer field"}}
    assert RunStep.model_validate(payload).chat_id == CHAT


def test_a_payload_survives_the_wire() -> None:
    payload = RunStep.model_validate({"chat_id": CHAT})
    assert RunStep.model_validate_json(payload.model_dump_json()) == payload


@pytest.mark.parametrize("payload", [None, 5, "text", [], {}, {"chat_id": None}, {"chat_id": "5"}])
def test_another_payload_is_refused(payload: object) -> None:
    with pytest.raises(ValidationError):
        RunStep.model_validate(payload)
