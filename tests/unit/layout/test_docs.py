"""The pages hang together: links and anchors lead somewhere, decisions are numbered and dated."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

PAGES: Final = sorted(
    [Path("README.md"), Path("CHANGELOG.md"), Path("tests/README.md"), *Path("docs").rglob("*.md")]
)
DECISIONS: Final = sorted(Path("docs/decisions").glob("0*.md"))

_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text())


def _anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub does."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(_prose(page))
    }


def _broken(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_that_it_names_exists(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^|; )make ([a-z]+)", text, re.MULTILINE)) <= targets
    modules = set(re.findall(r"python -m ([\w.]+\w)", text))
    assert [name for name in sorted(modules) if find_spec(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(_broken(page)) == []


def test_every_page_is_in_the_order_to_read() -> None:
    index = Path("docs/README.md").read_text()
    others = {page.name for page in Path("docs").glob("*.md")} - {"README.md"}
    assert [name for name in sorted(others) if f"({name})" not in index] == []


def test_decisions_are_numbered_without_holes() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_date_and_a_check_that_exists(page: Path) -> None:
    text = page.read_text()
    number = page.name[:4]
    title = text.splitlines()[0].removeprefix(f"# {number} ")
    assert re.match(rf"# {number} .+\n\n2026-\d\d-\d\d\n\n", text)
    assert f"[{number}]({page.name}) | {title} |" in Path("docs/decisions/README.md").read_text()
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", text)
    assert "Checked by" in text
    assert [name for name in named if not Path(name).exists()] == []
