"""Where the values of a form stand on the page: boxes around the words in which they are found."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..pdf.layout import Box, around
from ..pdf.word_boxes import WordBoxes
from .words import has_unspaced, normalize

if TYPE_CHECKING:
    from .evidence import PageText, Span
    from .schema import Json

MOST_BOXES: Final = 100
"""Boxes of a value: an invoice number may stand on each of 2,000 pages."""


class Place(NamedTuple):
    """A value, and where it stands in the text of a page."""

    page: PageText
    span: Span
    value: Any


class PlacedWords:
    """The words of a page, found by the letters before them: normalizing a text moves its offsets, and not these."""

    def __init__(self, text: str, boxes: WordBoxes) -> None:
        self._boxes = boxes.unpacked()
        self._words: list[str] = []
        self._lines = array("L")
        self._ends = array("L")
        end = 0
        for number, line in enumerate(text.split("\n")):
            for word in line.split(" "):
                end += letters(normalize(word))
                self._words.append(word)
                self._lines.append(number)
                self._ends.append(end)

    def fit(self, text: str) -> bool:
        """Whether each word has a box, and these are the words of this normalized text."""
        return len(self._boxes) == len(self._words) and self._ends[-1] == letters(text)

    def around(self, start: int, end: int) -> list[Box]:
        """The boxes around these letters, one for each line."""
        lines: dict[int, list[Box]] = {}
        for at in range(bisect_right(self._ends, start), len(self._words)):
            begin = self._ends[at - 1] if at else 0
            if begin >= end:
                break
            if count := self._ends[at] - begin:
                part = self._part(at, max(start - begin, 0) / count, min(end - begin, count) / count)
                lines.setdefault(self._lines[at], []).append(part)
        return [around(boxes) for boxes in lines.values()]

    def _part(self, at: int, start: float, end: float) -> Box:
        """The box of a word, or in a script without spaces that of a share of it: there a word may be a sentence."""
        box = self._boxes[at]
        width = box.x1 - box.x0
        if width < box.height or not has_unspaced(self._words[at]):
            return box
        return box._replace(x0=box.x0 + start * width, x1=box.x0 + end * width)


def letters(text: str) -> int:
    """How many characters of a normalized text are no spaces."""
    return len(text) - text.count(" ")


def boxes_of(places: Iterable[Place]) -> list[Json]:
    """The page and the box of each place, as `content.FieldBox`; a place over two lines has two."""
    boxes = ({"page": page.number, "box": box.rounded()} for page, span, _ in places for box in page.boxes(span))
    return [box for _, box in zip(range(MOST_BOXES), boxes, strict=False)]


def bring_together(entries: Iterable[Json]) -> None:
    """Moves the places of one item's values to that of its longest: a quantity of 1 stands on many lines."""
    by_page: dict[int, list[tuple[Json, Place]]] = {}
    for entry in entries:
        for place in entry["places"]:
            if place.page.has_boxes:
                by_page.setdefault(place.page.number, []).append((entry, place))
    for placed in by_page.values():
        _, anchor = max(placed, key=lambda each: len(str(each[1].value)))
        for entry, place in placed:
            if place is not anchor:
                span = min(place.page.find(place.value), key=lambda span: _distance(place.page, span, anchor.span))
                entry["places"] = [place._replace(span=span) if each is place else each for each in entry["places"]]


def _distance(page: PageText, span: Span, other: Span) -> tuple[int, int]:
    return abs(page.line_of(span[0]) - page.line_of(other[0])), abs(span[0] - other[0])
