"""Makes the provider of each configured name, once per loop and not before it is used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final, Protocol

from shared.config.catalog import ProviderConfig, Unavailable
from shared.config.dialect import Dialect
from shared.failures.kinds import ErrorKind, Failure, Preclassified
from workers.providers.http.connections import CONNECT_SECONDS, READ_SECONDS
from workers.providers.protocol import Provider

_ADAPTERS: Final[Mapping[Dialect, str]] = {
    Dialect.OPENAI_CHAT: "workers.providers.openai_chat.client",
    Dialect.ANTHROPIC: "workers.providers.anthropic.client",
    Dialect.SCRIPTED: "workers.providers.scripted.client",
}
"""Modules with a `make`. By name: the official clients are 2 of the 3.2 s that a worker imports."""

_KINDS: Final[Mapping[Unavailable, ErrorKind]] = {
    Unavailable.MISSING_KEY: ErrorKind.MISSING_KEY,
    Unavailable.PROVIDER_DISABLED: ErrorKind.PROVIDER_DISABLED,
}


class Make(Protocol):
    """The entry of an adapter's module."""

    def __call__(
        self, config: ProviderConfig, *, connect_seconds: float, read_seconds: float
    ) -> Provider:
        """Make the client of one provider; nothing is connected yet."""
        ...


class Providers:
    """The providers of one asyncio loop; not for threads. A client is made after the fork."""

    def __init__(
        self,
        configs: Mapping[str, ProviderConfig],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Load the dialects that can be used, so that no turn waits for it; nothing is made yet."""
        self._configs = configs
        usable = {c.dialect for c in configs.values() if c.unavailable is None}
        self._adapters = {dialect: _load(dialect) for dialect in usable}
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
            self._made[name] = self._adapters[config.dialect](
                config,
                connect_seconds=self._connect_seconds,
                read_seconds=self._read_seconds,
            )
        return self._made[name]

    async def aclose(self) -> None:
        """Close every provider that was made."""
        while self._made:
            _, provider = self._made.popitem()
            await provider.aclose()


def _load(dialect: Dialect) -> Make:
    make: Make = import_module(_ADAPTERS[dialect]).make
    return make


def _failure(name: str, kind: ErrorKind) -> Preclassified:
    return Preclassified(Failure(kind=kind, retryable=False, provider=name))


def _fits_a_header(key: str) -> bool:
    """A key with other characters would fail deep in the client, with the key in the text."""
    return key.isascii() and key.isprintable()
