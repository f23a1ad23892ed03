"""What journeys with real protocols share: models of both dialects, sound and out of reach."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay
from tests.journeys.sse import Event

T = TypeVar("T")

MODELS = ("gpt", "claude")
AT_ONCE = 40

ONE_ATTEMPT = {
    "STEPWELL_MAX_FAILURES": "1",
    "STEPWELL_STARTUP_SECONDS": "6",
    "STEPWELL_SILENCE_SECONDS": "4",
    "STEPWELL_CONNECT_SECONDS": "2",
}
"""The first failure is the last; the guards are short, and startup takes longer than silence."""

_DIALECTS = {"gpt": "openai-chat", "claude": "anthropic"}


def declare_providers(folder: Path, models: FakeModels) -> Path:
    """Write a `stepwell.toml` with a model of each dialect, and three that can't be reached."""
    https = models.url.replace("http://", "https://")
    urls = {"": models.url, "-refused": "http://127.0.0.1:1", "-tls": https}
    urls["-nameless"] = "http://nowhere.invalid"
    text = ""
    for name, dialect in _DIALECTS.items():
        path = "/v1" if dialect == "openai-chat" else ""
        for suffix, url in urls.items():
            text += (
                f"[providers.{name}{suffix}]\n"
                f'dialect = "{dialect}"\nbase_url = "{url}{path}"\napi_key = "sk-fake"\n'
                f'[models.{name}{suffix}]\nprovider = "{name}{suffix}"\n'
            )
    path = folder / "stepwell.toml"
    path.write_text(text + '[tools]\nmodules = ["tests.journeys.kit"]\n')
    return path


def wired(*steps: Mapping[str, object], **wire: object) -> str:
    """A script whose answers go wrong below the dialect."""
    return json.dumps({"script": steps, "wire": wire})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A turn that has ended, as the one who asked has seen it."""

    chat_id: str
    turn_id: str
    events: Sequence[Event]

    @property
    def error(self) -> dict[str, Any] | None:
        """What the stream said went wrong."""
        return next((event.data for event in self.events if event.name == "error"), None)


def ask(fleet: Fleet, content: str, model: str, *, seconds: float = 60) -> Ended:
    """Create a chat and read its stream to the end of the turn."""
    body = {"content": content, "model": model}
    with fleet.stream("/v1/chats", method="POST", body=body) as stream:
        events = stream.wait_for_end(seconds)
        chat_id, turn_id = stream.headers["Stepwell-Chat-Id"], stream.headers["Stepwell-Turn-Id"]
    return Ended(chat_id=chat_id, turn_id=turn_id, events=events)


def all_at_once(acts: Sequence[Callable[[], T]], at_once: int = AT_ONCE) -> list[T]:
    """Do many things, so many at a time; return what they returned, in their order."""
    with ThreadPoolExecutor(at_once) as pool:
        return [done.result() for done in [pool.submit(act) for act in acts]]


def check_failed(fleet: Fleet, ended: Ended) -> dict[str, Any]:
    """Assert that a failed turn looks the same from everywhere, and left nothing; return how."""
    error = ended.error
    assert error is not None, ended.events
    chat = fleet.ask("GET", f"/v1/chats/{ended.chat_id}")
    turn = fleet.ask("GET", f"/v1/chats/{ended.chat_id}/turns/{ended.turn_id}")
    assert (chat["status"], chat["last_error"]) == ("error", error)
    assert (turn["status"], turn["error"]) == ("failed", error)
    [turn_end] = [event.data for event in ended.events if event.name == "turn_end"]
    assert (turn_end["status"], turn_end["error"]) == ("failed", error)
    with fleet.stream(f"/v1/chats/{ended.chat_id}/stream?until=idle") as reloaded:
        replay = Replay().take_all(reloaded.wait_for_end())
    fleet.check_agrees(ended.chat_id, replay)
    assert replay.error == error
    assert [role for role, _ in replay.texts()] == ["user"]
    return error
