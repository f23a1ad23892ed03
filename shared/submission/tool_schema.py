"""Checks the input schemas of dynamic tools. Remembers which were right: clients repeat theirs."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import orjson
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for

from shared.jsonvalue import JsonValue

MAX_BYTES: Final = 64 * 1024
"""Checking a schema takes time in proportion to its length: about 2 ms for an ordinary one."""

_KEPT: Final = 4096


class SchemaChecks:
    """Says what is wrong with a schema. Safe between threads."""

    def __init__(self) -> None:
        """Begin without knowing any."""
        self._lock = threading.Lock()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def fault(self, schema: Mapping[str, JsonValue]) -> str | None:
        """Return what is wrong with a schema, None = nothing."""
        written = orjson.dumps(schema)
        if len(written) > MAX_BYTES:
            return "must have at most 64 KiB as JSON"
        digest = hashlib.sha256(written).digest()
        with self._lock:
            if digest in self._right:
                self._right.move_to_end(digest)
                return None
        try:
            kind: type[Validator] = validator_for(schema, default=Draft202012Validator)
            kind.check_schema(dict(schema))
        except SchemaError as error:
            return f"is not a JSON Schema: at {error.json_path}: {error.message[:200]}"
        self._remember(digest)
        return None

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._right[digest] = None
            while len(self._right) > _KEPT:
                self._right.popitem(last=False)
