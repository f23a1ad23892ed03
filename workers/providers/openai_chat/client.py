"""Speaks the chat-completions dialect through the official client and our own decoder."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from urllib.parse import urlsplit

import openai

from shared.config.catalog import ProviderConfig
from shared.failures.kinds import ProviderError
from workers.providers.http.connections import CONNECT_SECONDS, READ_SECONDS, UNLIMITED, timeouts
from workers.providers.http.error_mapping import TRANSPORT_ERRORS, Origin, answered, broken
from workers.providers.http.exchange import read_answer
from workers.providers.openai_chat.answer import ChatAnswer
from workers.providers.openai_chat.prompt import chat_body
from workers.providers.parts.assembly import new_call_id
from workers.providers.protocol import Request, StreamEvent

HOME = "https://api.openai.com/v1"
_NO_KEY = "none"  # the client wants one; a server that is open to all never sees it
# The home servers know only the new name of the output limit, others may know only the old one.
_HOME_DOMAINS = ("openai.com", "azure.com")


def make(config: ProviderConfig, *, connect_seconds: float, read_seconds: float) -> "OpenAIChat":
    """Make the adapter of one provider; nothing is connected yet."""
    return OpenAIChat(config, connect_seconds=connect_seconds, read_seconds=read_seconds)


class OpenAIChat:
    """One provider that speaks chat completions: OpenAI, Azure, vLLM, Ollama, OpenRouter and more.

    Made on the loop that uses it; holds one pool of connections without a limit of its own.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        new_call_id: Callable[[], str] = new_call_id,
    ) -> None:
        """Make the client; nothing is connected yet."""
        base_url = config.base_url or HOME
        self._origin = Origin(
            provider=config.name, dialect=config.dialect.value, secret=config.api_key
        )
        self._new_call_id = new_call_id
        self._limit_field = "max_completion_tokens" if _is_home(base_url) else "max_tokens"
        self._headers = {} if config.api_key else {"Authorization": openai.Omit()}
        self._client = openai.AsyncOpenAI(
            api_key=config.api_key.get_secret_value() if config.api_key else _NO_KEY,
            base_url=base_url,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(
                timeout=timeouts(connect_seconds, read_seconds), limits=UNLIMITED
            ),
        )

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer's events, `Finish` last."""
        body = chat_body(request, self._origin, limit_field=self._limit_field)
        create = self._client.chat.completions.with_streaming_response.create
        try:
            # The whole body goes through `extra_body`: the typed parameters would copy it.
            async with create(
                model=request.upstream_model,
                messages=[],
                stream=True,
                extra_body=body,
                extra_headers=self._headers,
            ) as opened:
                response = opened.http_response
                answer = ChatAnswer(self._origin, response.headers, self._new_call_id)
                async with aclosing(read_answer(response, answer, self._origin)) as batches:
                    async for batch in batches:
                        for event in batch:
                            yield event
        except openai.APIStatusError as error:
            raise answered(self._origin, error.response, error.response.text) from None
        except openai.APIConnectionError as error:
            raise broken(self._origin, error, "headers") from None
        except openai.OpenAIError as error:
            message = self._origin.hide(str(error))
            raise ProviderError(message=message, provider=self._origin.provider) from None
        except TRANSPORT_ERRORS as error:
            raise broken(self._origin, error, "headers") from None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.close()


def _is_home(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return any(host == domain or host.endswith("." + domain) for domain in _HOME_DOMAINS)
