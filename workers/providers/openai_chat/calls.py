"""Tells the calls of a chat completion apart, also when a server leaves out indexes or ids."""

from collections.abc import Callable

from shared.failures.kinds import TransportFailed
from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.http.error_mapping import Origin
from workers.providers.http.json_access import dump, obj, text
from workers.providers.parts.assembly import Assembly
from workers.providers.protocol import StreamEvent

_KNOWN_KEYS = {"index", "id", "type", "function"}


class ChatCalls:
    """The calls of one answer. An id with a name that is new begins a call at any index."""

    def __init__(self, origin: Origin, assembly: Assembly, new_call_id: Callable[[], str]) -> None:
        """Put calls into `assembly`; those without an id get one of `new_call_id`."""
        self._origin = origin
        self._assembly = assembly
        self._new_call_id = new_call_id
        self._by_index: dict[int, str] = {}
        self._sent_ids: dict[str, str] = {}  # key -> the id that the server gave
        self._names: dict[str, str] = {}
        self._last: str | None = None

    def take(self, call: JsonObject) -> list[StreamEvent]:
        """Map one element of `tool_calls`."""
        function = obj(call.get("function"))
        index, sent_id, name = call.get("index"), text(call.get("id")), text(function.get("name"))
        key = self._find(index, sent_id, name)
        events: list[StreamEvent] = []
        if key is None:
            if not sent_id and not name:
                raise TransportFailed(self._origin.provider, "body")  # more of a call unheard of
            key, events = self._open(sent_id, name)
        elif name and not self._names[key]:
            self._names[key] = name
            self._assembly.name_call(key, name)
        if isinstance(index, int):
            self._by_index[index] = key
        self._last = key
        more = _arguments(function.get("arguments"))
        if more:
            events += self._assembly.args(key, more)
        extra = {k: v for k, v in call.items() if k not in _KNOWN_KEYS}
        if extra:
            self._assembly.mark_call(key, extra=dump(extra))
        return events

    def _find(self, index: JsonValue, sent_id: str, name: str) -> str | None:
        """Return the key of the call that is meant, None for a new one."""
        if isinstance(index, int):
            key = self._by_index.get(index)
        elif sent_id:
            key = next((k for k, given in self._sent_ids.items() if given == sent_id), None)
        else:
            key = None if name else self._last
        if key is not None and name and sent_id and self._sent_ids[key] != sent_id:
            return None  # some servers send every call with index 0
        return key

    def _open(self, sent_id: str, name: str) -> tuple[str, list[StreamEvent]]:
        repeated = sent_id in self._sent_ids  # the same id for two calls would lose one
        key = self._new_call_id() if repeated or not sent_id else sent_id
        self._sent_ids[key] = sent_id
        self._names[key] = name
        return key, self._assembly.open_call(key, key, name)


def _arguments(value: JsonValue) -> str:
    """Arguments are JSON in a string; some servers send the object itself."""
    return value if isinstance(value, str) else dump(value) if value else ""
