"""What may be logged and what may not."""

import pytest

from shared.logs.redact import redact

SECRET = "s3cr3tV4lue"


@pytest.mark.parametrize(
    "text",
    [
        f"refused the key swk_{SECRET}",
        f"Incorrect API key provided: sk-{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}==",
        f"postgresql://stepwell:{SECRET}@db:5432/stepwell is away",
        f"redis://:{SECRET}@cache:6379/0",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    assert SECRET not in str(redact("error", text))


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "api_key", "apikey", "password", "client_secret"]
)
def test_a_field_with_the_name_of_a_secret_is_hidden(name: str) -> None:
    assert redact(name, SECRET) == "***"


def test_a_secret_inside_containers_is_hidden() -> None:
    value = {
        "headers": [{"authorization": SECRET}, ("x", f"swk_{SECRET}")],
        "raw": b"sk-" + b"a" * 9,
    }
    assert SECRET not in str(redact("request", value))
    assert "sk-a" not in str(redact("request", value))


@pytest.mark.parametrize("name", ["input_tokens", "max_tokens", "event", "monkey"])
def test_an_ordinary_field_stays_as_it_is(name: str) -> None:
    assert redact(name, 12) == 12
    assert redact(name, "see http://host:80/path") == "see http://host:80/path"
