"""Workers die, freeze and come back; the turn ends once, and who watches sees one answer."""

import signal

from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import Replay, text_of
from tests.journeys.scripts import script, slowly
from tests.journeys.sse import Stream

RECOVERY_SECONDS = 20.0
ANSWER = "tick " * 40


def _slow_chat(fleet: Fleet) -> tuple[str, str]:
    chat = fleet.new_chat(script(slowly("tick ", 40, 0.05)))
    return chat["id"], chat["turn_id"]


def _check_one_answer(fleet: Fleet, chat_id: str, replay: Replay) -> None:
    fleet.check_agrees(chat_id, replay)
    answers = [text for role, text in replay.texts() if role == "assistant"]
    assert answers == [ANSWER]
    stored = [text_of(m["content"]) for m in fleet.transcript(chat_id) if m["role"] == "assistant"]
    assert stored == [ANSWER]
    assert [status for _, status in replay.ended_turns] == ["finished"]


def _watch(fleet: Fleet, chat_id: str) -> Stream:
    return fleet.stream(f"/v1/chats/{chat_id}/stream?until=idle")


def test_another_worker_finishes_for_a_killed_one(mortal_fleet: Fleet) -> None:
    fleet = mortal_fleet
    chat_id, _ = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream:
        killed = stream.wait_for("message_part", lambda part: part["seq"] >= 5).at
        fleet.holder(chat_id).kill()
        replay = Replay().take_all(stream.wait_for_end())
    names = stream.names()
    assert names.count("preview_reset") == 1
    first_again = stream.wait_for(
        "message_part", lambda part: part["seq"] == 1, after=names.index("preview_reset")
    )
    assert first_again.at - killed < RECOVERY_SECONDS
    _check_one_answer(fleet, chat_id, replay)


def test_a_frozen_worker_that_comes_back_writes_and_shows_nothing(mortal_fleet: Fleet) -> None:
    fleet = mortal_fleet
    chat_id, turn_id = _slow_chat(fleet)
    with _watch(fleet, chat_id) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 5)
        zombie = fleet.holder(chat_id)
        zombie.signal(signal.SIGSTOP)
        stream.wait_for("preview_reset")
        fleet.turn(chat_id, turn_id)
        replay = Replay().take_all(stream.wait_for_end())
    before = fleet.rows("SELECT snapshot_version FROM chats WHERE id = %(chat)s", chat=chat_id)
    with fleet.stream(f"/v1/chats/{chat_id}/stream") as after:
        after.wait_for("status")
        zombie.signal(signal.SIGCONT)
        eventually(lambda: fleet.metric(zombie, "stepwell_leases_lost_total"), "it noticed")
        _wait_for_new_id(fleet, zombie.pid)
    shown = after.names()
    assert "message_part" not in shown
    assert "preview_reset" not in shown
    assert (
        fleet.rows("SELECT snapshot_version FROM chats WHERE id = %(chat)s", chat=chat_id) == before
    )
    _check_one_answer(fleet, chat_id, replay)


def _wait_for_new_id(fleet: Fleet, pid: int) -> None:
    """It registers anew, so it takes work again."""
    statement = "SELECT 1 FROM workers WHERE pid = %(pid)s AND dead_at IS NULL"
    eventually(lambda: fleet.rows(statement, pid=pid), "the worker has a new row")


def test_a_drained_worker_gives_its_chat_back(mortal_fleet: Fleet) -> None:
    fleet = mortal_fleet
    # Longer than the drain of the tests, so that the step is not finished in time.
    chat = fleet.new_chat(script(slowly("tick ", 80, 0.05)))
    with _watch(fleet, chat["id"]) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 3)
        drained = fleet.holder(chat["id"])
        drained.signal(signal.SIGTERM)
        assert drained.popen.wait(30) == 0
        replay = Replay().take_all(stream.wait_for_end())
    assert [text for role, text in replay.texts() if role == "assistant"] == ["tick " * 80]
    [(losses,)] = fleet.rows("SELECT losses FROM chats WHERE id = %(chat)s", chat=chat["id"])
    assert losses == 0


def test_a_stopped_worker_finishes_what_is_nearly_done(mortal_fleet: Fleet) -> None:
    fleet = mortal_fleet
    chat = fleet.new_chat(script(slowly("tick ", 20, 0.05)))
    with _watch(fleet, chat["id"]) as stream:
        stream.wait_for("message_part", lambda part: part["seq"] >= 3)
        stopped = fleet.holder(chat["id"])
        stopped.signal(signal.SIGTERM)
        replay = Replay().take_all(stream.wait_for_end())
        assert stopped.popen.wait(30) == 0
    assert "preview_reset" not in stream.names()
    assert [text for role, text in replay.texts() if role == "assistant"] == ["tick " * 20]
