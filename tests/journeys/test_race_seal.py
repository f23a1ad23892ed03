"""A worker thaws while another one finishes its interruption, from a buffer read before."""

import signal

from tests.journeys.barriers import Ambush, held_row, wait_for_waiting
from tests.journeys.fleet import Fleet, eventually
from tests.journeys.replay import Replay, text_of
from tests.journeys.scene import open_scene
from tests.journeys.scripts import script, slowly
from workers.failpoints import Failpoint

WORDS = script(slowly("word ", 400, 0.05))
"""After every freeze the next word is due at once, before the worker learns of anything."""

REFUSED = "episode.sealed"
"""What a worker logs whose parts nobody wants any more."""


def test_nobody_is_shown_a_part_that_the_message_will_not_have(
    doomed_fleet: Fleet, ambush: Ambush
) -> None:
    fleet = doomed_fleet
    with open_scene(fleet) as scene:
        turn_id, _ = scene.send(WORDS)
        scene.stream.wait_for("message_part")
        zombie = fleet.holder(scene.chat_id)
        zombie.signal(signal.SIGSTOP)
        try:
            assert scene.interrupt() == "interrupting"
            ambush.lay(Failpoint.RECOVERING, scene.chat_id)
            recovering = ambush.wait(fleet)
            with held_row(fleet, scene.chat_id):
                recovering.go_on()
                wait_for_waiting(fleet, 1)  # the buffer is read, the message is not written
                shown = scene.stream.names().count("message_part")
                logged = zombie.log.read_text().count(REFUSED)
                zombie.signal(signal.SIGCONT)

                def spoke() -> bool:
                    more = scene.stream.names().count("message_part") > shown
                    return more or zombie.log.read_text().count(REFUSED) > logged

                eventually(spoke, "the thawed worker has tried to say more")
        finally:
            zombie.signal(signal.SIGCONT)
        scene.stream.wait_for("turn_end", lambda data: data["turn_id"] == turn_id)
        replay = Replay().take_all(scene.stream.events)
        [answer] = [row for row in scene.rows_of(turn_id) if row["role"] == "assistant"]
    said, previewed = text_of(answer["content"]), replay.previewed[int(answer["id"])]
    assert said.startswith(previewed)
    assert answer["interrupted"]
