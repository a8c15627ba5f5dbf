"""Values of expressions: what they are, where they stand, in which unit, and what can be done with them."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from . import units
from .units import Unit

QUANTITY: Final = ("value", "unit")
"""The fields of an object that is a quantity."""

Path = tuple[str | int, ...]
"""Where a value stands: the name of an observation, then keys and indices."""


class ExpressionError(ValueError):
    """An expression that cannot be computed; the message is for the model."""


@dataclass(frozen=True)
class Value:
    """A value; `path` is its place in an observation, unless it is computed."""

    data: Any
    path: Path | None = None
    unit: Unit | None = None


def leaves(data: Any, path: Path) -> Iterator[Path]:
    """The paths of all texts and numbers inside a value."""
    if isinstance(data, Value):
        if data.path:
            yield from leaves(data.data, data.path)
    elif isinstance(data, dict):
        for key, each in data.items():
            yield from leaves(each, (*path, key))
    elif isinstance(data, list):
        for index, each in enumerate(data):
            yield from leaves(each, (*path, index))
    elif data is not None:
        yield path


def name_of(path: Path) -> str:
    """The name of a field with those of the objects around it: `address.town`."""
    return ".".join(key for key in path[1:] if isinstance(key, str))


def plain(value: Any) -> Any:
    """The data of a value, without the places of its parts."""
    data = value.data if isinstance(value, Value) else value
    if isinstance(data, dict):
        return {key: plain(each) for key, each in data.items()}
    return [plain(each) for each in data] if isinstance(data, list) else data


def child_of(base: Value, key: str | int) -> Value:
    """A member of an object or an entry of a list, with its place and the unit in its name."""
    data = base.data[key]
    if isinstance(data, Value):
        return data
    unit = units.unit_of_field(key) if isinstance(key, str) else None
    return Value(data, (*base.path, key) if base.path else None, unit)


def items_of(value: Value) -> list[Value]:
    """The entries of a list, also of the only one in an object; else the keys of an object."""
    if isinstance(value.data, dict):
        lists = [key for key, each in value.data.items() if isinstance(each, list)]
        if value.path and len(lists) == 1:  # {"results": [...]}: the list is meant
            return items_of(child_of(value, lists[0]))
        return [Value(key) for key in value.data]
    if not isinstance(value.data, list):
        raise ExpressionError("only a list has entries")
    return [child_of(value, index) for index in range(len(value.data))]


def member_of(base: Value, name: str) -> Value:
    """A member of an object by its name; the only one of this name inside, if it has none itself."""
    if isinstance(base.data, list) and len(base.data) == 1:
        return member_of(child_of(base, 0), name)
    if isinstance(base.data, str) and name in QUANTITY and (found := units.quantity(base.data)):
        return base if name == QUANTITY[0] else Value(found[2])
    if isinstance(base.data, dict):
        for key in base.data:
            if _same_name(key, name):
                return child_of(base, key)
        inside = [path for path in _inside(base.data) if _same_name(str(path[-1]), name)]
        if len(inside) == 1:
            value = base
            for key in inside[0]:
                value = child_of(value, key)
            return value
    if isinstance(base.data, list):
        raise ExpressionError(f"a list has no {name[:40]!r}: read each[{name[:40]!r}] for each of its entries")
    raise ExpressionError(f"there is no {name[:40]!r} there")


def _inside(data: dict[str, Any]) -> Iterator[Path]:
    for key, each in data.items():
        yield (key,)
        if isinstance(each, dict):
            yield from ((key, *path) for path in _inside(each))


def _same_name(one: str, two: str) -> bool:
    return one == two or one.replace("_", "").casefold() == two.replace("_", "").replace(" ", "").casefold()


def number_of(value: Value) -> Value:
    """A value as a number, with the unit that its text has."""
    data = value.data
    if isinstance(data, bool) or data is None:
        raise ExpressionError(f"{data} is not a number")
    if isinstance(data, int | float | Decimal):
        return replace(value, data=Decimal(str(data)))
    found = units.quantity(data) if isinstance(data, str) else None
    if found is None:
        raise ExpressionError(f"{str(plain(value))[:40]!r} is not a number")
    return replace(value, data=found[0], unit=found[1] or value.unit)


def order_of(value: Value) -> tuple[int, Any]:
    """What a value is ordered by: its quantity, or its text."""
    try:
        number = number_of(value)
        return 0, number.data * number.unit.factor + number.unit.offset if number.unit else number.data
    except (ExpressionError, InvalidOperation):
        return 1, str(value.data)


def _orders(left: Value, right: Value) -> tuple[tuple[int, Any], tuple[int, Any]]:
    """What two values are ordered by; a number without a unit is in that of the other one: 20, beside `12 km`."""
    one, two = order_of(left), order_of(right)
    if one[0] == two[0] == 0 and (number_of(left).unit is None) != (number_of(right).unit is None):
        return (0, number_of(left).data), (0, number_of(right).data)
    return one, two


def holds(op: ast.cmpop, left: Value, right: Value) -> bool:
    """Whether a comparison holds; case does not matter."""
    if isinstance(op, ast.In | ast.NotIn):
        entries = plain(right)
        folded = entries.casefold() if isinstance(entries, str) else [str(each).casefold() for each in entries]
        return (str(left.data).casefold() in folded) == isinstance(op, ast.In)
    if isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot):
        same = left.data is right.data if None in (left.data, right.data) else _equal(left, right)
        return same == isinstance(op, ast.Eq | ast.Is)
    one, two = _orders(left, right)
    if one[0] != two[0]:
        raise ExpressionError("a number and a text cannot be compared")
    return bool(_COMPARISONS[type(op)](one[1], two[1]))


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left.data, str) and isinstance(right.data, str):
        return left.data.casefold() == right.data.casefold()
    if bool in (type(left.data), type(right.data)):
        return bool(left.data == right.data)
    one, two = _orders(left, right)
    return one == two


def days_from(start: Any, end: Any) -> int | None:
    """The days from one ISO date to another; `None` if one is no date."""
    try:
        return (date.fromisoformat(str(end)[:10]) - date.fromisoformat(str(start)[:10])).days
    except ValueError:
        return None


def minutes_from(start: Any, end: Any) -> int | None:
    """The minutes from one time of the day to another, as in `04:58`; `None` if one is none.

    Also of two dates with times, less than two days apart.
    """
    times = [re.fullmatch(r"(\d{1,2}):([0-5]\d)", str(each)) for each in (start, end)]
    if None in times:
        return _minutes_of_dates(str(start), str(end))
    first, last = (int(each[1]) * 60 + int(each[2]) for each in times if each)
    return last - first


def _minutes_of_dates(start: str, end: str) -> int | None:
    if not all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", each) for each in (start, end)):
        return None
    try:
        between = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except (ValueError, TypeError):  # one has a time zone, and the other one none
        return None
    return int(between.total_seconds() // 60) if abs(between) < timedelta(days=2) else None


def days_between(start: Value, end: Value) -> Value:
    """How many days lie between two dates; minutes for two times of one day."""
    days = days_from(start.data, end.data)
    if days == 0 and (minutes := minutes_from(start.data, end.data)):
        return Value(Decimal(abs(minutes)), unit=units.unit_of("min"))
    if days is None:
        raise ExpressionError("days_between takes two dates as YYYY-MM-DD")
    return Value(abs(days), unit=units.unit_of("d"))


def add_days(start: Value, days: Value) -> Value:
    """The date some days later."""
    return Value((date.fromisoformat(str(start.data)[:10]) + timedelta(days=int(number_of(days).data))).isoformat())


def sum_of(values: Value) -> Value:
    """The sum of a list, in its unit; how many are true."""
    entries = (replace(each, data=int(each.data)) if isinstance(each.data, bool) else each for each in items_of(values))
    numbers = [number_of(each) for each in entries]
    found = {each.unit for each in numbers}
    if len(found) > 1:
        raise ExpressionError("sum of values with different units")
    return Value(sum((each.data for each in numbers), Decimal(0)), unit=found.pop() if found else None)


def round_to(value: Value, digits: Value | None = None) -> Value:
    """A number with fewer digits."""
    number = number_of(value)
    return replace(number, data=round(number.data, int(digits.data) if digits else 0), path=None)


def first(values: Value, default: Value | None = None) -> Value:
    """The first entry of a list."""
    entries = items_of(values)
    if not entries and default is None:
        raise ExpressionError("no entry fits")
    return entries[0] if entries else default or Value(None)


_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
