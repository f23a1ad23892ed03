"""The registry: one provider per name, and a clear failure for one that can't be used."""

import asyncio
import subprocess
import sys

import pytest
from pydantic import SecretStr

from shared.config.catalog import ProviderConfig
from shared.config.dialect import Dialect
from shared.failures.kinds import ErrorKind, Preclassified
from workers.providers.anthropic.client import Anthropic
from workers.providers.openai_chat.client import OpenAIChat
from workers.providers.registry import Providers
from workers.providers.scripted.client import Scripted

KEY = SecretStr("sk-test")

CONFIGS = [
    ProviderConfig(name="fake", dialect=Dialect.SCRIPTED),
    ProviderConfig(name="openai", dialect=Dialect.OPENAI_CHAT, api_key=KEY),
    ProviderConfig(name="claude", dialect=Dialect.ANTHROPIC, api_key=KEY),
    ProviderConfig(name="keyless", dialect=Dialect.OPENAI_CHAT),
    ProviderConfig(name="unset", dialect=Dialect.OPENAI_CHAT, missing=("A_KEY",)),
    ProviderConfig(name="off", dialect=Dialect.OPENAI_CHAT, api_key=KEY, enabled=False),
    ProviderConfig(name="off-and-keyless", dialect=Dialect.OPENAI_CHAT, enabled=False),
    ProviderConfig(name="odd", dialect=Dialect.OPENAI_CHAT, api_key=SecretStr("sk-…")),
    ProviderConfig(name="line", dialect=Dialect.OPENAI_CHAT, api_key=SecretStr("sk\r\nx: y")),
]


def providers() -> Providers:
    return Providers({config.name: config for config in CONFIGS})


def test_a_provider_is_made_once() -> None:
    async def run() -> None:
        made = providers()
        assert made.get("openai") is made.get("openai")
        assert isinstance(made.get("openai"), OpenAIChat)
        assert isinstance(made.get("claude"), Anthropic)
        assert isinstance(made.get("fake"), Scripted)
        await made.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("keyless", ErrorKind.MISSING_KEY),
        ("unset", ErrorKind.MISSING_KEY),
        ("off", ErrorKind.PROVIDER_DISABLED),
        ("off-and-keyless", ErrorKind.PROVIDER_DISABLED),
        ("odd", ErrorKind.AUTH),
        ("line", ErrorKind.AUTH),
    ],
)
def test_a_provider_that_can_not_be_used_says_why(name: str, kind: ErrorKind) -> None:
    with pytest.raises(Preclassified) as caught:
        providers().get(name)
    assert caught.value.failure.kind is kind
    assert caught.value.failure.provider == name
    assert not caught.value.failure.retryable
    assert "sk" not in str(caught.value)


def test_a_name_that_is_not_declared_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        providers().get("nobody")


def test_a_client_that_nobody_can_use_is_not_imported() -> None:
    script = """
import sys
from shared.config.catalog import ProviderConfig
from shared.config.dialect import Dialect
from workers.providers.registry import Providers

off = ProviderConfig(name="off", dialect=Dialect.ANTHROPIC, enabled=False)
Providers({"off": off, "fake": ProviderConfig(name="fake", dialect=Dialect.SCRIPTED)})
print(sorted({"openai", "anthropic"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
