"""Key-value pairs: "Invoice number: 123", a label beside or above its value, and the filled fields of a form.

A colon inside running text makes no pair: lines of a paragraph do not count.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from .bidi import is_right_to_left
from .layout import Box, Cell, Page, Row, around, mirrored, rows

MAX_KEY_WORDS = 6
"""Words of a key; more than that is a sentence."""
MAX_VALUE = 300
"""Characters of a value; a longer one is a paragraph."""
MAX_CELLS = 40
"""Cells of a row; rows with more are skipped."""
MAX_BELOW = 5
"""Lines of a value that stands below its key, such as an address."""

CLOSE = 0.6
"""Type sizes between two lines of one block, at most."""
FLUSH = 4.0
"""Points between the left edges of the lines of one block, at most."""

_PAIR = re.compile(
    r"(?P<key>[^\W\d_][^:：={}<>;\"]{0,58})"  # begins with a letter, and is not code
    r"\s?(?:：|:(?![:/\\a-z]))"  # not a C++ name, URL or path
    r"\s*(?P<value>.*)"
)


class Pair(NamedTuple):
    """A key without its colon, its value, and the box around both, which the field of a form does not have."""

    key: str
    value: str
    box: Box | None = None


def find(page: Page, headings: Collection[Box] = (), tables: Collection[Box] = ()) -> list[Pair]:
    """The pairs of a page in reading order, those of its form first. No heading is a key, no table a value.

    In Arabic and Hebrew a value stands left of its key.
    """
    if is_right_to_left(page.text):
        width = page.width
        found = _find(
            mirrored(page), [box.mirrored(width) for box in headings], [box.mirrored(width) for box in tables]
        )
        return [pair._replace(box=pair.box and pair.box.mirrored(width)) for pair in found]
    return _find(page, headings, tables)


def _find(page: Page, headings: Collection[Box], tables: Collection[Box]) -> list[Pair]:
    words = (word for line in page.lines for word in line.words)
    free = [word for word in words if not any(box.holds(*word.middle) for box in headings)]
    pairs = [Pair(*field) for field in page.fields]
    pairs += _Finder([row for row in rows(free) if len(row.cells) <= MAX_CELLS], tables).pairs()
    unique: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        unique.setdefault((pair.key, pair.value), pair)
    return list(unique.values())


class _Finder:
    """Looks for labels among the rows of a page, and for the value beside or below each."""

    def __init__(self, page_rows: Sequence[Row], tables: Collection[Box]) -> None:
        self._rows = page_rows
        self._tables = tables

    def pairs(self) -> Iterator[Pair]:
        for index, row in enumerate(self._rows):
            value_cell: Cell | None = None
            for cell, beside in zip_longest(row.cells, row.cells[1:]):
                label = None if cell is value_cell else _label(cell)
                if label is None or self._in_paragraph(index, cell):
                    continue
                value, places = label["value"].strip(), [cell]
                if not value and beside and not _label(beside):
                    value, value_cell = beside.text, beside
                    places.append(beside)
                elif not value:
                    places += self._below(index, cell)
                    value = "\n".join(place.text for place in places[1:])
                if value and len(value) <= MAX_VALUE:
                    yield Pair(label["key"].strip(), value, around(place.box for place in places))

    def _in_paragraph(self, index: int, cell: Cell) -> bool:
        """Whether the cell is running text: a long line is right above it, or it is long and text is right below it."""
        follows = any(_is_prose(other) for other in self._adjacent(index - 1, cell))
        return follows or (_is_prose(cell) and any(not _label(other) for other in self._adjacent(index + 1, cell)))

    def _below(self, index: int, cell: Cell) -> Iterator[Cell]:
        """The lines of a value that is below its label and flush with it."""
        above = cell
        for at in range(index + 1, index + 1 + MAX_BELOW):
            flush = [other for other in self._adjacent(at, above) if abs(other.box.x0 - cell.box.x0) < FLUSH]
            if not flush or _label(flush[0]) or _is_prose(flush[0]) or self._in_table(flush[0]):
                return
            above = flush[0]
            yield above

    def _adjacent(self, index: int, cell: Cell) -> Iterator[Cell]:
        """Cells of the row at `index` as close to this cell as the lines of one paragraph are."""
        for other in self._rows[index].cells if 0 <= index < len(self._rows) else ():
            gap = max(cell.box.top - other.box.bottom, other.box.top - cell.box.bottom)
            overlap = min(cell.box.x1, other.box.x1) - max(cell.box.x0, other.box.x0)
            if gap < CLOSE * cell.size and overlap > 0:
                yield other

    def _in_table(self, cell: Cell) -> bool:
        return any(box.holds(*cell.middle) for box in self._tables)


def _label(cell: Cell) -> re.Match[str] | None:
    """The cell as a key and the text after it, `None` if nothing in it reads as a key."""
    match = _PAIR.fullmatch(cell.text)
    if match is None or len(match["key"].split()) > MAX_KEY_WORDS or match["key"][0].islower():
        return None
    return match


def _is_prose(cell: Cell) -> bool:
    return len(cell.words) > MAX_KEY_WORDS
