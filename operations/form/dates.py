"""Dates in a normalized text, in the notations of many languages and of some calendars.

`2026-03-12`, `12.3.26`, `5. Oktober 2026`, `Sept. 5th, 2026`, `23-NOV-2026`, `2026年3月12日`, `令和8年3月12日`,
`12 มีนาคม 2569`. A date of numbers alone is read in the orders that it allows, unless others beside it show the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from .months import months_of
from .words import has_thai, normalize

_ISO: Final = re.compile(
    r"(?<!\d)(\d{4})(?P<sep> ?[-/.] ?)(\d{1,2})(?P=sep)(\d{1,2})(?!\d)|(?<!\d)((?:19|20)\d\d)([01]\d)([0-3]\d)(?!\d)"
)
_EAST: Final = re.compile(
    r"(?:(令和|平成|昭和|民国|民國) ?)?(\d{2,4}|元|\d) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日号號일]?(?!\d)"
)
_ERAS: Final = {"令和": 2018, "平成": 1988, "昭和": 1925, "民国": 1911, "民國": 1911, "r": 2018, "h": 1988, "s": 1925}
_ERA: Final = re.compile(r"(?<![a-z])([rhs])(\d{1,2})[./](\d{1,2})[./](\d{1,2})(?![\d])")
_HAN: Final = "零〇一二三四五六七八九"
_HAN_DATE: Final = re.compile(
    "([零〇0一二三四五六七八九]{4})年([一二三四五六七八九十]{1,2})月([一二三四五六七八九十]{1,3})[日号號]?"
)
_VIETNAMESE: Final = re.compile(r"(?:ngày )?(\d{1,2}) tháng (\d{1,2}),? năm (\d{4})")
_NUMERIC: Final = re.compile(r"(?<![\d.])(\d{1,2})(?P<sep> ?[-/.] ?)(\d{1,2})(?P=sep)('?\d{2}|\d{4})(?![\d]|[.,]\d)")
_RANGE: Final = re.compile(
    r"(?<!\d)(\d{1,2})\.(?:(\d{1,2})\.)? ?(?:-|bis|to|al?|au|до|do|t/m) ?(?=\d{1,2}\.\d{1,2}\.(\d{4}))"
)
_WORD: Final = r"([^\W\d_][^\d\s,/()\-:;]{1,19})"
_GAP: Final = r"[\s.,/\-']{1,3}(?:(?:de|del|di|do|da|of|den|year|г\.?|р\.?|m\.|พ\.ศ\.?|ค\.ศ\.?) ?(?<=[ .]))?"
_TO: Final = r"(?:-|bis|to|al?|au|und|and|до)"
_ORDINAL: Final = r"(?:st|nd|rd|th|er|ère|re|e|a|ma|°|º|ª|o|-?го|-?га)?"
_DAY_FIRST: Final = re.compile(
    rf"(?<!\d)(\d{{1,2}}){_ORDINAL}(?:{_GAP}|(?=[^\W\d_]))(?:day of )?{_WORD}(?:{_GAP}|(?=\d))(\d{{4}}|\d{{2}})(?!\d)"
)
_DAYS_FIRST: Final = re.compile(
    rf"(?<!\d)(\d{{1,2}})\.? ?{_TO} ?(?=\d{{1,2}}{_ORDINAL}{_GAP}{_WORD}{_GAP}(\d{{4}})(?!\d))"
)
_MONTH_FIRST: Final = re.compile(
    rf"{_WORD}(?:{_GAP}|(?=\d))(\d{{1,2}}){_ORDINAL}(?:,? ?|-|/|\.)(?:{_GAP})?(\d{{4}}|'\d{{2}}|(?<=[-/])\d{{2}})(?!\d)"
)
_YEAR_FIRST: Final = re.compile(
    rf"(?<!\d)(\d{{4}})\.?(?:ko|a)?(?:{_GAP}|(?: ?gada ))(?:m\. ?)?{_WORD}{_GAP}(\d{{1,2}})(?!\d)"
)
_YEAR_DAY: Final = re.compile(rf"(?<!\d)(\d{{4}})\. ?gada (\d{{1,2}})\. ?{_WORD}")
_MONTH: Final = re.compile(rf"{_WORD}(?:{_GAP}|(?=\d))(\d{{4}})(?!\d)")
_MONTH_NUMBERS: Final = re.compile(
    r"(?<![\d./-])(\d{4}) ?[-/.年년] ?(\d{1,2})(?![\d]|[-/.]\d)|(?<![\d./-])(\d{1,2}) ?[-/.] ?(\d{4})(?!\d|[-/.]\d)"
)

Order = tuple[int, int]
DAY_MONTH: Final = (0, 1)
MONTH_DAY: Final = (1, 0)


class Found(NamedTuple):
    """A date, and where it stands."""

    day: date
    start: int
    end: int


def dates_in(text: str) -> Iterator[Found]:
    """Every date of a normalized text, in each reading that is left."""
    for found in _all_dates(text):
        yield found
        if found.day.year > 2400:  # of the Buddhist era
            yield from _made(found.day.year - 543, found.day.month, found.day.day, found.start, found.end)


def _all_dates(text: str) -> Iterator[Found]:
    for match in _ISO.finditer(text):
        year, month, day = (int(part) for part in match.group(1, 3, 4, 5, 6, 7) if part)
        yield from _made(year, month, day, *match.span())
    yield from _eastern(text)
    for match in _VIETNAMESE.finditer(text):
        yield from _made(int(match[3]), int(match[2]), int(match[1]), *match.span())
    yield from _of_numbers(text)
    yield from _of_words(text)


def _made(year: int, month: int, day: int, start: int, end: int) -> Iterator[Found]:
    try:
        yield Found(date(year, month, day), start, end)
    except ValueError:
        return


def _eastern(text: str) -> Iterator[Found]:
    for match in _EAST.finditer(text):
        year = 1 if match[2] == "元" else int(match[2])
        year += _ERAS.get(match[1], 0) if match[1] else 2000 if year < 100 else 0
        yield from _made(year, int(match[3]), int(match[4]), *match.span())
    for match in _ERA.finditer(text):
        yield from _made(_ERAS[match[1]] + int(match[2]), int(match[3]), int(match[4]), *match.span())
    for match in _HAN_DATE.finditer(text):
        year = int("".join(str(max(0, _HAN.index(char) - 1)) if char in _HAN else char for char in match[1]))
        yield from _made(year, _han_number(match[2]), _han_number(match[3]), *match.span())


def _han_number(text: str) -> int:
    tens, ten, ones = text.rpartition("十")
    return (max(1, _HAN.find(tens) - 1) * 10 if ten else 0) + (max(0, _HAN.index(ones) - 1) if ones else 0)


def _years(match: re.Match[str], group: int) -> tuple[int, ...]:
    """The years that two or four digits may mean."""
    digits = match[group].lstrip("'")
    if len(digits) == 4:
        return (int(digits),)
    return (2500 + int(digits),) if has_thai(match[0]) else (2000 + int(digits), 1900 + int(digits))


def _of_numbers(text: str) -> Iterator[Found]:
    matches = list(_NUMERIC.finditer(text))
    orders = {separator: _orders(matches, separator) for separator in "./-"}
    for match in matches:
        parts = (int(match[1]), int(match[3]))
        for day, month in orders[match["sep"].strip()]:
            for year in _years(match, 4):
                yield from _made(year, parts[month], parts[day], *match.span())
    for match in _RANGE.finditer(text):  # 1.10. - 31.10.2026
        month_there = re.match(r"\d{1,2}\.(\d{1,2})", text[match.end() :])
        assert month_there is not None  # the pattern has looked ahead
        yield from _made(int(match[3]), int(match[2] or month_there[1]), int(match[1]), *match.span())


def _orders(matches: list[re.Match[str]], separator: str) -> set[Order]:
    """The orders of day and month that dates with this separator have: dots stand only in day.month.year."""
    if separator == ".":
        return {DAY_MONTH}
    parts = [(int(match[1]), int(match[3])) for match in matches if match["sep"].strip() == separator]
    shown = {DAY_MONTH for first, second in parts if first > 12 >= second}
    shown |= {MONTH_DAY for first, second in parts if second > 12 >= first}
    return shown or {DAY_MONTH, MONTH_DAY}


def _of_words(text: str) -> Iterator[Found]:
    """Dates with the name of a month. A search goes on one character later: `in May 12 May 2026` begins with a word."""
    for pattern, (day, month, year) in (
        (_DAY_FIRST, (1, 2, 3)),
        (_DAYS_FIRST, (1, 2, 3)),
        (_MONTH_FIRST, (2, 1, 3)),
        (_YEAR_FIRST, (3, 2, 1)),
        (_YEAR_DAY, (2, 3, 1)),
    ):
        match = pattern.search(text)
        while match:
            for number in months_of(match[month]):
                for each in _years(match, year):
                    yield from _made(each, number, int(match[day]), *match.span())
            match = pattern.search(text, _next(match))


def _next(match: re.Match[str]) -> int:
    """Where the next match may begin: at the next word."""
    following = re.compile(r"\s").search(match.string, match.start() + 1, match.end())
    return following.end() if following else match.end()


def months_in(text: str) -> Iterator[tuple[int, int, int, int]]:
    """The months of a normalized text, with their places: year, month, start, end."""
    for match in _MONTH.finditer(text):
        for month in months_of(match[1]):
            yield int(match[2]), month, *match.span()
    for match in _MONTH_NUMBERS.finditer(text):
        year, month = (int(part) for part in (match.group(1, 2) if match[1] else match.group(4, 3)))
        if 1 <= month <= 12:
            yield year, month, *match.span()


def date_of(value: str) -> date | None:
    """The one date that a text has, with no other number beside it; `None` if it has none, or may mean two."""
    text = normalize(value)
    days = {found.day for found in dates_in(text) if not re.search(r"\d", text[: found.start] + text[found.end :])}
    for since, until in ((1800, 2400), (2000, 2100)):  # what else the Buddhist era, and two digits of a year, mean
        days = {day for day in days if since <= day.year < until} if len(days) > 1 else days
    return days.pop() if len(days) == 1 else None
