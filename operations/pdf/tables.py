"""Tables, from ruled lines and from columns that align, over the words and rules that PDFium gave anyway.

Libraries were tried on the Filesystem Hierarchy Standard 3.0, whose 33 tables have no outer borders. pdfplumber 0.11
(MIT) finds four of them, without their outer columns and heads, because it wants each cell closed on four sides; it
also reads every page a second time, with pdfminer, at 55 ms a page. pdf_oxide 0.3 (MIT or Apache) finds two, in the
same way, and is a second PDF reader in the process. So tables are found here, at about a millisecond a page:

- **ruled**: lines that cross make a grid, open sides are closed, and cells with no line between them are one cell;
- **aligned**: rows whose cells keep to the same columns, three rows at least, with prose, lists, forms and tables of
  contents left out. It errs on the side of finding none.
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
"""Points within which two lines are the same line."""
JOIN = 3.0
"""Points of a gap, or of a missed corner, that is drawn over."""
OPEN_SIDE = 10.0
"""Points by which rules must stick out of a grid for its open side to hold a column or a row."""
MAX_RULES = 1_500
"""Rules of one page, once joined; a page with more is a drawing."""
MAX_CELLS = 10_000
"""Cells of one grid."""
MAX_ROWS, MAX_COLUMNS = 400, 40
"""Rows of a page, and cells of one row, among which alignment is looked for: more than small type has."""

Content = list[list[list[Word]]]
"""The words of each cell, row by row."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells from the top; `header` says whether the first row names the columns."""

    rows: list[list[str]]
    header: bool
    box: Box


def find(page: Page) -> list[Table]:
    """The tables of a page from its top to its bottom."""
    words = [word for line in page.lines for word in line.words if word.upright]
    found = list(_ruled(page.rules, words))
    free = [word for word in words if not any(table.box.holds(*word.middle) for table in found)]
    found += _aligned(rows(free))
    return sorted(found, key=lambda table: (table.box.top, table.box.x0))


def _table(content: Content, box: Box) -> Table | None:
    """What is in the cells as a table, or `None` where too little is in them to be one."""
    content = [row for row in content if any(row)]
    columns = [column for column in zip(*content, strict=True) if any(column)]
    if len(columns) < 2 or sum(sum(map(bool, row)) > 1 for row in content) < 2:
        return None
    content = [list(row) for row in zip(*columns, strict=True)]
    return Table([[written(cell) for cell in row] for row in content], _has_header(content), box)


def written(words: Iterable[Word]) -> str:
    """The words of a cell as text, one line for each row they stand in."""
    return "\n".join(" ".join(cell.text for cell in row.cells) for row in rows(words))


def _has_header(content: Content) -> bool:
    """Whether the first row is set in bold and the next one is not."""
    first, second = ([word for cell in row for word in cell] for row in content[:2])
    return all(word.bold for word in first) and not all(word.bold for word in second)


# --- ruled -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the columns and rows of a ruled table part; `drawn` are the rules along each of those lines."""

    xs: list[float]
    ys: list[float]
    drawn: dict[tuple[bool, int], list[Rule]] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        return Box(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])

    def parted(self, horizontal: bool, line: int, along: float) -> bool:
        """Whether a rule is drawn on this line of the grid at the point `along`."""
        return any(rule.start <= along <= rule.end for rule in self.drawn.get((horizontal, line), ()))


def _ruled(rules: Iterable[Rule], words: list[Word]) -> Iterator[Table]:
    joined = join(rules)
    if len(joined) > MAX_RULES:
        return
    for crossing in _crossings(joined):
        grid = _grid(crossing)
        if len(grid.xs) > 2 and len(grid.xs) * len(grid.ys) <= MAX_CELLS:
            table = _table(_unstacked(_filled(grid, words)), grid.box)
            if table:
                yield table


def join(rules: Iterable[Rule]) -> list[Rule]:
    """The rules with those along one line made one: a table's borders are often drawn cell by cell."""
    joined = []
    for line in _along(sorted(rules)):
        at = sum(rule.at for rule in line) / len(line)
        joined += [Rule(line[0].horizontal, at, start, end) for start, end in _spans(line)]
    return [rule for rule in joined if rule.end - rule.start > JOIN]


def _along(ordered: list[Rule]) -> Iterator[list[Rule]]:
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
    """Sets of rules that touch, directly or by way of others; a set without a crossing is left out."""
    level = [rule for rule in rules if rule.horizontal]
    upright = [rule for rule in rules if not rule.horizontal]
    seen: set[Rule] = set()
    for first in upright:
        crossing, fresh = {first}, [] if first in seen else [first]
        while fresh:
            rule = fresh.pop()
            touched = {other for other in (upright if rule.horizontal else level) if _touch(rule, other)}
            fresh += touched - crossing
            crossing |= touched
        seen |= crossing
        if len(crossing) > 2:
            yield sorted(crossing)


def _touch(one: Rule, other: Rule) -> bool:
    return one.start - JOIN <= other.at <= one.end + JOIN and other.start - JOIN <= one.at <= other.end + JOIN


def _grid(rules: list[Rule]) -> _Grid:
    """The grid of rules that cross, with sides of its own where its rules stick out."""
    level = [rule for rule in rules if rule.horizontal]
    upright = [rule for rule in rules if not rule.horizontal]
    grid = _Grid(_lines(upright, level), _lines(level, upright))
    for rule in rules:
        line = bisect(grid.ys if rule.horizontal else grid.xs, rule.at + 0.01) - 1
        grid.drawn.setdefault((rule.horizontal, line), []).append(rule)
    return grid


def _lines(drawn: list[Rule], crossing: list[Rule]) -> list[float]:
    at: list[float] = []
    for rule in drawn:  # in order, and apart by more than `SNAP` or the same: `join` saw to that
        if not at or rule.at > at[-1]:
            at.append(rule.at)
    first, last = min(rule.start for rule in crossing), max(rule.end for rule in crossing)
    before = [first] if first < at[0] - OPEN_SIDE else []
    after = [last] if last > at[-1] + OPEN_SIDE else []
    return [*before, *at, *after]


def _filled(grid: _Grid, words: list[Word]) -> Content:
    """The words in the grid's cells; those of a merged cell stand in its first one."""
    owner = _owners(grid)
    content: Content = [[[] for _ in grid.xs[1:]] for _ in grid.ys[1:]]
    for word in words:
        x, y = word.middle
        if grid.box.holds(x, y):
            row, column = owner[bisect(grid.ys[1:-1], y), bisect(grid.xs[1:-1], x)]
            content[row][column].append(word)
    return content


def _owners(grid: _Grid) -> dict[tuple[int, int], tuple[int, int]]:
    """For each cell the first of those that it is merged with, by a walk over what no rule parts."""
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    for first in product(range(len(grid.ys) - 1), range(len(grid.xs) - 1)):
        fresh = [] if first in owner else [first]
        while fresh:
            cell = fresh.pop()
            owner[cell] = first
            fresh += [other for other in _merged_with(grid, *cell) if other not in owner]
    return owner


def _merged_with(grid: _Grid, row: int, column: int) -> Iterator[tuple[int, int]]:
    x, y = (grid.xs[column] + grid.xs[column + 1]) / 2, (grid.ys[row] + grid.ys[row + 1]) / 2
    if column + 2 < len(grid.xs) and not grid.parted(False, column + 1, y):
        yield row, column + 1
    if column > 0 and not grid.parted(False, column, y):
        yield row, column - 1
    if row + 2 < len(grid.ys) and not grid.parted(True, row + 1, x):
        yield row + 1, column
    if row > 0 and not grid.parted(True, row, x):
        yield row - 1, column


def _unstacked(content: Content) -> Content:
    """Rows that stand in one ruled row, as on invoices that rule only the columns, made rows of their own.

    A new row begins where the first column and half of the others do. A table that rules its rows is left alone.
    """
    if sum(any(row) for row in content) > 3:
        return content
    return [part for row in content for part in _parts(row)]


def _parts(row: list[list[Word]]) -> Content:
    home = {id(word): column for column, cell in enumerate(row) for word in cell}
    filled = sum(map(bool, row))
    parts: Content = []
    for band in rows(word for cell in row for word in cell):
        words = [word for cell in band.cells for word in cell.words]
        columns = {home[id(word)] for word in words}
        if not parts or (0 in columns and len(columns) >= max(2, (filled + 1) // 2)):
            parts.append([[] for _ in row])
        for word in words:
            parts[-1][home[id(word)]].append(word)
    return parts


# --- aligned ---------------------------------------------------------------------------------------------------------

_LEADER = re.compile(r"\.{4,}|(?:\. ){3,}|…{2,}")
_MARKER = re.compile(r"[\W_]{1,2}|[([]?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)\]]", re.IGNORECASE)
_REMARK = re.compile(r"\[.*\]|\(\w{1,4}\)")
_PITCH = 2.6
"""Type sizes from the top of one row to the top of the next, at most."""
_TRUE = 3.0
"""Points by which cells may miss the edge that their column keeps to."""

Column = tuple[float, float]
"""Left and right."""


def _aligned(every: list[Row]) -> Iterator[Table]:
    """Tables without rules among the rows of a page."""
    index = 0
    while index < len(every) <= MAX_ROWS:
        block, columns = _block(every, index)
        table = _aligned_table(block, columns)
        if table:
            yield table
        index += len(block) if table else max(1, len(block) // 8)  # its first rows may be what is wrong with it


def _block(every: list[Row], index: int) -> tuple[list[Row], list[Column]]:
    """As many rows, from the one at `index` on, as keep to the same columns, and these."""
    block = [every[index]]
    columns = _with([], block[0])
    if not _is_tabular(block[0]):
        return block, columns
    for row in islice(every, index + 1, None):
        wider = _with(columns, row)
        if row.box.top - block[-1].box.top > _PITCH * row.size or not _goes_on(row, columns, wider):
            break
        block.append(row)
        columns = wider
    while not _is_tabular(block[-1]):
        block.pop()
    return block, columns


def _is_tabular(row: Row) -> bool:
    return 1 < len(row.cells) <= MAX_COLUMNS and not any(_LEADER.search(cell.text) for cell in row.cells)


def _goes_on(row: Row, before: list[Column], after: list[Column]) -> bool:
    """Whether the columns stand with this row in them; a lone cell may not open one."""
    return len(after) >= len(before) if _is_tabular(row) else len(row.cells) == 1 and len(after) == len(before)


def _with(columns: list[Column], row: Row) -> list[Column]:
    """The columns with a row more: what overlaps from row to row shares one."""
    merged: list[Column] = []
    for left, right in sorted([*columns, *((cell.box.x0, cell.box.x1) for cell in row.cells)]):
        if merged and left < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], right)
        else:
            merged.append((left, right))
    return merged


def _aligned_table(block: list[Row], columns: list[Column]) -> Table | None:
    """The block as a table, or `None` where it is prose, a list or a form, or too little to tell."""
    records = _records(block, columns)
    if len(records) < 3 or len(columns) < 2:
        return None
    cells = [[cell for row in block if (cell := _cell(row, column))] for column in columns]
    sparse = sum(map(len, cells)) < 0.6 * len(records) * len(columns)
    if sparse or not all(map(_is_true, cells)) or any(looks(cells) for looks in _OTHERWISE):
        return None
    content = [[_words(record, column) for column in columns] for record in records]
    return _table(content, around(row.box for row in block))


def _records(block: list[Row], columns: list[Column]) -> list[list[Row]]:
    """Rows with those that only go on with the row above: nothing in the first column, and set closer than the rest."""
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


def _is_true(cells: list[Cell]) -> bool:
    """Whether most cells of a column keep to its left edge, its right edge or its middle."""
    lefts, rights = [cell.box.x0 for cell in cells], [cell.box.x1 for cell in cells]
    middles = [(left + right) / 2 for left, right in zip(lefts, rights, strict=True)]
    return any(
        sum(abs(x - median(edge)) <= _TRUE for x in edge) >= 0.7 * len(edge) for edge in (lefts, rights, middles)
    )


def _is_prose(cells: list[list[Cell]]) -> bool:
    """Whether these are columns of running text."""
    lengths = [len(cell.words) for column in cells for cell in column]
    return sum(lengths) > 6 * len(lengths)


def _is_list(cells: list[list[Cell]]) -> bool:
    """Whether one side holds nothing but bullets, the numbers of a list or of formulas, or one and the same mark."""
    first, last = ([cell.text for cell in column] for column in (cells[0], cells[-1]))
    same = len(set(first)) == 1 and not first[0][0].isalnum()
    return same or all(map(_MARKER.fullmatch, first)) or all(map(_REMARK.fullmatch, last))


def _is_form(cells: list[list[Cell]]) -> bool:
    """Whether the first column holds labels: those make pairs."""
    return sum(cell.text.endswith((":", "：")) for cell in cells[0]) >= 0.5 * len(cells[0])


def _is_contents(cells: list[list[Cell]]) -> bool:
    """Whether these are titles and the numbers of their pages."""
    if len(cells) != 2 or not all(cell.text.isdecimal() for cell in cells[1]):
        return False
    numbers = [int(cell.text) for cell in cells[1]]
    return numbers == sorted(numbers)


def _is_code(cells: list[list[Cell]]) -> bool:
    """Whether this is a program, whose indentation and remarks align as well."""
    every = [cell.text for column in cells for cell in column]
    return sum(text.endswith((";", "{", "}")) for text in every) > 0.15 * len(every)


_OTHERWISE = (_is_prose, _is_list, _is_form, _is_contents, _is_code)
