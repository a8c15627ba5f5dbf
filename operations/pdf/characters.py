"""The characters of one page, and the words and lines that they make."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .errors import Unreadable
from .geometry import Frame
from .layout import Box, Line, Word
from .text import clean

MAX_CHARACTERS = 300_000
"""Characters of a page: a hundred times those of a dense one."""

_BLANKS = frozenset({9, 11, 12, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000})
_LINE_ENDS = frozenset({10, 13, 0x2028, 0x2029})
_HYPHEN = 2
"""PDFium's code for the hyphen of a word that continues in the next line."""
_BOLD = re.compile(r"bold|black|heavy|semi|demi(?!a)|[-,]bd\b|cmb|bx\d", re.IGNORECASE)
_FORCE_BOLD = 1 << 18
"""The flag of a font descriptor (ISO 32000-1, table 123)."""


class Characters:
    """The characters of one page, and the words and lines that they make."""

    def __init__(self, text: pdfium.PdfTextPage, frame: Frame) -> None:
        count = c.FPDFText_CountChars(text)
        if count > MAX_CHARACTERS:
            raise Unreadable("too_large", f"A page has {count:,} characters, more than {MAX_CHARACTERS:,}.")
        self._text = text
        self._frame = frame
        self._fonts: dict[int, bool] = {}  # by address, which may be reused once the page is closed
        self._codes = [c.FPDFText_GetUnicode(self._text, index) for index in range(count)]
        self._rectangles = c.FS_RECTF(), c.FS_RECTF()
        self._matrix = c.FS_MATRIX()

    def lines(self) -> Iterator[Line]:
        """The lines in PDFium's order; a word that continues in the next line belongs to the first line."""
        words: list[Word] = []
        hyphenated = False
        for start, end, last in self._spans():
            word = self._word(start, end)
            if word and hyphenated:
                words[-1] = _join(words[-1], word)
                word = None
            if word:
                words.append(word)
            before, hyphenated = hyphenated, bool(words) and self._codes[end : end + 1] == [_HYPHEN]
            if words and not hyphenated and (last or before):
                yield Line(tuple(words))
                words = []
        if words:
            yield Line(tuple(words))

    def _spans(self) -> Iterator[tuple[int, int, bool]]:
        """Start and end of each run without white space, and whether the line ends there."""
        start = 0
        for index, code in enumerate(self._codes):
            if code in _BLANKS or code in _LINE_ENDS or code == _HYPHEN:
                if index > start or code in _LINE_ENDS:
                    yield start, index, code in _LINE_ENDS
                start = index + 1
        if start < len(self._codes):
            yield start, len(self._codes), True

    def _word(self, start: int, end: int) -> Word | None:
        text = clean("".join(map(chr, self._codes[start:end])))
        if not text:
            return None
        box = self._box(start, end - 1)
        c.FPDFText_GetMatrix(self._text, start, self._matrix)
        matrix = self._matrix
        across, down = self._frame.matrix.direction(matrix.a, matrix.b)
        return Word(
            text,
            box,
            size=c.FPDFText_GetFontSize(self._text, start) * math.hypot(matrix.c, matrix.d),
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
    size = c.FPDFFont_GetBaseFontName(font, None, 0)
    buffer = ctypes.create_string_buffer(max(size, 1))
    c.FPDFFont_GetBaseFontName(font, buffer, size)
    name = buffer.value.decode("utf-8", "replace").rpartition("+")[2]
    return bool(_BOLD.search(name)) or c.FPDFFont_GetFlags(font) & _FORCE_BOLD != 0


def _join(first: Word, second: Word) -> Word:
    """Both parts of a hyphenated word; the hyphen stays if it may belong to the word itself."""
    plain = first.text[-1:].isalpha() and second.text[:1].islower()
    text = first.text + ("" if plain else "-") + second.text
    return Word(text, first.box, first.size, first.bold, first.upright)
