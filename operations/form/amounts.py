"""Numbers in a normalized text, in whatever notation: `1,234.50`, `1.234,50`, `1 234.5`, `1'234.-`, `1,23,456`, `12万`.

Separators are read in every way that they allow, unless the text itself shows which one its decimals have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from .currency import GLUED, code_of

_NUMBER: Final = re.compile(r"\d+(?:[.,']\d+)*")
_SPACED: Final = re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)")
_NUMERIC: Final = re.compile(r"[-+]?[\d.,' ]*\d[\d.,' ]*")
_SHOWS_COMMA: Final = re.compile(r"(?<![\d.,])(?:\d+|\d{1,3}(?:[. ']\d{3})+),\d\d(?![\d.,]*\d)")
_SHOWS_POINT: Final = re.compile(r"(?<![\d.,])(?:\d+|\d{1,3}(?:[, ']\d{3})+)\.\d\d(?![\d.,]*\d)")
_TIMES: Final = {
    **dict.fromkeys(("thousand", "tsd", "tausend", "mil", "тыс", "千"), 3),
    **dict.fromkeys(("lakh", "lakhs"), 5),
    **dict.fromkeys(("million", "millions", "millionen", "mio", "mn", "millones", "milioni", "milhões", "млн"), 6),
    **dict.fromkeys(("crore", "crores"), 7),
    **dict.fromkeys(("billion", "billions", "milliarden", "mrd", "milliards", "miliardi", "млрд"), 9),
    **dict.fromkeys(("万", "萬", "만"), 4),
    **dict.fromkeys(("億", "亿", "억"), 8),
}
_MULTIPLIED: Final = re.compile(
    " ?(?:({})(?![^\\W\\d_])|([千万萬만億亿억]))".format("|".join(word for word in _TIMES if len(word) > 1))
)
_MINUS_BEFORE: Final = re.compile(r"(?:[-(]|- )(?:[a-z]{0,3}[$€£¥]|(?:[a-z]{2,3}) ?)?\Z")
"""`(12.50)`, `-12.50`, `($12.50)`, `- EUR 12.50`."""
_MAX_DIGITS: Final = 40


class Number(NamedTuple):
    """A number that a text may mean, and where it stands."""

    value: Decimal
    start: int
    end: int


def numbers_in(text: str) -> Iterator[Number]:
    """Every number of a normalized text, in each reading that its separators allow."""
    decimal = decimal_mark(text)
    for pattern in (_NUMBER, _SPACED):
        for match in pattern.finditer(text):
            if len(match[0]) <= _MAX_DIGITS and _stands_alone(text, match.start(), match.end()):
                yield from _meanings(text, match, decimal)


def decimal_mark(text: str) -> str | None:
    """The mark of decimals in a text that shows it, by amounts with two of them: `.` or `,`."""
    comma, point = _SHOWS_COMMA.search(text), _SHOWS_POINT.search(text)
    return None if bool(comma) == bool(point) else "," if comma else "."


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether it is no part of a word such as `A4` or `3f2a`; a currency may stand before it, and a unit after it."""
    before = re.search(r"[a-z\u00df-\u024f\u0370-\u052f]+$", text[max(0, start - 8) : start])
    if before and before[0] not in GLUED:
        return False
    after = re.match(r"[a-z]+(?=\d)", text[end : end + 8])
    return after is None or after[0] == "x"


def _meanings(text: str, match: re.Match[str], decimal: str | None) -> Iterator[Number]:
    start, end = match.span()
    times = _MULTIPLIED.match(text, end)
    for number in readings(match[0], decimal):
        yield Number(number, start, end)
        if _MINUS_BEFORE.search(text[max(0, start - 8) : start]) or re.match(r" ?-(?![\w-])", text[end:]):
            yield Number(-number, start, end)
        if re.match(" ?%", text[end:]):
            yield Number(number / 100, start, end)
        if times:
            yield Number(number.scaleb(_TIMES[times[1] or times[2]]), start, end)


def readings(text: str, decimal: str | None = None) -> set[Decimal]:
    """The numbers that `text` may mean: `1.234` is above a thousand in some countries and just above one in others.

    `decimal` is the mark of decimals, if that is known.
    """
    bare = text.replace(" ", "").replace("'", "")
    sign, digits = (-1, bare[1:]) if bare.startswith("-") else (1, bare.removeprefix("+"))
    try:
        return {sign * Decimal(reading) for reading in _digits(digits.strip(".,"), decimal)}
    except InvalidOperation:
        return set()


def is_numeric(text: str) -> bool:
    """Whether a text is a number and nothing else."""
    return _NUMERIC.fullmatch(text) is not None


def _digits(digits: str, decimal: str | None) -> Iterator[str]:
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        last = max(digits.rfind("."), digits.rfind(","))
        yield _without_separators(digits[:last]) + "." + digits[last + 1 :]
    elif points + commas == 1:
        mark = "." if points else ","
        whole, _, rest = digits.partition(mark)
        if len(rest) != 3 or decimal in (None, mark):
            yield f"{whole}.{rest}"
        if len(rest) == 3 and decimal != mark:
            yield whole + rest
    else:
        yield _without_separators(digits)


def _without_separators(digits: str) -> str:
    return digits.replace(".", "").replace(",", "")


class Amount(NamedTuple):
    """A number, as it is written, with its currency."""

    number: str
    currency: str


_AMOUNT: Final = re.compile(r"(\D{0,12}?) ?([-+]?\d(?:[\d.,' ]*\d)?)[.,]?-{0,2} ?(\D{0,12})")


def amount_of(plain: str) -> Amount | None:
    """The number and the currency that a normalized text is, if it is both and nothing else."""
    match = _AMOUNT.fullmatch(plain)
    code = code_of(match[1] + match[3]) if match and not (match[1] and match[3]) else None
    return Amount(match[2], code) if match and code else None
