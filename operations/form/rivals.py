"""Values of a page that a field may mean as well as the one in the answer, where no label decides between them.

A value beside the label of its field has as rivals the other amounts and dates beside that label; one beside none has
all that are not beside the label of something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .beside import ALIKE, NONE, OWN, has_own_block, support
from .evidence import PageText, Span
from .labels import Purpose, labels_in

_CODE: Final = re.compile(r"(?<![\w/.\-])(?=[\w/.\-]{3})[\w/.\-]*\d[\w/.\-]*")
_DECIMALS: Final = re.compile(r"[.,](\d{1,2})(?!\d)\D*$")
_DATES_OF_EVENTS: Final = ("due", "delivered", "ordered", "discounted", "original", "printed")
"""A date without a label is none of these, whatever else the page has."""
_ANY_AMOUNT: Final = ("amount", "sum", "value", "invoice", "betrag", "montant", "importo", "importe", "bedrag")
"""Words of any amount's name."""
_BANK: Final = re.compile("iban|bic|swift|bank|mail|phone|tel|web|url")


def is_ambiguous(page: PageText, span: Span, purpose: Purpose, strength: int, name: str) -> bool:
    """Whether something else on the page may be what the field asks for; `strength` is the support of this place.

    `name` is that of the field.
    """
    match purpose.group:
        case "party":
            return strength == NONE and _is_anybody(page, span, purpose, name)
        case "date":
            if strength == NONE and purpose.concept in _DATES_OF_EVENTS:
                return True
            least = OWN if purpose.concept == "dated" else strength
            return _has_rival(page, span, purpose, least, ((each.start, each.end) for each in page.dates))
        case "amount":
            return not purpose.rate and _is_any_amount(page, span, purpose, strength, name)
        case _:
            return strength < OWN and _has_rival(page, span, purpose, OWN if strength == ALIKE else NONE, _codes(page))


def _has_rival(page: PageText, span: Span, purpose: Purpose, least: int, places: Iterable[Span]) -> bool:
    own = page.text[slice(*span)]
    return any(
        (start >= span[1] or end <= span[0])
        and page.text[start:end] != own
        and support(page, (start, end), purpose) >= least
        for start, end in dict.fromkeys(places)
    )


def _is_any_amount(page: PageText, span: Span, purpose: Purpose, strength: int, name: str) -> bool:
    """Whether another amount is labelled as well, or as exactly: `total_ttc` is beside "Total TTC".

    Without labels, a total is the last amount of its page.
    """
    if any(start <= span[0] and span[1] <= end and span != (start, end) for start, end in _longest(page)):
        return True  # the 652,00 of 2 652,00
    amounts = list(_amounts_like(page, span))
    if _is_named(page, span, name):
        amounts = [each for each in amounts if _is_named(page, each, name)]
    labelled = amounts if strength > NONE else ((each.start, each.end) for each in page.numbers)
    if _has_rival(page, span, purpose, ALIKE, labelled):
        return True
    if purpose.concept == "total":
        amounts = [each for each in amounts if each[0] >= span[1]]
    return strength == NONE and _has_rival(page, span, purpose, NONE, amounts)


def _is_named(page: PageText, span: Span, name: str) -> bool:
    """Whether the words before the value on its line are the name of the field: `total_amount` is beside "Total"."""
    line = page.lines[page.line_of(span[0])]
    before = re.findall(r"[^\W\d_]{2,}", line.text[: span[0] - line.start])
    words = [word for word in name.split() if word not in _ANY_AMOUNT]
    return bool(words) and words == [word for word in before if word not in _ANY_AMOUNT]


def _amounts_like(page: PageText, span: Span) -> Iterator[Span]:
    """The numbers with as many decimals: a sum of money is no number of hours."""
    decimals = _decimals(page.text[slice(*span)])
    yield from (each for each in _longest(page) if _decimals(page.text[slice(*each)]) == decimals)


def _longest(page: PageText) -> Iterator[Span]:
    """The numbers that are no part of a longer one."""
    last = 0
    for start, end in sorted({(each.start, each.end) for each in page.numbers}, key=lambda each: (each[0], -each[1])):
        if end > last:
            yield start, end
        last = max(last, end)


def _decimals(number: str) -> int:
    match = _DECIMALS.search(number)
    return len(match[1]) if match else 0


def _codes(page: PageText) -> Iterator[Span]:
    """What may be the number of something: it has digits, and is no date and no amount."""
    for match in _CODE.finditer(page.text):
        is_date = any(found.start <= match.start() and match.end() <= found.end for found in page.dates)
        if not is_date and not _DECIMALS.search(match[0]):
            yield match.span()


def _is_anybody(page: PageText, span: Span, purpose: Purpose, name: str) -> bool:
    """Whether nothing tells whose it is: the other party's label does, and the letterhead is the seller's.

    So are accounts and telephone numbers in no party's block.
    """
    if _BANK.search(name):
        return purpose.concept != "seller"
    if has_own_block(page, purpose):
        return True
    if purpose.concept not in ("seller", "buyer"):
        return True
    other = Purpose("party", "buyer" if purpose.concept == "seller" else "seller")
    if has_own_block(page, other):
        return False
    at = page.line_of(span[0])
    is_head = all(_is_title(line.text) for line in page.lines[:at])
    return not is_head if purpose.concept == "seller" else is_head and len(page.lines) > 1


def _is_title(line: str) -> bool:
    return " " not in line or bool(labels_in("number", line))
