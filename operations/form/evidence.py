"""Where a value stands in the text of a page, in whatever notation and script the page uses.

Case, kinds of white space, dashes and quotes do not matter (`words`). A number is compared with the numbers of the page
(`amounts`), an ISO date with its dates (`dates`), a currency with its signs (`currency`), and a code of digits, such as
an IBAN or a telephone number, without its spaces.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple

from ..pdf.layout import Box
from ..pdf.word_boxes import WordBoxes
from .amounts import Number, amount_of, is_numeric, numbers_in, readings
from .currency import code_of, places
from .dates import Found, date_of, dates_in, months_in
from .places import PlacedWords, letters
from .words import joins_without_space, normalize, spans_of

Span = tuple[int, int]

_CODE: Final = re.compile(r"[a-z\d+][a-z\d +./()\-]{4,60}")
_LONG_WORD: Final = re.compile(r"[a-z]{5}")
_TRUNK: Final = re.compile(r" ?\(0\) ?")
"""`+49 (0)30 ...`: the zero that is dialled at home."""
_BETWEEN: Final = r"(?: ?\(0\) ?|[ ./()\-]{0,3})"
MIN_CODE_DIGITS: Final = 6
MAX_PARTS: Final = 6
"""Of an address."""
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d)(?::\d\d)?(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?")
_AROUND_DATE: Final = 12
"""Characters beside a date in a value that is one: the day of the week."""


class Line(NamedTuple):
    """A line of the page in its normalized text."""

    start: int
    text: str


class PageText:
    """The text of one page, and which values stand in it; with the boxes of its words also where on the page."""

    def __init__(self, number: int, text: str, boxes: WordBoxes | None = None) -> None:
        self.number = number
        self.has_boxes = boxes is not None
        self._placed = boxes and (text, boxes)
        self.supports: dict[tuple[Span, Any], int] = {}
        """What `beside.support` has found for places and purposes."""
        self.lines: list[Line] = []
        self.text = ""
        for line in filter(None, map(normalize, text.splitlines())):
            if self.text and not joins_without_space(self.text[-1], line[0]):
                self.text += " "
            self.lines.append(Line(len(self.text), line))
            self.text += line

    def has(self, value: Any) -> bool:
        """Whether a string, a number or an ISO date stands there. True and false are judgements: they never do."""
        return next(self.find(value), None) is not None

    def find(self, value: Any) -> Iterator[Span]:
        """The places of a value in `text`, first those of its own notation; a place may come twice."""
        if isinstance(value, bool):
            return
        if isinstance(value, int | float):
            yield from self._numbers_equal({Decimal(str(value))})
        elif isinstance(value, str) and re.search(r"[^\W_]", plain := normalize(value)):
            yield from spans_of(plain, self.text)
            yield from self._broken(plain)
            yield from self._in_columns(plain)
            yield from self._code(plain)
            yield from self._amount(plain)
            yield from self._date(value)
            if (code := code_of(value)) is not None:
                yield from places(code, self.text)

    def boxes(self, span: Span) -> list[Box]:
        """The boxes around a place in `text`, one for each line; none if they are not known."""
        if self._words is None:
            return []
        start, end = span
        before = letters(self.text[:start])
        return self._words.around(before, before + letters(self.text[start:end]))

    @cached_property
    def _words(self) -> PlacedWords | None:
        words = self._placed and PlacedWords(*self._placed)
        return words if words and words.fit(self.text) else None

    def line_of(self, place: int) -> int:
        """The index in `lines` of the line in which a place is."""
        return max(0, bisect_right(self._starts, place) - 1)

    @cached_property
    def dates(self) -> tuple[Found, ...]:
        """Every date of the page."""
        return tuple(dates_in(self.text))

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """Every number of the page, in each reading that its separators allow."""
        return tuple(numbers_in(self.text))

    def values_on(self, line: int) -> list[Span]:
        """The places of the dates and numbers of a line; they may overlap."""
        return self._by_line.get(line, [])

    @cached_property
    def _by_line(self) -> dict[int, list[Span]]:
        found: dict[int, list[Span]] = {}
        for start, end in dict.fromkeys((start, end) for _, start, end in (*self.dates, *self.numbers)):
            found.setdefault(self.line_of(start), []).append((start, end))
        return found

    @cached_property
    def _starts(self) -> list[int]:
        return [line.start for line in self.lines]

    @cached_property
    def _joined(self) -> tuple[str, list[int]]:
        """The text with words joined that are broken at the end of a line, and where in it each of them is joined."""
        breaks = re.finditer(r"(?<=[^\W\d_])- (?=[^\W\d_])", self.text)
        at = [found.start() - 2 * before for before, found in enumerate(breaks)]
        return re.sub(r"(?<=[^\W\d_])- (?=[^\W\d_])", "", self.text) if at else "", at

    def _broken(self, plain: str) -> Iterator[Span]:
        joined, breaks = self._joined
        for start, end in spans_of(plain, joined) if joined else ():
            yield start + 2 * bisect_right(breaks, start), end + 2 * bisect_left(breaks, end)

    def _in_columns(self, plain: str) -> Iterator[Span]:
        """An address whose lines have another column beside them: each part, in order, on one line or the next."""
        parts = [part.strip() for part in plain.split(",")]
        if not 2 <= len(parts) <= MAX_PARTS or not any(map(str.isdecimal, plain)) or min(map(len, parts)) < 2:
            return
        for start, end in spans_of(parts[0], self.text):
            last = self.line_of(start)
            for part in parts[1:]:
                lines = [self.line_of(at) for at, _ in spans_of(part, self.text)]
                last = next((line for line in lines if last <= line <= last + 1), -2)
            if last >= 0:
                yield start, end

    def _code(self, plain: str) -> Iterator[Span]:
        """A code without its spaces: an IBAN, a tax number, a telephone number."""
        if not _CODE.fullmatch(plain) or _LONG_WORD.search(plain) or len(re.findall(r"\d", plain)) < MIN_CODE_DIGITS:
            return
        compact = re.sub(r"[^a-z\d]", "", _TRUNK.sub("", plain))
        for match in re.finditer(rf"(?<![a-z\d]){_BETWEEN.join(compact)}(?![a-z\d])", self.text):
            groups = re.findall(r"\d+", _TRUNK.sub("", match[0]))
            if not compact.isdecimal() or all(len(group) > 1 for group in groups):
                yield match.span()

    def _amount(self, plain: str) -> Iterator[Span]:
        if is_numeric(plain):
            yield from self._numbers_equal(readings(plain))
        elif (amount := amount_of(plain)) is not None and next(iter(places(amount.currency, self.text)), None):
            yield from self._numbers_equal(readings(amount.number))

    def _numbers_equal(self, values: Iterable[Decimal]) -> Iterator[Span]:
        wanted = set(values)
        yield from ((number.start, number.end) for number in self.numbers if number.value in wanted)

    def _date(self, value: str) -> Iterator[Span]:
        if moment := _MOMENT.fullmatch(value):
            if self._has_time(int(moment[2]), int(moment[3])):
                yield from self._days(date_of(moment[1]))
        elif re.fullmatch(r"\d{4}-\d\d", value):
            wanted = [int(part) for part in value.split("-")]
            yield from ((start, end) for *month, start, end in months_in(self.text) if month == wanted)
        elif len(re.sub(r"[^\W\d_]+", "", value)) <= _AROUND_DATE * 2:
            yield from self._days(date_of(value))

    def _days(self, day: date | None) -> Iterator[Span]:
        yield from ((found.start, found.end) for found in self.dates if found.day == day)

    def _has_time(self, hour: int, minute: int) -> bool:
        half = rf"|0?{hour % 12 or 12}(?:[:.]{minute:02})? ?{'p' if hour >= 12 else 'a'}\.?m" if minute == 0 else ""
        half = half or rf"|0?{hour % 12 or 12}[:.]{minute:02} ?{'p' if hour >= 12 else 'a'}\.?m"
        return re.search(rf"(?<!\d)(?:0?{hour} ?[:.h时時시] ?{minute:02}{half})(?!\d)", self.text) is not None
