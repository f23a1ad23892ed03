"""Creating, reading, listing, changing and deleting chats."""

import pytest

from tests.integration.api.served import Api, Client

TOOL = {"name": "ask", "description": "asks", "input_schema": {"type": "object"}}


def test_creating_a_chat_answers_with_the_chat_and_its_turn(alice: Client) -> None:
    chat = alice.start("one two three four five six seven")
    assert chat["status"] == "pending"
    assert chat["title"] == "one two three four five six"
    assert chat["model"] == "scripted"
    assert chat["turn_id"]
    assert chat["cursor"] == f"1-{_messages(alice, chat)[0]['id']}-1-0-0"
    assert alice.get(f"/v1/chats/{chat['id']}").json == chat


def test_every_field_of_a_new_chat_is_kept(alice: Client) -> None:
    given = {
        "system": "be brief",
        "title": "A title",
        "key": "slack/C1",
        "labels": {"team": "blue"},
        "metadata": {"n": [1, 2.5, None, {"x": "ü"}]},
        "on_error": "continue",
        "model": "scripted",
    }
    chat = alice.start("hi", **given, dynamic_tools=[TOOL], requires_action_timeout_seconds=60)
    assert {name: chat[name] for name in given} == given


def test_content_may_be_parts_with_files(alice: Client) -> None:
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "file", "media_type": "text/plain", "data": "aGk=", "name": "hi.txt"},
    ]
    assert _messages(alice, alice.start(parts))[0]["content"] == parts


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"content": ""}, "content"),
        ({"content": "  \n"}, "content"),
        ({"content": []}, "content"),
        ({"content": 5}, "content"),
        ({"content": None}, "content"),
        ({"content": [{"type": "text", "text": " "}]}, "content[0].text"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}]}, "content[1]"),
        ({"content": ["a"]}, "content[0]"),
        ({"content": [{"type": "text", "text": "a", "x": 1}]}, "content[0].x"),
        (
            {"content": [{"type": "file", "media_type": "text/plain", "data": "%"}]},
            "content[0].data",
        ),
        (
            {"content": [{"type": "file", "media_type": "x", "data": "aGk="}]},
            "content[0].media_type",
        ),
        ({"content": "a", "model": "nobody"}, "model"),
        ({"content": "a", "model": 7}, "model"),
        ({"content": "a", "colour": "red"}, "colour"),
        ({"content": "a", "title": ""}, "title"),
        ({"content": "a", "title": "x" * 201}, "title"),
        ({"content": "a", "system": "x" * 10_001}, "system"),
        ({"content": "a", "key": "x" * 201}, "key"),
        ({"content": "a", "labels": {"a": 1}}, "labels.a"),
        ({"content": "a", "labels": {"a": "x" * 257}}, "labels.a"),
        ({"content": "a", "labels": {"": "x"}}, "labels.''"),
        ({"content": "a", "labels": {str(n): "" for n in range(51)}}, "labels"),
        ({"content": "a", "metadata": {"a": "x" * 16_384}}, "metadata"),
        ({"content": "a", "metadata": []}, "metadata"),
        ({"content": "a", "on_error": "explode"}, "on_error"),
        ({"content": "a", "tools": ["rm"]}, "tools[0]"),
        ({"content": "a", "requires_action_timeout_seconds": 0}, "requires_action_timeout_seconds"),
        (
            {"content": "a", "requires_action_timeout_seconds": "5"},
            "requires_action_timeout_seconds",
        ),
        ({"content": "a", "dynamic_tools": [TOOL, TOOL]}, "dynamic_tools[1].name"),
        ({"content": "a", "dynamic_tools": [TOOL | {"name": "a b"}]}, "dynamic_tools[0].name"),
        (
            {"content": "a", "dynamic_tools": [TOOL | {"input_schema": {"type": "nonsense"}}]},
            "dynamic_tools[0].input_schema",
        ),
        (
            {"content": "a", "dynamic_tools": [TOOL | {"name": f"t{n}"} for n in range(251)]},
            "dynamic_tools",
        ),
        (
            {
                "content": "a",
                "dynamic_tools": [
                    TOOL | {"name": f"t{n}", "input_schema": {"description": "x" * 60_000}}
                    for n in range(18)
                ],
            },
            "dynamic_tools",
        ),
        (
            {"content": "a", "dynamic_tools": [TOOL | {"default_result": "x" * 1_100_000}]},
            "dynamic_tools",
        ),
        ({}, "content"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_nothing_is_stored(
    alice: Client, fields: dict[str, object], named: str
) -> None:
    reply = alice.post("/v1/chats", fields)
    assert reply.status == 400
    assert reply.code == "invalid_request"
    assert [fault["field"] for fault in reply.json["errors"]] == [named]
    assert alice.get("/v1/chats").json["items"] == []


def test_all_wrong_fields_are_named_at_once(alice: Client) -> None:
    reply = alice.post("/v1/chats", {"content": 1, "title": 2, "nope": 3})
    assert {fault["field"] for fault in reply.json["errors"]} == {"content", "title", "nope"}


def test_a_key_is_unique_for_its_owner_only(alice: Client, bob: Client) -> None:
    alice.start(key="k")
    reply = alice.post("/v1/chats", {"content": "again", "key": "k"})
    assert (reply.status, reply.code) == (409, "key_taken")
    assert bob.start(key="k")["key"] == "k"


def test_a_list_shows_the_newest_first_and_pages_to_its_end(alice: Client) -> None:
    made = [alice.start(f"chat {number}")["id"] for number in range(5)]
    pages = [alice.get("/v1/chats?limit=2").json]
    while pages[-1]["next_cursor"] is not None:
        pages.append(alice.get(f"/v1/chats?limit=2&cursor={pages[-1]['next_cursor']}").json)
    assert [[chat["id"] for chat in page["items"]] for page in pages] == [
        made[4:2:-1],
        made[2:0:-1],
        made[:1],
    ]


def test_a_chat_created_while_paging_does_not_shift_the_pages(alice: Client) -> None:
    made = [alice.start()["id"] for _ in range(3)]
    first = alice.get("/v1/chats?limit=2").json
    alice.start()
    second = alice.get(f"/v1/chats?limit=2&cursor={first['next_cursor']}").json
    assert [chat["id"] for chat in second["items"]] == [made[0]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("label=team:blue", {"a", "b"}),
        ("label=team:blue&label=size:xl", {"b"}),
        ("label=team:blue&label=team:red", set[str]()),
        ("label=url:http://x:1", {"c"}),
        ("key=kb", {"b"}),
        ("archived=true", {"c"}),
        ("archived=false", {"a", "b"}),
        ("status=waiting", {"c"}),
        ("status=pending&label=team:blue", {"a", "b"}),
        ("", {"a", "b", "c"}),
    ],
)
def test_filters_of_a_list_must_all_match(
    api: Api, alice: Client, query: str, expected: set[str]
) -> None:
    alice.start(title="a", labels={"team": "blue"})
    alice.start(title="b", labels={"team": "blue", "size": "xl"}, key="kb")
    archived = alice.start(title="c", labels={"url": "http://x:1"})["id"]
    api.set_status(archived, "waiting")
    assert alice.patch(f"/v1/chats/{archived}", {"archived": True}).status == 200
    found = alice.get(f"/v1/chats?{query}").json["items"]
    assert {chat["title"] for chat in found} == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=!", "cursor"),
        ("cursor=aGk", "cursor"),
        ("label=nocolon", "label[0]"),
        ("status=asleep", "status"),
        ("archived=perhaps", "archived"),
        ("lable=a:b", "lable"),
        ("key=%00", "query"),
    ],
)
def test_a_wrong_parameter_of_a_list_is_refused_by_name(
    alice: Client, query: str, named: str
) -> None:
    reply = alice.get(f"/v1/chats?{query}")
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert [fault["field"] for fault in reply.json["errors"]] == [named]


def test_setting_fields_leaves_the_others(alice: Client) -> None:
    chat = alice.start(labels={"a": "b"}, metadata={"m": 1})
    changed = alice.patch(f"/v1/chats/{chat['id']}", {"title": "New", "labels": {"c": "d"}})
    assert changed.status == 200
    assert changed.json["title"] == "New"
    assert changed.json["labels"] == {"c": "d"}
    assert changed.json["metadata"] == {"m": 1}
    assert alice.get(f"/v1/chats/{chat['id']}").json == changed.json


def test_setting_nothing_changes_nothing(alice: Client) -> None:
    chat = alice.start()
    assert alice.patch(f"/v1/chats/{chat['id']}", {}).json == chat


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"labels": None}, "labels"),
        ({"archived": "yes"}, "archived"),
        ({"model": "nobody"}, "model"),
        ({"status": "waiting"}, "status"),
        ({"owner": "me"}, "owner"),
    ],
)
def test_a_wrong_change_is_refused_by_name(
    alice: Client, fields: dict[str, object], named: str
) -> None:
    chat = alice.start()
    reply = alice.patch(f"/v1/chats/{chat['id']}", fields)
    assert reply.code == "invalid_request"
    assert [fault["field"] for fault in reply.json["errors"]] == [named]
    assert alice.get(f"/v1/chats/{chat['id']}").json == chat


def test_a_busy_chat_is_not_archived(alice: Client) -> None:
    chat = alice.start()
    reply = alice.patch(f"/v1/chats/{chat['id']}", {"archived": True})
    assert (reply.status, reply.code) == (409, "move_not_allowed")
    assert reply.json["current_status"] == "pending"
    assert reply.json["allowed"] == ["waiting", "error"]


def test_an_archived_chat_takes_no_message_until_it_is_brought_back(
    api: Api, alice: Client
) -> None:
    path = f"/v1/chats/{alice.start()['id']}"
    api.set_status(path.rpartition("/")[2], "waiting")
    assert alice.patch(path, {"archived": True}).json["archived"] is True
    assert alice.post(f"{path}/messages", {"content": "hi"}).code == "chat_archived"
    assert alice.patch(path, {"title": "no"}).code == "chat_archived"
    assert alice.patch(path, {"archived": False, "title": "yes"}).json["title"] == "yes"
    assert alice.post(f"{path}/messages", {"content": "hi"}).status == 202


def test_a_deleted_chat_is_gone_with_everything(alice: Client) -> None:
    path = f"/v1/chats/{alice.start(key='k')['id']}"
    reply = alice.delete(path)
    assert (reply.status, reply.body) == (204, b"")
    assert alice.delete(path).code == "not_found"
    for rest in ("", "/messages", "/queue"):
        assert alice.get(path + rest).code == "not_found"
    alice.start(key="k")


@pytest.mark.parametrize(
    "chat_id", ["00000000-0000-7000-8000-000000000000", "x", "1", "%00", "%FF", "not-a-uuid"]
)
def test_an_id_that_names_nothing_is_not_found(alice: Client, chat_id: str) -> None:
    reply = alice.get(f"/v1/chats/{chat_id}")
    assert (reply.status, reply.code) == (404, "not_found")


def _messages(client: Client, chat: dict[str, str]) -> list[dict[str, object]]:
    return client.get(f"/v1/chats/{chat['id']}/messages").json["items"]
