"""How DuckDB's values become JSON: every one of them without loss, or told.

The statement is wrapped, so that DuckDB itself writes what Python's types would cut short (nanoseconds, years beyond
9999, the months of an interval) and what JSON has no type for:

    type                            JSON
    BOOLEAN, VARCHAR, ENUM          as they are
    integers of any size            a number up to 15 digits, from 16 on a string of its digits
    DECIMAL                         a number up to 15 digits, from 16 on a string; without its trailing zeros
    FLOAT, DOUBLE                   a number; the strings "NaN", "Infinity" and "-Infinity"
    DATE, TIME, TIMESTAMP           ISO 8601, as "2026-11-23T09:30:00.125"; "infinity"; years before 1 end in "(BC)"
    TIMESTAMP WITH TIME ZONE        the same in UTC, with a Z
    INTERVAL, UUID, BIT, GEOMETRY   DuckDB's own text
    BLOB                            base64 (RFC 4648, section 4)
    JSON, VARIANT                   what they hold; where an event cannot carry that, their text
    LIST, ARRAY, STRUCT, MAP ...    arrays and objects; what is in them is as above, with times and BLOBs in
                                    DuckDB's own text

15 digits are what any double, and so any reader of JSON, keeps (IEEE 754 binary64). Two columns of one name are told
apart by a number behind it. No value has more than `VALUE_BYTES`: it is refused before it leaves DuckDB, which gathers
2,048 rows at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from .wording import quoted

VALUE_BYTES: Final = 65_536
DIGITS: Final = 15
DEPTH: Final = 100
"""How deep a value may nest before its text stands for it: an event takes some 250."""

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
    """The family of a type: its id, but for JSON, which DuckDB takes for a kind of text."""
    return "json" if type_name == "JSON" else type_id


def distinct(names: Iterable[str]) -> list[str]:
    """The names with a number behind each that has come before, as DuckDB tells columns apart (without case)."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, candidate = 1, name
        while candidate.lower() in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate.lower())
        result.append(candidate)
    return result


def wrapped(sql: str, kinds: Sequence[tuple[str, str]], limit: int) -> str:
    """The statement whose rows can be told as JSON: `kinds` are the distinct names and the kinds of its columns."""
    aliases = [f"c{number}" for number in range(len(kinds))]
    told = ", ".join(
        f"{_guarded(_told(alias, kind), name)} AS {alias}" for alias, (name, kind) in zip(aliases, kinds, strict=True)
    )
    answer = f"(\n{sql}\n) AS answer({', '.join(aliases)})"
    return f"SELECT {told} FROM {answer} LIMIT {limit}"  # noqa: S608  # running somebody's SQL is what it is for


def _told(column: str, kind: str) -> tuple[str, bool]:
    """The expression for a column, and whether what it gives may be of any length."""
    if kind in WHOLE | UNSIGNED | FRACTIONS | {"boolean"}:
        return column, False
    if kind == "varchar":
        return column, True
    if kind == "blob":
        return f"base64({column})", True
    if kind in NESTED - {"json"}:
        return f"CAST(to_json({column}) AS VARCHAR)", True
    return f"CAST({column} AS VARCHAR)", True


def _guarded(told: tuple[str, bool], name: str) -> str:
    expression, any_length = told
    if not any_length:
        return expression
    complaint = quoted(f"{TOO_LONG}{name}", "'")
    return f"CASE WHEN strlen({expression}) > {VALUE_BYTES} THEN error({complaint}) ELSE {expression} END"


TOO_LONG: Final = "headway: a value is too long in the column "
"""What the guard's own error begins with."""


def converter(kind: str) -> Convert:
    """What makes JSON of the values of a column of this kind, as `wrapped` has them fetched."""
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
    return _nested if kind in NESTED else _as_it_is


def _as_it_is(value: Any) -> Value:
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
        return _carried(value, DEPTH)
    except (ValueError, RecursionError):
        return text


def _json_fraction(text: str) -> Value:
    """A number with a point or an exponent: DECIMALs have no exponent, and doubles are written as they are read."""
    value = float(text)
    return _fraction(Decimal(text)) if not isfinite(value) or repr(value) != text else value


def _carried(value: Value, depth: int) -> Value:
    """`value`, or `ValueError` where it nests too deep for an event."""
    if not depth:
        raise ValueError("nested too deep")
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _carried(item, depth - 1)
    return value
