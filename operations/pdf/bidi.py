"""Text that reads from right to left, from the places of its characters.

PDFium turns some words of Arabic and Hebrew around and others not, and leaves words of other scripts between them in
the order of the line. The places of the characters are right, so the logical order is made of them: this is the
bidirectional algorithm (Unicode Standard Annex 9) the other way round, for one line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
"""The blocks whose characters read from right to left."""
GAP, NARROW = 0.25, 0.12
"""Ems between the characters of two words, at least: without a space there, and with one."""

_CLASSES = {"L": "L", "R": "R", "AL": "R", "EN": "N", "AN": "N", "ES": "e", "CS": "c", "ET": "t", "NSM": "m"}
_OPENING, _CLOSING = "([{<«‹", ")]}>»›"
_LEFT_TO_RIGHT = re.compile(r"(?:N[^RL]*)*L(?:[^R]*[LN])?")
_NUMBER = re.compile(r"t*N(?:[ec]?N)*t*")
_ARABIC_NUMBER = re.compile(r"N(?:c?N)*")
_WORDS_LEFT_TO_RIGHT = re.compile(r"L(?:[LN]*L)?N*")
_WORDS_RIGHT_TO_LEFT = re.compile(r"R(?:[RN]*R)?")


class Char(NamedTuple):
    """A character of a line, its number on the page, its left and right end, and where its glyph begins."""

    code: str
    at: int
    x0: float
    x1: float
    origin: float

    @property
    def middle(self) -> float:
        """Where the character stands in the line."""
        return (self.x0 + self.x1) / 2


def is_right_to_left(text: str) -> bool:
    """Whether most letters of the text read from right to left."""
    right = len(RIGHT_TO_LEFT.findall(text))
    return right > 0 and 2 * right > sum(map(str.isalpha, text))


def words(chars: Sequence[Char], size: float, *, base: bool = True) -> list[list[Char]]:
    """The characters of a line as words in logical order, and so are the characters of each word.

    `base` says whether the page reads from right to left, which decides where the two ends of the line differ.
    """
    visual = _visual_words(chars, size)
    kinds = "".join(map(_kind, visual))
    ends = kinds.replace("N", "")
    right_to_left = base if ends[:1] != ends[-1:] else ends[:1] == "R"
    logical = _numbers(_ordered(visual, kinds, right_to_left=right_to_left), size)
    return _with_brackets(logical)


def _visual_words(chars: Sequence[Char], size: float) -> list[list[Char]]:
    """The words from left to right; a mark follows its letter.

    Between words there is a gap, which is narrow if there is a space too. PDFium also has spaces where there is no gap.
    """
    blanks = [char.middle for char in chars if char.code.isspace()]
    found: list[list[Char]] = []
    right, wide = 0.0, GAP * size
    loose: list[Char] = []
    for glyph in sorted(_glyphs(chars), key=lambda glyph: sum(char.middle for char in glyph) / len(glyph)):
        if all(map(_is_mark, glyph)):
            loose += glyph
            continue
        left = min(char.x0 for char in glyph)
        blank = any(min(right, left) - 0.1 <= x <= max(right, left) + 0.1 for x in blanks)
        if found and left - right < (NARROW * size if blank else wide):
            found[-1] += glyph
        else:
            found.append(glyph)
        right = max(char.x1 for char in glyph)
        wide = (
            GAP * size * (1.7 if len(glyph) > 1 else 1)
        )  # the boxes of the characters that one glyph draws are too narrow
    for mark in loose:
        _attach(mark, found)
    return found


def _glyphs(chars: Iterable[Char]) -> list[list[Char]]:
    """The characters that one glyph draws, such as a letter with its marks: they begin at the same place."""
    glyphs: list[list[Char]] = []
    for char in sorted((char for char in chars if not char.code.isspace()), key=lambda char: (char.origin, char.at)):
        if glyphs and char.origin - glyphs[-1][0].origin < 0.05:
            glyphs[-1].append(char)
        else:
            glyphs.append([char])
    return [glyph if len(glyph) == 1 else _as_drawn(glyph) for glyph in glyphs]


def _as_drawn(glyph: list[Char]) -> list[Char]:
    """The characters of a glyph from left to right, the marks after the last letter; lam comes before alef."""
    letters = sorted(
        (char for char in glyph if not _is_mark(char)), key=lambda char: (char.code == "\u0644", char.middle)
    )
    marks = [char for char in glyph if _is_mark(char)]
    last = 1 if letters and RIGHT_TO_LEFT.match(letters[0].code) else len(letters)
    return letters[:last] + marks + letters[last:]


def _attach(mark: Char, words: list[list[Char]]) -> None:
    """Puts a mark that is drawn by itself after the letter that it stands over."""
    places = [(word, at) for word in words for at in range(len(word))]
    if places:
        word, at = min(places, key=lambda place: abs(place[0][place[1]].middle - mark.middle))
        word.insert(at + 1, mark)


def _is_mark(char: Char) -> bool:
    return unicodedata.bidirectional(char.code) == "NSM"


def _kind(word: Iterable[Char]) -> str:
    classes = set(map(_class, word))
    return "R" if "R" in classes else "L" if "L" in classes else "N"


def _ordered(visual: list[list[Char]], kinds: str, *, right_to_left: bool) -> list[list[Char]]:
    """The words of a line from left to right in the order in which they are read."""
    against = _WORDS_LEFT_TO_RIGHT if right_to_left else _WORDS_RIGHT_TO_LEFT
    units: list[list[list[Char]]] = []
    at = 0
    while at < len(visual):
        run = against.match(kinds, at)
        end = run.end() if run else at + 1
        unit = visual[at:end]
        if right_to_left:
            units.insert(0, _left_to_right(unit) if run else [_turned(word) for word in unit])
        else:
            units.append(_right_to_left(unit) if run else unit)
        at = end
    return [word for unit in units for word in unit]


def _left_to_right(run: list[list[Char]]) -> list[list[Char]]:
    """Words from left to right in a line from right to left, whose punctuation is on the other sides of them."""
    head, first = _parted(run[0])
    run = [first, *run[1:]]
    tail, last = _parted(run[-1][::-1])
    run[-1] = last[::-1]
    run[0] = tail + run[0]
    run[-1] = run[-1] + head[::-1]
    return run


def _right_to_left(run: list[list[Char]]) -> list[list[Char]]:
    """Words from right to left in a line from left to right, whose punctuation stays where it is."""
    head, first = _parted(run[0])
    run = [first, *run[1:]]
    tail, last = _parted(run[-1][::-1])
    run[-1] = last[::-1]
    run = [_turned(word) for word in reversed(run)]
    run[0] = head + run[0]
    run[-1] = run[-1] + tail[::-1]
    return run


def _parted(word: list[Char]) -> tuple[list[Char], list[Char]]:
    """The punctuation at the beginning of a word, and the rest."""
    count = 0
    while count < len(word) - 1 and _class(word[count]) in "eco":
        count += 1
    return word[:count], word[count:]


def _turned(word: list[Char]) -> list[Char]:
    """The characters of a word in logical order, with the runs from left to right inside of it."""
    arabic = any(unicodedata.bidirectional(char.code) == "AL" for char in word)
    return _reversed(word, _ARABIC_NUMBER if arabic else _NUMBER)


def _reversed(word: list[Char], number: re.Pattern[str]) -> list[Char]:
    classes = "".join(map(_class, word))
    units: list[list[Char]] = []
    at = 0
    while at < len(word):
        run = _LEFT_TO_RIGHT.match(classes, at) or number.match(classes, at)
        end = run.end() if run else at + 1
        while end < len(word) and classes[end] == "m":
            end += 1
        units.append(word[at:end])
        at = end
    return [char for unit in reversed(units) for char in unit]


def _numbers(line: list[list[Char]], size: float) -> list[list[Char]]:
    """The words, with the parts of each number that follows Arabic letters in their order (W2 to W4)."""
    arabic, end = False, None
    turned = []
    for word in line:
        left, right = min(char.x0 for char in word), max(char.x1 for char in word)
        if end is not None and max(left - end[1], end[0] - right) > size:
            arabic = False  # another cell
        end = left, right
        strong = {unicodedata.bidirectional(char.code) for char in word} & {"L", "R", "AL"}
        is_number = arabic and not strong
        turned.append(_reversed(sorted(word, key=lambda char: char.middle), _ARABIC_NUMBER) if is_number else word)
        arabic = "AL" in strong or (arabic and not strong)
    return turned


def _class(char: Char) -> str:
    return _CLASSES.get(unicodedata.bidirectional(char.code), "o")


def _with_brackets(line: list[list[Char]]) -> list[list[Char]]:
    """The words with their brackets in pairs: some files name what is drawn, others what is meant, and PDFium mixes."""
    for opening, closing in zip(_OPENING, _CLOSING, strict=True):
        places = [(word, at) for word in line for at, char in enumerate(word) if char.code in (opening, closing)]
        if len(places) % 2 == 0:
            for number, (word, at) in enumerate(places):
                word[at] = word[at]._replace(code=closing if number % 2 else opening)
    return line
