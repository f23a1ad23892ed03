"""The fake model server: real HTTP, one play for every dialect, an admin's view of what it saw."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import orjson
import pydantic
from aiohttp import web

from shared.jsonvalue import JsonObject, JsonValue
from tests.fakes.dialect import Asked, FakeDialect
from tests.fakes.play import FailNow, numbered, send_play, steps_to_send
from tests.fakes.recorder import Connection, Recorder, Seen
from tests.fakes.wire import Cut, Sender, Wire, reset
from workers.providers.http.json_access import load_object
from workers.providers.scripted.grammar import find_script
from workers.providers.scripted.steps import Fail, Script, ScriptError

_WAIT_SECONDS = 10.0
_BODY = pydantic.TypeAdapter(dict[str, pydantic.JsonValue])


class FakeServer(web.Server):
    """Serves every dialect given, and `/admin/…`; made inside a running loop."""

    def __init__(self, dialects: Sequence[FakeDialect]) -> None:
        super().__init__(
            self._handle,
            handler_cancellation=True,
            access_log=None,
        )
        self.recorder = Recorder()
        self._dialects = {dialect.path: dialect for dialect in dialects}
        self._watched: dict[web.RequestHandler, Connection] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._watched[handler] = self.recorder.opened()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self.recorder.closed(self._watched.pop(handler))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/admin/"):
            return await self._admin(request)
        dialect = self._dialects.get(request.path)
        if dialect is None or request.method != "POST":
            return web.json_response({"error": {"message": "no such path"}}, status=404)
        raw = await request.content.read()  # of any size
        body = load_object(raw)
        recorded = None if body is None else _BODY.validate_json(raw)
        connection = self._watched[request.protocol]
        seen = self.recorder.request(connection, request.path, request.headers, recorded)
        if body is None:
            return _error(dialect, Fail(status=400, type="invalid_request", message="no JSON"))
        return await self._answer(request, seen, dialect, dialect.read(body))

    async def _answer(
        self, request: web.BaseRequest, seen: Seen, dialect: FakeDialect, asked: Asked
    ) -> web.StreamResponse:
        try:
            script = find_script(asked.text, dialect.errors)
            wire = Wire.model_validate(script.wire if script else {})
        except (ScriptError, pydantic.ValidationError) as error:
            return _error(dialect, Fail(status=400, type="invalid_script", message=str(error)))
        if wire.reset:
            reset(request)
            return web.Response()
        if wire.silent:
            await asyncio.get_running_loop().create_future()
        sender = Sender(request, wire, seen)
        ask = self.recorder.ask(seen, asked.text, asked.answers)
        try:
            if wire.first_event:
                await sender.send(b"data: " + b"x" * wire.first_event + b"\n\n")
            if wire.body is not None:
                await sender.send(wire.body.encode("latin-1" if wire.latin1 else "utf-8"))
                return await sender.end()
            response = await self._play(sender, dialect, asked, script, wire)
            ask.ended = time.monotonic()
            return response
        except (Cut, ConnectionResetError):
            return web.Response()  # nobody is there any more, by our doing or by theirs

    async def _play(
        self,
        sender: Sender,
        dialect: FakeDialect,
        asked: Asked,
        script: Script | None,
        wire: Wire,
    ) -> web.StreamResponse:
        encoder = dialect.encoder(asked, wire)
        steps = steps_to_send(asked, script)
        if wire.numbered:
            steps = numbered(steps, sender.number)
        key = f"{script.key if script else ''}/{asked.key}/{asked.answers}/{asked.text}"
        attempt = self.recorder.attempt(key)
        try:
            return await send_play(sender, encoder, steps, attempt, streamed=asked.streamed)
        except FailNow as failed:
            if not sender.begun:
                return _error(dialect, failed.fail)
            await sender.send(encoder.failure(failed.fail))
            return await sender.end()

    async def _admin(self, request: web.BaseRequest) -> web.Response:
        match request.path.removeprefix("/admin/"):
            case "requests":
                return _json(self.recorder.requests())
            case "asks":
                return _json(self.recorder.asks())
            case "connections":
                return _json(self.recorder.connections())
            case "forget":
                self.recorder.forget()
                return _json(None)
            case "wait":
                return _json(await self._wait(request.query))
            case _:
                return web.json_response(None, status=404)

    async def _wait(self, query: Mapping[str, str]) -> bool:
        """Wait for so many requests, or until so many connections are open."""
        recorder = self.recorder
        if "requests" in query:
            wanted = int(query["requests"])
            return await recorder.wait(lambda: len(recorder.requests()) >= wanted, _WAIT_SECONDS)
        wanted = int(query["open"])
        return await recorder.wait(lambda: self._open() == wanted, _WAIT_SECONDS)

    def _open(self) -> int:
        return sum(c.get("closed") is None for c in self.recorder.connections())


def _error(dialect: FakeDialect, fail: Fail) -> web.Response:
    headers = {} if fail.retry_after is None else {"Retry-After": f"{fail.retry_after:g}"}
    body = orjson.dumps(dialect.error_body(fail))
    return web.Response(
        status=fail.status or 500, body=body, headers=headers, content_type="application/json"
    )


def _json(value: JsonValue | Sequence[JsonObject]) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
