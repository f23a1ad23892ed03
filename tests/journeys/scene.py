"""A chat with one turn behind it whose second turn somebody comes between, watched all the time."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script
from tests.journeys.sse import Stream
from tests.journeys.tooling import NEXT, call, check_paired

THOUGHT = {"reasoning": "let me think"}
SAID = "all of it"
PLAIN = script(THOUGHT, say(SAID))
FAILING = script(THOUGHT, say(SAID), {"fail": {"status": 503, "retry_after": 60}})
CALLING = script(THOUGHT, say(SAID), call("add", "c1", x=1, y=1), NEXT, say("two"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The chat and its open stream."""

    fleet: Fleet
    chat_id: str
    stream: Stream

    @property
    def path(self) -> str:
        return f"/v1/chats/{self.chat_id}"

    def send(self, content: str) -> tuple[str, int]:
        """Send the second message; return the ids of its turn and of the message."""
        sent = self.fleet.send(self.chat_id, content)
        return sent["turn_id"], int(sent["message"]["id"])

    def interrupt(self) -> str:
        """Interrupt, and return the status that this led to."""
        return self.fleet.ask("POST", f"{self.path}/interrupt", {})["status"]

    def wait_until_said(self) -> None:
        self.stream.wait_for("message_part", lambda part: part["part"].get("text") == SAID)

    def replay(self, turn_id: str) -> Replay:
        """Read until the chat rests after a turn, and compare it with what the API says then."""
        end = self.stream.wait_for("turn_end", lambda data: data["turn_id"] == turn_id)
        after = self.stream.events.index(end)
        self.stream.wait_for("status", lambda data: data["status"] == "waiting", after=after)
        replay = Replay().take_all(self.stream.events)
        self.fleet.check_agrees(self.chat_id, replay)
        check_paired(self.fleet, self.chat_id)
        return replay

    def rows_of(self, turn_id: str) -> list[dict[str, Any]]:
        rows = self.fleet.transcript(self.chat_id)
        return [row for row in rows if row["turn_id"] == turn_id]

    def check_kept(self, turn_id: str, *, said: bool, called: bool = False) -> None:
        """What was said is there, all of it, once, and nothing else."""
        question, *rest = self.rows_of(turn_id)
        assert question["role"] == "user"
        answers = [row for row in rest if row["role"] == "assistant"]
        assert len(answers) == said
        for row in answers:
            texts = {part["type"]: part.get("text") for part in row["content"]}
            assert texts["reasoning"] == THOUGHT["reasoning"]
            assert texts["text"] == SAID
            assert ("tool-call" in texts) == called


@contextmanager
def open_scene(fleet: Fleet) -> Generator[Scene]:
    """Make the chat and its first turn."""
    chat = fleet.new_chat(script(say("first")))
    assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
    with fleet.stream(f"/v1/chats/{chat['id']}/stream") as stream:
        stream.wait_for("status")
        yield Scene(fleet=fleet, chat_id=chat["id"], stream=stream)
