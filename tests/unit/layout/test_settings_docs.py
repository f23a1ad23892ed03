"""The table of settings in docs/operations.md is the code's."""

from pathlib import Path

import pytest

from shared.config.settings import Settings

TABLE = Path("docs/operations.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    if field.is_required():
        default = "required"
    else:
        default = "none" if field.default is None else f"`{field.default}`"
    assert f"| `STEPWELL_{name.upper()}` | {default} | {field.description or ''} |" in TABLE


def test_every_setting_says_what_it_is_for() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
