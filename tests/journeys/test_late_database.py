"""What starts together may come up in any order."""

from pathlib import Path

from local.databases.postgres import Postgres
from local.databases.valkey import Valkey
from tests.journeys.fleet import Fleet, eventually, kill_server
from tests.journeys.scripts import say, script
from tests.servers import migrate


def test_a_worker_waits_for_a_database_that_is_on_its_way(tmp_path: Path) -> None:
    with (
        Postgres(tmp_path / "postgres") as postgres,
        Valkey(tmp_path / "valkey", fast=True) as valkey,
    ):
        migrate(postgres.url)
        with Fleet(postgres.url, valkey.url, tmp_path) as fleet:
            kill_server(postgres)
            worker = fleet.spawn_worker({})
            eventually(lambda: "worker.waits_for_postgresql" in worker.log.read_text(), "it waits")
            postgres.start()
            fleet.start(apis=1, workers=0)
            chat = fleet.new_chat(script(say("here I am")))
            assert fleet.turn(chat["id"], chat["turn_id"])["status"] == "finished"
            assert worker.alive()
