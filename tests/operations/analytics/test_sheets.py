"""Spreadsheets: each sheet with cells is a table, with the types of its cells."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pytest

from operations.analytics.files import sheets
from tests.operations.analytics.loading import Load, code_of, zipped

OLD = Path(__file__).parent / "files" / "old.xls"
"""Written by xlwt: `Sales` with dates, words and numbers, and a sheet without cells."""

STYLES = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="3">'
    '<xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
    "</cellXfs></styleSheet>"
)
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def cell(value: Any) -> str:
    """A cell: text, a number, true or false, or a number as a date or time: `("date", 45296)`, `("time", 45296.4)`."""
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c s="{1 if value[0] == "date" else 2}"><v>{value[1]}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def xlsx(**tables: list[list[Any]]) -> bytes:
    """A workbook with these sheets."""
    numbers = range(1, len(tables) + 1)
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in zip(numbers, tables, strict=True))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>' for n in numbers)
        + "</Relationships>",
    }
    for number, rows in zip(numbers, tables.values(), strict=True):
        body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
        members[f"xl/worksheets/s{number}.xml"] = f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
    return zipped(members)


def ods(rows: list[list[str]]) -> bytes:
    """An OpenDocument spreadsheet of text."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    names = " ".join(f'xmlns:{name}="{space}:{name}:1.0"' for name in ("office", "table", "text"))
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>' for text in row
        )
        + "</table:table-row>"
        for row in rows
    )
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>"
        f'<table:table table:name="One">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    return zipped({"mimetype": mimetype, "META-INF/manifest.xml": manifest, "content.xml": content})


def test_the_types_of_cells(load: Load) -> None:
    """Numbers, dates, times, true and false have their types; text stays text, also if it has digits."""
    rows: list[list[Any]] = [
        ["n", "x", "day", "at", "ok", "code", "mixed", "gap"],
        [1, 1.5, ("date", 45296), ("time", 45296.5), True, "00501", 5, 1],
        [20, 7, ("date", 45657), ("time", 45657.25), False, "123", "n/a", None],
    ]
    loaded = load(xlsx(Sales=rows), "book.xlsx")
    assert loaded.types == ["BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR", "VARCHAR", "BIGINT"]
    assert loaded.rows() == [
        [1, 1.5, "2024-01-05", "2024-01-05T12:00:00", True, "00501", "5", 1],
        [20, 7, "2024-12-31", "2024-12-31T06:00:00", False, "123", "n/a", None],
    ]
    assert loaded.tables[0]["part"] == "Sales"


def test_each_sheet_is_a_table(load: Load) -> None:
    """Several sheets are named after the file and themselves; one without cells is told."""
    loaded = load(xlsx(North=[["n"], [1]], Empty=[], South=[["n"], [2], [3]]), "book.xlsx")
    assert [(table["name"], table["part"], table["rows"]) for table in loaded.tables] == [
        ("a_North", "North", 1),
        ("a_South", "South", 2),
    ]
    assert loaded.rows() == [[1]]
    assert [(warning["code"], "Empty" in warning["message"]) for warning in loaded.warnings] == [
        ("sheet_skipped", True)
    ]


def test_what_is_told_of_a_sheet(load: Load) -> None:
    """A title above the table, empty rows, names, and the few cells that keep a column from its type."""
    rows: list[list[Any]] = [
        ["Report"],
        [None],
        ["n", "n"],
        *([number, "x"] for number in range(9)),
        [None],
        ["n/a", "y"],
        [None],
    ]
    loaded = load(xlsx(One=rows), "book.xlsx")
    assert loaded.codes == ["lines_skipped", "blank_lines", "names_changed", "kept_as_text"]
    assert (loaded.names, loaded.rows("SELECT count(*) FROM data")) == (["n", "n_1"], [[10]])
    assert loaded.warnings[-1]["rows"] == [10]


def test_long_rows_and_carriage_returns(load: Load) -> None:
    """Rows of some megabytes are read, and the `_x000D_` with which some programs end the lines of a cell."""
    rows: list[list[Any]] = [
        [f"c{number}" for number in range(100)],
        ["x" * 30_000] * 100,
        ['"'] * 100,
        ["u_x000D_\nv", 2.5],
    ]
    loaded = load(xlsx(One=rows), "a.xlsx")
    assert loaded.rows("SELECT length(c0), c1, c99 FROM a OFFSET 1") == [[1, '"', '"'], [4, "2.5", None]]
    assert loaded.rows("SELECT c0 FROM a OFFSET 2") == [["u\r\nv"]]


def test_an_old_workbook(load: Load) -> None:
    """An .xls."""
    loaded = load(OLD.read_bytes(), "old.xls")
    assert loaded.types == ["DATE", "VARCHAR", "DOUBLE"]
    assert loaded.rows() == [["2024-01-05", "Zürich", 10.5], ["2024-02-06", "Oslo", 7]]


def test_an_opendocument_sheet(load: Load) -> None:
    """An .ods."""
    assert load(ods([["a", "b"], ["x", "y"]]), "a.ods").rows() == [["x", "y"]]


def test_damaged_workbooks(load: Load) -> None:
    """They are refused as such."""
    assert code_of(load, xlsx(One=[["a"]])[:-50], "a.xlsx")[0] == "unreadable_file"
    assert code_of(load, zipped({"xl/workbook.xml": "<workbook>"}), "a.xlsx")[0] == "unreadable_file"
    assert code_of(load, OLD.read_bytes()[:700], "a.xls")[0] == "unreadable_file"
    assert code_of(load, xlsx(One=[]), "a.xlsx")[0] == "empty_file"


def test_the_limits_of_a_workbook(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sheets, cells and columns are bounded."""
    monkeypatch.setattr(sheets, "SHEETS", 1)
    assert code_of(load, xlsx(One=[["a"]], Two=[["b"]]), "a.xlsx") == ("too_large", "a.xlsx has 2 sheets, more than 1.")
    monkeypatch.setattr(sheets, "CELLS", 5)
    code, message = code_of(load, xlsx(One=[["a", "b"], [1, 2], [3, 4]]), "a.xlsx")
    assert (code, message) == ("too_large", "One in a.xlsx has more than 5 cells.")
