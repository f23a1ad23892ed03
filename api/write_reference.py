"""`python -m api.write_reference > docs/reference.md`: the OpenAPI document, for people."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from api.app import make_routes

Json = Mapping[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")


def reference() -> str:
    """Return every path and every shape, as one page of Markdown."""
    return write(make_routes().openapi())


def write(document: Json) -> str:
    """Write an OpenAPI document of ours as Markdown. Pure."""
    lines = [
        "# Reference",
        "",
        "Made of [openapi.json](openapi.json) by `python -m api.write_reference`. How the parts",
        "play together, with commands that run, is in [the API](api.md).",
        "",
        "## Paths",
    ]
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                lines += _operation(f"{method.upper()} {path}", methods[method])
    lines += ["", "## Shapes"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join(lines) + "\n"


def _operation(title: str, operation: Json) -> Iterator[str]:
    yield from ("", f"### {title}", "", operation.get("description", operation["summary"]), "")
    rows = [
        (f"`{p['name']}`, {p['in']}", _type(p["schema"]), p.get("description", ""))
        for p in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        rows.append(("body", _content(operation["requestBody"]), ""))
    rows += [
        (status, _content(answer), answer["description"])
        for status, answer in sorted(operation["responses"].items())
    ]
    yield from _table(("", "type", "meaning"), rows)


def _shape(name: str, schema: Json) -> Iterator[str]:
    yield from ("", f"### {name}", "")
    if schema.get("description"):
        yield from (" ".join(schema["description"].split()), "")
    fields: Json = schema.get("properties", {})
    if not fields:
        yield _type(schema) or "No fields."
        return
    required = schema.get("required", ())
    yield from _table(
        ("field", "type", "meaning"),
        [
            (
                f"`{field}`" + ("" if field in required else "?"),
                _type(of),
                of.get("description", ""),
            )
            for field, of in fields.items()
        ],
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |"


def _content(body: Json) -> str:
    return ", ".join(
        _type(shape["schema"]) if kind.endswith("json") else f"`{kind}`"
        for kind, shape in body.get("content", {}).items()
    )


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind: object = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    return f"{kind}{_limits(schema)}"


def _limits(schema: Json) -> str:
    low = schema.get("minLength", schema.get("minimum"))
    high = schema.get("maxLength", schema.get("maximum"))
    if "format" in schema:
        return f" ({schema['format']})"
    if low is None and high is None:
        return ""
    if high is None:
        return f", {low} at least"
    return f", {high} at most" if low is None else f", {low} to {high}"


if __name__ == "__main__":
    sys.stdout.write(reference())
