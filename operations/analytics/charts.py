"""A picture of an answer, as a Vega-Lite specification, where the shape of the answer suggests one.

    a category and a number             bars
    a time and a number                 a line
    a time, a category and a number     a line for each category
    two numbers                         points

Anything else has none, and neither has an answer of one row, of too many for its picture, with a category that comes
twice, or with numbers that JSON writes as text. The data stand in the specification, so that it can be drawn as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from .values import NUMBERS, TIMES, ZONED

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
MOST_ROWS: Final = 2_000
MOST_BARS: Final = 50
MOST_LINES: Final = 12

CATEGORIES: Final = frozenset({"varchar", "enum", "boolean"})

Row = dict[str, Any]
Chart = dict[str, Any]


def chart(columns: Sequence[dict[str, str]], rows: Sequence[Row]) -> Chart | None:
    """The specification for these rows, or `None`; a column is `{"name", "type", "kind"}`."""
    if not 2 <= len(rows) <= MOST_ROWS or not 2 <= len(columns) <= 3:
        return None
    shape = sorted((_role(column["kind"]), number) for number, column in enumerate(columns))
    roles = "".join(role for role, _ in shape)
    names = [columns[number]["name"] for _, number in shape]
    drawn = _DRAWN.get(roles)
    if drawn is None or not _are_numbers(rows, [name for name, role in zip(names, roles, strict=True) if role == "n"]):
        return None
    return drawn(names, rows)


def _role(kind: str) -> str:
    if kind in NUMBERS:
        return "n"
    if kind in TIMES | ZONED:
        return "t"
    return "c" if kind in CATEGORIES else "x"


def _are_numbers(rows: Sequence[Row], names: Sequence[str]) -> bool:
    values = [row[name] for row in rows for name in names]
    return not any(isinstance(value, str) for value in values) and any(value is not None for value in values)


def _bars(names: list[str], rows: Sequence[Row]) -> Chart | None:
    category, number = names
    if len(rows) > MOST_BARS or not _differ(rows, category):
        return None
    # In the order of the answer, which its writer chose.
    return _spec("bar", names, rows, x=_axis(category, "nominal", sort=None), y=_axis(number, "quantitative"))


def _line(names: list[str], rows: Sequence[Row]) -> Chart | None:
    number, time = names
    if not _differ(rows, time):
        return None
    return _spec("line", names, rows, x=_axis(time, "temporal"), y=_axis(number, "quantitative"))


def _lines(names: list[str], rows: Sequence[Row]) -> Chart | None:
    category, number, time = names
    if len({row[category] for row in rows}) > MOST_LINES or not _differ(rows, category, time):
        return None
    x, y = _axis(time, "temporal"), _axis(number, "quantitative")
    return _spec("line", names, rows, x=x, y=y, color=_axis(category, "nominal"))


def _points(names: list[str], rows: Sequence[Row]) -> Chart | None:
    first, second = names
    x, y = _axis(first, "quantitative", scale=_NEAR), _axis(second, "quantitative", scale=_NEAR)
    return _spec("point", names, rows, x=x, y=y)


_NEAR: Final = {"zero": False}
_DRAWN: Final = {"cn": _bars, "nt": _line, "cnt": _lines, "nn": _points}


def _differ(rows: Sequence[Row], *names: str) -> bool:
    return len({tuple(row[name] for name in names) for row in rows}) == len(rows)


def _axis(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"field": _escaped(name), "type": kind, "title": name, **more}


def _escaped(name: str) -> str:
    """A name as a field: dots and brackets would be read as a way into an object."""
    return re.sub(r"""([\\.\[\]'"])""", r"\\\1", name)


def _spec(mark: str, names: list[str], rows: Sequence[Row], **encoding: Any) -> Chart:
    values = [{name: row[name] for name in names} for row in rows]
    return {
        "$schema": SCHEMA,
        "data": {"values": values},
        "mark": {"type": mark, "tooltip": True},
        "encoding": encoding,
    }
