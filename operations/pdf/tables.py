"""Tables, from ruled lines and from aligned columns, over the words and rules that PDFium has read anyway.

No library was good enough on the Filesystem Hierarchy Standard 3.0, whose 33 tables have no outer borders. pdfplumber
0.11 (MIT) finds four of them, without their outer columns and headers, because it needs each cell closed on four sides;
it also reads every page a second time, with pdfminer, at 55 ms a page. pdf_oxide 0.3 (MIT or Apache) finds two, for the
same reason, and is a second PDF reader in the process. These modules take some milliseconds a page:

- **ruled**: lines that cross make a grid, open sides are closed, and cells without a line between them are one cell;
- **lined**: lines above and below the header, and mostly at the end, as in books and reports;
- **aligned**: at least three rows whose cells share the same columns, unless they are prose, a list, a form or a table
  of contents. When in doubt, it finds no table.

`over_pages` joins the parts of a table that goes on from page to page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from . import aligned, lined, ruled
from .bidi import is_right_to_left
from .layout import Cell, Page, Row, Word, mirrored, rows
from .tabular import Table

MAX_CAPTION = 6
"""Lines of a caption."""
_NEAR = 2.5
"""Type sizes between a caption and its table, at most."""
_CAPTION = re.compile(
    r"(?:table|tab\.|tabelle|tableau|tabla|tabela|tabella|tabell?|tabulka|taulukko|táblázat|таблица|جدول)(?: no\.)?"
    r"\s*(?:\d|[IVXLC]+\b|[A-Z]\b)|[表표]\s*\d",
    re.IGNORECASE,
)


def find(page: Page) -> list[Table]:
    """The tables of a page, from top to bottom; those in Arabic or Hebrew have their first column on the right."""
    if is_right_to_left(page.text):
        return [_mirrored(table, page.width) for table in _find(mirrored(page))]
    return _find(page)


def _mirrored(table: Table, width: float) -> Table:
    box = table.box.mirrored(width)
    columns = tuple((width - right, width - left) for left, right in table.columns)
    if any(is_right_to_left(cell) for row in table.rows for cell in row):
        return replace(table, box=box, columns=columns)
    return replace(table, box=box, columns=columns[::-1], rows=[row[::-1] for row in table.rows])


def _find(page: Page) -> list[Table]:
    words = [word for line in page.lines for word in line.words if word.upright]
    tables: list[Table] = []
    for tables_of in (ruled.tables, lined.tables):
        tables += tables_of(page.rules, [word for word in words if not _inside(word, tables)])
    tables += aligned.tables(rows(word for word in words if not _inside(word, tables)))
    tables.sort(key=lambda table: (table.box.top, table.box.x0))
    lines = rows(word for word in words if not _inside(word, tables)) if tables else []
    return [replace(table, caption=_caption(table, lines)) for table in tables]


def _inside(word: Word, tables: Iterable[Table]) -> bool:
    return any(table.box.holds(*word.middle) for table in tables)


def _caption(table: Table, lines: Sequence[Row]) -> str | None:
    """The caption above the table, or else below it."""
    cells = [cell for row in lines for cell in row.cells if cell.box.x0 < table.box.x1 and table.box.x0 < cell.box.x1]
    above = [cell for cell in cells if cell.box.bottom <= table.box.top + 2][::-1][:MAX_CAPTION]
    for count, cell in enumerate(_adjoining(table.box.top, above), 1):
        if _CAPTION.match(cell.text):
            return " ".join(line.text for line in reversed(above[:count]))
    below = [cell for cell in cells if cell.box.top >= table.box.bottom - 2][:MAX_CAPTION]
    caption = list(_adjoining(table.box.bottom, below))
    return " ".join(cell.text for cell in caption) if caption and _CAPTION.match(caption[0].text) else None


def _adjoining(edge: float, cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells, from the table on, as long as each is near the one before."""
    for cell in cells:
        if min(abs(cell.box.top - edge), abs(cell.box.bottom - edge)) > _NEAR * cell.size:
            return
        edge = cell.box.top if cell.box.top < edge else cell.box.bottom
        yield cell
