"""What must hold when everything has come to rest, whatever failed before."""

import itertools
from collections.abc import Iterator, Sequence

from tests.chaos.client import Client, Turn
from tests.chaos.scripts import INPUT, ONCE, OUTPUT, Line, numbers_in, words_of
from tests.chaos.stored import Stored, StoredMessage, StoredTurn, load
from tests.journeys.fleet import Fleet
from tests.journeys.replay import text_of
from tests.journeys.tooling import lines

SUM_SECONDS = 0.05
"""What rounding may make of six phases."""

ENDED = frozenset({"finished", "failed", "interrupted", "replaced"})


def check_clients(fleet: Fleet, clients: Sequence[Client]) -> list[str]:
    """Return every fault of these chats, in the database and in what their clients saw."""
    faults: list[str] = []
    stored = load(fleet, [client.chat_id for client in clients])
    for client in clients:
        found = [*_of_view(client), *_of_chat(client, stored[client.chat_id])]
        if found:
            where = f"client {client.name}, chat {client.chat_id}"
            faults += [f"{where}: {fault}" for fault in found]
            faults += client.view.recent
    return faults


def _of_view(client: Client) -> Iterator[str]:
    yield from client.view.faults
    if {*client.view.outcomes} != {turn.id for turn in client.turns}:
        accepted = [turn.id for turn in client.turns]
        yield f"accepted {accepted}, seen to end {client.view.outcomes}"


def _of_chat(client: Client, stored: Stored) -> Iterator[str]:
    if {*stored.turns} != {turn.id for turn in client.turns}:
        yield f"accepted {[turn.id for turn in client.turns]}, stored {[*stored.turns]}"
        return
    seen = {id_: turn.status for id_, turn in stored.turns.items()}
    if client.view.outcomes != seen:
        yield f"stored {seen}, seen {client.view.outcomes}"
    blocks = [turn_id for turn_id, _ in itertools.groupby(stored.messages, lambda m: m.turn_id)]
    if len({*blocks}) != len(blocks):
        yield f"the turns lie between each other: {blocks}"
    for turn in client.turns:
        own = [message for message in stored.messages if message.turn_id == turn.id]
        faults = _of_turn(turn, stored.turns[turn.id], own)
        yield from (f"turn {turn.id}: {fault}" for fault in faults)
    if stored.counted != stored.spent:
        yield f"the chat's usage is {stored.counted}, its messages' {stored.spent}"


def _of_turn(turn: Turn, row: StoredTurn, messages: Sequence[StoredMessage]) -> Iterator[str]:
    line = turn.line
    texts = [text_of(message.content) for message in messages if message.role == "assistant"]
    said = "".join(words_of(text) for text in texts)
    used = [message.usage for message in messages if any(message.usage)]
    if row.status not in ENDED:
        yield f"it is {row.status}"
    if row.status != line.outcome and not turn.disturbed:
        yield f"it is {row.status}, and nobody came between: {row.error}"
    mixed = [text for text in texts if len(numbers_in(text)) > 1]
    if mixed:
        yield f"an answer is put together from several: {mixed}"
    if not line.answer.startswith(said):
        yield f"{said!r} is no part of {line.answer!r}"
    # One that has been edited away has no messages any more.
    if row.status == "finished" and messages:
        if said != line.answer:
            yield f"it is answered by {said!r} and not by {line.answer!r}"
        if used != [(INPUT, OUTPUT)] * line.rounds:
            yield f"its usage is {used} for {line.rounds} answers"
    if [message.role for message in messages].count("user") != bool(messages):
        yield "it has not one message of the user"
    spent = sum(row.time.values())
    if abs(spent - row.seconds) > SUM_SECONDS:
        yield f"its times {row.time} are {spent}, it took {row.seconds}"
    yield from _of_calls(line, messages)


def _of_calls(line: Line, messages: Sequence[StoredMessage]) -> Iterator[str]:
    parts = [part for message in messages for part in message.content]
    calls = [part["tool_call_id"] for part in parts if part["type"] == "tool-call"]
    results = [part["tool_call_id"] for part in parts if part["type"] == "tool-result"]
    if sorted(calls) != sorted(results) or len({*calls}) != len(calls):
        yield f"the calls {calls} have the results {results}"
    for tool, path in line.traces.items():
        traces = lines(path)
        if tool == ONCE and len(traces) > 1:
            yield f"{tool} ran {len(traces)} times"
        if len({*traces}) > 1:
            yield f"{tool} ran under several keys: {traces}"
