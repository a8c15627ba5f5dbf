"""Whether a value stands in the text of a page, in whatever notation the page uses.

Case, kinds of white space, dashes and quotes do not matter. A number is compared with the numbers of the page
(`1,234.50`, `1.234,50` and `1 234.5` are equal), and an ISO date also matches the common notations of dates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

_PLAIN: Final = str.maketrans(
    {"\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00ad": None}
    | {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)
_NUMBER: Final = re.compile(r"\d+(?:[.,']\d+)*")
_SPACED: Final = re.compile(r"(?<!\d)\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)")
_NUMERIC: Final = re.compile(r"[-+]?[\d.,' ]*\d[\d.,' ]*")
_MONTHS: Final = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)


def normalize(text: str) -> str:
    """The text without the differences that do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_PLAIN).casefold().split())


class PageText:
    """The text of one page, and which values stand in it."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self._text = normalize(text)

    def has(self, value: Any) -> bool:
        """Whether a string, a number or an ISO date stands there. True and false are judgements: they never do."""
        if isinstance(value, bool):
            return False
        if isinstance(value, int | float):
            return self._has_number(format(Decimal(str(value)), "f"))
        if not isinstance(value, str) or not normalize(value):
            return False
        return self._has_words(normalize(value)) or self._has_number(normalize(value)) or self._has_date(value)

    def _has_words(self, words: str) -> bool:
        """Whether the words stand there, and not as a part of longer ones."""
        before = r"(?<!\w)" if words[0].isalnum() else ""
        after = r"(?!\w)" if words[-1].isalnum() else ""
        return re.search(before + re.escape(words) + after, self._text) is not None

    def _has_number(self, text: str) -> bool:
        return bool(_NUMERIC.fullmatch(text)) and not self._numbers.isdisjoint(readings(text))

    def _has_date(self, text: str) -> bool:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return False
        return any(re.search(rf"(?<!\d){pattern}(?!\d)", self._text) for pattern in _date_patterns(day))

    @cached_property
    def _numbers(self) -> frozenset[Decimal]:
        """Every number of the page, in each reading that its separators allow."""
        matches = [*_NUMBER.finditer(self._text), *_SPACED.finditer(self._text)]
        return frozenset(number for match in matches for number in self._signed(match))

    def _signed(self, match: re.Match[str]) -> Iterator[Decimal]:
        for number in readings(match[0]):
            yield number
            if self._text[: match.start()].endswith(("-", "(", "- ")):
                yield -number


def readings(text: str) -> set[Decimal]:
    """The numbers that `text` may mean: `1.234` is above a thousand in some countries and just above one in others."""
    bare = text.replace(" ", "").replace("'", "")
    sign, digits = (-1, bare[1:]) if bare.startswith("-") else (1, bare.removeprefix("+"))
    return {sign * Decimal(reading) for reading in _digits(digits.strip(".,"))}


def _digits(digits: str) -> Iterator[str]:
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        last = max(digits.rfind("."), digits.rfind(","))
        yield _without_separators(digits[:last]) + "." + digits[last + 1 :]
    elif points + commas == 1:
        whole, _, rest = digits.replace(",", ".").partition(".")
        yield f"{whole}.{rest}"
        if len(rest) == 3:
            yield whole + rest
    else:
        yield _without_separators(digits)


def _without_separators(digits: str) -> str:
    return digits.replace(".", "").replace(",", "")


def _date_patterns(day: date) -> Iterator[str]:
    """Patterns of the common notations of a date, with the English names of months."""
    d, m, month, year = day.day, day.month, _MONTHS[day.month - 1], f"{day.year:04}"
    name = rf"(?:{month}|{month[:3]}\.?)"
    yield rf"0?{d}(?:st|nd|rd|th)?\.? (?:of )?{name},? {year}"
    yield rf"{name} 0?{d}(?:st|nd|rd|th)?,? {year}"
    for first, second in ((d, m), (m, d)):
        yield rf"0?{first}([./-]) ?0?{second}\1 ?(?:{year}|{year[2:]})"
    yield rf"{year}([./-])0?{m}\1 ?0?{d}"
