"""The code points of a page's characters: PDFium's, mended where it is certain what a person reads."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .errors import Unreadable
from .glyphs import meaning

MAX_CHARACTERS = 300_000
"""Characters of a page: a hundred times those of a dense one."""
MAX_ACCENTS: Final = 5_000
MAX_SEARCHES: Final = 500
"""Accents of a page that are joined with their letters, and those of them whose letter is searched in the line."""
LINE: Final = 200
"""Characters of a line, at most."""

HYPHEN: Final = 0xFFFE
"""PDFium's code in text for the hyphen of a word that continues in the next line."""
UNKNOWN: Final = 0xFFFD
"""The replacement character: a glyph without Unicode."""
BLANKS: Final = frozenset({9, 11, 12, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000})
LINE_ENDS: Final = frozenset({10, 13, 0x2028, 0x2029})
GAPS: Final = BLANKS | LINE_ENDS | {HYPHEN}

_DOUBTFUL: Final = re.compile(r"[^ -~\r\n]|(?<=[a-z])[^a-z \r\n.,;:!?)'\"-]|\r(?!\n)|(?<!\r)\n")
_WORD: Final = re.compile(r"\S+")
_SAMPLES: Final = 120
"""PDFium is asked for what may stand for a lost ligature, and for so many characters that begin a word, at most twice:
those of a font without Unicode may all look like letters."""
_ACCENTS: Final = {
    "`": "\u0300",
    "´": "\u0301",
    "ˆ": "\u0302",
    "˜": "\u0303",
    "¯": "\u0304",
    "˘": "\u0306",
    "˙": "\u0307",
    "¨": "\u0308",
    "˚": "\u030a",
    "˝": "\u030b",
    "ˇ": "\u030c",
    "¸": "\u0327",
    "˛": "\u0328",
    "ˊ": "\u0301",
    "ˋ": "\u0300",
    "ˉ": "\u0304",
    **{chr(code): chr(code) for code in range(0x300, 0x32A)},
}
_DOTLESS: Final = {"ı": "i", "ȷ": "j"}
_ACCENT: Final = re.compile("[" + "".join(map(re.escape, _ACCENTS)) + "]")
_NEAR: Final = 3
"""Characters between an accent and its letter, such as blanks that PDFium puts there."""

Names = Callable[[str], Mapping[int, str]]


class Codes:
    """The characters of a page by index: `codes`, with `letters` in place of some, and the number of `unknown` glyphs.

    `names` gives the names of a font's glyphs by code; it is asked only where one has no Unicode.
    """

    def __init__(self, text: pdfium.PdfTextPage, names: Names) -> None:
        self._text = text
        self.codes = _read(text)
        self.letters: dict[int, str] = {}
        self.unknown = 0
        self._searches = 0
        string = "".join(map(chr, self.codes))
        self._name_glyphs(string, names)
        for found in list(_ACCENT.finditer(string))[:MAX_ACCENTS]:
            self._join_accent(found.start(), _ACCENTS[found[0]])

    def string(self, start: int, end: int) -> str:
        """The text of some characters, as a person reads it."""
        if not self.letters:
            return "".join(map(chr, self.codes[start:end]))
        return "".join(self.letters.get(at, chr(self.codes[at])) for at in range(start, end))

    # --- glyphs without Unicode ---

    def _name_glyphs(self, string: str, names: Names) -> None:
        starts = [found.start() for found in _WORD.finditer(string)]
        doubtful = (found.start() for found in _DOUBTFUL.finditer(string))
        if not any(map(self._is_unknown, chain(starts[:: len(starts) // _SAMPLES + 1], doubtful))):
            return
        for index in range(len(self.codes)):
            if self._is_unknown(index):
                font, code = self._font(index), self.codes[index]
                letters = meaning(font, code, names(font).get(code))
                self.unknown += letters is None
                self._replace(index, chr(UNKNOWN) if letters is None else letters)

    def _is_unknown(self, index: int) -> bool:
        return bool(c.FPDFText_HasUnicodeMapError(self._text, index) == 1)

    def _font(self, index: int) -> str:
        drawn = c.FPDFText_GetTextObject(self._text, index)
        font = c.FPDFTextObj_GetFont(drawn) if drawn else None
        return font_name(font) if font else ""

    def _replace(self, index: int, letters: str) -> None:
        self.letters[index] = letters
        self.codes[index] = UNKNOWN  # which is no gap, whatever it was

    # --- accents that are drawn apart ---

    def _join_accent(self, at: int, accent: str) -> None:
        """Joins an accent with the letter that it is drawn over or under, if there is one."""
        for index in self._neighbours(at):
            base = self.letters.get(index, chr(self.codes[index]))
            joined = unicodedata.normalize("NFC", _DOTLESS.get(base, base) + accent)
            if base.isalpha() and len(joined) == 1 and self._is_over(at, index):
                near = abs(at - index) <= _NEAR
                for gap in range(min(at, index) + 1, max(at, index)) if near else (at - 1,):
                    if near or self.codes[gap] in BLANKS:
                        self._replace(gap, "")
                self._replace(at, "")
                self._replace(index, joined)
                if index < at and near:
                    self._close_gap(at, index)
                return

    def _neighbours(self, at: int) -> Iterator[int]:
        """The next characters behind and before the accent that are no gaps; of one that stands alone, its line."""
        for step in (1, -1):
            for index in range(at + step, at + step * (_NEAR + 1), step):
                if 0 <= index < len(self.codes) and self.codes[index] not in GAPS:
                    yield index
                    break
        alone = self.codes[at - 1] in GAPS and (at + 1 == len(self.codes) or self.codes[at + 1] in GAPS)
        if at and alone and self._searches < MAX_SEARCHES:  # PDFium puts a raised accent at the end of the line
            self._searches += 1
            for index in range(at - 2, max(at - LINE, -1), -1):
                if self.codes[index] in LINE_ENDS:
                    return
                yield index

    def _is_over(self, accent: int, letter: int) -> bool:
        """Whether the middle of the accent is over the letter, on the same line."""
        one, other = self._box(accent), self._box(letter)
        middle, width = (one.left + one.right) / 2, other.right - other.left
        level = min(one.top, other.top) - max(one.bottom, other.bottom) > 0.3 * (other.top - other.bottom)
        return bool(level and other.left - 0.05 * width <= middle <= other.right + 0.05 * width)

    def _close_gap(self, accent: int, letter: int) -> None:
        """Drops the gap that PDFium puts behind an accent, if the word goes on right after its letter."""
        follows = next((i for i in range(accent + 1, accent + 1 + _NEAR) if self.codes[i : i + 1] and
                        self.codes[i] not in GAPS), None)  # fmt: skip
        if follows is None or follows == accent + 1:
            return
        box, following = self._box(letter), self._box(follows)
        if -0.3 <= (following.left - box.right) / max(box.top - box.bottom, 0.1) <= 0.1 and self._level(box, following):
            for index in range(accent + 1, follows):
                self._replace(index, "")

    def _level(self, one: Any, other: Any) -> bool:
        return bool(abs(one.bottom - other.bottom) < 0.2 * (one.top - one.bottom))

    def _box(self, index: int) -> Any:
        box = c.FS_RECTF()
        c.FPDFText_GetLooseCharBox(self._text, index, box)
        return box


def _read(text: pdfium.PdfTextPage) -> list[int]:
    """The code points as PDFium has them, or `Unreadable` with `too_large`."""
    count = c.FPDFText_CountChars(text)
    if count > MAX_CHARACTERS:
        raise Unreadable("too_large", f"A page has {count:,} characters, more than {MAX_CHARACTERS:,}.")
    buffer = (ctypes.c_ushort * (count + 1))()
    if c.FPDFText_GetText(text, 0, count, buffer) == count + 1:  # one for each, and a NUL; thrice as fast as one by one
        return list(buffer[:count])
    return [
        HYPHEN if c.FPDFText_IsHyphen(text, index) == 1 else c.FPDFText_GetUnicode(text, index)
        for index in range(count)
    ]


def font_name(font: Any) -> str:
    """The name of a font as the file has it."""
    size = c.FPDFFont_GetBaseFontName(font, None, 0)
    buffer = ctypes.create_string_buffer(max(size, 1))
    c.FPDFFont_GetBaseFontName(font, buffer, size)
    return buffer.value.decode("utf-8", "replace")
