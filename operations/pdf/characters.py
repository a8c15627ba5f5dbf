"""The characters of one page, and the words and lines that they make."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as c

from . import bidi, hyphens
from .codes import GAPS, HYPHEN, LINE_ENDS, Codes, Names, font_name
from .geometry import Frame
from .layout import Box, Hidden, Line, Word, around
from .text import clean, one_line

LONG = 12
"""Characters of a run that may be several words."""
SPACE = 0.055
"""The gap between words as a part of a character's height, which is a little more than its type size, at least."""
HANG = 0.045
"""How far an f hangs over, in the same measure."""
TINY = 1.0
TINY_SHARE = 600.0
"""The type size in points, or as a part of the page's height, below which nobody reads text."""
_BOLD = re.compile(r"bold|black|heavy|semi|demi(?!a)|[-,]bd\b|cmb|bx\d", re.IGNORECASE)
_FORCE_BOLD = 1 << 18
"""The flag of a font descriptor (ISO 32000-1, table 123)."""


class Characters:
    """The characters of one page, and the words and lines that they make."""

    def __init__(self, text: pdfium.PdfTextPage, frame: Frame, hidden: Mapping[int, str], names: Names) -> None:
        self._text = text
        self._frame = frame
        self._hidden = dict(hidden)
        self._tiny = min(TINY, frame.height / TINY_SHARE)
        self._fonts: dict[int, bool] = {}  # by address, which may be reused once the page is closed
        self._mended = Codes(text, names)
        self._codes = self._mended.codes
        self._rectangles = c.FS_RECTF(), c.FS_RECTF()
        self._matrix = c.FS_MATRIX()

    @cached_property
    def _words(self) -> set[str]:
        """The words of the page, for hyphens at the ends of lines."""
        return hyphens.words(self._mended.string(0, len(self._codes)))

    @cached_property
    def _base(self) -> bool:
        """Whether the page reads from right to left."""
        return bidi.is_right_to_left("".join(map(chr, self._codes)))

    @property
    def unknown(self) -> int:
        """How many glyphs have no Unicode."""
        return self._mended.unknown

    def lines(self) -> Iterator[Line]:
        """The lines in PDFium's order; a word that continues in the next line belongs to the first line.

        Text from right to left is in logical order, in one line also where PDFium cuts it.
        """
        words: list[Word] = []
        spans: list[tuple[int, int]] = []
        for more_words, more_spans in self._runs():
            if words and not _is_one_line(words, more_words):
                yield self._line(words, spans)
                words, spans = [], []
            words += more_words
            spans += more_spans
        if words:
            yield self._line(words, spans)

    def _runs(self) -> Iterator[tuple[list[Word], list[tuple[int, int]]]]:
        """The words of each line of PDFium, and where their characters are."""
        words: list[Word] = []
        spans: list[tuple[int, int]] = []
        hyphenated = False
        for start, end, last in self._opened():
            word = self._word(start, end)
            if word and hyphenated and not _has_right_to_left(words):
                words[-1] = replace(words[-1], text=hyphens.joined(words[-1].text, word.text, self._words))
                word = None
            if word:
                words.append(word)
                spans.append((start, end))
            before, hyphenated = hyphenated, bool(words) and self._codes[end : end + 1] == [HYPHEN]
            if words and not hyphenated and (last or before):
                yield words, spans
                words, spans = [], []
        if words:
            yield words, spans

    def _line(self, words: list[Word], spans: list[tuple[int, int]]) -> Line:
        """The words as a line, in logical order where some of them read from right to left."""
        if not _has_right_to_left(words):
            return Line(tuple(words))
        of_index = {index: word for word, span in zip(words, spans, strict=True) for index in range(*span)}
        chars = [char for index in range(spans[0][0], spans[-1][1]) for char in self._chars(index)]
        kept = [char for char in chars if char.at in of_index or char.code.isspace()]
        line = []
        for place, word in enumerate(bidi.words(kept, words[0].size, base=self._base), spans[0][0] + 1):
            first = of_index[word[0].at]
            box = first.box._replace(x0=min(char.x0 for char in word), x1=max(char.x1 for char in word))
            text = clean("".join(char.code for char in word))
            line.append(replace(first, text=text, box=box, place=place))
        return Line(tuple(word for word in line if word.text))

    def _chars(self, index: int) -> list[bidi.Char]:
        """A character, or the letters of a glyph."""
        box = self._box(index, index)
        x, y = ctypes.c_double(), ctypes.c_double()
        c.FPDFText_GetCharOrigin(self._text, index, x, y)
        origin, _ = self._frame.matrix.at(x.value, y.value)
        return [bidi.Char(code, index, box.x0, box.x1, origin) for code in self._mended.string(index, index + 1)]

    def hidden(self) -> list[Hidden]:
        """The text that nobody sees, once `lines` has ended."""
        found: list[tuple[str, list[str]]] = []
        last = -1
        for index in sorted(self._hidden):
            reason, between = self._hidden[index], self._codes[last + 1 : index]
            joined = bool(found) and found[-1][0] == reason and all(code in GAPS for code in between)
            if not joined:
                found.append((reason, []))
            found[-1][1].append(self._mended.string(last + 1 if joined else index, index + 1))
            last = index
        texts = [Hidden(one_line("".join(characters)), reason) for reason, characters in found]
        return [hidden for hidden in texts if hidden.text]

    def _opened(self) -> Iterator[tuple[int, int, bool]]:
        """The runs, with spaces where a line is set so tightly that PDFium sees none: it lacks several then."""
        line: list[tuple[int, int, bool]] = []
        for span in self._spans():
            line.append(span)
            if span[2]:
                yield from self._spaced(line)
                line = []
        yield from self._spaced(line)

    def _spaced(self, line: list[tuple[int, int, bool]]) -> Iterator[tuple[int, int, bool]]:
        if not any(end - start >= LONG and len(self._pieces(start, end)) > 2 for start, end, _ in line):
            yield from line
            return
        for start, end, last in line:
            *others, (first, final) = self._pieces(start, end)
            yield from ((one, other, False) for one, other in others)
            yield first, final, last

    def _pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of a run between gaps that are clearly wider than those between its letters."""
        if end - start < 3:
            return [(start, end)]
        boxes = [self._box(index, index) for index in range(start, end)]
        gaps = [other.x0 - one.x1 for one, other in pairwise(boxes)]
        wide = median(gaps) + SPACE * boxes[0].height
        hangs = [HANG * boxes[0].height if self._codes[at] == ord("f") else 0 for at in range(start, end - 1)]
        over = [at for at, (gap, hang) in enumerate(zip(gaps, hangs, strict=True), start + 1) if gap + hang > wide]
        cuts = [at for at in over if self._part(at)]
        return list(pairwise([start, *cuts, end]))

    def _part(self, index: int) -> bool:
        """Whether a word may end before this character: between letters, or behind a mark."""
        before, code = self._mended.string(index - 1, index), self._mended.string(index, index + 1)
        return (before.isalpha() or before in ",;:") and code.isalpha()

    def _spans(self) -> Iterator[tuple[int, int, bool]]:
        """Start and end of each run without white space, and whether the line ends there."""
        start = 0
        hidden = self._hidden
        for index, code in enumerate(self._codes):
            if code in GAPS or (hidden and index in hidden):
                if index > start or code in LINE_ENDS:
                    yield start, index, code in LINE_ENDS
                start = index + 1
        if start < len(self._codes):
            yield start, len(self._codes), True

    def _word(self, start: int, end: int) -> Word | None:
        text = clean(self._mended.string(start, end))
        if not text:
            return None
        box = self._box(start, end - 1)
        c.FPDFText_GetMatrix(self._text, start, self._matrix)
        matrix = self._matrix
        across, down = self._frame.matrix.direction(matrix.a, matrix.b)
        size = c.FPDFText_GetFontSize(self._text, start) * math.hypot(matrix.c, matrix.d)
        if size < self._tiny and box.height < 2 * self._tiny:
            self._hidden.update(dict.fromkeys(range(start, end), "tiny"))
            return None
        return Word(
            text,
            box,
            size=size,
            bold=self._bold(start),
            upright=across > 0 and abs(down) < 0.1 * across,
        )

    def _box(self, first: int, last: int) -> Box:
        """The box around the first and the last character of a word."""
        one, other = self._rectangles
        c.FPDFText_GetLooseCharBox(self._text, first, one)
        c.FPDFText_GetLooseCharBox(self._text, last, other)
        return self._frame.box(
            min(one.left, other.left),
            min(one.bottom, other.bottom),
            max(one.right, other.right),
            max(one.top, other.top),
        )

    def _bold(self, index: int) -> bool:
        drawn = c.FPDFText_GetTextObject(self._text, index)
        font = c.FPDFTextObj_GetFont(drawn) if drawn else None
        if not font:
            return False
        address = ctypes.addressof(font.contents)
        if address not in self._fonts:
            self._fonts[address] = _is_bold(font)
        return self._fonts[address]


def _is_bold(font: Any) -> bool:
    name = font_name(font).rpartition("+")[2]
    return bool(_BOLD.search(name)) or c.FPDFFont_GetFlags(font) & _FORCE_BOLD != 0


def _has_right_to_left(words: list[Word]) -> bool:
    return any(bidi.RIGHT_TO_LEFT.search(word.text) and word.upright for word in words)


def _is_one_line(words: list[Word], others: list[Word]) -> bool:
    """Whether these are parts of one line, which PDFium cuts at marks and wide spaces of text from right to left."""
    if not (_has_right_to_left(words) and _has_right_to_left(others)):
        return False
    one, other = around(word.box for word in words), around(word.box for word in others)
    gap = max(one.x0 - other.x1, other.x0 - one.x1)
    height = abs(one.top + one.bottom - other.top - other.bottom) / 2
    return gap < words[0].size and height < 0.75 * words[0].size
