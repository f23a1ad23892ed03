import json
import shlex
from dataclasses import replace

from local.banner import banner, first_request
from tests.unit.local.test_state import RUNNING


def test_the_request_can_be_pasted_as_it_is() -> None:
    words = shlex.split(first_request(RUNNING))
    assert words[:3] == ["curl", "-N", "http://127.0.0.1:8642/v1/chats"]
    assert "Authorization: Bearer swk_x" in words
    assert "Accept: text/event-stream" in words
    assert json.loads(words[words.index("-d") + 1]) == {"content": "Hello!"}


def test_the_request_has_a_line_of_its_own() -> None:
    assert first_request(RUNNING) in banner(RUNNING, 1.0).splitlines()


def test_the_banner_tells_the_time_and_the_workers() -> None:
    assert "ready after 1.2 s, with one worker." in banner(RUNNING, 1.23)
    two = replace(RUNNING, worker_metrics_urls=("a", "b"))
    assert "with 2 workers." in banner(two, 1.0)


def test_servers_that_are_not_ours_are_named_without_their_passwords() -> None:
    named = {
        "STEPWELL_DATABASE_URL": "postgresql://app:secret@db:5432/chats",
        "STEPWELL_REDIS_URL": "unix:///run/redis.sock",
    }
    shown = banner(RUNNING, 1.0, named=named)
    assert "Uses   postgresql://db:5432/chats, named by STEPWELL_DATABASE_URL" in shown
    assert "Uses   unix:///run/redis.sock, named by STEPWELL_REDIS_URL" in shown
    assert "secret" not in shown
    assert "Uses" not in banner(RUNNING, 1.0)
