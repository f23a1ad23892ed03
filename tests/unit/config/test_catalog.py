"""The catalog: what an operator writes, what is refused, and what an error says."""

from pathlib import Path

import pytest

from shared.config.catalog import Catalog, CatalogError, Unavailable, load_catalog
from shared.config.dialect import Dialect

SECRET = "sk-very-secret"

GOOD = """
default_model = "fast"

[providers.openai]
dialect = "openai-chat"
api_key = "${OPENAI_API_KEY}"

[providers.own]
dialect = "openai-chat"
base_url = "http://127.0.0.1:9/v1"

[providers.off]
dialect = "anthropic"
api_key = "sk-very-secret"
enabled = false

[models."gpt-5.1"]
provider = "openai"
context_limit = 400_000
compaction_threshold = 101
options = { seed = 7, stop = ["a", "b"] }

[models.fast]
provider = "own"
model = "llama"

[models.claude]
provider = "off"
"""


def load(tmp_path: Path, text: str, **environ: str) -> Catalog:
    path = tmp_path / "stepwell.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path, environ)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value).removeprefix(str(tmp_path) + "/")


def test_without_a_file_there_is_the_scripted_model_and_it_needs_no_key() -> None:
    catalog = load_catalog(None, {})
    assert list(catalog.models) == ["scripted"]
    assert catalog.default_model == "scripted"
    assert catalog.availability("scripted").available
    assert catalog.warnings == ()


def test_a_file_is_read_in_its_order_with_its_defaults(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_API_KEY=SECRET)
    assert list(catalog.models) == ["gpt-5.1", "fast", "claude"]
    assert catalog.default_model == "fast"
    gpt = catalog.models["gpt-5.1"]
    assert gpt.upstream_model == "gpt-5.1"
    assert gpt.context_limit == 400_000
    assert gpt.options == {"seed": 7, "stop": ["a", "b"]}
    assert catalog.models["fast"].upstream_model == "llama"
    assert catalog.providers["openai"].dialect is Dialect.OPENAI_CHAT
    key = catalog.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == SECRET


def test_the_shipped_example_is_valid() -> None:
    catalog = load_catalog(Path("stepwell.toml"), {})
    assert catalog.default_model == "scripted"
    assert len(catalog.warnings) == 2


def test_without_a_default_the_first_model_is_it(tmp_path: Path) -> None:
    text = GOOD.replace('default_model = "fast"', "")
    assert load(tmp_path, text).default_model == "gpt-5.1"


@pytest.mark.parametrize(
    ("written", "read"), [("101", 70), ("-1", 70), ("0", 0), ("100", 100), ("55", 55)]
)
def test_a_threshold_out_of_range_is_70(tmp_path: Path, written: str, read: int) -> None:
    text = GOOD.replace("compaction_threshold = 101", f"compaction_threshold = {written}")
    assert load(tmp_path, text).models["gpt-5.1"].compaction_threshold == read


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_key_that_is_not_set_is_a_warning_and_its_models_are_unavailable(
    tmp_path: Path, value: str | None
) -> None:
    catalog = load(tmp_path, GOOD, **({} if value is None else {"OPENAI_API_KEY": value}))
    assert catalog.warnings == (
        "provider 'openai' has no key: set OPENAI_API_KEY in the environment",
    )
    found = catalog.availability("gpt-5.1")
    assert found.code is Unavailable.MISSING_KEY
    assert found.reason == "no API key is configured for provider 'openai'"


def test_the_official_address_without_a_key_is_a_warning_too(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD.replace('api_key = "${OPENAI_API_KEY}"', ""))
    assert catalog.warnings == ("provider 'openai' has no key: set api_key in [providers.openai]",)


def test_a_server_of_ones_own_needs_no_key(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).availability("fast").available


def test_a_disabled_provider_makes_its_models_unavailable(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD).availability("claude")
    assert (found.available, found.code) == (False, Unavailable.PROVIDER_DISABLED)


def test_a_key_is_shown_nowhere(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD, OPENAI_API_KEY="sk-another")
    assert SECRET not in repr(catalog)
    assert "sk-another" not in repr(catalog)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("enabled = false", "enabled ="), "stepwell.toml:15: is not valid TOML"),
        (("enabled = false", "enable = false"), "stepwell.toml:15: providers.off.enable: unknown"),
        (("enabled = false", "enabled = 1"), "stepwell.toml:15: providers.off.enabled: Input"),
        (("anthropic", "antropic"), "stepwell.toml:13: providers.off.dialect: Input should be"),
        (('"http:', '"ftp:'), "stepwell.toml:10: providers.own.base_url: String should match"),
        (('provider = "own"', 'provider = "ow"'), "stepwell.toml:24: models.fast.provider: there"),
        (('provider = "own"', ""), "stepwell.toml:23: models.fast.provider: Field required"),
        (('= "fast"', '= "slow"'), "stepwell.toml:2: default_model: there is no model 'slow'"),
        (("400_000", '"400k"'), "stepwell.toml:19: models.gpt-5.1.context_limit: Input should"),
        (('."gpt-5.1"', ".gpt-5.1"), "stepwell.toml:17: models.gpt-5.provider: Field required"),
        (("seed = 7", "at = 2026-01-01"), "stepwell.toml:21: models.gpt-5.1.options"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    answer = refusal(tmp_path, text)
    assert answer.startswith(said)
    assert SECRET not in answer


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('provider = "own"', 'provider = "x"').replace('= "fast"', '= "slow"')
    assert len(refusal(tmp_path, text).splitlines()) == 2


def test_a_file_without_models_is_refused(tmp_path: Path) -> None:
    assert "add a [models.<name>] table" in refusal(tmp_path, "")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="can't be read"):
        load_catalog(tmp_path / "none.toml", {})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stepwell.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match="is not UTF-8"):
        load_catalog(path, {})


def test_a_key_of_the_wrong_type_is_refused_without_its_value(tmp_path: Path) -> None:
    answer = refusal(tmp_path, GOOD.replace('"sk-very-secret"', '["sk-very-secret"]'))
    assert "providers.off.api_key" in answer
    assert SECRET not in answer
