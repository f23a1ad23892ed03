"""Builds exceptions and expectations out of the worked cases in `tests/cases/classify.json`."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from shared.failures.kinds import Failure, Preclassified, ProviderError, StreamReset

CASES: Final = Path(__file__).parents[2] / "cases"

Case = Mapping[str, Any]
"""One case as JSON: the tests check it field by field."""


def load(name: str) -> Any:
    """Return a file of `tests/cases` as JSON."""
    return json.loads((CASES / name).read_text(encoding="utf-8"))


def build(case: Case) -> BaseException:
    """Return the exception that a case describes."""
    message = case["message"]
    match case["error_type"]:
        case "plain":
            return RuntimeError(message)
        case "provider_error":
            inner = _provider_error(case)
            return inner if str(inner) == message else _wrapped(message, inner)
        case "http2_stream_error":
            reset = StreamReset(**case["http2"])
            return reset if str(reset) == message else _wrapped(message, reset)
        case "canceled":
            return asyncio.CancelledError(message)
        case "deadline_exceeded":
            return TimeoutError(message)
        case "wrapped" | "joined":
            return _wrapped(message, _causes(case))
        case "preclassified":
            return Preclassified(Failure(**case["preclassified"]))
        case unknown:
            raise ValueError(unknown)


def _provider_error(case: Case) -> ProviderError:
    return ProviderError(
        message=case.get("provider_message") or case["message"],
        status_code=case.get("status_code", 0),
        headers=case.get("headers", {}),
        body=case.get("response_body", ""),
    )


def _causes(case: Case) -> BaseException:
    made: list[BaseException] = []
    for name in cast("list[str]", case["causes"]):
        match name:
            case "canceled":
                made.append(asyncio.CancelledError("context canceled"))
            case "eof":
                made.append(EOFError("EOF"))
            case "provider_error":
                made.append(_provider_error(case))
            case unknown:
                raise ValueError(unknown)
    return made[0] if len(made) == 1 else BaseExceptionGroup("", made)


def _wrapped(message: str, cause: BaseException) -> BaseException:
    error = RuntimeError(message)
    error.__cause__ = cause
    return error
