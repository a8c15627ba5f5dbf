"""Tables are found however they are drawn, with all their cells, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tests import pdfs
from tests.operations.documents import Outcome, Run

CITIES = ["Amsterdam", "Barcelona", "Copenhagen", "Dubrovnik", "Edinburgh"]


def put(
    sheet: pdfs.Sheet, top: float, rows: Iterable[Sequence[str]], xs: Sequence[float], leading: float = 13
) -> float:
    """Writes rows without lines: the first column from `xs[0]` on, the others up to their x. Returns the next top."""
    for row in rows:
        for index, (x, text) in enumerate(zip(xs, row, strict=True)):
            sheet.canvas.setFont("Helvetica", 9)
            (sheet.canvas.drawRightString if index else sheet.canvas.drawString)(x, sheet.height - top, text)
        top += leading
    return top


def rule(sheet: pdfs.Sheet, top: float, start: float, end: float) -> None:
    """Draws a horizontal line."""
    sheet.canvas.line(start, sheet.height - top, end, sheet.height - top)


def tables(outcome: Outcome, page: int = 1) -> list[dict[str, Any]]:
    """The tables of a page."""
    return list(outcome.page(page)["tables"])


def with_header_lines(*, closed: bool) -> bytes:
    """Two groups of two columns, with lines above and below the header, and below the table only if it is `closed`."""
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 60, pdfs.BODY)
    rule(sheet, 120, 60, 500)
    sheet.text(270, 132, "Men", 9)
    sheet.text(420, 132, "Women", 9)
    rule(sheet, 135, 230, 330)
    rule(sheet, 135, 380, 480)
    end = put(sheet, 147, [("City", "2025", "2026", "2025", "2026")], [60, 260, 330, 410, 480])
    rule(sheet, end - 8, 60, 500)
    rows = [(city, f"1,{n}02", f"1,{n}13", f"2,{n}20", f"2,{n}41") for n, city in enumerate(CITIES)]
    end = put(sheet, end + 4, rows, [60, 260, 330, 410, 480])
    if closed:
        rule(sheet, end - 8, 60, 500)
    sheet.paragraph(60, end + 40, pdfs.BODY)
    return sheet.pdf()


@pytest.mark.parametrize("closed", [True, False], ids=["with a line at the end", "with lines in the header only"])
def test_lines_in_the_header(run: Run, closed: bool) -> None:
    """Names over several columns stand in the first of them, and the text around the table is no part of it."""
    (table,) = tables(run(with_header_lines(closed=closed)))
    assert table["header"]
    assert table["rows"] == [
        ["", "Men", "", "Women", ""],
        ["City", "2025", "2026", "2025", "2026"],
        *([city, f"1,{n}02", f"1,{n}13", f"2,{n}20", f"2,{n}41"] for n, city in enumerate(CITIES)),
    ]


def test_values_that_nearly_touch(run: Run) -> None:
    """A sum as wide as its column is a cell of its own, though only a space is between it and the next one."""
    sheet = pdfs.Sheet()
    rows = [(city, f"{n}2,100", f"{n}3,200", f"{n}4,300") for n, city in enumerate(CITIES, 1)]
    total = ("Total", "150,000,500.75", "165,000,000.50", "180,500,000.25")
    rule(sheet, 88, 60, 400)
    end = put(sheet, 100, [("City", "2024", "2025", "2026")], [60, 220, 285, 350])
    rule(sheet, end - 8, 60, 400)
    end = put(sheet, end + 4, [*rows, total], [60, 220, 285, 350])
    rule(sheet, end - 8, 60, 400)
    (table,) = tables(run(sheet.pdf()))
    assert table["rows"] == [["City", "2024", "2025", "2026"], *map(list, rows), list(total)]


def test_several_values_side_by_side_in_a_cell(run: Run) -> None:
    """Where lines are drawn around groups of columns only, each column of values has its own cells."""
    sheet = pdfs.Sheet()
    end = put(sheet, 100, [(city, f"{n}.5", f"{n}7", f"{n}01") for n, city in enumerate(CITIES)], [65, 220, 280, 340])
    for line in range(6):
        rule(sheet, 90 + 13 * line, 60, 350)
    for x in (60, 180, 350):
        sheet.canvas.line(x, sheet.height - 90, x, sheet.height - end + 10)
    (table,) = tables(run(sheet.pdf()))
    assert table["rows"] == [[city, f"{n}.5", f"{n}7", f"{n}01"] for n, city in enumerate(CITIES)]


def test_several_values_below_each_other_in_a_cell(run: Run) -> None:
    """Lines with a value each are rows, also where the line between them is not drawn."""
    sheet = pdfs.Sheet()
    rows = [("City", "Visitors"), ("Rome", "17"), ("Paris\nVienna", "12\n9"), ("Oslo", "4"), ("Bern\n(estimated)", "2")]
    sheet.table(60, 100, rows, *pdfs.GRID)
    (table,) = tables(run(sheet.pdf()))
    assert table["rows"] == [
        ["City", "Visitors"],
        ["Rome", "17"],
        ["Paris", "12"],
        ["Vienna", "9"],
        ["Oslo", "4"],
        ["Bern\n(estimated)", "2"],
    ]


def test_columns_are_told_by_the_header_where_the_body_has_no_lines(run: Run) -> None:
    """The cells of a row without lines between them belong to the columns that the header's lines show."""
    sheet = pdfs.Sheet()
    rows = [("Country", "Domestic", "Imported"), *((city, f"{n}6.2", f"{n}3.8") for n, city in enumerate(CITIES))]
    style = [("BOX", (0, 0), (-1, -1), 0.5, "black"), ("INNERGRID", (0, 0), (-1, 0), 0.5, "black")]
    style += [("LINEBELOW", (0, row), (-1, row), 0.5, "black") for row in range(6)]
    sheet.table(60, 100, rows, *style)
    (table,) = tables(run(sheet.pdf()))
    assert table["rows"] == list(map(list, rows))


@pytest.mark.parametrize(
    "caption", ["Table 3. Visitors by city", "Tabelle 12: Besucher", "Tableau IV – Visiteurs", "TABLE B-2 Visitors"]
)
@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
def test_captions(run: Run, caption: str, above: bool) -> None:
    """A caption above or below a table is told with it, without the text around."""
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 60, pdfs.BODY)
    sheet.table(60, 130, pdfs.ITEMS, *pdfs.GRID)
    sheet.text(60, 124 if above else 234, caption)
    sheet.paragraph(60, 280, pdfs.BODY)
    (table,) = tables(run(sheet.pdf()))
    assert table["caption"] == caption


def test_other_text_is_no_caption(run: Run) -> None:
    """A sentence that names a table in passing is none."""
    sheet = pdfs.Sheet()
    sheet.text(60, 124, "The prices of Table 3 hold until further notice.")
    sheet.table(60, 130, pdfs.ITEMS, *pdfs.GRID)
    sheet.text(60, 300, "Table manners matter.")
    (table,) = tables(run(sheet.pdf()))
    assert table["caption"] is None


ROWS = [(f"Part {number}", f"{number}.10", f"{number}.20") for number in range(12)]
HEADER = ("Part", "Net", "Gross")


def over_pages(*parts: Sequence[tuple[str, ...]], between: str = "") -> bytes:
    """A part of a table at the top of each page, below a running title and above `between` and the page's number."""
    sheet = pdfs.Sheet()
    for number, part in enumerate(parts, 1):
        sheet.text(60, 40, "Price list", 9)
        sheet.table(60, 90, part, *pdfs.GRID[:1])
        if between:
            sheet.text(60, 400, between)
        sheet.text(290, 810, str(number), 9)
        sheet.new_page()
    return sheet.pdf()


@pytest.mark.parametrize("repeated", [True, False], ids=["header on each page", "header on the first page"])
def test_a_table_over_pages(run: Run, repeated: bool) -> None:
    """Each page has its part, which says that it goes on; the result has the whole under one header."""
    header = [HEADER] if repeated else []
    outcome = run(over_pages([HEADER, *ROWS[:4]], [*header, *ROWS[4:8]], [*header, *ROWS[8:]]))
    assert [tables(outcome, page)[0]["continues"] for page in (1, 2, 3)] == [False, True, True]
    (joined,) = outcome.result["joined_tables"]
    assert joined["pages"] == [1, 2, 3]
    assert joined["rows"] == [list(row) for row in (HEADER, *ROWS)]
    assert len(tables(outcome, 2)[0]["rows"]) == 4 + repeated


def test_two_tables_on_two_pages(run: Run) -> None:
    """With text, other columns or a page between them, they are not joined."""
    wider = [(*row, "x") for row in (HEADER, *ROWS[4:])]
    for pdf in (
        over_pages([HEADER, *ROWS[:4]], [HEADER, *ROWS[4:]], between="And here is another one."),
        over_pages([HEADER, *ROWS[:4]], wider),
    ):
        outcome = run(pdf)
        assert not tables(outcome, 2)[0]["continues"]
        assert outcome.result["joined_tables"] == []
    three = over_pages([HEADER, *ROWS[:4]], [("No", "table"), ("on this", "page")], [HEADER, *ROWS[4:]])
    assert run(three, pages="1,3").result["joined_tables"] == []


PROSE = [f"word{number} and more words" for number in range(9)]


def test_three_columns_of_prose_are_no_table(run: Run) -> None:
    """Lines of a newspaper stand at one height and in columns, with or without lines above and below them."""
    sheet = pdfs.Sheet()
    for x in (50, 220, 390):
        sheet.paragraph(x, 100, PROSE)
    rule(sheet, 60, 50, 540)
    rule(sheet, 80, 50, 540)
    rule(sheet, 250, 50, 540)
    assert tables(run(sheet.pdf())) == []
