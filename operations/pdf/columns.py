"""The columns of a table, from the gaps in its rows.

Rows with many cells show the columns; the others are read by them: a cell over several columns is a heading above them,
unless it holds values that stand too close for a gap, which are parted at the columns.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from .layout import Cell, Row, Word

TIGHT = 0.15
"""Ems between two values of neighbouring columns, at least; an ordinary space has 0.25."""
MAX_COLUMNS = 40
"""Columns of a table: more than small type has."""
MAX_OPPOSED = 0.5
"""Rows whose text runs over the gap of two columns, as a share of those that keep it free, at most."""
ALIGNED = 3.0
"""Points between the edge of a cell and that of its column, at most."""

Column = tuple[float, float]
"""Left and right."""

_VALUE = re.compile(r"[^\w]*\d[\d.,:/%()–-]*\D{0,3}|[-–—−*.…]{1,3}|\(?[nN]/?[aA]\.?\)?")


@dataclass(frozen=True, slots=True)
class Part:
    """Words that stand in the columns `first` to `last`."""

    first: int
    last: int
    words: tuple[Word, ...]


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """The columns that these rows share, from left to right; none where there are more than small type has."""
    tabular = [row for row in rows if len(row.cells) > 1]
    if any(len(row.cells) > MAX_COLUMNS for row in tabular):
        return []
    columns: list[Column] = []
    for row in sorted(tabular, key=lambda row: -len(row.cells)):
        for cell in row.cells:
            for words in _parted(cell, columns):
                columns = _with(columns, (words[0].box.x0, words[-1].box.x1))
                if len(columns) > 2 * MAX_COLUMNS:
                    return []
    return _joined(columns, tabular)


def parts_of(row: Row, columns: Sequence[Column]) -> list[Part]:
    """The words of a row by their columns."""
    parts: list[Part] = []
    for cell in row.cells:
        for words in _parted(cell, columns):
            first, last = _span(words, columns)
            if parts and parts[-1].last >= first:
                before = parts.pop()
                parts.append(Part(before.first, max(before.last, last), before.words + words))
            else:
                parts.append(Part(first, last, words))
    return parts


def merged(columns: list[Column], row: Row) -> list[Column]:
    """The columns after adding a row: cells that overlap from row to row share one."""
    found: list[Column] = []
    for left, right in sorted([*columns, *((cell.box.x0, cell.box.x1) for cell in row.cells)]):
        if found and left < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], right)
        else:
            found.append((left, right))
    return found


def is_value(text: str) -> bool:
    """Whether a word is a number, a percentage, a date or the mark of a missing one."""
    return _VALUE.fullmatch(text) is not None


def is_aligned(spans: Sequence[Column], share: float = 0.7) -> bool:
    """Whether most cells of a column are aligned left, right or centred."""
    lefts, rights = [left for left, _ in spans], [right for _, right in spans]
    middles = [(left + right) / 2 for left, right in spans]
    return any(
        sum(abs(x - median(edge)) <= ALIGNED for x in edge) >= share * len(edge) for edge in (lefts, rights, middles)
    )


def _with(columns: list[Column], span: Column) -> list[Column]:
    """The columns with another cell; one over several columns changes none."""
    touching = _touching(span, columns)
    if len(touching) > 1:
        return columns
    if touching:
        left, right = columns[touching[0]]
        span = min(left, span[0]), max(right, span[1])
    kept = [column for index, column in enumerate(columns) if index not in touching]
    return sorted([*kept, span])


def _touching(span: Column, columns: Sequence[Column]) -> range:
    """The columns that the span overlaps; columns are sorted, and do not overlap each other."""
    first = bisect_right(columns, span[0], key=_right)
    last = bisect_left(columns, span[1], key=_left)
    return range(first, max(first, last))


def _left(column: Column) -> float:
    return column[0]


def _right(column: Column) -> float:
    return column[1]


def _parted(cell: Cell, columns: Sequence[Column]) -> Iterator[tuple[Word, ...]]:
    """The words of a cell, parted where values or wide gaps stand between two columns."""
    start = 0
    for index, (word, following) in enumerate(pairwise(cell.words), 1):
        if _is_gap(word, following) and _between(word, following, columns):
            yield cell.words[start:index]
            start = index
    yield cell.words[start:]


def _is_gap(word: Word, following: Word) -> bool:
    gap = (following.box.x0 - word.box.x1) / max(min(word.size, following.size), 1.0)
    return gap > 0.6 or (gap > TIGHT and (is_value(word.text) or is_value(following.text)))


def _between(word: Word, following: Word, columns: Sequence[Column]) -> bool:
    """Whether the words stand in different columns."""
    before = _touching((word.box.x0, word.box.x1), columns)
    after = _touching((following.box.x0, following.box.x1), columns)
    return len(before) == 1 and len(after) == 1 and before != after


def _span(words: Sequence[Word], columns: Sequence[Column]) -> tuple[int, int]:
    """The first and the last column of these words, or the nearest one."""
    span = words[0].box.x0, words[-1].box.x1
    touching = _touching(span, columns)
    if not touching:
        middle = (span[0] + span[1]) / 2
        nearest = min(range(len(columns)), key=lambda index: _distance(middle, columns[index]))
        return nearest, nearest
    return touching[0], touching[-1]


def _distance(x: float, column: Column) -> float:
    return max(column[0] - x, x - column[1], 0.0)


def _joined(columns: list[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns, without the gaps that too many rows run over, or that no row has text on both sides of."""
    while len(columns) > 1:
        parted = [parts_of(row, columns) for row in rows]
        gaps = [_Gap.before(index, columns, parted) for index in range(1, len(columns))]
        closed: set[int] = set()
        for gap in sorted((gap for gap in gaps if gap.is_none), key=lambda gap: gap.width):
            if not closed & {gap.column - 1, gap.column + 1}:  # else the next round sees the joined column
                closed.add(gap.column)
        if not closed:
            break
        joined: list[Column] = []
        for index, column in enumerate(columns):
            left = joined.pop()[0] if index in closed else column[0]
            joined.append((left, column[1]))
        columns = joined
    return columns


class _Gap(NamedTuple):
    """The gap before a column: rows with text on both sides, over it, and in each of the two columns."""

    column: int
    width: float
    both: int
    over: int
    left: int
    right: int

    @classmethod
    def before(cls, index: int, columns: Sequence[Column], rows: Iterable[Sequence[Part]]) -> _Gap:
        """What the rows say of the gap before this column."""
        both = over = left = right = 0
        for parts in rows:
            in_left = any(part.first < index <= part.last + 1 for part in parts)
            in_right = any(part.first <= index <= part.last for part in parts)
            across = any(part.first < index <= part.last for part in parts)
            over += across
            both += in_left and in_right and not across
            left += in_left
            right += in_right
        return cls(index, columns[index][0] - columns[index - 1][1], both, over, left, right)

    @property
    def is_none(self) -> bool:
        """Whether the columns on both sides are one."""
        return self.over > MAX_OPPOSED * self.both or (self.both == 0 and min(self.left, self.right) <= 2)
