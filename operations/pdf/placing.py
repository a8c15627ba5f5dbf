"""Puts the values of a form beside their labels: a PDF draws them apart from the text that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from .layout import Box, Line, Word, around

MAX_PLACES = 500
"""Values of a page; where there are more they stay where they are."""
REACH = 250.0
"""Points between a label and its value, at most."""

Group = list[Word]


def place(lines: Sequence[Line], places: Sequence[Box], marks: Sequence[Word]) -> tuple[Line, ...]:
    """The lines with the words in `places`, and the `marks` of boxes to check, beside their labels.

    What is drawn inside of a mark is the mark.
    """
    if not (places or marks) or len(places) + len(marks) > MAX_PLACES:
        return tuple(lines)
    drawn = [word.box for word in marks]
    kept: list[Group] = []
    moved: list[Group] = [[word] for word in marks]
    for line in lines:
        for where, words in _grouped(line.words, places, drawn):
            if where is None:
                kept.append(words)
            elif where >= 0:
                moved.append(words)
    kept = list(_rejoined(kept, lines))
    for group in sorted(moved, key=lambda words: (round(words[0].middle[1]), words[0].box.x0)):
        _insert(kept, group)
    return tuple(Line(tuple(words)) for words in kept if words)


def _grouped(
    words: Iterable[Word], places: Sequence[Box], drawn: Sequence[Box]
) -> Iterator[tuple[int | None, list[Word]]]:
    """Runs of words with the index of their place, `None` without one, and -1 for what is drawn inside of a mark."""

    def where(word: Word) -> int | None:
        if any(box.holds(*word.middle) for box in drawn):
            return -1
        return next((index for index, box in enumerate(places) if box.holds(*word.middle)), None)

    for index, group in groupby(words, where):
        yield index, list(group)


def _rejoined(kept: Iterable[Group], lines: Sequence[Line]) -> Iterator[Group]:
    """The rest of each line in one piece, though a value may have stood in its midst."""
    line_of = {id(word): index for index, line in enumerate(lines) for word in line.words}
    for _, groups in groupby(kept, lambda words: line_of[id(words[0])]):
        yield [word for words in groups for word in words]


def _insert(lines: list[Group], group: Group) -> None:
    """Puts the group behind the word to the left of it, before the one to the right, or on a line of its own."""
    box = around(word.box for word in group)
    left: tuple[float, int, int] | None = None
    right: tuple[float, int, int] | None = None
    above = -1
    for at, words in enumerate(lines):
        for index, word in enumerate(words):
            if not _level(word, group[0]):
                above = at if word.middle[1] < box.top else above
                continue
            if 0 <= (gap := box.x0 - word.box.x1 + 2) <= REACH and (left is None or gap < left[0]):
                left = gap, at, index + 1
            if 0 <= (gap := word.box.x0 - box.x1 + 2) <= REACH and (right is None or gap < right[0]):
                right = gap, at, index
    nearest = left or right
    if nearest is None:
        lines.insert(above + 1, group)
    else:
        lines[nearest[1]][nearest[2] : nearest[2]] = group


def _level(word: Word, other: Word) -> bool:
    """Whether two words stand at the same height."""
    return abs(word.middle[1] - other.middle[1]) <= 0.6 * max(word.size, other.size)
