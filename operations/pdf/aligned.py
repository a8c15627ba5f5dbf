"""Tables without lines: rows whose cells share columns, unless they are prose, a list, a form or a table of contents.

When in doubt, there is no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from statistics import median

from .columns import MAX_COLUMNS, Column, Part, is_aligned, is_value, merged
from .layout import Cell, Row, Word, around
from .tabular import Table, table_of

MAX_ROWS = 400
"""Rows of a page in which aligned columns are looked for: more than small type has."""

_LEADER = re.compile(r"\.{4,}|(?:\. ){3,}|…{2,}")
_MARKER = re.compile(r"[\W_]{1,2}|[([]?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)\]]", re.IGNORECASE)
_REMARK = re.compile(r"\[.*\]|\(\w{1,4}\)")
_PITCH = 2.6
"""Type sizes from the top of one row to the top of the next, at most."""


def tables(page_rows: list[Row]) -> Iterator[Table]:
    """Tables without rules among the rows of a page."""
    index = 0
    while index < len(page_rows) <= MAX_ROWS:
        block, columns = _block(page_rows, index)
        table = _aligned_table(block, columns)
        if table:
            yield table
        index += len(block) if table else max(1, len(block) // 8)  # perhaps only its first rows are no table


def _block(page_rows: list[Row], index: int) -> tuple[list[Row], list[Column]]:
    """The rows from `index` on that share columns, and these columns."""
    block = [page_rows[index]]
    columns = merged([], block[0])
    if not _is_tabular(block[0]):
        return block, columns
    for row in islice(page_rows, index + 1, None):
        wider = merged(columns, row)
        if row.box.top - block[-1].box.top > _PITCH * row.size or not _continues(row, columns, wider):
            break
        block.append(row)
        columns = wider
    while not _is_tabular(block[-1]):
        block.pop()
    return block, columns


def _is_tabular(row: Row) -> bool:
    return 1 < len(row.cells) <= MAX_COLUMNS and not any(_LEADER.search(cell.text) for cell in row.cells)


def _continues(row: Row, before: list[Column], after: list[Column]) -> bool:
    """Whether the row fits the columns: it joins no two of them, and a single cell adds none."""
    return len(after) >= len(before) if _is_tabular(row) else len(row.cells) == 1 and len(after) == len(before)


def _aligned_table(block: list[Row], columns: list[Column]) -> Table | None:
    """The block as a table, or `None` if it is too small or sparse, or prose, a list, a form ..."""
    records = _records(block, columns)
    if len(records) < 3 or len(columns) < 2:
        return None
    cells = [[cell for row in block if (cell := _cell(row, column))] for column in columns]
    sparse = sum(map(len, cells)) < 0.6 * len(records) * len(columns)
    aligned = all(is_aligned([(cell.box.x0, cell.box.x1) for cell in column]) for column in cells)
    if sparse or not aligned or is_other_layout(cells):
        return None
    content = [[_words(record, column) for column in columns] for record in records]
    return table_of(content, around(row.box for row in block))


def _records(block: list[Row], columns: list[Column]) -> list[list[Row]]:
    """Rows, joined with those below that continue them: nothing in the first column, and closer than the rest."""
    leads = [row for row in block if _cell(row, columns[0])]
    pitch = median([below.box.top - above.box.top for above, below in pairwise(leads)] or [0.0])
    records: list[list[Row]] = []
    for row in block:
        if records and not _cell(row, columns[0]) and row.box.top - records[-1][-1].box.top < 0.85 * pitch:
            records[-1].append(row)
        else:
            records.append([row])
    return records


def _cell(row: Row, column: Column) -> Cell | None:
    return next((cell for cell in row.cells if column[0] <= cell.box.x0 <= column[1]), None)


def _words(record: list[Row], column: Column) -> list[Word]:
    return [word for row in record if (cell := _cell(row, column)) for word in cell.words]


def cells_of(records: Iterable[Sequence[Part]], count: int) -> list[list[Cell]]:
    """The cells of each column, without those over several columns."""
    cells: list[list[Cell]] = [[] for _ in range(count)]
    for record in records:
        for part in record:
            if part.first == part.last:
                cells[part.first].append(Cell(part.words))
    return cells


def is_other_layout(cells: list[list[Cell]]) -> bool:
    """Whether these columns are prose, a list, a form, a table of contents or a program."""
    return any(is_other(cells) for is_other in _OTHER_LAYOUTS)


def _is_prose(cells: list[list[Cell]]) -> bool:
    """Whether these are columns of running text: long cells, or lines that fill their columns."""
    lengths = [len(cell.words) for column in cells for cell in column]
    return sum(lengths) > 6 * len(lengths) or all(map(_is_filled, cells))


def _is_filled(column: list[Cell]) -> bool:
    """Whether most cells are as wide as the column, which is not narrow, and few are values."""
    widths = [(cell.box.x1 - cell.box.x0) / max(cell.size, 1.0) for cell in column]
    full = sum(width >= 0.75 * max(widths) for width in widths)
    words = [word.text for cell in column for word in cell.words]
    values = sum(map(is_value, words))
    return (
        len(column) > 2 and max(widths) >= 8 and full >= 0.7 * len(column) and len(words) > 2 * len(column) > 4 * values
    )


def _is_list(cells: list[list[Cell]]) -> bool:
    """Whether one side holds only bullets, the numbers of a list or of formulas, or one repeated mark."""
    first, last = ([cell.text for cell in column] for column in (cells[0], cells[-1]))
    same = len(set(first)) == 1 and not first[0][0].isalnum()
    return same or all(map(_MARKER.fullmatch, first)) or all(map(_REMARK.fullmatch, last))


def _is_form(cells: list[list[Cell]]) -> bool:
    """Whether the first column holds labels, which make pairs."""
    return sum(cell.text.endswith((":", "：")) for cell in cells[0]) >= 0.5 * len(cells[0])


def _is_contents(cells: list[list[Cell]]) -> bool:
    """Whether these are titles with page numbers."""
    if len(cells) != 2 or not all(cell.text.isdecimal() for cell in cells[1]):
        return False
    numbers = [int(cell.text) for cell in cells[1]]
    return numbers == sorted(numbers)


def _is_code(cells: list[list[Cell]]) -> bool:
    """Whether this is program code, whose indentation and comments align too."""
    texts = [cell.text for column in cells for cell in column]
    return sum(text.endswith((";", "{", "}")) for text in texts) > 0.15 * len(texts)


_OTHER_LAYOUTS = (_is_prose, _is_list, _is_form, _is_contents, _is_code)
