"""Scripts for the scripted model and the fake model server, as message content."""

import json
from collections.abc import Mapping


def script(*steps: Mapping[str, object]) -> str:
    """Return the message that makes the model play these steps."""
    return json.dumps({"script": steps})


def say(text: str) -> Mapping[str, object]:
    return {"text": text}


def slowly(text: str, times: int, delay: float) -> Mapping[str, object]:
    """Say the same so many times, each after `delay` seconds."""
    return {"repeat": {"text": text, "times": times, "delay": delay}}


def wait(seconds: float) -> Mapping[str, object]:
    return {"delay": seconds}
