"""A chart of an answer, as a Vega-Lite specification, if the shape of the answer suggests one.

    a category and a number             bars
    a time and a number                 a line
    a time, a category and a number     a line for each category
    two numbers                         points

Other shapes have no chart. Nor has an answer with one row, with too many rows, with a category that occurs twice, or
with numbers that are strings in JSON. The specification contains the data, so it can be drawn without anything else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from .values import NUMBERS, TIMES, ZONED

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
MAX_ROWS: Final = 2_000
MAX_BARS: Final = 50
MAX_LINES: Final = 12

CATEGORIES: Final = frozenset({"varchar", "enum", "boolean"})

Row = dict[str, Any]
Chart = dict[str, Any]


def chart(columns: Sequence[dict[str, str]], rows: Sequence[Row]) -> Chart | None:
    """The chart of these rows, or `None`; a column is `{"name", "type", "kind"}`."""
    if not 2 <= len(rows) <= MAX_ROWS or not 2 <= len(columns) <= 3:
        return None
    shape = sorted((_role(column["kind"]), number) for number, column in enumerate(columns))
    roles = "".join(role for role, _ in shape)
    names = [columns[number]["name"] for _, number in shape]
    draw = _CHARTS.get(roles)
    if draw is None or not _are_numbers(rows, [name for name, role in zip(names, roles, strict=True) if role == "n"]):
        return None
    return draw(names, rows)


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
    if len(rows) > MAX_BARS or not _are_distinct(rows, category):
        return None
    # In the order of the answer, which the author of the SQL chose.
    return _spec("bar", names, rows, x=_axis(category, "nominal", sort=None), y=_axis(number, "quantitative"))


def _line(names: list[str], rows: Sequence[Row]) -> Chart | None:
    number, time = names
    if not _are_distinct(rows, time):
        return None
    return _spec("line", names, rows, x=_axis(time, "temporal"), y=_axis(number, "quantitative"))


def _lines(names: list[str], rows: Sequence[Row]) -> Chart | None:
    category, number, time = names
    if len({row[category] for row in rows}) > MAX_LINES or not _are_distinct(rows, category, time):
        return None
    x, y = _axis(time, "temporal"), _axis(number, "quantitative")
    return _spec("line", names, rows, x=x, y=y, color=_axis(category, "nominal"))


def _points(names: list[str], rows: Sequence[Row]) -> Chart | None:
    first, second = names
    x, y = _axis(first, "quantitative", scale=_NEAR), _axis(second, "quantitative", scale=_NEAR)
    return _spec("point", names, rows, x=x, y=y)


_NEAR: Final = {"zero": False}
_CHARTS: Final = {"cn": _bars, "nt": _line, "cnt": _lines, "nn": _points}


def _are_distinct(rows: Sequence[Row], *names: str) -> bool:
    return len({tuple(row[name] for name in names) for row in rows}) == len(rows)


def _axis(name: str, kind: str, **options: Any) -> dict[str, Any]:
    return {"field": _escape(name), "type": kind, "title": name, **options}


def _escape(name: str) -> str:
    """A name as a field: dots and brackets would be a path into an object."""
    return re.sub(r"""([\\.\[\]'"])""", r"\\\1", name)


def _spec(mark: str, names: list[str], rows: Sequence[Row], **encoding: Any) -> Chart:
    values = [{name: row[name] for name in names} for row in rows]
    return {
        "$schema": SCHEMA,
        "data": {"values": values},
        "mark": {"type": mark, "tooltip": True},
        "encoding": encoding,
    }
