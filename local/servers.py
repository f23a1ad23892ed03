"""The database and the broker: our own ones, or those the environment names."""

import asyncio
from collections.abc import Callable

from pydantic import SecretStr

from local.databases.postgres import Postgres
from local.databases.server import Server
from local.databases.valkey import Valkey
from local.errors import ExternalUnreachable
from local.machine.probe import postgres_refusal, redis_refusal
from local.processes.keeper import Keeper, Tools
from local.processes.together import together
from local.services import OwnServer
from local.settings import DATABASE_URL, REDIS_URL, LocalSettings

EXTERNAL_SECONDS = 15.0
POLL_SECONDS = 0.5


class Servers:
    """Both servers; a keeper is None where the environment names a server."""

    def __init__(self, settings: LocalSettings, tools: Tools) -> None:
        """Take the settings; nothing runs yet."""
        folder = settings.state_dir
        connections = settings.wanted_connections
        self._common = settings.common
        self._tools = tools
        self._own_postgres = Postgres(folder, max_connections=connections)
        self._own_redis = Valkey(folder)
        self.postgres = self._keeper(self._own_postgres) if settings.own_postgres else None
        self.redis = self._keeper(self._own_redis) if settings.own_redis else None

    async def start(self) -> dict[str, str]:
        """Bring both up at once; gives the variables with the URLs of our own ones."""
        common = self._common
        await together(
            self.postgres.start()
            if self.postgres
            else self._await(DATABASE_URL, postgres_refusal, common.database_url),
            self.redis.start()
            if self.redis
            else self._await(REDIS_URL, redis_refusal, common.redis_url),
        )
        urls: dict[str, str] = {}
        if self.postgres:
            urls[DATABASE_URL] = self._own_postgres.url
        if self.redis:
            urls[REDIS_URL] = self._own_redis.url
        return urls

    @property
    def keepers(self) -> list[Keeper]:
        """The servers of our own, in the order they stop."""
        return [keeper for keeper in (self.redis, self.postgres) if keeper is not None]

    def _keeper(self, server: Server) -> Keeper:
        return Keeper(OwnServer(server), self._tools)

    async def _await(
        self, variable: str, refusal: Callable[[str], str | None], url: SecretStr
    ) -> None:
        """Wait for a server that somebody else starts, perhaps at this moment."""
        deadline = self._tools.clock() + EXTERNAL_SECONDS
        while reason := await asyncio.to_thread(refusal, url.get_secret_value()):
            if self._tools.clock() > deadline:
                raise ExternalUnreachable(variable, reason)
            await self._tools.sleep(POLL_SECONDS)
