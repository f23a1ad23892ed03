"""Speaks the messages dialect through the official client and our own decoder."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anthropic

from shared.config.catalog import ProviderConfig
from shared.failures.kinds import ProviderError
from workers.providers.anthropic.answer import AnthropicAnswer
from workers.providers.anthropic.prompt import DEFAULT_MAX_TOKENS, message_body
from workers.providers.http.connections import CONNECT_SECONDS, READ_SECONDS, UNLIMITED, timeouts
from workers.providers.http.error_mapping import TRANSPORT_ERRORS, Origin, answered, broken
from workers.providers.http.exchange import read_answer
from workers.providers.protocol import Request, StreamEvent

HOME = "https://api.anthropic.com"

_NO_KEY = "none"  # the client wants one; a server that is open to all never sees it


def make(config: ProviderConfig, *, connect_seconds: float, read_seconds: float) -> "Anthropic":
    """Make the adapter of one provider; nothing is connected yet."""
    return Anthropic(config, connect_seconds=connect_seconds, read_seconds=read_seconds)


class Anthropic:
    """One provider that speaks the messages API.

    Made on the loop that uses it; holds one pool of connections without a limit of its own.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Make the client; nothing is connected yet."""
        self._origin = Origin(
            provider=config.name, dialect=config.dialect.value, secret=config.api_key
        )
        self._headers = {} if config.api_key else {"Authorization": anthropic.Omit()}
        self._client = anthropic.AsyncAnthropic(
            api_key=config.api_key.get_secret_value() if config.api_key else _NO_KEY,
            base_url=config.base_url or HOME,
            max_retries=0,
            http_client=anthropic.DefaultAioHttpClient(
                timeout=timeouts(connect_seconds, read_seconds), limits=UNLIMITED
            ),
        )

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer's events, `Finish` last."""
        body = message_body(request, self._origin)
        create = self._client.messages.with_streaming_response.create
        try:
            # The whole body goes through `extra_body`: the typed parameters would copy it.
            async with create(
                model=request.upstream_model,
                max_tokens=DEFAULT_MAX_TOKENS,
                messages=[],
                stream=True,
                extra_body=body,
                extra_headers=self._headers,
            ) as opened:
                response = opened.http_response
                answer = AnthropicAnswer(self._origin, response.headers)
                async with aclosing(read_answer(response, answer, self._origin)) as batches:
                    async for batch in batches:
                        for event in batch:
                            yield event
        except anthropic.APIStatusError as error:
            raise answered(self._origin, error.response, error.response.text) from None
        except anthropic.APIConnectionError as error:
            raise broken(self._origin, error, "headers") from None
        except anthropic.AnthropicError as error:
            message = self._origin.hide(str(error))
            raise ProviderError(message=message, provider=self._origin.provider) from None
        except TRANSPORT_ERRORS as error:
            raise broken(self._origin, error, "headers") from None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.close()
