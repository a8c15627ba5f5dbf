"""Words, lines, rows and rules of a page, in points from the top left corner of the upright page.

A **line** is a line of text as PDFium returns it. A **row** holds the words at one height of the page, from whichever
line, and is cut into **cells** at gaps wider than those between words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

CELL_GAP = 1.0
"""Ems between two words of different cells. Justified text seldom opens more than 0.8."""


class Box(NamedTuple):
    """A rectangle: left, top, right, bottom."""

    x0: float
    top: float
    x1: float
    bottom: float

    def holds(self, x: float, y: float) -> bool:
        """Whether the point is inside."""
        return self.x0 <= x <= self.x1 and self.top <= y <= self.bottom

    @property
    def height(self) -> float:
        """From the top to the bottom."""
        return self.bottom - self.top

    def mirrored(self, width: float) -> Box:
        """The box seen in a mirror, on a page of this width."""
        return Box(width - self.x1, self.top, width - self.x0, self.bottom)

    def rounded(self) -> list[float]:
        """The four sides to a tenth of a point, for JSON."""
        return [round(side, 1) for side in self]


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without white space; `size` is its type size in points.

    `place` is above 0 in a line with text from right to left, and higher the later the word is read.
    """

    text: str
    box: Box
    size: float
    bold: bool = False
    upright: bool = True
    place: int = 0

    @property
    def middle(self) -> tuple[float, float]:
        """The point that decides which cell or table the word belongs to."""
        return (self.box.x0 + self.box.x1) / 2, (self.box.top + self.box.bottom) / 2


@dataclass(frozen=True)
class Words:
    """Words that belong together, left to right."""

    words: tuple[Word, ...]

    @cached_property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def box(self) -> Box:
        """The box around all the words."""
        return around(word.box for word in self.words)

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the box."""
        return (self.box.x0 + self.box.x1) / 2, (self.box.top + self.box.bottom) / 2

    @cached_property
    def size(self) -> float:
        """The type size of most of the characters."""
        return common_size(self.words)

    @cached_property
    def bold(self) -> bool:
        """Whether all the words are bold."""
        return all(word.bold for word in self.words)

    @cached_property
    def upright(self) -> bool:
        """Whether all the words read from left to right."""
        return all(word.upright for word in self.words)


class Line(Words):
    """One line of text as PDFium returns it."""


class Cell(Words):
    """A part of a row, with gaps on both sides."""


@dataclass(frozen=True)
class Row:
    """Cells at one height of the page, from left to right."""

    cells: tuple[Cell, ...]

    @cached_property
    def box(self) -> Box:
        """The box around all the cells."""
        return around(cell.box for cell in self.cells)

    @cached_property
    def size(self) -> float:
        """The type size of most of the characters."""
        return common_size(word for cell in self.cells for word in cell.words)


class Rule(NamedTuple):
    """A ruled line. `at` is the y of a horizontal one and the x of a vertical one; `start` and `end` are its ends."""

    horizontal: bool
    at: float
    start: float
    end: float


class Hidden(NamedTuple):
    """Text that nobody sees, and why."""

    text: str
    reason: str


@dataclass(frozen=True)
class Page:
    """One page as the engine reads it.

    `number` counts from 1. `fields` are the filled form fields, `images` is the number of pictures, `pictured` the
    share of the page that they cover, and `drawn` the number of all objects. `hidden` is text that nobody sees.
    `recognised` says whether the text is what a scanner has recognised in a picture, and `checked` whether it could be
    checked that the text can be seen. `unknown` is the number of glyphs without Unicode, and `damaged` says whether a
    part of the page could not be unpacked.
    """

    number: int
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    images: int = 0
    drawn: int = 0
    pictured: float = 0.0
    hidden: tuple[Hidden, ...] = ()
    recognised: bool = False
    checked: bool = True
    unknown: int = 0
    damaged: bool = False

    @cached_property
    def text(self) -> str:
        """The page's text, line by line, in PDFium's order."""
        return "\n".join(line.text for line in self.lines)


def mirrored(page: Page) -> Page:
    """The page seen in a mirror, whose rows and columns can be read from left to right if its text cannot.

    The words of a cell stay in the order of the lines.
    """
    count = 0
    lines = []
    for line in page.lines:
        words = []
        for word in line.words:
            count += 1
            words.append(replace(word, box=word.box.mirrored(page.width), place=count))
        lines.append(Line(tuple(words)))
    rules = (r if r.horizontal else r._replace(at=page.width - r.at) for r in page.rules)
    turned = (r._replace(start=page.width - r.end, end=page.width - r.start) if r.horizontal else r for r in rules)
    return replace(page, lines=tuple(lines), rules=tuple(turned))


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of `boxes`, at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def common_size(words: Iterable[Word]) -> float:
    """The type size of most characters of `words`, to a tenth of a point."""
    sizes: Counter[float] = Counter()
    for word in words:
        sizes[round(word.size, 1)] += len(word.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def rows(words: Iterable[Word]) -> list[Row]:
    """The upright words as rows, from top to bottom."""
    return [Row(tuple(cells(band))) for band in _bands(word for word in words if word.upright)]


def _bands(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Words whose middles lie within half a line of each other."""
    band: list[Word] = []
    first = 0.0
    for word in sorted(words, key=lambda word: word.middle[1]):
        middle = word.middle[1]
        if band and middle - first > 0.5 * min(word.size, band[0].size):
            yield band
            band = []
        first = first if band else middle
        band.append(word)
    if band:
        yield band


def cells(words: Iterable[Word]) -> Iterator[Cell]:
    """Words of one row, split at gaps wider than `CELL_GAP`."""
    cell: list[Word] = []
    for word in sorted(words, key=lambda word: word.box.x0):
        if cell and word.box.x0 - cell[-1].box.x1 > CELL_GAP * min(word.size, cell[-1].size):
            yield Cell(_as_read(cell))
            cell = []
        cell.append(word)
    if cell:
        yield Cell(_as_read(cell))


def _as_read(words: list[Word]) -> tuple[Word, ...]:
    """The words of a cell, from left to right, in the order in which they are read."""
    return tuple(sorted(words, key=lambda word: word.place) if any(word.place for word in words) else words)
