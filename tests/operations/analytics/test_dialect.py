"""Delimiters, headers, and the lines above them, are decided by the first lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.analytics.loading import Load

FILES: dict[str, tuple[str, list[str], list[list[Any]], list[str]]] = {
    "a delimiter in a later line": ("c0\nv0\na;b", ["c0"], [["v0"], ["a;b"]], []),
    "decimal commas": ("a;b\n1,5;2,25", ["a", "b"], [[1.5, 2.25]], ["notation"]),
    "sep=": ("sep=;\na;b\n1;2", ["a", "b"], [[1, 2]], []),
    "sep= in quotes": ('"sep=;"\r\na;b\r\n1;2\r\n', ["a", "b"], [[1, 2]], []),
    "a comma in a name": ("name\nSmith, John", ["name"], [["Smith, John"]], []),
    "commas in names": ("name\nSmith, John\nDoe, Jane", ["name"], [["Smith, John"], ["Doe, Jane"]], ["one_column"]),
    "tabs": ("a\tb\n1\tx, y\n", ["a", "b"], [[1, "x, y"]], []),
    "bars": ("a|b\n1|x\n", ["a", "b"], [[1, "x"]], []),
    "semicolons, and commas in the names": ("a, EUR;b, kg\n1,5;2,5\n", ["a, EUR", "b, kg"], [[1.5, 2.5]], ["notation"]),
    "commas, and semicolons in the names": ("id,a;b,x\n1,p;q,2\n", ["id", "a;b", "x"], [[1, "p;q", 2]], []),
    "a delimiter in quotes": ('a;b\n"1;2";3\n', ["a", "b"], [["1;2", 3]], []),
    "header only": ("a,b\n", ["a", "b"], [], []),
    "one word": ("a", ["a"], [], []),
    "one column": ("a\n1\n2\n", ["a"], [[1], [2]], []),
    "no header": ("1,x\n2,y\n", ["column0", "column1"], [[1, "x"], [2, "y"]], ["no_header"]),
    "one row of values": ("1,2\n", ["column0", "column1"], [[1, 2]], ["no_header"]),
    "years as a header": (
        "land,2019,2020\nDE,5,6\nFR,7,8\n",
        ["land", "2019", "2020"],
        [["DE", 5, 6], ["FR", 7, 8]],
        [],
    ),
    "a header of words over words": ("a,b\nx,y\n", ["a", "b"], [["x", "y"]], []),
    "comments": ("# made by x\n# on Monday, y\na,b\n1,2\n", ["a", "b"], [[1, 2]], ["lines_skipped"]),
    "a header in a comment": ("#id,name\n1,x\n2,y\n", ["id", "name"], [[1, "x"], [2, "y"]], []),
    "a comment and a header in one": ("## v1\n#id\tname\n1\tx\n", ["id", "name"], [[1, "x"]], ["lines_skipped"]),
    "a title and a blank line": (
        "Report 2024\n\na,b\nx,y\nz,w\n",
        ["a", "b"],
        [["x", "y"], ["z", "w"]],
        ["lines_skipped"],
    ),
    "a title with the delimiter": (
        "Report, all\n\na,b,c\n1,2,3\n4,5,6\n",
        ["a", "b", "c"],
        [[1, 2, 3], [4, 5, 6]],
        ["lines_skipped"],
    ),
    "a title without a blank line": (
        "Report\nyear,n\n2020,5\n2021,6\n",
        ["year", "n"],
        [[2020, 5], [2021, 6]],
        ["lines_skipped"],
    ),
    "blank lines above": ("\n\na,b\n1,2\n", ["a", "b"], [[1, 2]], []),
    "tags for names": ("<DATE>,<OPEN>\n2024-01-01,5\n", ["<DATE>", "<OPEN>"], [["2024-01-01", 5]], []),
    "a header over two lines": ('"a\nb",c\n1,2\n', ["a\nb", "c"], [[1, 2]], []),
    "a title above a header over two lines": (
        'Report\n\n"a\nb",c\n1,2\n3,4\n',
        ["a\nb", "c"],
        [[1, 2], [3, 4]],
        ["lines_skipped"],
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_the_first_lines_decide(what: str, load: Load) -> None:
    """Columns, rows, and what is told where something was skipped or guessed."""
    content, names, rows, codes = FILES[what]
    loaded = load(content)
    assert (loaded.names, loaded.rows(), loaded.codes) == (names, rows, codes)


def test_the_name_of_a_file_prefers_a_delimiter(load: Load) -> None:
    """Where both would do, a .tsv has tabs."""
    content = "a,b\tc,d\n1,2\t3,4\n"
    assert load(content, "a.tsv").names == ["a,b", "c,d"]


def test_names_are_all_different(load: Load) -> None:
    """Names that are empty, come twice or have blanks around are changed, and told."""
    loaded = load("a,a,,b , A\n1,2,3,4,5\n")
    assert loaded.names == ["a", "a_1", "column2", "b", "A_2"]
    assert loaded.codes[0] == "names_changed"
    assert "a_1 (of 'a')" in loaded.warnings[0]["message"]
    assert loaded.rows() == [[1, 2, 3, 4, 5]]


def test_a_delimiter_at_the_end_of_every_line(load: Load) -> None:
    """It makes no column; one that has a name or a value stays."""
    loaded = load("a,b,\n1,2,\n3,4,\n")
    assert (loaded.names, loaded.rows(), loaded.codes) == (["a", "b"], [[1, 2], [3, 4]], ["column_dropped"])
    assert load("a,b\n1,2,\n3,4,\n").rows() == [[1, 2], [3, 4]]
    assert load("a,b,\n1,2,x\n").names == ["a", "b", "column2"]
    assert load("a,b,c\n1,2,\n").names == ["a", "b", "c"]


def test_9000_columns(load: Load, long: bool) -> None:
    """Each has its type and its values; the short form has 1,200."""
    width = 9_000 if long else 1_200
    header = ",".join(f"c{number}" for number in range(width))
    body = "\n".join(",".join(str(row * number % 7) for number in range(width - 2)) + ",x,0.5" for row in range(3))
    loaded = load(f"{header}\n{body}\n")
    assert (len(loaded.names), loaded.types[0], loaded.types[-2:]) == (width, "BIGINT", ["VARCHAR", "DOUBLE"])
    assert loaded.rows(f"SELECT c8, c{width - 2}, c{width - 1} FROM a LIMIT 2") == [[0, "x", 0.5], [1, "x", 0.5]]
