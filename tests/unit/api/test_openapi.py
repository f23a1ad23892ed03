"""The document that is checked in is the one that is served."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.write_openapi import document
from api.write_reference import reference

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    return orjson.loads(document())


def test_the_document_is_checked_in() -> None:
    made = "make it anew: python -m api.write_openapi > docs/openapi.json"
    assert KEPT.read_bytes() == document(), made


def test_the_reference_for_people_is_made_of_it() -> None:
    made = "make it anew: python -m api.write_reference > docs/reference.md"
    assert KEPT.with_name("reference.md").read_text() == reference(), made


def test_it_is_openapi_3_1_with_the_version_of_the_project(read: dict[str, Any]) -> None:
    assert read["openapi"].startswith("3.1")
    project = (KEPT.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{read["info"]["version"]}"' in project


@pytest.mark.parametrize(
    "name",
    [
        "ChatStatus",
        "TurnStatus",
        "ErrorKind",
        "EventName",
        "ProblemCode",
        "OnError",
        "BusyBehavior",
        "Role",
    ],
)
def test_enums_are_named(read: dict[str, Any], name: str) -> None:
    assert read["components"]["schemas"][name]["enum"]


def test_every_request_with_a_body_has_an_example(read: dict[str, Any]) -> None:
    for path, operations in read["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                reference = schema.get("$ref") or schema["anyOf"][0]["$ref"]
                named = read["components"]["schemas"][reference.rpartition("/")[2]]
                assert named["examples"], (method, path)


def test_every_reference_leads_somewhere(read: dict[str, Any]) -> None:
    names = {f"#/components/schemas/{name}" for name in read["components"]["schemas"]}
    references = re.findall(r'"\$ref": "([^"]+)"', document().decode())
    assert references
    assert set(references) <= names


def test_every_refusal_is_a_problem(read: dict[str, Any]) -> None:
    for operations in read["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_nothing_of_the_framework_is_left(read: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in read["components"]["schemas"]
