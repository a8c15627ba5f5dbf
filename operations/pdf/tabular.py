"""A table as rows of cells, and how it is made of words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .columns import Column
from .layout import Box, Word, rows

Content = list[list[list[Word]]]
"""The words of each cell, row by row."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells from the top; `header` says whether the first row names the columns.

    `columns` are the left and the right end of what stands in each column. `caption` is the text above or below the
    table that begins as "Table 1" does.
    """

    rows: list[list[str]]
    header: bool
    box: Box
    columns: tuple[Column, ...] = ()
    caption: str | None = None


def table_of(content: Content, box: Box, *, header: bool = False) -> Table | None:
    """The cells as a table, or `None` if too few of them have content."""
    content = [row for row in content if any(row)]
    columns = [column for column in zip(*content, strict=True) if any(column)]
    if len(columns) < 2 or sum(sum(map(bool, row)) > 1 for row in content) < 2:
        return None
    content = [list(row) for row in zip(*columns, strict=True)]
    ends = tuple((min(w.box.x0 for w in words), max(w.box.x1 for w in words)) for words in map(_all, columns))
    return Table([[cell_text(cell) for cell in row] for row in content], header or _has_header(content), box, ends)


def _all(cells: Iterable[list[Word]]) -> list[Word]:
    return [word for cell in cells for word in cell]


def cell_text(words: Iterable[Word]) -> str:
    """The words of a cell as text, line by line."""
    return "\n".join(" ".join(cell.text for cell in row.cells) for row in rows(words))


def _has_header(content: Content) -> bool:
    """Whether the first row is bold and the next one is not."""
    first, second = ([word for cell in row for word in cell] for row in content[:2])
    return all(word.bold for word in first) and not all(word.bold for word in second)
