"""The readings of text: types whose values come back as their own text, as SQL.

A test is an aggregate over the values of a column. It is more than zero if every one comes back: as DuckDB writes it,
or in a notation that is the same in the whole column, such as two decimals, a `T` in times, or decimal commas. So
`00501`, `+1`, `1e5`, `-0`, `NaN`, `True`, and `1.50` beside `1.5`, make a column text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DIGITS: Final = 15
"""Of a DOUBLE that is certain to come back (IEEE 754 binary64)."""
DECIMAL_DIGITS: Final = 38

V: Final = "{v}"
"""The value, in the SQL of a reading."""


@dataclass(frozen=True)
class Reading:
    """A type and the notation of its values."""

    type: str
    """`{n}` stands for what the test returns."""
    row: str
    """The condition that a value comes back by itself."""
    test: str = ""
    """The aggregate, where more has to hold than the condition for every value."""
    value: str = V
    """What is cast."""
    notation: str = ""
    """The notation that the typed values do not show, for people."""
    mark: str = ""
    """The decimal mark."""
    unsure: bool = False
    """Whether all values are numbers with another mark too: `1,234` is one and a bit, or more than a thousand."""

    @property
    def aggregate(self) -> str:
        """The test as SQL."""
        return self.test or f"CASE WHEN {_all(self.row)} THEN 1 ELSE 0 END"

    def typed(self, column: str, parameter: int) -> str:
        """The SQL of the typed value of a column."""
        return f"CAST({self.value.replace(V, column)} AS {self.type.replace('{n}', str(parameter))})"


def _all(condition: str) -> str:
    """Whether the condition holds for every value. NULLs are no values."""
    return f"count(*) FILTER ({condition}) = count({V})"


def _matches(pattern: str, value: str = V) -> str:
    return f"regexp_full_match({value}, '{pattern}')"


def _own(type_name: str, value: str = V) -> str:
    """Whether DuckDB writes the value as it stands."""
    return f"CAST(TRY_CAST({value} AS {type_name}) AS VARCHAR) = {value}"


# --- numbers -------------------------------------------------------------------------------------------------------

_FIXED: Final = r"-?(0|[1-9]\d*)\.\d+"


def _scale(which: str, value: str) -> str:
    return f"{which}(length({value}) - strpos({value}, '.'))"


def _doubles(value: str = V) -> list[tuple[str, str]]:
    """The conditions of a DOUBLE, each with what holds for the column.

    DuckDB's own text; or that without `.0`; or the same number of decimals everywhere.
    """
    text = f"CAST(TRY_CAST({value} AS DOUBLE) AS VARCHAR)"
    digit = f"right({value}, 1) BETWEEN '0' AND '9'"  # neither nan nor inf
    short = f"{text} IN ({value}, {value} || '.0') AND NOT ends_with({value}, '.0') AND {value} <> '-0'"
    fixed = f"{_matches(_FIXED, value)} AND length(translate({value}, '-.', '')) <= {DIGITS}"
    same = f"{_scale('min', value)} = {_scale('max', value)}"
    return [(f"{digit} AND {text} = {value}", "true"), (f"{digit} AND {short}", "true"), (fixed, same)]


def _double(value: str, also: str) -> tuple[str, str]:
    """The condition and the test of any DOUBLE; `also` holds for the column too."""
    doubles = _doubles(value)
    tests = " OR ".join(f"({_all(row)} AND {same})" for row, same in doubles)
    return " OR ".join(f"({row})" for row, _ in doubles), f"CASE WHEN {also} AND ({tests}) THEN 1 ELSE 0 END"


def _decimal() -> Reading:
    """Numbers with more digits than a DOUBLE has, and as many decimals everywhere; the test returns how many."""
    row = f"{_matches(_FIXED)} AND length(translate({V}, '-.', '')) <= {DECIMAL_DIGITS} AND NOT {_matches('-[0.]+')}"
    digits = f"max(strpos(ltrim({V}, '-'), '.')) - 1 + {_scale('max', V)} <= {DECIMAL_DIGITS}"
    same = f"{_scale('min', V)} = {_scale('max', V)} AND {digits}"
    test = f"CASE WHEN {_all(row)} AND {same} THEN {_scale('max', V)} ELSE 0 END"
    return Reading(f"DECIMAL({DECIMAL_DIGITS},{{n}})", row, test, mark=".")


# --- times ---------------------------------------------------------------------------------------------------------

_TIMES: Final = {
    "TIMESTAMP": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?",
    "TIMESTAMP_NS": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{7,9}",
}
_UTC: Final = r"(Z|[+]00|[+]00:00)"


def _timestamps(type_name: str, zone: str = "") -> Iterator[Reading]:
    """The same separator everywhere; and DuckDB's own text, or the same length everywhere."""
    local = f"regexp_replace({V}, '{zone}$', '')" if zone else V
    text = f"replace({local}, 'T', ' ')"
    back = f"CAST(TRY_CAST({text} AS {type_name}) AS VARCHAR)"
    own = f"{back} = {text}" + (
        f" AND {_matches(_TIMES[type_name] + zone)}" if zone else f" AND {V} LIKE '____-__-__%'"
    )
    shape = f"{_matches(_TIMES[type_name] + zone)} AND left({back}, 16) = left({text}, 16)"
    separator = f"min(substr({V}, 11, 1)) = max(substr({V}, 11, 1))"
    length = f"min(length({V})) = max(length({V}))"
    for row, same in ((own, separator), (shape, f"{separator} AND {length}")):
        test = f"CASE WHEN {_all(row)} AND {same} THEN 1 ELSE 0 END"
        yield Reading("TIMESTAMP WITH TIME ZONE" if zone else type_name, row, test)


PLAIN: Final = (
    Reading("BIGINT", _own("BIGINT")),
    Reading("BOOLEAN", f"{V} IN ('true', 'false')"),
    Reading("DATE", f"{_own('DATE')} AND {V} LIKE '____-__-__'"),
    *_timestamps("TIMESTAMP"),
    *_timestamps("TIMESTAMP_NS"),
    *_timestamps("TIMESTAMP", _UTC),
    Reading("TIME", f"{_own('TIME')} AND {V} LIKE '__:__:__%'"),
    *(
        Reading("DOUBLE", row, f"CASE WHEN {_all(row)} AND {same} THEN 1 ELSE 0 END", mark=".")
        for row, same in _doubles()
    ),
    Reading("HUGEINT", _own("HUGEINT")),
    _decimal(),
)
"""In the order in which they are preferred."""


# --- marks ---------------------------------------------------------------------------------------------------------

_COMMA: Final = r"-?(0|[1-9]\d*)(,\d+)?"
_DOTS: Final = r"-?(0|[1-9]\d{0,2}([.]\d{3})*)(,\d+)?"
_COMMAS: Final = r"-?(0|[1-9]\d{0,2}(,\d{3})*)([.]\d+)?"
_ONE_COMMA: Final = r"(-?[1-9]\d{0,2}(,\d{3})?|0)"
_ONE_DOT: Final = r"(-?[1-9]\d{0,2}([.]\d{3})?|0)"
_SPACES: Final = {" ": "blanks", "\u00a0": "blanks", "\u202f": "blanks", "''": "apostrophes", "’": "apostrophes"}


def _marked() -> Iterator[Reading]:
    between = "between thousands"
    yield from _notation(_COMMA, f"replace({V}, ',', '.')", "decimal commas", ",", _ONE_COMMA)
    dots = f"replace(replace({V}, '.', ''), ',', '.')"
    yield from _notation(_DOTS, dots, f"points {between}", ",", _ONE_DOT)
    yield from _notation(_COMMAS, f"replace({V}, ',', '')", f"commas {between}", ".", _ONE_COMMA)
    for sign, name in _SPACES.items():
        for mark in (".", ","):
            pattern = rf"-?(0|[1-9]\d{{0,2}}({sign}\d{{3}})*)([{mark}]\d+)?"
            plain = f"replace(replace({V}, '{sign}', ''), ',', '.')"
            yield from _notation(pattern, plain, f"{name} {between}", mark)


def _notation(pattern: str, plain: str, notation: str, mark: str, other: str = "") -> Iterator[Reading]:
    """The readings of a notation: `plain` makes its values numbers; `other` is the pattern of another one."""
    has_mark = f"count(*) FILTER (NOT {_matches('-?[0-9]*')}) > 0"
    for unsure in (False, True) if other else (False,):
        ambiguous = f" AND ({'' if unsure else 'NOT '}{_all(_matches(other))})" if other else ""
        also = f"{_all(_matches(pattern))} AND {has_mark}{ambiguous}"
        whole = f"{_matches(pattern)} AND {_own('BIGINT', plain)}"
        test = f"CASE WHEN {also} AND {_all(_own('BIGINT', plain))} THEN 1 ELSE 0 END"
        yield Reading("BIGINT", whole, test, plain, notation, mark, unsure)
        row, test = _double(plain, also)
        yield Reading("DOUBLE", f"{_matches(pattern)} AND {row}", test, plain, notation, mark, unsure)


MARKED: Final = tuple(_marked())
_SIGNS: Final = "[-0-9.,’'' \u00a0\u202f]+"
MARKS: Final = f"CASE WHEN {_all(_matches(_SIGNS))} THEN 1 ELSE 0 END"
"""Whether all values have only the characters of such numbers."""


def _trimmed(reading: Reading) -> Reading:
    """The reading of values with blanks around them."""
    trimmed = f"trim({V})"
    row, test = reading.row.replace(V, trimmed), reading.aggregate.replace(V, trimmed)
    return Reading(reading.type, row, test, reading.value.replace(V, trimmed), "blanks around the values", reading.mark)


TRIMMED: Final = tuple(map(_trimmed, PLAIN))
BLANKS: Final = f"CASE WHEN count(*) FILTER (trim({V}) <> {V}) > 0 THEN 1 ELSE 0 END"
"""Whether some values have blanks around them."""
