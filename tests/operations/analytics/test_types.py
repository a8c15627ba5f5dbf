"""A column has a type only where every value comes back as its own text."""

from __future__ import annotations

from typing import Any

import pytest

from operations.analytics.files import columns
from tests.operations.analytics.loading import Load

TEXTS: dict[str, tuple[list[str], str, list[Any]]] = {
    "whole numbers": (["1", "-20", "0"], "BIGINT", [1, -20, 0]),
    "leading zeros": (["00501", "10001"], "VARCHAR", ["00501", "10001"]),
    "a plus": (["+1", "2"], "VARCHAR", ["+1", "2"]),
    "minus zero": (["-0", "2"], "VARCHAR", ["-0", "2"]),
    "an exponent": (["1e5", "2"], "VARCHAR", ["1e5", "2"]),
    "DuckDB's exponents": (["1e-07", "0.5"], "DOUBLE", [1e-07, 0.5]),
    "NaN": (["NaN", "2.5"], "VARCHAR", ["NaN", "2.5"]),
    "nan": (["nan", "inf"], "VARCHAR", ["nan", "inf"]),
    "words for nothing": (["NA", "2", "NULL"], "VARCHAR", ["NA", "2", "NULL"]),
    "decimals": (["1.5", "2.25"], "DOUBLE", [1.5, 2.25]),
    "whole numbers and decimals": (["1", "12.75"], "DOUBLE", [1, 12.75]),
    "two decimals": (["10.50", "7.00"], "DOUBLE", [10.5, 7]),
    "versions": (["1.9", "1.10"], "VARCHAR", ["1.9", "1.10"]),
    "a point first": ([".5", "1.5"], "VARCHAR", [".5", "1.5"]),
    "a point last": (["5.", "1.5"], "VARCHAR", ["5.", "1.5"]),
    "20 digits": (["12345678901234567890", "1"], "HUGEINT", ["12345678901234567890", 1]),
    "40 digits": (["1" * 40, "1"], "VARCHAR", ["1" * 40, "1"]),
    "20 decimals": (
        ["0.12345678901234567890", "1.00000000000000000001"],
        "DECIMAL(38,20)",
        ["0.1234567890123456789", "1.00000000000000000001"],
    ),
    "hexadecimal": (["0x1F", "1"], "VARCHAR", ["0x1F", "1"]),
    "underscores": (["1_000", "1"], "VARCHAR", ["1_000", "1"]),
    "true and false": (["true", "false"], "BOOLEAN", [True, False]),
    "True": (["True", "False"], "VARCHAR", ["True", "False"]),
    "t": (["t", "f"], "VARCHAR", ["t", "f"]),
    "0 and 1": (["0", "1"], "BIGINT", [0, 1]),
    "dates": (["2024-01-05", "2024-12-31"], "DATE", ["2024-01-05", "2024-12-31"]),
    "dates without zeros": (["2024-1-5", "2024-12-31"], "VARCHAR", ["2024-1-5", "2024-12-31"]),
    "no dates": (["2024-02-30", "2024-12-31"], "VARCHAR", ["2024-02-30", "2024-12-31"]),
    "dates of two meanings": (["01/02/2024", "03/04/2024"], "VARCHAR", ["01/02/2024", "03/04/2024"]),
    "times": (["09:30:00", "23:59:59"], "TIME", ["09:30:00", "23:59:59"]),
    "hours of a day and more": (["09:30:00", "25:00:00"], "VARCHAR", ["09:30:00", "25:00:00"]),
    "timestamps": (
        ["2024-01-05 09:36:00", "2024-01-05 10:00:01"],
        "TIMESTAMP",
        ["2024-01-05T09:36:00", "2024-01-05T10:00:01"],
    ),
    "minutes": (["2024-01-05 09:36", "2024-01-05 10:00"], "TIMESTAMP", ["2024-01-05T09:36:00", "2024-01-05T10:00:00"]),
    "a T": (
        ["2024-01-05T09:36:00", "2024-01-05T10:00:01"],
        "TIMESTAMP",
        ["2024-01-05T09:36:00", "2024-01-05T10:00:01"],
    ),
    "a T now and then": (
        ["2024-01-05T09:36:00", "2024-01-05 10:00:01"],
        "VARCHAR",
        ["2024-01-05T09:36:00", "2024-01-05 10:00:01"],
    ),
    "milliseconds": (
        ["2024-01-05T09:36:00.120Z", "2024-01-05T09:36:00.000Z"],
        "TIMESTAMP WITH TIME ZONE",
        ["2024-01-05T09:36:00.12Z", "2024-01-05T09:36:00Z"],
    ),
    "other zones": (
        ["2024-01-05T09:36:00+02:00", "2024-01-05T09:36:00+01:00"],
        "VARCHAR",
        ["2024-01-05T09:36:00+02:00", "2024-01-05T09:36:00+01:00"],
    ),
    "minutes and seconds": (
        ["2024-01-05 09:36", "2024-01-05 10:00:01"],
        "VARCHAR",
        ["2024-01-05 09:36", "2024-01-05 10:00:01"],
    ),
    "empty ones": (["1", "", "3"], "BIGINT", [1, None, 3]),
    "only empty ones": (["", ""], "VARCHAR", [None, None]),
    "blanks": ([" 1", "20 "], "BIGINT", [1, 20]),
    "decimal commas": (["1,5", "2,25"], "DOUBLE", [1.5, 2.25]),
    "points between thousands": (["1.234,50", "12,00"], "DOUBLE", [1234.5, 12]),
    "commas between thousands": (["1,234,567", "12"], "BIGINT", [1234567, 12]),
    "commas and points": (["1,234.50", "12.00"], "DOUBLE", [1234.5, 12]),
    "blanks between thousands": (["1 234 567", "12"], "BIGINT", [1234567, 12]),
    "narrow blanks, decimal commas": (["1\u202f234,5", "12,5"], "DOUBLE", [1234.5, 12.5]),
    "apostrophes between thousands": (["1'234.50", "12.25"], "DOUBLE", [1234.5, 12.25]),
    "thousands in one only": (["1.234,50", "1234,50"], "VARCHAR", ["1.234,50", "1234,50"]),
    "groups of two": (["12,34,567", "1"], "VARCHAR", ["12,34,567", "1"]),
    "two meanings": (["1,234", "12,345"], "VARCHAR", ["1,234", "12,345"]),
    "addresses": (["192.168.0.1", "10.0.0.1"], "VARCHAR", ["192.168.0.1", "10.0.0.1"]),
    "percent": (["1%", "2%"], "VARCHAR", ["1%", "2%"]),
}


@pytest.mark.parametrize("what", TEXTS)
def test_the_type_of_a_column(what: str, load: Load) -> None:
    """The type, and the values as JSON has them."""
    texts, type_name, values = TEXTS[what]
    loaded = load("n;k\n" + "".join(f"{text};x\n" for text in texts))
    assert (loaded.types[0], [row[0] for row in loaded.rows()]) == (type_name, values)


@pytest.mark.parametrize(
    ("rows", "late", "type_name", "values", "odd"),
    [
        (25_000, ["12.75", "00501"], "VARCHAR", ["1", "12.75", "00501"], [1, 2]),
        (2_500, ["12.75"], "DOUBLE", [1, 12.75], None),
        (2_500, ["1,5"], "DOUBLE", [1, 1.5], None),
        (2_500, ["1,234,567"], "BIGINT", [1, 1234567], None),
        (2_500, ["n/a"], "VARCHAR", ["1", "n/a"], [1]),
        (2_500, ["12345678901234567890"], "HUGEINT", [1, "12345678901234567890"], None),
        (2_500, [" 2"], "BIGINT", [1, 2], None),
    ],
)
def test_late_values_decide_too(
    rows: int, late: list[str], type_name: str, values: list[Any], odd: list[int] | None, load: Load
) -> None:
    """Thousands of whole numbers, then others: all stay what they are, and rows that made a column text are told."""
    loaded = load("n;k\n" + "1;x\n" * rows + "".join(f"{text};x\n" for text in late))
    assert loaded.types[0] == type_name
    assert [row[0] for row in loaded.rows(f"SELECT n FROM a OFFSET {rows - 1}")] == values
    if odd is not None:
        [warning] = [warning for warning in loaded.warnings if warning["code"] == "kept_as_text"]
        assert warning["rows"] == [rows + row for row in odd]


def test_values_that_begin_late(load: Load) -> None:
    """A column whose first thousands of values are empty has the type of the others."""
    loaded = load("n,k\n" + ",x\n" * 5_000 + "7,x\n")
    assert (loaded.types, loaded.rows("SELECT sum(n) FROM a")) == (["BIGINT", "VARCHAR"], [[7]])


@pytest.mark.parametrize(
    ("content", "types", "values"),
    [
        ("a;b\n1,234;1,5\n12,345;2,5\n", ["DOUBLE", "DOUBLE"], [1.234, 1.5]),
        ("a;b\n1,234;1.5\n12,345;2.5\n", ["BIGINT", "DOUBLE"], [1234, 1.5]),
        ("a;b\n1.234;1,5\n12.345;2,5\n", ["BIGINT", "DOUBLE"], [1234, 1.5]),
        ("a;b\n1.234;1.5\n12.345;2.5\n", ["DOUBLE", "DOUBLE"], [1.234, 1.5]),
        ("a;b\n1.234;x\n12.345;y\n", ["DOUBLE", "VARCHAR"], [1.234, "x"]),
    ],
)
def test_other_columns_tell_what_a_mark_is(content: str, types: list[str], values: list[Any], load: Load) -> None:
    """`1,234` and `1.234` are what the decimal mark of the other columns makes of them."""
    loaded = load(content)
    assert (loaded.types, loaded.rows()[0]) == (types, values)


def test_what_is_told_of_types(load: Load) -> None:
    """Notations that are no longer seen, numbers of two meanings, and the few values that make a column text."""
    loaded = load("a;b;c\n" + "1,5;1,234;7\n" * 9 + "2,5;5,678;n/a\n")
    assert loaded.codes == ["kept_as_text", "notation"]
    assert loaded.warnings[0]["rows"] == [10]
    assert loaded.warnings[1]["message"] == "a.csv: Read with decimal commas: a, b."
    [warning] = load("a;b\n1,234;x\n").warnings
    assert (warning["code"], "a" in warning["message"]) == ("ambiguous_numbers", True)


def test_many_columns_have_the_same_rules(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows of a wide file are few, and all of its rows are tested by another statement."""
    monkeypatch.setattr(columns, "FEWEST_ROWS", 1)
    monkeypatch.setattr(columns, "SAMPLE_ROWS", 1)
    monkeypatch.setattr(columns, "WIDE", 1)
    known = {what: (texts, type_name) for what, (texts, type_name, _) in TEXTS.items() if what != "two meanings"}
    lines = ["\t".join(f'"{(texts * 2)[row]}"' for texts, _ in known.values()) for row in range(3)]
    loaded = load("\t".join(f"name {index}" for index in range(len(known))) + "\n" + "\n".join(lines) + "\n", "a.tsv")
    types = dict(zip(known, loaded.types, strict=True))
    assert types == {what: type_name for what, (_, type_name) in known.items()}
