"""Which input schemas of tools are taken."""

import pytest

from shared.jsonvalue import JsonObject
from shared.submission.tool_schema import SchemaChecks


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$schema": "urn:unknown", "type": "object"},
        {"$ref": "http://example.invalid/never-fetched"},
        {"type": "object", "x-own": 1},
    ],
)
def test_a_json_schema_is_taken(schema: JsonObject) -> None:
    checks = SchemaChecks()
    assert checks.fault(schema) is None
    assert checks.fault(schema) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, r"\$\.type"),
        ({"properties": []}, r"\$\.properties"),
        ({"required": "a"}, r"\$\.required"),
        ({"properties": {"a": {"minimum": "1"}}}, r"\$\.properties\.a\.minimum"),
        ({"pattern": "("}, "pattern"),
        ({"description": "x" * 70_000}, "64 KiB"),
    ],
)
def test_what_is_none_is_refused_every_time(schema: JsonObject, words: str) -> None:
    checks = SchemaChecks()
    for _ in range(2):
        fault = checks.fault(schema)
        assert fault is not None
        assert words.replace("\\", "") in fault


@pytest.mark.parametrize("name", ["items", "not", "additionalProperties"])
def test_a_deep_schema_does_not_break_the_check(name: str) -> None:
    schema: JsonObject = {}
    for _ in range(95):
        schema = {name: schema}
    assert SchemaChecks().fault(schema) is None
