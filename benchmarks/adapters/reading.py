"""The four ways to read a stream; each returns how many deltas it was given."""

from contextlib import aclosing

import anthropic
import openai

from benchmarks.adapters.jobs import Reader
from shared.chats.model.messages import Role
from shared.chats.model.parts import TextPart
from shared.config.catalog import ProviderConfig
from shared.config.dialect import Dialect
from workers.providers.anthropic.client import Anthropic
from workers.providers.openai_chat.client import OpenAIChat
from workers.providers.protocol import PromptMessage, Provider, Request, TextDelta

_KEY = "none"
_MAX_TOKENS = 1024


class Clients:
    """All of them, with their connections; for one loop."""

    def __init__(self, port: int) -> None:
        """Point them to the fake model."""
        url = f"http://127.0.0.1:{port}"
        chat = ProviderConfig(name="fake", dialect=Dialect.OPENAI_CHAT, base_url=f"{url}/v1")
        messages = ProviderConfig(name="fake", dialect=Dialect.ANTHROPIC, base_url=url)
        self._ours_openai = OpenAIChat(chat)
        self._ours_anthropic = Anthropic(messages)
        # With the transport that ours has too: it is the decoding that is compared.
        self._openai = openai.AsyncOpenAI(
            api_key=_KEY, base_url=f"{url}/v1", http_client=openai.DefaultAioHttpClient()
        )
        self._anthropic = anthropic.AsyncAnthropic(
            api_key=_KEY, base_url=url, http_client=anthropic.DefaultAioHttpClient()
        )

    async def read(self, reader: Reader, model: str) -> int:
        """Read one stream to its end."""
        match reader:
            case Reader.OURS_OPENAI:
                return await _read_ours(self._ours_openai, model)
            case Reader.OURS_ANTHROPIC:
                return await _read_ours(self._ours_anthropic, model)
            case Reader.OFFICIAL_OPENAI:
                return await self._read_openai(model)
            case Reader.OFFICIAL_ANTHROPIC:
                return await self._read_anthropic(model)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._ours_openai.aclose()
        await self._ours_anthropic.aclose()
        await self._openai.close()
        await self._anthropic.close()

    async def _read_openai(self, model: str) -> int:
        deltas = 0
        stream = await self._openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        async for chunk in stream:
            deltas += bool(chunk.choices and chunk.choices[0].delta.content)
        return deltas

    async def _read_anthropic(self, model: str) -> int:
        deltas = 0
        stream = await self._anthropic.messages.create(
            model=model,
            max_tokens=_MAX_TOKENS,
            messages=[{"role": "user", "content": "Hello"}],
            stream=True,
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                deltas += bool(event.delta.text)
        return deltas


async def _read_ours(provider: Provider, model: str) -> int:
    deltas = 0
    message = PromptMessage(role=Role.USER, parts=(TextPart(text="Hello"),))
    request = Request(model=model, provider="fake", upstream_model=model, messages=(message,))
    async with aclosing(provider.stream(request)) as events:
        async for event in events:
            deltas += isinstance(event, TextDelta)
    return deltas
