"""Key-value pairs: "Invoice number: 123", a label beside or above its value, and the filled fields of a form.

A colon inside running text makes no pair, so that a line counts only where it does not belong to a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from .layout import Box, Cell, Page, Row, rows

MAX_KEY_WORDS = 6
"""Words of a key; more of them are a sentence."""
MAX_VALUE = 300
"""Characters of a value; what is longer is a paragraph."""
MAX_CELLS = 40
"""Cells of a row that is looked at."""
MAX_BELOW = 5
"""Lines of a value that stands below its key, such as an address."""

CLOSE = 0.6
"""Type sizes between two lines that belong together, at most."""
FLUSH = 4.0
"""Points by which the lines of one block may start apart."""

_PAIR = re.compile(
    r"(?P<key>[^\W\d_][^:：={}<>;\"]{0,58})"  # begins with a letter, and is no code
    r"\s?(?:：|:(?![:/\\a-z]))"  # no C++ name, no URL, no path
    r"\s*(?P<value>.*)"
)


class Pair(NamedTuple):
    """A key without its colon, and what it says of it."""

    key: str
    value: str


def find(page: Page, headings: Collection[Box] = (), tables: Collection[Box] = ()) -> list[Pair]:
    """The pairs of a page in reading order, those of its form first; headings are none, and tables no values."""
    words = (word for line in page.lines for word in line.words)
    free = [word for word in words if not any(box.holds(*word.middle) for box in headings)]
    found = [Pair(*field) for field in page.fields]
    found += _Finder([row for row in rows(free) if len(row.cells) <= MAX_CELLS], tables).pairs()
    return list(dict.fromkeys(found))


class _Finder:
    """Looks for labels among the rows of a page, and for what stands beside and below each."""

    def __init__(self, every: Sequence[Row], tables: Collection[Box]) -> None:
        self._rows = every
        self._tables = tables

    def pairs(self) -> Iterator[Pair]:
        for index, row in enumerate(self._rows):
            taken: Cell | None = None
            for cell, beside in zip_longest(row.cells, row.cells[1:]):
                label = None if cell is taken else _label(cell)
                if label is None or self._in_paragraph(index, cell):
                    continue
                value = label["value"].strip()
                if not value and beside and not _label(beside):
                    value, taken = beside.text, beside
                value = value or "\n".join(self._below(index, cell))
                if value and len(value) <= MAX_VALUE:
                    yield Pair(label["key"].strip(), value)

    def _in_paragraph(self, index: int, cell: Cell) -> bool:
        """Whether the cell is running text: it follows on a long line above it, or is one with more below it."""
        follows = any(_is_prose(other) for other in self._close(index - 1, cell))
        return follows or (_is_prose(cell) and any(not _label(other) for other in self._close(index + 1, cell)))

    def _below(self, index: int, cell: Cell) -> Iterator[str]:
        """The lines of a value that stands below its label and flush with it."""
        above = cell
        for at in range(index + 1, index + 1 + MAX_BELOW):
            flush = [other for other in self._close(at, above) if abs(other.box.x0 - cell.box.x0) < FLUSH]
            if not flush or _label(flush[0]) or _is_prose(flush[0]) or self._in_table(flush[0]):
                return
            above = flush[0]
            yield above.text

    def _close(self, index: int, cell: Cell) -> Iterator[Cell]:
        """Cells of the row at `index` that are set as close to this one as the lines of one paragraph are."""
        for other in self._rows[index].cells if 0 <= index < len(self._rows) else ():
            gap = max(cell.box.top - other.box.bottom, other.box.top - cell.box.bottom)
            overlap = min(cell.box.x1, other.box.x1) - max(cell.box.x0, other.box.x0)
            if gap < CLOSE * cell.size and overlap > 0:
                yield other

    def _in_table(self, cell: Cell) -> bool:
        return any(box.holds(*cell.middle) for box in self._tables)


def _label(cell: Cell) -> re.Match[str] | None:
    """The cell as a key and what follows it, `None` where it has no key that reads as one."""
    match = _PAIR.fullmatch(cell.text)
    if match is None or len(match["key"].split()) > MAX_KEY_WORDS or match["key"][0].islower():
        return None
    return match


def _is_prose(cell: Cell) -> bool:
    return len(cell.words) > MAX_KEY_WORDS
