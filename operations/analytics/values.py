"""How DuckDB's values become JSON, without loss.

The statement is wrapped, so that DuckDB itself formats the values that Python's types would truncate (nanoseconds,
years beyond 9999, the months of an interval) and those for which JSON has no type:

    type                            JSON
    BOOLEAN, VARCHAR, ENUM          unchanged
    integers of any size            a number up to 15 digits, a string of digits beyond
    DECIMAL                         a number up to 15 digits, a string beyond; without trailing zeros
    FLOAT, DOUBLE                   a number; the strings "NaN", "Infinity" and "-Infinity"
    DATE, TIME, TIMESTAMP           ISO 8601, as "2026-11-23T09:30:00.125"; "infinity"; years before 1 end in "(BC)"
    TIMESTAMP WITH TIME ZONE        the same in UTC, with a Z
    INTERVAL, UUID, BIT, GEOMETRY   DuckDB's own text
    BLOB                            base64 (RFC 4648, section 4)
    JSON, VARIANT                   their value, or their text if it nests too deep for an event
    LIST, ARRAY, STRUCT, MAP ...    arrays and objects of values as above, but times and BLOBs in DuckDB's own text

Any double, and so any reader of JSON, keeps 15 digits (IEEE 754 binary64). Columns with the same name get numbers. A
value of more than `VALUE_BYTES` is an error, raised inside DuckDB, which collects 2,048 rows at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from .sql import quote

VALUE_BYTES: Final = 65_536
DIGITS: Final = 15
DEPTH: Final = 100
"""Levels of a nested value; a deeper one becomes text. An event may have some 250."""

Value = Any
Convert = Callable[[Any], Value]

WHOLE: Final = frozenset({"tinyint", "smallint", "integer", "bigint", "hugeint"})
UNSIGNED: Final = frozenset({"utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"})
FRACTIONS: Final = frozenset({"decimal", "float", "double"})
NUMBERS: Final = WHOLE | UNSIGNED | FRACTIONS | {"bignum"}
TIMES: Final = frozenset({"date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
ZONED: Final = frozenset({"timestamp with time zone", "timestamptz_ns"})
NESTED: Final = frozenset({"list", "array", "struct", "map", "union", "tuple", "variant", "json"})


def column_kind(type_name: str, type_id: str) -> str:
    """The family of a type: its id, except for JSON, which is a VARCHAR to DuckDB."""
    return "json" if type_name == "JSON" else type_id


def distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number after each repeated one. As in DuckDB, case does not matter."""
    used: set[str] = set()
    result = []
    for name in names:
        number, candidate = 1, name
        while candidate.lower() in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate.lower())
        result.append(candidate)
    return result


def wrap(sql: str, kinds: Sequence[tuple[str, str]], limit: int) -> str:
    """The statement around `sql` whose rows `converter` understands: `kinds` are distinct names and column kinds."""
    aliases = [f"c{number}" for number in range(len(kinds))]
    columns = ", ".join(
        f"{_guard(*_expression(alias, kind), name)} AS {alias}"
        for alias, (name, kind) in zip(aliases, kinds, strict=True)
    )
    answer = f"(\n{sql}\n) AS answer({', '.join(aliases)})"
    return f"SELECT {columns} FROM {answer} LIMIT {limit}"  # noqa: S608  # its purpose is to run the user's SQL


def _expression(column: str, kind: str) -> tuple[str, bool]:
    """The expression for a column, and whether its value may have any length."""
    if kind in WHOLE | UNSIGNED | FRACTIONS | {"boolean"}:
        return column, False
    if kind == "varchar":
        return column, True
    if kind == "blob":
        return f"base64({column})", True
    if kind in NESTED - {"json"}:
        return f"CAST(to_json({column}) AS VARCHAR)", True
    return f"CAST({column} AS VARCHAR)", True


def _guard(expression: str, any_length: bool, name: str) -> str:
    if not any_length:
        return expression
    message = quote(f"{TOO_LONG}{name}", "'")
    return f"CASE WHEN strlen({expression}) > {VALUE_BYTES} THEN error({message}) ELSE {expression} END"


TOO_LONG: Final = "headway: a value is too long in the column "
"""The beginning of the guard's error."""


def converter(kind: str) -> Convert:
    """The function that makes JSON of a column of this kind, in a statement of `wrap`."""
    if kind in WHOLE | UNSIGNED:
        return _int
    if kind in FRACTIONS:
        return _fraction
    if kind == "bignum":
        return _digits
    if kind in TIMES:
        return _time
    if kind in ZONED:
        return _zoned
    return _nested if kind in NESTED else _unchanged


def _unchanged(value: Any) -> Value:
    return value


def _int(value: int) -> Value:
    return value if -(10**DIGITS) < value < 10**DIGITS else str(value)


def _digits(text: str) -> Value:
    return int(text) if len(text.lstrip("-")) <= DIGITS else text


def _fraction(value: float | Decimal) -> Value:
    if isinstance(value, float):
        return value if isfinite(value) else _CONSTANTS[str(value)]
    plain = f"{value:f}"
    short = plain.rstrip("0").rstrip(".") if "." in plain else plain
    if len(short.lstrip("-0.").replace(".", "")) > DIGITS:
        return short
    return float(short) if "." in short else int(short)


_CONSTANTS: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _time(text: str) -> Value:
    return text if "(BC)" in text else text.replace(" ", "T", 1)


def _zoned(text: str) -> Value:
    # The session's time zone is UTC, which DuckDB writes as +00.
    return _time(text).removesuffix("+00") + ("Z" if text.endswith("+00") else "")


def _nested(text: str) -> Value:
    try:
        value = json.loads(text, parse_int=_digits, parse_float=_json_fraction, parse_constant=str)
        _check_depth(value, DEPTH)
    except (ValueError, RecursionError):
        return text
    return value


def _json_fraction(text: str) -> Value:
    """A number with a point or an exponent. If it does not read back as the same text, it is a DECIMAL."""
    value = float(text)
    return _fraction(Decimal(text)) if not isfinite(value) or repr(value) != text else value


def _check_depth(value: Value, depth: int) -> None:
    """Raises `ValueError` if `value` nests too deep for an event."""
    if not depth:
        raise ValueError("nested too deep")
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth - 1)
