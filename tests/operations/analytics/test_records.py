"""Records that are not quite CSV, quotes, line ends, and DuckDB's reader beside ours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from operations.analytics.files.records import SPAN, Reader
from tests.operations.analytics.loading import Load

FILES: dict[str, tuple[str, list[list[Any]], dict[str, list[int]]]] = {
    "too few fields": ("a,b,c\n1,2,3\n4,5\n6\n", [[1, 2, 3], [4, 5, None], [6, None, None]], {"rows_padded": [2, 3]}),
    "too many fields": ("a,b\n1,2\n3,4,5\n", [[1, 2, None], [3, 4, 5]], {"rows_longer": [2], "names_changed": []}),
    "both": (
        "a,b\n1\n3,4,5\n",
        [[1, None, None], [3, 4, 5]],
        {"rows_padded": [1], "rows_longer": [2], "names_changed": []},
    ),
    "mixed line ends": ("a,b\r\n1,2\n3,4\r5,6", [[1, 2], [3, 4], [5, 6]], {}),
    "CR": ("a,b\r1,2\r3,4\r", [[1, 2], [3, 4]], {}),
    "CRLF": ("a,b\r\n1,2\r\n3,4\r\n", [[1, 2], [3, 4]], {}),
    "blank lines": ("a,b\n\n1,2\n\n\n3,4\n\n", [[1, 2], [3, 4]], {"blank_lines": []}),
    "blank lines in one column": ("a\n1\n\n2\n\n", [[1], [None], [2]], {}),
    "quotes": ('a,b\n"x","say ""hi"""\n"p,q",\n', [["x", 'say "hi"'], ["p,q", None]], {}),
    "lines in quotes": ('a,b\n"x\r\ny\n\nz",1\n', [["x\r\ny\n\nz", 1]], {}),
    "CRLF, with lines in quotes": ('a,b\r\n"x\r\ny",1\r\n"z\nw",2\r\n', [["x\r\ny", 1], ["z\nw", 2]], {}),
    "CR in quotes": ('a,b\n"x\ry",1\n"z\r\n",2\n"\r","3"', [["x\ry", 1], ["z\r\n", 2], ["\r", 3]], {}),
    "a quote inside": ('a,b\n5" pipe,3\n', [['5" pipe', 3]], {}),
    "a quote that stays open": ('a,b\n"x,2\n3,4\n"y",5\n', [['"x', 2], ["3", 4], ["y", 5]], {"quotes_literal": [1]}),
    "text after a quote": ('a,b\n"x"y,2\n', [['"x"y', 2]], {"quotes_literal": [1]}),
    "blanks around quotes": ('a,b\n "x,y" ,2\n', [["x,y", 2]], {}),
    "backslashes before quotes": ('a,b\n"say \\"hi\\", you",3\n"b",4\n', [['say "hi", you', 3], ["b", 4]], {}),
    "a quote and no more": ('a,b\n1,"\n', [[1, '"']], {"quotes_literal": [1]}),
    "a NUL": ("a\0,b\n1,2\n", [[1, 2]], {"nul_removed": []}),
    "other controls": ("a,b\n\x1a,\x0b\n", [["\x1a", "\x0b"]], {}),
    "separators of Unicode": ("a,b\nx\u2028y,\u0085z\n", [["x\u2028y", "\u0085z"]], {}),
    "no line end at the end": ("a,b\n1,", [[1, None]], {}),
    "a sum at the end": ("a,b\nx,1\ny,2\nTotal\n", [["x", 1], ["y", 2], ["Total", None]], {"rows_padded": [3]}),
    "a comment between rows": ("a,b\n1,2\n# x\n3,4\n", [["1", 2], ["# x", None], ["3", 4]], {"rows_padded": [2]}),
}


@pytest.mark.parametrize("what", FILES)
def test_no_row_is_lost(what: str, load: Load) -> None:
    """The rows, and the numbers of those of which something is told."""
    content, rows, told = FILES[what]
    loaded = load(content)
    assert loaded.rows() == rows
    assert {warning["code"]: warning.get("rows", []) for warning in loaded.warnings} == told


def test_a_very_long_line(load: Load) -> None:
    """A value of some megabytes is read, in a regular file and in one that is not."""
    for end in ("", "1\n"):
        loaded = load(f"a,b\n{'x' * 2_500_000},1\ny,2\n{end}")
        assert loaded.rows("SELECT length(a), b FROM data")[:2] == [[2_500_000, 1], [1, 2]]


def test_an_open_quote_does_not_swallow_a_file(load: Load) -> None:
    """A quote whose partner is far away counts as a character, and all rows are there."""
    lines = "".join(f"{number},{'x' * 100}\n" for number in range(SPAN // 50))
    loaded = load(f'a,b\n"1,2\n{lines}9,"\n')
    assert loaded.rows("SELECT count(*) FROM data") == [[SPAN // 50 + 2]]
    assert loaded.codes[0] == "quotes_literal"


def test_a_row_with_too_many_fields(load: Load) -> None:
    """A late row adds columns, which the rows above it do not have."""
    loaded = load("a,b\n" + "1,2\n" * 5_000 + "1,2,3,4\n")
    assert loaded.names == ["a", "b", "column2", "column3"]
    assert loaded.rows("SELECT count(*), count(b), count(column3) FROM data") == [[5_001, 5_001, 1]]


def test_warnings_list_some_rows(load: Load) -> None:
    """A warning lists the first rows that it is about, and counts all of them."""
    [warning] = load("a,b\n1,2\n" + "3\n" * 1_000).warnings
    assert warning["rows"] == list(range(2, 22))
    assert warning["message"] == "a.csv: 1,000 rows had too few fields: the last ones are empty."


# --- beside DuckDB ----------------------------------------------------------------------------------------------------


def by_duckdb(text: str, path: Path, width: int, end: str) -> list[list[str]] | None:
    """The records by DuckDB's strict reader, with the options of `delimited`; `None` if it refuses."""
    path.write_text(text, newline="")
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width))
    source = f"read_csv('{path}', auto_detect = false, header = false, strict_mode = true, delim = ','{end}"
    try:
        found = duckdb.execute(f"FROM {source}, quote = '\"', escape = '\"', columns = {{{columns}}})").fetchall()
    except duckdb.Error:
        return None
    return [[value or "" for value in row] for row in found]


@pytest.mark.usefixtures("tmp_path")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="ab,\"\n \t'1é", min_size=1, max_size=24), crlf=st.booleans())
@example(text='a,b\n"x" ,z\n', crlf=False)
@example(text='a, "x,y"\n', crlf=False)
@example(text='a"b,""\n', crlf=True)
@example(text='a,"b\nc"\nd,e\n', crlf=True)
def test_duckdb_reads_regular_records_in_the_same_way(text: str, crlf: bool, tmp_path: Path) -> None:
    """Where DuckDB's strict reader takes a file as regular, it has the records that our reader has."""
    text = "\n".join(line for line in text.split("\n") if line) + "\n"
    text = text.replace("\n", "\r\n") if crlf else text
    ours = list(Reader(",").read(io.StringIO(text, newline="")))
    if not ours or {len(record) for record in ours} != {len(ours[0])} or not ours[0]:
        return
    theirs = by_duckdb(text, tmp_path / "file", len(ours[0]), "" if crlf else ", new_line = '\\n'")
    assert theirs is None or theirs == ours


@settings(max_examples=200, deadline=None)
@given(
    records=st.lists(
        st.lists(st.text(alphabet='ab,"\n\r; 1é', max_size=6), min_size=2, max_size=4), min_size=1, max_size=5
    )
)
def test_what_python_writes_is_read_back(records: list[list[str]]) -> None:
    """Any records come back from the CSV that Python's own writer makes of them."""
    import csv

    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(records)
    buffer.seek(0)
    assert list(Reader(",").read(buffer)) == records
