"""An API that really listens, in a thread of the test, and a client for it."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvicorn
from sqlalchemy import Engine, update
from uuid_utils.compat import uuid7

from api.app import create_app
from api.auth import keys
from api.auth.caller import KeyId, KeyRole
from api.auth.secret import new_secret
from shared.chats.store.tables import chats
from shared.config.settings import Settings
from shared.tools.published import publish
from shared.tools.registry import load_tools

START_SECONDS = 10
ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem, checked to be one."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status
        assert {"type", "title", "status", "detail", "code"} <= set(problem)
        return problem["code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Sends requests to one address with one key."""

    host: str
    port: int
    key: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request on a connection of its own."""
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            return Reply(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, body: object = None, *, once: str | None = None) -> Reply:
        """Send a POST, with an Idempotency-Key if `once` is given."""
        return self.ask("POST", path, body, headers=_once(once))

    def put(self, path: str, body: object = None, *, once: str | None = None) -> Reply:
        """Send a PUT, likewise."""
        return self.ask("PUT", path, body, headers=_once(once))

    def patch(self, path: str, body: object = None, *, once: str | None = None) -> Reply:
        """Send a PATCH, likewise."""
        return self.ask("PATCH", path, body, headers=_once(once))

    def delete(self, path: str) -> Reply:
        return self.ask("DELETE", path)

    def start(self, content: object = "hello", **fields: object) -> dict[str, Any]:
        """Create a chat and return it."""
        reply = self.post("/v1/chats", {"content": content, **fields})
        assert reply.status == 201, reply
        return reply.json

    def with_key(self, key: str | None) -> "Client":
        return Client(host=self.host, port=self.port, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A running API, and keys for it."""

    client: Client
    database: Engine | None

    @property
    def engine(self) -> Engine:
        """The test's own connections to the API's database."""
        assert self.database is not None
        return self.database

    def key(self, owner: str, role: KeyRole = KeyRole.USER) -> str:
        """Make a key."""
        secret = new_secret()
        with self.engine.begin() as connection:
            keys.add(connection, KeyId(uuid7()), secret, owner=owner, role=role)
        return secret

    def caller(self, owner: str, role: KeyRole = KeyRole.USER) -> Client:
        """Return a client with a key of its own."""
        return self.client.with_key(self.key(owner, role))

    def set_status(self, chat_id: str, status: str) -> None:
        """Put a chat into a status, as if workers had brought it there."""
        values: dict[str, object] = {"status": status, "lease_id": None, "worker_id": None}
        if status in ("running", "interrupting"):
            values |= {"lease_id": uuid7(), "worker_id": uuid7()}
        with self.engine.begin() as connection:
            connection.execute(update(chats).where(chats.c.id == UUID(chat_id)).values(values))


def _once(key: str | None) -> Mapping[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


@contextmanager
def serve(settings: Settings, engine: Engine | None) -> Generator[Api]:
    """Serve the application on a free port of the loopback, as if a worker had been there."""
    if engine is not None:
        with engine.begin() as connection:
            publish(connection, load_tools(()).values())
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            started.set()

    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        assert started.wait(START_SECONDS)
        yield Api(client=Client(host="127.0.0.1", port=port), database=engine)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
