"""Tables of ruled lines that cross: they make a grid, whose open sides are closed.

Cells without a line between them are one cell.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from .columns import Part, columns_of, is_value, parts_of
from .layout import Box, Row, Rule, Word, rows
from .tabular import Content, Table, table_of

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


@dataclass(frozen=True, slots=True)
class _Grid:
    """The lines between the columns and rows of a ruled table; `rules` are those drawn along each line."""

    xs: list[float]
    ys: list[float]
    rules: dict[tuple[bool, int], list[Rule]] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        return Box(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])

    def cell(self, word: Word) -> tuple[int, int]:
        """Row and column in which the middle of the word is."""
        x, y = word.middle
        return bisect(self.ys[1:-1], y), bisect(self.xs[1:-1], x)

    def has_rule(self, horizontal: bool, line: int, position: float) -> bool:
        """Whether a rule is drawn on this line of the grid at `position`."""
        return any(rule.start <= position <= rule.end for rule in self.rules.get((horizontal, line), ()))


def tables(rules: Iterable[Rule], words: list[Word]) -> Iterator[Table]:
    """The tables in the grids that these rules make."""
    joined = join(rules)
    if len(joined) > MAX_RULES:
        return
    for crossing in _crossings(joined):
        grid = _grid(crossing)
        if len(grid.xs) > 2 and len(grid.xs) * len(grid.ys) <= MAX_CELLS:
            table = table_of(_split_columns(_split_rows(_content(grid, words))), grid.box)
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
    """The words of each cell of the grid; those of merged cells are in the first of them, if they are one text."""
    first = _first_cells(grid)
    inside: dict[tuple[int, int], list[Word]] = {}
    for word in words:
        if grid.box.holds(*word.middle):
            inside.setdefault(first[grid.cell(word)], []).append(word)
    content: Content = [[[] for _ in grid.xs[1:]] for _ in grid.ys[1:]]
    for cell, texts in inside.items():
        for row in rows(texts):
            for (at, column), part in _places(grid, cell, row):
                content[first[at, column][0]][column] += part
    return content


def _places(grid: _Grid, first: tuple[int, int], row: Row) -> list[tuple[tuple[int, int], tuple[Word, ...]]]:
    """Where the words of a row in a merged cell belong: in the columns of the grid, if each part has one of its own."""
    places = [({grid.cell(word) for word in cell.words}, cell.words) for cell in row.cells]
    columns = [column for cells, _ in places for column in {column for _, column in cells}]
    if len(places) < 2 or len(columns) > len(places) or len(set(columns)) < len(columns):
        return [(first, tuple(word for cell in row.cells for word in cell.words))]
    return [(min(cells), words) for cells, words in places]


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

    A new row begins at text in the first column and in half of the others. A table with ruled rows is not changed,
    except where all cells of a row have as many lines, at one height, and those of one column are values.
    """
    if sum(any(row) for row in content) > 3:
        return [part for row in content for part in (_lines_of(row) or [row])]
    return [part for row in content for part in _parts(row)]


def _lines_of(row: list[list[Word]]) -> Content:
    """The lines of a row as rows, if each of its cells has a value in each line, or none."""
    lines = [rows(cell) for cell in row if cell]
    counts = {len(cell) for cell in lines}
    if len(lines) < 2 or len(counts) > 1 or counts == {1}:
        return []
    level = all(
        abs(line.box.top - first.box.top) < 0.5 * first.size
        for first, *others in zip(*lines, strict=True)
        for line in others
    )
    values = any(all(len(line.cells) == 1 and is_value(line.cells[0].text) for line in cell) for cell in lines)
    return _parts_at(row, [line.box.top for line in lines[0]]) if level and values else []


def _parts_at(row: list[list[Word]], tops: list[float]) -> Content:
    parts: Content = [[[] for _ in row] for _ in tops]
    for column, cell in enumerate(row):
        for line, part in zip(rows(cell), parts, strict=False):
            part[column] = [word for one in line.cells for word in one.words]
    return parts


def _split_columns(content: Content) -> Content:
    """Splits columns that hold several values side by side, as where only the rows or groups of columns are ruled."""
    columns = [list(column) for column in zip(*content, strict=True)]
    split = [part for column in columns for part in _subcolumns(column)]
    return [list(row) for row in zip(*split, strict=True)]


def _subcolumns(column: list[list[Word]]) -> list[list[list[Word]]]:
    lines = [rows(cell) for cell in column]
    edges = columns_of([row for cell in lines for row in cell])
    parted = [[part for row in cell for part in parts_of(row, edges)] for cell in lines] if len(edges) > 1 else []
    several = sum(len(cell) > 1 and all(map(_is_value, cell[1:])) for cell in parted)
    if several < max(2, 0.6 * sum(map(bool, column))):
        return [column]
    split: list[list[list[Word]]] = [[[] for _ in column] for _ in edges]
    for index, cell in enumerate(parted):
        for part in cell:
            split[part.first][index] += part.words
    return split


def _is_value(part: Part) -> bool:
    return part.first == part.last and is_value(part.words[0].text)


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
