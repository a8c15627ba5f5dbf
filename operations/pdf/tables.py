"""Tables, from ruled lines and from aligned columns, over the words and rules that PDFium has read anyway.

No library was good enough on the Filesystem Hierarchy Standard 3.0, whose 33 tables have no outer borders. pdfplumber
0.11 (MIT) finds four of them, without their outer columns and headers, because it needs each cell closed on four sides;
it also reads every page a second time, with pdfminer, at 55 ms a page. pdf_oxide 0.3 (MIT or Apache) finds two, for the
same reason, and is a second PDF reader in the process. This module takes about a millisecond a page:

- **ruled**: lines that cross make a grid, open sides are closed, and cells without a line between them are one cell;
- **aligned**: at least three rows whose cells share the same columns, unless they are prose, a list, a form or a table
  of contents. When in doubt, it finds no table.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise, product
from statistics import median

from .layout import Box, Cell, Page, Row, Rule, Word, around, rows

SNAP = 2.5
"""Points between two rules that are one line."""
JOIN = 3.0
"""Points of a gap between two rules that still touch."""
OPEN_SIDE = 10.0
"""Points by which rules must extend beyond a grid to make a column or row on its open side."""
MAX_RULES = 1_500
"""Rules of one page, after joining; a page with more is a drawing."""
MAX_CELLS = 10_000
"""Cells of one grid."""
MAX_ROWS, MAX_COLUMNS = 400, 40
"""Rows of a page, and cells of a row, in which aligned columns are looked for: more than small type has."""

Content = list[list[list[Word]]]
"""The words of each cell, row by row."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells from the top; `header` says whether the first row names the columns."""

    rows: list[list[str]]
    header: bool
    box: Box


def find(page: Page) -> list[Table]:
    """The tables of a page, from top to bottom."""
    words = [word for line in page.lines for word in line.words if word.upright]
    tables = list(_ruled(page.rules, words))
    free = [word for word in words if not any(table.box.holds(*word.middle) for table in tables)]
    tables += _aligned(rows(free))
    return sorted(tables, key=lambda table: (table.box.top, table.box.x0))


def _table(content: Content, box: Box) -> Table | None:
    """The cells as a table, or `None` if too few of them have content."""
    content = [row for row in content if any(row)]
    columns = [column for column in zip(*content, strict=True) if any(column)]
    if len(columns) < 2 or sum(sum(map(bool, row)) > 1 for row in content) < 2:
        return None
    content = [list(row) for row in zip(*columns, strict=True)]
    return Table([[cell_text(cell) for cell in row] for row in content], _has_header(content), box)


def cell_text(words: Iterable[Word]) -> str:
    """The words of a cell as text, line by line."""
    return "\n".join(" ".join(cell.text for cell in row.cells) for row in rows(words))


def _has_header(content: Content) -> bool:
    """Whether the first row is bold and the next one is not."""
    first, second = ([word for cell in row for word in cell] for row in content[:2])
    return all(word.bold for word in first) and not all(word.bold for word in second)


# --- ruled -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    """The lines between the columns and rows of a ruled table; `rules` are those drawn along each line."""

    xs: list[float]
    ys: list[float]
    rules: dict[tuple[bool, int], list[Rule]] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        return Box(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])

    def has_rule(self, horizontal: bool, line: int, position: float) -> bool:
        """Whether a rule is drawn on this line of the grid at `position`."""
        return any(rule.start <= position <= rule.end for rule in self.rules.get((horizontal, line), ()))


def _ruled(rules: Iterable[Rule], words: list[Word]) -> Iterator[Table]:
    joined = join(rules)
    if len(joined) > MAX_RULES:
        return
    for crossing in _crossings(joined):
        grid = _grid(crossing)
        if len(grid.xs) > 2 and len(grid.xs) * len(grid.ys) <= MAX_CELLS:
            table = _table(_split_rows(_content(grid, words)), grid.box)
            if table:
                yield table


def join(rules: Iterable[Rule]) -> list[Rule]:
    """The rules, with those along one line joined: a table's borders are often drawn cell by cell."""
    joined = []
    for line in _lines(sorted(rules)):
        at = sum(rule.at for rule in line) / len(line)
        joined += [Rule(line[0].horizontal, at, start, end) for start, end in _spans(line)]
    return [rule for rule in joined if rule.end - rule.start > JOIN]


def _lines(ordered: list[Rule]) -> Iterator[list[Rule]]:
    line: list[Rule] = []
    for rule in ordered:
        if line and (rule.horizontal != line[0].horizontal or rule.at - line[-1].at > SNAP):
            yield line
            line = []
        line.append(rule)
    if line:
        yield line


def _spans(line: list[Rule]) -> Iterator[tuple[float, float]]:
    ordered = sorted((rule.start, rule.end) for rule in line)
    start, end = ordered[0]
    for next_start, next_end in ordered[1:]:
        if next_start > end + JOIN:
            yield start, end
            start, end = next_start, next_end
        end = max(end, next_end)
    yield start, end


def _crossings(rules: list[Rule]) -> Iterator[list[Rule]]:
    """Sets of rules that touch, directly or through other rules; a set without a crossing is left out."""
    horizontal = [rule for rule in rules if rule.horizontal]
    vertical = [rule for rule in rules if not rule.horizontal]
    seen: set[Rule] = set()
    for first in vertical:
        crossing, stack = {first}, [] if first in seen else [first]
        while stack:
            rule = stack.pop()
            touching = {other for other in (vertical if rule.horizontal else horizontal) if _touch(rule, other)}
            stack += touching - crossing
            crossing |= touching
        seen |= crossing
        if len(crossing) > 2:
            yield sorted(crossing)


def _touch(one: Rule, other: Rule) -> bool:
    return one.start - JOIN <= other.at <= one.end + JOIN and other.start - JOIN <= one.at <= other.end + JOIN


def _grid(rules: list[Rule]) -> _Grid:
    """The grid of rules that cross, closed on the sides where only the ends of rules are."""
    horizontal = [rule for rule in rules if rule.horizontal]
    vertical = [rule for rule in rules if not rule.horizontal]
    grid = _Grid(_positions(vertical, horizontal), _positions(horizontal, vertical))
    for rule in rules:
        line = bisect(grid.ys if rule.horizontal else grid.xs, rule.at + 0.01) - 1
        grid.rules.setdefault((rule.horizontal, line), []).append(rule)
    return grid


def _positions(rules: list[Rule], crossing: list[Rule]) -> list[float]:
    at: list[float] = []
    for rule in rules:  # sorted, and at the same place or more than `SNAP` apart, because of `join`
        if not at or rule.at > at[-1]:
            at.append(rule.at)
    first, last = min(rule.start for rule in crossing), max(rule.end for rule in crossing)
    before = [first] if first < at[0] - OPEN_SIDE else []
    after = [last] if last > at[-1] + OPEN_SIDE else []
    return [*before, *at, *after]


def _content(grid: _Grid, words: list[Word]) -> Content:
    """The words of each cell of the grid; those of merged cells are in the first of them."""
    first = _first_cells(grid)
    content: Content = [[[] for _ in grid.xs[1:]] for _ in grid.ys[1:]]
    for word in words:
        x, y = word.middle
        if grid.box.holds(x, y):
            row, column = first[bisect(grid.ys[1:-1], y), bisect(grid.xs[1:-1], x)]
            content[row][column].append(word)
    return content


def _first_cells(grid: _Grid) -> dict[tuple[int, int], tuple[int, int]]:
    """For each cell the first of those that it is merged with, because no rule separates them."""
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    for first in product(range(len(grid.ys) - 1), range(len(grid.xs) - 1)):
        stack = [] if first in owner else [first]
        while stack:
            cell = stack.pop()
            owner[cell] = first
            stack += [other for other in _merged_with(grid, *cell) if other not in owner]
    return owner


def _merged_with(grid: _Grid, row: int, column: int) -> Iterator[tuple[int, int]]:
    x, y = (grid.xs[column] + grid.xs[column + 1]) / 2, (grid.ys[row] + grid.ys[row + 1]) / 2
    if column + 2 < len(grid.xs) and not grid.has_rule(False, column + 1, y):
        yield row, column + 1
    if column > 0 and not grid.has_rule(False, column, y):
        yield row, column - 1
    if row + 2 < len(grid.ys) and not grid.has_rule(True, row + 1, x):
        yield row + 1, column
    if row > 0 and not grid.has_rule(True, row, x):
        yield row - 1, column


def _split_rows(content: Content) -> Content:
    """Splits ruled rows that hold several rows of text, as on invoices that rule only the columns.

    A new row begins at text in the first column and in half of the others. A table with ruled rows is not changed.
    """
    if sum(any(row) for row in content) > 3:
        return content
    return [part for row in content for part in _parts(row)]


def _parts(row: list[list[Word]]) -> Content:
    column_of = {id(word): column for column, cell in enumerate(row) for word in cell}
    filled = sum(map(bool, row))
    parts: Content = []
    for band in rows(word for cell in row for word in cell):
        words = [word for cell in band.cells for word in cell.words]
        columns = {column_of[id(word)] for word in words}
        if not parts or (0 in columns and len(columns) >= max(2, (filled + 1) // 2)):
            parts.append([[] for _ in row])
        for word in words:
            parts[-1][column_of[id(word)]].append(word)
    return parts


# --- aligned ---------------------------------------------------------------------------------------------------------

_LEADER = re.compile(r"\.{4,}|(?:\. ){3,}|…{2,}")
_MARKER = re.compile(r"[\W_]{1,2}|[([]?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)\]]", re.IGNORECASE)
_REMARK = re.compile(r"\[.*\]|\(\w{1,4}\)")
_PITCH = 2.6
"""Type sizes from the top of one row to the top of the next, at most."""
_ALIGNED = 3.0
"""Points between the edge of a cell and that of its column, at most."""

Column = tuple[float, float]
"""Left and right."""


def _aligned(page_rows: list[Row]) -> Iterator[Table]:
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
    columns = _merge([], block[0])
    if not _is_tabular(block[0]):
        return block, columns
    for row in islice(page_rows, index + 1, None):
        wider = _merge(columns, row)
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


def _merge(columns: list[Column], row: Row) -> list[Column]:
    """The columns after adding a row: cells that overlap from row to row share one."""
    merged: list[Column] = []
    for left, right in sorted([*columns, *((cell.box.x0, cell.box.x1) for cell in row.cells)]):
        if merged and left < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], right)
        else:
            merged.append((left, right))
    return merged


def _aligned_table(block: list[Row], columns: list[Column]) -> Table | None:
    """The block as a table, or `None` if it is too small or sparse, or prose, a list, a form ..."""
    records = _records(block, columns)
    if len(records) < 3 or len(columns) < 2:
        return None
    cells = [[cell for row in block if (cell := _cell(row, column))] for column in columns]
    sparse = sum(map(len, cells)) < 0.6 * len(records) * len(columns)
    if sparse or not all(map(_is_aligned, cells)) or any(is_other(cells) for is_other in _OTHER_LAYOUTS):
        return None
    content = [[_words(record, column) for column in columns] for record in records]
    return _table(content, around(row.box for row in block))


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


def _is_aligned(cells: list[Cell]) -> bool:
    """Whether most cells of a column are aligned left, right or centred."""
    lefts, rights = [cell.box.x0 for cell in cells], [cell.box.x1 for cell in cells]
    middles = [(left + right) / 2 for left, right in zip(lefts, rights, strict=True)]
    return any(
        sum(abs(x - median(edge)) <= _ALIGNED for x in edge) >= 0.7 * len(edge) for edge in (lefts, rights, middles)
    )


def _is_prose(cells: list[list[Cell]]) -> bool:
    """Whether these are columns of running text."""
    lengths = [len(cell.words) for column in cells for cell in column]
    return sum(lengths) > 6 * len(lengths)


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
