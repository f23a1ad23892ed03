"""The shape of `stepwell.toml`, as it is written by an operator."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
)

from shared.config.dialect import Dialect
from shared.config.toml_lines import line_of

DEFAULT_COMPACTION_THRESHOLD = 70  # percent of the context limit


class CatalogError(Exception):
    """`stepwell.toml` can't be used; the text names file, line and remedy, and never a value."""


def _threshold_or_default(value: object) -> object:
    """Replace a number out of 0..100 by the default; anything else is left to the type check."""
    if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= 100:
        return DEFAULT_COMPACTION_THRESHOLD
    return value


def _dialect(value: object) -> object:
    """Let a TOML string name a dialect in strict mode too."""
    return Dialect(value) if isinstance(value, str) and value in set(Dialect) else value


class _Table(BaseModel):
    """A table that refuses keys it does not know and values of another type."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, protected_namespaces=()
    )


class ProviderTable(_Table):
    """`[providers.<name>]`: where a provider is and how it is spoken to."""

    dialect: Annotated[Dialect, BeforeValidator(_dialect)]
    base_url: str | None = Field(default=None, pattern=r"^https?://")
    api_key: SecretStr | None = None
    enabled: bool = True


class ModelTable(_Table):
    """`[models.<name>]`: a model that chats may name."""

    provider: str
    model: str | None = Field(default=None, min_length=1)
    context_limit: int = Field(default=0, ge=0)
    compaction_threshold: Annotated[int, BeforeValidator(_threshold_or_default)] = (
        DEFAULT_COMPACTION_THRESHOLD
    )
    store: bool = False
    max_output_tokens: int | None = Field(default=None, ge=1)
    reasoning_effort: str | None = Field(default=None, min_length=1)
    options: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class ToolsTable(_Table):
    """`[tools]`: where the operator's own tools are."""

    modules: list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]] = Field(
        default_factory=list[str]
    )


class CatalogFile(_Table):
    """The whole file."""

    default_model: str | None = None
    title_model: str | None = None
    providers: dict[str, ProviderTable] = Field(default_factory=dict[str, ProviderTable])
    models: dict[str, ModelTable] = Field(default_factory=dict[str, ModelTable])
    tools: ToolsTable = Field(default_factory=ToolsTable)


def read_file(path: Path) -> str:
    """Return the text of the file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        hint = "create it, or correct the path in the settings"
        raise CatalogError(f"{path}: can't be read ({reason}): {hint}") from None
    except UnicodeDecodeError:
        raise CatalogError(f"{path}: is not UTF-8 text: save it as UTF-8") from None


def parse_file(path: Path, text: str) -> CatalogFile:
    """Parse and check the shape; errors are raised `from None`, for a cause may quote a key."""
    try:
        return CatalogFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise CatalogError(f"{where}: is not valid TOML ({error}): correct the syntax") from None
    except ValidationError as error:
        raise _invalid(path, text, error) from None


def fault(path: Path, text: str, keys: tuple[str, ...], what: str) -> str:
    """Say what is wrong with the value at `keys`, with its file and line."""
    line = line_of(text, keys)
    return f"{path}:{line or 1}: {'.'.join(keys)}: {what}"


def _invalid(path: Path, text: str, error: ValidationError) -> CatalogError:
    """Say every fault of the shape on a line of its own."""
    lines: list[str] = []
    for row in error.errors(include_url=False, include_context=False, include_input=False):
        keys = tuple(str(key) for key in row["loc"])
        if row["type"] == "extra_forbidden":
            what = "unknown key: remove it, or correct its name (quote names that have a dot)"
        else:
            what = f"{row['msg']}: correct the value"
        lines.append(fault(path, text, keys, what))
    return CatalogError("\n".join(lines))
