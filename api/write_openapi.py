"""`python -m api.write_openapi > docs/openapi.json`: the document as it is checked in."""

import sys

import orjson

from api.app import make_routes


def document() -> bytes:
    """Return the document, indented so that a change of it can be read."""
    return orjson.dumps(make_routes().openapi(), option=orjson.OPT_INDENT_2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(document())
