"""Keys come, change and go at the command line while API processes run."""

import time
from dataclasses import replace

from tests.journeys.fleet import Fleet
from tests.journeys.scripts import say, script, wait

IN_TIME_SECONDS = 5.0


def _key_id(fleet: Fleet, owner: str) -> str:
    [(key_id,)] = fleet.rows("SELECT id::text FROM api_keys WHERE owner = %(owner)s", owner=owner)
    return key_id


def test_rotation_and_revocation_end_open_streams_and_requests_in_time(fleet: Fleet) -> None:
    used = "SELECT 1 FROM api_keys WHERE owner = %(owner)s AND last_used_at IS NOT NULL"
    ended: dict[str, float] = {}
    owners = ("revoked", "rotated")
    fleets = {
        owner: replace(fleet, key=fleet.manage_keys("create", "--owner", owner)) for owner in owners
    }
    assert not any(fleet.rows(used, owner=owner) for owner in owners)
    said = {"revoked": script(say("ok")), "rotated": script(wait(60))}
    chats = {owner: fleets[owner].new_chat(said[owner]) for owner in owners}
    assert all(fleet.rows(used, owner=owner) for owner in owners)
    streams = {o: fleets[o].stream(f"/v1/chats/{chats[o]['id']}/stream") for o in owners}
    for stream in streams.values():
        stream.wait_for("status")

    fleet.manage_keys("revoke", _key_id(fleet, "revoked"))
    ended["revoked"] = time.monotonic()
    fresh = fleet.manage_keys("rotate", _key_id(fleet, "rotated"))
    ended["rotated"] = time.monotonic()
    for owner in owners:
        streams[owner].wait_for_end()
        streams[owner].close()
        assert time.monotonic() - ended[owner] < IN_TIME_SECONDS + 1.0
        refused = fleets[owner].call("GET", "/v1/chats")
        assert (refused.status, refused.body["code"]) == (401, "unauthenticated")
    anew = replace(fleet, key=fresh)
    assert anew.ask("GET", f"/v1/chats/{chats['rotated']['id']}")["owner"] == "rotated"
    # The turn itself went on: a key is no part of it.
    interrupted = anew.ask("POST", f"/v1/chats/{chats['rotated']['id']}/interrupt")
    assert interrupted["status"] == "interrupting"
