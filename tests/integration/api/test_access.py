"""Who may do what: every route, for every sort of caller."""

import threading
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.auth import keys
from api.auth.authenticator import TRUST_SECONDS, Authenticator
from api.auth.caller import KeyId, KeyRole
from api.auth.errors import Unauthenticated
from api.auth.secret import new_secret, prove
from tests.integration.api.served import Api, Client

CONTENT = {"content": "a"}
RESULTS = {"results": [{"tool_call_id": "c", "output": None}]}

# method, path, body, status for the owner and for an admin; {chat} and the others are filled in.
ROUTES: list[tuple[str, str, object, int]] = [
    ("GET", "/v1/chats/{chat}", None, 200),
    ("PATCH", "/v1/chats/{chat}", {"title": "t"}, 200),
    ("GET", "/v1/chats/{chat}/messages", None, 200),
    ("POST", "/v1/chats/{chat}/messages", CONTENT, 202),
    ("PATCH", "/v1/chats/{chat}/messages/{message}", CONTENT, 202),
    ("GET", "/v1/chats/{chat}/queue", None, 200),
    ("POST", "/v1/chats/{chat}/queue/{queued}/promote", None, 202),
    ("DELETE", "/v1/chats/{chat}/queue/{queued}", None, 202),
    ("POST", "/v1/chats/{chat}/interrupt", None, 202),
    ("POST", "/v1/chats/{chat}/retry", None, 409),
    ("POST", "/v1/chats/{chat}/tool-results", RESULTS, 409),
    ("GET", "/v1/chats/{chat}/turns/{turn}", None, 200),
    ("GET", "/v1/chats/{chat}/stream?until=idle", None, 200),
    ("DELETE", "/v1/chats/{chat}", None, 204),
]
OWNERLESS: list[tuple[str, str, object, int]] = [
    ("GET", "/v1/chats", None, 200),
    ("POST", "/v1/chats", CONTENT, 201),
    ("PUT", "/v1/chats/by-key/k/messages", CONTENT, 201),
    ("GET", "/v1/models", None, 200),
    ("GET", "/v1/tools", None, 200),
]
CALLERS = ("no key", "bad key", "revoked", "other owner", "owner", "admin")


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("method", "path", "body", "good"), [*ROUTES, *OWNERLESS])
def test_a_route_is_open_to_its_owner_and_to_admins_only(
    api: Api, alice: Client, caller: str, method: str, path: str, body: object, good: int
) -> None:
    where = _filled(api, alice, path)
    reply = _client(api, alice, caller).ask(method, where, body)
    match caller:
        case "owner" | "admin":
            assert reply.status == good
        case "other owner" if "{chat}" in path:
            assert (reply.status, reply.code) == (404, "not_found")
        case "other owner":
            assert reply.status == good
        case _:
            assert (reply.status, reply.code) == (401, "unauthenticated")
            assert reply.headers["www-authenticate"] == "Bearer"


def test_the_table_has_every_route(api: Api, alice: Client) -> None:
    document = api.client.get("/openapi.json").json
    names = {"chat": "chat_id", "message": "message_id", "queued": "queued_id", "turn": "turn_id"}
    tested = {
        (
            method,
            path.partition("?")[0].format(
                **{short: f"{{{name}}}" for short, name in names.items()}
            ),
        )
        for method, path, _, _ in [*ROUTES, *OWNERLESS]
    }
    tested = {(method, path.replace("/by-key/k/", "/by-key/{key}/")) for method, path in tested}
    served = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert tested == served


def test_a_list_shows_own_chats_to_users_and_all_to_admins(
    alice: Client, bob: Client, admin: Client
) -> None:
    one, two = alice.start()["id"], bob.start()["id"]
    assert [chat["id"] for chat in alice.get("/v1/chats").json["items"]] == [one]
    assert {one, two} <= {chat["id"] for chat in admin.get("/v1/chats?limit=200").json["items"]}


def test_a_chat_is_not_found_by_the_key_of_another_owner(alice: Client, bob: Client) -> None:
    alice.start(key="shared")
    assert bob.get("/v1/chats?key=shared").json["items"] == []


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic abc", "swk_" + "a" * 40, "Bearer swk_short", "Bearer ü"],
)
def test_a_header_that_is_no_key_is_refused(api: Api, header: str) -> None:
    reply = api.client.ask("GET", "/v1/models", headers={"Authorization": header})
    assert (reply.status, reply.code) == (401, "unauthenticated")


def test_the_name_of_the_scheme_is_not_case_sensitive(api: Api) -> None:
    headers = {"Authorization": f"bearer {api.key('x')}"}
    assert api.client.ask("GET", "/v1/models", headers=headers).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/version", "/openapi.json"])
def test_operators_need_no_key(api: Api, path: str) -> None:
    assert api.client.get(path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/chats", 404, "not_found"),
        ("GET", "/v1/chats/", 404, "not_found"),
        ("DELETE", "/v1/chats", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("PUT", "/v1/chats", 405, "method_not_allowed"),
    ],
)
def test_unknown_paths_and_methods_are_problems_too(
    alice: Client, method: str, path: str, status: int, code: str
) -> None:
    reply = alice.ask(method, path)
    assert (reply.status, reply.code) == (status, code)


def test_a_path_names_all_its_methods(alice: Client) -> None:
    reply = alice.put(f"/v1/chats/{uuid4()}", {})
    assert reply.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


def test_a_key_is_stored_as_a_hash_only(api: Api) -> None:
    secret = api.key("x")
    with api.engine.connect() as connection:
        rows = connection.execute(text("SELECT api_keys::text FROM api_keys")).scalars().all()
    assert all(secret not in row for row in rows)


def test_a_revoked_key_is_believed_for_two_seconds_at_most(api: Api) -> None:
    now = [0.0]
    gate = Authenticator(api.engine, lambda: now[0])
    key_id, secret = _add(api)
    caller = gate.ask(prove(secret))
    with api.engine.begin() as connection:
        keys.revoke(connection, key_id)
    gate.confirm(caller)
    now[0] = TRUST_SECONDS
    with pytest.raises(Unauthenticated):
        gate.confirm(caller)
    assert TRUST_SECONDS < 5


def test_a_rotated_key_takes_its_new_secret_at_once_and_loses_the_old_one(api: Api) -> None:
    now = [0.0]
    gate = Authenticator(api.engine, lambda: now[0])
    key_id, old = _add(api)
    caller = gate.ask(prove(old))
    new = new_secret()
    with api.engine.begin() as connection:
        assert keys.replace_secret(connection, key_id, new)
    assert gate.ask(prove(new)).key_id == key_id
    now[0] = TRUST_SECONDS
    with pytest.raises(Unauthenticated):
        gate.confirm(caller)


def test_the_last_use_is_noted_without_a_write_for_each_request(api: Api) -> None:
    gate = Authenticator(api.engine, lambda: 0.0)
    key_id, secret = _add(api)
    assert _used(api, key_id) is None
    gate.ask(prove(secret))
    noted = _used(api, key_id)
    assert noted is not None
    gate.ask(prove(secret))
    assert _used(api, key_id) == noted


def test_a_gate_asked_by_many_at_once_lets_all_in(api: Api) -> None:
    gate = Authenticator(api.engine, lambda: 0.0)
    _, secret = _add(api)
    found: list[UUID] = []
    threads = [
        threading.Thread(target=lambda: found.append(gate.ask(prove(secret)).key_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8


def _add(api: Api) -> tuple[KeyId, str]:
    key_id, secret = KeyId(uuid4()), new_secret()
    with api.engine.begin() as connection:
        keys.add(connection, key_id, secret, owner="x", role=KeyRole.USER)
    return key_id, secret


def _used(api: Api, key_id: KeyId) -> object:
    with api.engine.connect() as connection:
        [found] = [key for key in keys.list_keys(connection) if key.id == key_id]
    return found.last_used_at


def _client(api: Api, owner: Client, caller: str) -> Client:
    match caller:
        case "no key":
            return api.client
        case "bad key":
            return api.client.with_key(new_secret())
        case "revoked":
            key_id, secret = _add(api)
            with api.engine.begin() as connection:
                keys.revoke(connection, key_id)
            return api.client.with_key(secret)
        case "other owner":
            return api.caller(f"mallory-{uuid4()}")
        case "owner":
            return owner
        case _:
            return api.caller(f"root-{uuid4()}", KeyRole.ADMIN)


def _filled(api: Api, owner: Client, path: str) -> str:
    if "{" not in path:
        return path
    chat = owner.start()
    queued = owner.post(f"/v1/chats/{chat['id']}/messages", CONTENT).json["queued_message"]
    messages = owner.get(f"/v1/chats/{chat['id']}/messages").json["items"]
    if "until=idle" in path:
        api.set_status(chat["id"], "error")
    return path.format(
        chat=chat["id"], turn=chat["turn_id"], queued=queued["id"], message=messages[0]["id"]
    )
