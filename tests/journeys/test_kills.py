"""Thirty chats in flight and workers that are killed all the time: each turn has one answer."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import pytest

from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import script, slowly
from tests.journeys.sse import Stream

LONGEST_SILENCE_SECONDS = 20.0
PAUSE_SECONDS = (0.4, 1.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many of each; the workers are replaced as they are killed."""

    chats: int
    turns: int
    kills: int
    workers: int = 3


FULL = Load(chats=30, turns=4, kills=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A chat with turns to come, the answers they must get, and somebody who watches."""

    id: str
    turns: tuple[str, ...]
    answers: tuple[str, ...]
    stream: Stream


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_turn_is_answered_once_through_random_kills(make_fleet: MakeFleet) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    fleet = make_fleet().start(apis=1, workers=FULL.workers)
    with ExitStack() as stack:
        chats = [start_chat(fleet, dice, stack, FULL.turns) for _ in range(FULL.chats)]
        _kill_again_and_again(fleet, dice, FULL.kills)
        for chat in chats:
            chat.stream.wait_for_end(120)
    for chat in chats:
        check_chat(fleet, chat)
    silences = [chat.stream.longest_silence() for chat in chats]
    print(f"longest silence {max(silences):.2f} s, median {median(silences):.2f} s")
    assert max(silences) < LONGEST_SILENCE_SECONDS
    assert fleet.rows("SELECT id FROM chats WHERE lease_id IS NOT NULL") == []


def start_chat(fleet: Fleet, dice: random.Random, stack: ExitStack, turns: int) -> Busy:
    lengths = [dice.randrange(10, 60) for _ in range(turns)]
    contents = [script(slowly(f"{n} ", n, 0.05)) for n in lengths]
    chat = fleet.new_chat(contents[0])
    later = [fleet.send(chat["id"], content)["turn_id"] for content in contents[1:]]
    turn_ids = (chat["turn_id"], *later)
    path = f"/v1/chats/{chat['id']}/stream?until=turn:{turn_ids[-1]}"
    return Busy(
        id=chat["id"],
        turns=turn_ids,
        answers=tuple(f"{n} " * n for n in lengths),
        stream=stack.enter_context(fleet.stream(path)),
    )


def _kill_again_and_again(fleet: Fleet, dice: random.Random, kills: int) -> None:
    for _ in range(kills):
        # The pause is part of the load: it spreads the kills over the steps.
        time.sleep(dice.uniform(*PAUSE_SECONDS))
        victim = dice.choice([worker for worker in fleet.workers if worker.alive()])
        victim.kill()
        fleet.start_worker()


def check_chat(fleet: Fleet, chat: Busy) -> None:
    replay = Replay().take_all(chat.stream.events)
    assert replay.faults == []
    assert replay.ended_turns == [(turn, "finished") for turn in chat.turns]
    stored = fleet.transcript(chat.id)
    assert [m["role"] for m in stored] == ["user", "assistant"] * len(chat.turns)
    assert tuple(text_of(m["content"]) for m in stored[1::2]) == chat.answers
    assert replay.texts() == [(m["role"], text_of(m["content"])) for m in stored]
