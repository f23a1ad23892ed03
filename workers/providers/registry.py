"""Makes the provider of each configured name, once per loop and not before it is used."""

from collections.abc import Mapping

from shared.config.catalog import ProviderConfig, Unavailable
from shared.config.dialect import Dialect
from shared.errors.kinds import ErrorKind, Failure, Preclassified
from workers.providers.anthropic import Anthropic
from workers.providers.base import Provider
from workers.providers.connections import CONNECT_SECONDS, READ_SECONDS
from workers.providers.openai_chat import OpenAIChat
from workers.providers.scripted import Scripted

_KINDS: Mapping[Unavailable, ErrorKind] = {
    Unavailable.MISSING_KEY: ErrorKind.MISSING_KEY,
    Unavailable.PROVIDER_DISABLED: ErrorKind.PROVIDER_DISABLED,
}


class Providers:
    """The providers of one asyncio loop; not for threads. A client is made after the fork."""

    def __init__(
        self,
        configs: Mapping[str, ProviderConfig],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Keep the configuration; nothing is made yet."""
        self._configs = configs
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._made: dict[str, Provider] = {}

    def get(self, name: str) -> Provider:
        """Return the provider of a declared name, made at its first use.

        Raises `Preclassified` when it has no key, a key that no header can carry, or is switched
        off; `KeyError` for a name that is not declared.
        """
        config = self._configs[name]
        if config.unavailable is not None:
            raise _failure(name, _KINDS[config.unavailable])
        if config.api_key is not None and not _fits_a_header(config.api_key.get_secret_value()):
            raise _failure(name, ErrorKind.AUTH)
        if name not in self._made:
            self._made[name] = self._make(config)
        return self._made[name]

    async def aclose(self) -> None:
        """Close every provider that was made."""
        while self._made:
            _, provider = self._made.popitem()
            await provider.aclose()

    def _make(self, config: ProviderConfig) -> Provider:
        match config.dialect:
            case Dialect.OPENAI_CHAT:
                return OpenAIChat(
                    config,
                    connect_seconds=self._connect_seconds,
                    read_seconds=self._read_seconds,
                )
            case Dialect.ANTHROPIC:
                return Anthropic(
                    config,
                    connect_seconds=self._connect_seconds,
                    read_seconds=self._read_seconds,
                )
            case Dialect.SCRIPTED:
                return Scripted()


def _failure(name: str, kind: ErrorKind) -> Preclassified:
    return Preclassified(Failure(kind=kind, retryable=False, provider=name))


def _fits_a_header(key: str) -> bool:
    """A key with other characters would fail deep in the client, with the key in the text."""
    return key.isascii() and key.isprintable()
