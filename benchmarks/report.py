"""Writes figures as a table for people and as JSON for programs. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.figure import Bar, Figure
from benchmarks.machine import Machine

_HEAD = ("", "measured", "floor", "", "ratio", "bar", "")
_LAST_WITH_DECIMALS = 100.0


def table(figures: Sequence[Figure]) -> str:
    """Return a Markdown table."""
    rows = [_HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    rule = "|".join("-" * (width + 2) for width in widths)
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def as_json(figures: Sequence[Figure], machine: Machine, seconds: float) -> str:
    """Return everything, each round included."""
    written = [
        {**asdict(figure), "name": figure.name.strip(), "ratio": figure.ratio, "ok": figure.ok}
        for figure in figures
    ]
    whole = {"machine": asdict(machine), "seconds": seconds, "figures": written}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _row(figure: Figure) -> tuple[str, ...]:
    floor = "" if figure.floor is None else _number(figure.floor, figure.unit)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = {None: "", True: "ok", False: "missed"}[figure.ok]
    name = figure.name.replace("  ", "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}")
    value = _number(figure.value, figure.unit)
    return (name, value, floor, figure.floor_name, ratio, _bar(figure), verdict)


def _bar(figure: Figure) -> str:
    match figure.bar:
        case None:
            return ""
        case Bar.RATIO_BELOW | Bar.RATIO_AT_MOST:
            return f"{figure.bar} {figure.limit:.3g}"
        case Bar.OVER_FLOOR_AT_MOST:
            return f"floor + {_number(figure.limit, figure.unit)}"
        case _:
            return f"{figure.bar} {_number(figure.limit, figure.unit)}"


def _number(value: float, unit: str) -> str:
    large = value >= _LAST_WITH_DECIMALS or value == round(value)
    return (f"{value:,.0f}" if large else f"{value:.3g}") + (f" {unit}" if unit else "")
