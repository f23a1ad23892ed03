"""The catalog of providers and models, read from `stepwell.toml` once at start-up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from pydantic import JsonValue, SecretStr

from shared.config.catalog_file import (
    DEFAULT_COMPACTION_THRESHOLD,
    CatalogError,
    CatalogFile,
    ModelTable,
    ProviderTable,
    fault,
    parse_file,
    read_file,
)
from shared.config.dialect import Dialect

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Unavailable(StrEnum):
    """Why a model can't be used."""

    MISSING_KEY = "missing_key"  # its provider has no API key
    PROVIDER_DISABLED = "provider_disabled"  # its provider is switched off


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A declared provider; `missing` names the environment variables its key lacks."""

    name: str
    dialect: Dialect
    base_url: str | None = None
    api_key: SecretStr | None = None
    enabled: bool = True
    missing: tuple[str, ...] = ()

    @property
    def unavailable(self) -> Unavailable | None:
        """Say why this provider can't be used, None = it can."""
        if not self.enabled:
            return Unavailable.PROVIDER_DISABLED
        if self.missing or (self.api_key is None and self._needs_key):
            return Unavailable.MISSING_KEY
        return None

    @property
    def _needs_key(self) -> bool:
        """A server of one's own may be open to all; the dialects' home addresses never are."""
        return self.dialect is not Dialect.SCRIPTED and self.base_url is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A declared model; `upstream_model` is its name at the provider, limits are in tokens."""

    name: str
    provider: str
    upstream_model: str
    context_limit: int = 0
    compaction_threshold: int = DEFAULT_COMPACTION_THRESHOLD
    store: bool = False
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a model can be used now; `code` and `reason` say why not."""

    available: bool
    code: Unavailable | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Every provider and model of this installation, in the order of the file.

    `tool_modules` are the Python modules with the operator's tools.
    """

    providers: Mapping[str, ProviderConfig]
    models: Mapping[str, Model]
    default_model: str
    title_model: str | None = None
    tool_modules: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def provider_of(self) -> Mapping[str, str]:
        """The name of the provider of each declared model."""
        return {name: model.provider for name, model in self.models.items()}

    def availability(self, model: str) -> Availability:
        """Say whether a declared model can be used; KeyError for one that is not declared."""
        provider = self.providers[self.models[model].provider]
        match provider.unavailable:
            case None:
                return Availability(available=True)
            case Unavailable.MISSING_KEY as code:
                reason = f"no API key is configured for provider {provider.name!r}"
            case Unavailable.PROVIDER_DISABLED as code:
                reason = f"provider {provider.name!r} is switched off"
        return Availability(available=False, code=code, reason=reason)


def load_catalog(path: Path | None, environ: Mapping[str, str]) -> Catalog:
    """Read the catalog; without a file it holds the scripted model only.

    `environ` fills `${NAME}` in `api_key`. A name that is not set is a warning in the catalog;
    everything else that is wrong raises `CatalogError`.
    """
    if path is None:
        return _built_in()
    text = read_file(path)
    return _catalog(parse_file(path, text), path, text, environ)


def _built_in() -> Catalog:
    """Return what `make run` uses without any file or key."""
    provider = ProviderConfig(name="scripted", dialect=Dialect.SCRIPTED)
    model = Model(name="scripted", provider="scripted", upstream_model="scripted")
    return Catalog(
        providers=MappingProxyType({"scripted": provider}),
        models=MappingProxyType({"scripted": model}),
        default_model="scripted",
    )


def _catalog(file: CatalogFile, path: Path, text: str, environ: Mapping[str, str]) -> Catalog:
    """Check what the tables say of each other and put the catalog together."""
    providers = {n: _provider(n, table, environ) for n, table in file.providers.items()}
    faults = [
        fault(path, text, ("models", name, "provider"), _unknown(table.provider, providers))
        for name, table in file.models.items()
        if table.provider not in providers
    ]
    if not file.models:
        faults.append(f"{path}:1: models: none is declared: add a [models.<name>] table")
    else:
        faults += _unknown_models(file, path, text)
    if faults:
        raise CatalogError("\n".join(faults))
    return Catalog(
        providers=MappingProxyType(providers),
        models=MappingProxyType({n: _model(n, table) for n, table in file.models.items()}),
        default_model=file.default_model or next(iter(file.models)),
        title_model=file.title_model,
        tool_modules=tuple(file.tools.modules),
        warnings=tuple(_warning(p) for p in providers.values() if _lacks_key(p)),
    )


def _unknown_models(file: CatalogFile, path: Path, text: str) -> list[str]:
    named = {"default_model": file.default_model, "title_model": file.title_model}
    return [
        fault(path, text, (key,), f"there is no model {name!r}: name one of {_names(file.models)}")
        for key, name in named.items()
        if name is not None and name not in file.models
    ]


def _provider(name: str, table: ProviderTable, environ: Mapping[str, str]) -> ProviderConfig:
    """Fill the key in from the environment; an empty value counts as not set."""
    written = table.api_key.get_secret_value() if table.api_key else ""
    missing = tuple(n for n in _VARIABLE.findall(written) if not environ.get(n, "").strip())
    value = _VARIABLE.sub(lambda found: environ.get(found[1], ""), written).strip()
    return ProviderConfig(
        name=name,
        dialect=table.dialect,
        base_url=table.base_url,
        api_key=SecretStr(value) if value and not missing else None,
        enabled=table.enabled,
        missing=missing,
    )


def _model(name: str, table: ModelTable) -> Model:
    return Model(
        name=name,
        provider=table.provider,
        upstream_model=table.model or name,
        context_limit=table.context_limit,
        compaction_threshold=table.compaction_threshold,
        store=table.store,
        max_output_tokens=table.max_output_tokens,
        reasoning_effort=table.reasoning_effort,
        options=table.options,
    )


def _lacks_key(provider: ProviderConfig) -> bool:
    return provider.unavailable is Unavailable.MISSING_KEY


def _warning(provider: ProviderConfig) -> str:
    if provider.missing:
        names = ", ".join(provider.missing)
        return f"provider {provider.name!r} has no key: set {names} in the environment"
    return f"provider {provider.name!r} has no key: set api_key in [providers.{provider.name}]"


def _unknown(name: str, providers: Mapping[str, ProviderConfig]) -> str:
    known = _names(providers) if providers else "none"
    return f"there is no provider {name!r} (declared: {known}): add [providers.{name}]"


def _names(named: Mapping[str, object]) -> str:
    return ", ".join(repr(name) for name in named)
