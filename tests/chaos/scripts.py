"""What clients say: scripts whose answers are known word by word."""

import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.play import ASK as ASK_NUMBER
from tests.journeys.scripts import say, wait
from tests.journeys.tooling import NEXT, call

INPUT, OUTPUT = 7, 3
USAGE: Mapping[str, object] = {"usage": {"input": INPUT, "output": OUTPUT}}
ONCE, AGAIN = "count", "count_again"
_LOOK = "let me see "
_NUMBER = re.compile(r"-(\d+) ")


def numbers_in(text: str) -> set[int]:
    """Return the requests to the model that these words are from."""
    return {int(number) for number in _NUMBER.findall(text)}


def words_of(text: str) -> str:
    """Return what was said, whichever request it was that brought it."""
    return _NUMBER.sub(" ", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message of a user, and what must come of it if nobody comes between."""

    content: str
    answer: str
    rounds: int = 1
    asks: int = 1
    """How often the model is asked for each of its rounds."""

    outcome: str = "finished"
    traces: Mapping[str, Path] = field(default_factory=dict[str, Path])


class Author:
    """Writes the lines of one chat; the same dice, the same lines."""

    def __init__(self, dice: random.Random, folder: Path, name: str, *, pace: float) -> None:
        """Take where tools leave their traces and the seconds between two words."""
        self.dice = dice
        self._folder = folder
        self._name = name
        self._pace = pace
        self._numbers = itertools.count(1)

    def plain(self, *, words: int = 0) -> Line:
        """Think, then say so many words, each of which is there once."""
        steps, answer = self._words(words or self.dice.randrange(8, 40))
        return Line(content=_numbered({"reasoning": "hm, "}, *steps, USAGE), answer=answer)

    def failing(self) -> Line:
        """Break off in mid-answer, and answer the second time."""
        failing = {"fail_times": {"times": 1, "type": "overloaded", "message": "Overloaded"}}
        steps, answer = self._words(self.dice.randrange(6, 20))
        middle = len(steps) // 2
        content = _numbered(*steps[:middle], failing, *steps[middle:], USAGE)
        return Line(content=content, answer=answer, asks=2)

    def failing_for_good(self) -> Line:
        """Break off in mid-answer with what no retry mends."""
        steps, _ = self._words(4)
        refused = {"fail": {"type": "refused", "message": "no"}}
        return Line(content=_numbered(*steps, refused), answer="", rounds=0, outcome="failed")

    def using_tools(self, *, nap_seconds: float = 0.0) -> Line:
        """Call two tools, of which one must not run twice, and one that takes a while."""
        number = next(self._numbers)
        traces = {
            ONCE: self._folder / f"{self._name}-{number}-once",
            AGAIN: self._folder / f"{self._name}-{number}-again",
        }
        steps, answer = self._words(self.dice.randrange(4, 16))
        made = [call(tool, f"{tool}-{number}", trace=str(path)) for tool, path in traces.items()]
        seconds = nap_seconds or round(self.dice.uniform(0.05, 0.6), 2)
        nap = call("nap", f"nap-{number}", seconds=seconds)
        content = _numbered(_say(_LOOK), *made, nap, USAGE, NEXT, *steps, USAGE)
        return Line(content=content, answer=_LOOK + answer, rounds=2, traces=traces)

    def asking(self) -> Line:
        """Call a tool of the client, once or twice at a time."""
        number = next(self._numbers)
        steps, answer = self._words(self.dice.randrange(4, 16))
        times = self.dice.randrange(1, 3)
        asked = [call("ask", f"ask-{number}-{n}", n=n) for n in range(times)]
        content = _numbered(_say(_LOOK), *asked, USAGE, NEXT, *steps, USAGE)
        return Line(content=content, answer=_LOOK + answer, rounds=2)

    def _words(self, count: int) -> tuple[list[Mapping[str, object]], str]:
        number = next(self._numbers)
        words = [f"{self._name}.{number}.{n} " for n in range(count)]
        pause = round(self._pace * self.dice.uniform(0.5, 1.5), 3)
        steps = [step for word in words for step in (wait(pause), _say(word))]
        return steps, "".join(words)


def _numbered(*steps: Mapping[str, object]) -> str:
    return json.dumps({"script": steps, "wire": {"numbered": True}})


def _say(word: str) -> Mapping[str, object]:
    """Say a word with the number of the request: two answers to the same are told apart."""
    return say(f"{word.rstrip()}-{ASK_NUMBER} ")
