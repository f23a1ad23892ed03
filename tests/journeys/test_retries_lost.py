"""Workers, messages and Redis are lost while chats back off: each retry is made once, on time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from shared.broker.celery_app import make_app
from shared.broker.dispatcher import Dispatcher
from shared.chats.model.ids import ChatId
from tests.fakes.process import FakeModels
from tests.journeys.fleet import Fleet, eventually, kill_server
from tests.journeys.providing import MODELS, all_at_once, declare_providers
from tests.journeys.replay import Replay
from tests.journeys.scripts import say, script, wait
from tests.servers import copied_database

THREADS = 2
MANY = 30
LATE_SECONDS = 5.0
"""The sweeper finds a lost message within half a second; the rest is for a busy machine."""

FAULTS = {"overloaded": "overloaded", "rate_limit": "rate_limit", "server_error": "generic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One worker with two threads, and a Redis that a test may end; two attempts each step."""

    valkey: Valkey
    fleet: Fleet
    models: FakeModels


@pytest.fixture(scope="module")
def module_site(
    postgres: Postgres, fake_models: FakeModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("retries")
    settings = {
        "STEPWELL_CONFIG": str(declare_providers(folder, fake_models)),
        "STEPWELL_WORKER_CONCURRENCY": str(THREADS),
        "STEPWELL_MAX_FAILURES": "2",
    }
    with (
        copied_database(postgres) as database_url,
        Valkey(folder / "valkey", fast=True) as valkey,
        Fleet(database_url, valkey.url, folder, settings) as fleet,
    ):
        yield Site(valkey=valkey, fleet=fleet.start(apis=1, workers=1), models=fake_models)


@pytest.fixture
def site(module_site: Site) -> Site:
    """The site, and models that have forgotten what other tests asked them."""
    module_site.models.forget()
    return module_site


def failing_once(**how: object) -> str:
    return script({"fail_times": {"times": 1, "status": 503, **how}}, say("after all"))


def _begin_to_wait(fleet: Fleet, content: str, model: str) -> tuple[str, str, datetime]:
    """Create a chat and wait until it backs off; return its ids and when it goes on."""
    chat = fleet.new_chat(content, model=model)
    with fleet.stream(f"/v1/chats/{chat['id']}/stream") as stream:
        until = stream.wait_for("retry").data["retrying_at"]
    return chat["id"], chat["turn_id"], datetime.fromisoformat(until)


def _check_one_answer_on_time(site: Site, chat_id: str, turn_id: str, until: datetime) -> None:
    assert site.fleet.turn(chat_id, turn_id)["status"] == "finished"
    [_, answer] = site.fleet.transcript(chat_id)
    assert [part["text"] for part in answer["content"]] == ["after all"]
    late = datetime.fromisoformat(answer["created_at"]) - until
    # A delivery may begin a quarter of a second early; both times are the database's.
    assert timedelta(seconds=-0.25) <= late < timedelta(seconds=LATE_SECONDS)
    assert len(site.models.requests()) == 2


def test_chats_that_back_off_hold_nothing(site: Site) -> None:
    fleet = site.fleet
    [worker] = fleet.workers
    content = script({"fail": {"status": 429, "retry_after": 60}})
    others = {one.number for one in site.models.connections()}
    chats = all_at_once([partial(_begin_to_wait, fleet, content, "gpt")] * MANY)
    assert fleet.rows("SELECT 1 FROM chats WHERE lease_id IS NOT NULL") == []
    # The last step tells of its retry before its thread has ended.
    eventually(lambda: fleet.metric(worker, "stepwell_chats") == 0, "no thread is held")
    # A connection without a request is kept for the next one; one may be opened while another is
    # on its way back.
    made = [one for one in site.models.connections() if one.number not in others]
    open_now = [one for one in made if one.closed is None]
    assert len(open_now) <= 2 * THREADS
    waiting = fleet.metric(fleet.apis[0], "stepwell_pending_chats", state="backing_off")
    assert waiting == MANY
    assert fleet.metric(fleet.apis[0], "stepwell_oldest_pending_age_seconds") == 0
    quick = fleet.new_chat("hello", model="claude")
    assert fleet.turn(quick["id"], quick["turn_id"], wait=10)["status"] == "finished"
    for chat_id, _, _ in chats:
        fleet.ask("POST", f"/v1/chats/{chat_id}/interrupt")


def test_a_retry_is_made_on_time_by_a_redis_that_came_back_empty(site: Site) -> None:
    waiting = _begin_to_wait(site.fleet, failing_once(retry_after=3), "claude")
    kill_server(site.valkey)
    site.valkey.start()
    _check_one_answer_on_time(site, *waiting)


def test_a_retry_is_made_on_time_though_redis_was_away_when_the_attempt_failed(site: Site) -> None:
    failing = {"fail_times": {"times": 1, "status": 503, "retry_after": 4}}
    chat = site.fleet.new_chat(script(wait(1.0), failing, say("after all")), model="gpt")
    site.models.wait_for_requests(1)
    kill_server(site.valkey)
    backs_off = "SELECT retry_at FROM chats WHERE id = %(c)s AND retry_at IS NOT NULL"
    [(until,)] = eventually(lambda: site.fleet.rows(backs_off, c=chat["id"]), "it backs off")
    site.valkey.start()
    _check_one_answer_on_time(site, chat["id"], chat["turn_id"], until)


def test_a_retry_is_made_on_time_though_the_worker_died_that_had_its_message(site: Site) -> None:
    fleet = site.fleet
    chat_id, turn_id, _ = _begin_to_wait(fleet, failing_once(retry_after=60), "gpt")
    [holder] = fleet.workers
    fleet.start_worker()
    holder.kill()
    fleet.workers.remove(holder)
    soon = "UPDATE chats SET retry_at = now() + interval '1 s' WHERE id = %(c)s RETURNING retry_at"
    [(until,)] = fleet.rows(soon, c=chat_id)
    _check_one_answer_on_time(site, chat_id, turn_id, until)


def test_a_retry_that_is_delivered_again_and_again_is_made_once(site: Site) -> None:
    fleet = site.fleet
    dispatcher = Dispatcher(make_app(broker_url=fleet.redis_url, concurrency=1))
    chat_id, turn_id, until = _begin_to_wait(fleet, failing_once(), "claude")
    for countdown in (0.0, 0.0, 0.4, 0.9, 1.0, 1.0, 1.1, 1.5):
        dispatcher.send(ChatId(UUID(chat_id)), countdown_seconds=countdown)
    _check_one_answer_on_time(site, chat_id, turn_id, until)
    dispatcher.send(ChatId(UUID(chat_id)))
    eventually(
        lambda: fleet.rows(
            "SELECT 1 FROM chats WHERE id = %(c)s AND status = 'waiting'", c=chat_id
        ),
        "nothing is left to do",
    )
    assert len(site.models.requests()) == 2
    dispatcher.close()


def test_a_person_can_lead_a_chat_away_from_a_provider_that_is_down(site: Site) -> None:
    fleet = site.fleet
    chat = fleet.new_chat(script(say("after all")), model="gpt-refused")
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        retry = stream.wait_for("retry")
        fleet.ask("PATCH", f"/v1/chats/{chat['id']}", {"model": "claude"})
        replay = Replay().take_all(stream.wait_for_end())
    assert (retry.data["kind"], retry.data["provider"]) == ("timeout", "gpt-refused")
    fleet.check_agrees(chat["id"], replay)
    assert replay.ended_turns == [(chat["turn_id"], "finished")]
    [_, answer] = fleet.transcript(chat["id"])
    assert (answer["model"], answer["content"][0]["text"]) == ("claude", "after all")


def test_the_cap_ends_the_turn_and_each_retry_is_counted_before_it_is_told(site: Site) -> None:
    cases = [(model, *fault) for model in MODELS for fault in FAULTS.items()]
    all_at_once([partial(_check_capped, site.fleet, *case) for case in cases])
    assert len(site.models.requests()) == 2 * len(cases)


def _check_capped(fleet: Fleet, model: str, fault: str, kind: str) -> None:
    labels = {"provider": model, "model": model, "kind": kind, "chain_broken": "false"}

    def retries() -> float:
        name = "stepwell_stream_retries_total"
        return sum(fleet.metric(worker, name, **labels) for worker in fleet.workers)

    before = retries()
    chat = fleet.new_chat(script(say("a"), {"fail": fault}), model=model)
    with fleet.stream(f"/v1/chats/{chat['id']}/stream?until=idle") as stream:
        retry = stream.wait_for("retry")
        assert retries() - before == 1
        replay = Replay().take_all(stream.wait_for_end())
    assert stream.names().count("retry") == 1
    fleet.check_agrees(chat["id"], replay)
    assert replay.error is not None
    for told in (retry.data, replay.error):
        assert (told["kind"], told["retryable"], told["provider"]) == (kind, True, model)
    assert retries() - before == 1
