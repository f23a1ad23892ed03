"""Titles: six words, a model's proposal once, and never over a person's."""

from pathlib import Path

from tests.journeys.conftest import MakeFleet
from tests.journeys.fleet import Fleet
from tests.journeys.scripts import script, slowly

TITLED = """
default_model = "scripted"
title_model = "titles"
[providers.scripted]
dialect = "scripted"
[models.scripted]
provider = "scripted"
[models.titles]
provider = "scripted"
options = { script = [{ text = "A proposed" }, { delay = 0.3 }, { text = " title." }] }
"""


def _titled(make_fleet: MakeFleet, folder: Path) -> Fleet:
    path = folder / "stepwell.toml"
    path.write_text(TITLED)
    return make_fleet(STEPWELL_CONFIG=str(path)).start()


def test_without_a_title_model_the_first_six_words_stay(fleet: Fleet) -> None:
    chat = fleet.new_chat("one two three four five six seven")
    fleet.turn(chat["id"], chat["turn_id"])
    assert fleet.ask("GET", f"/v1/chats/{chat['id']}")["title"] == "one two three four five six"


def test_a_model_s_title_comes_once_and_a_person_s_stays(
    make_fleet: MakeFleet, tmp_path: Path
) -> None:
    fleet = _titled(make_fleet, tmp_path)
    chat = fleet.new_chat("hello there")
    with fleet.stream(f"/v1/chats/{chat['id']}/stream") as stream:
        stream.wait_for("title", lambda data: data["title"] == "A proposed title")
    path = f"/v1/chats/{chat['id']}"
    assert fleet.ask("GET", path)["title"] == "A proposed title"

    mine = fleet.new_chat(script(slowly("tick ", 10, 0.05)))
    fleet.ask("PATCH", f"/v1/chats/{mine['id']}", {"title": "Mine"})
    fleet.turn(mine["id"], mine["turn_id"])
    # The proposal for a later chat is heard of after the one for this chat was dropped.
    later = fleet.new_chat("hello again")
    with fleet.stream(f"/v1/chats/{later['id']}/stream") as stream:
        stream.wait_for("title", lambda data: data["title"] == "A proposed title")
    assert fleet.ask("GET", f"/v1/chats/{mine['id']}")["title"] == "Mine"
