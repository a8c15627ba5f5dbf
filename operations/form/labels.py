"""What a label beside a value says it is: the total or a sum carried over, the seller or the buyer, the day it is due.

The same words, in a field's name and description, say what the field is for. Only concepts of one group contradict each
other: a date beside "delivery" is not the invoice's, but a name beside it may be the buyer's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from .label_words import AMOUNTS, DATES, NUMBERS, PARTIES
from .words import normalize

_GROUPS: Final = {"amount": AMOUNTS, "date": DATES, "number": NUMBERS, "party": PARTIES}
_ALIKE: Final = {
    "net": {"subtotal"},
    "subtotal": {"net"},
    "price": {"net"},
    "invoice_number": {"credit_number"},
}
"""Concepts that do not contradict each other."""
_PLAIN: Final = {
    code: ord(base[0])
    for code in range(0xC0, 0x250)
    if len(base := unicodedata.normalize("NFD", chr(code))) > 1 and base[0].isascii()
} | str.maketrans("łøđ", "lod")
"""Latin letters without their marks, which capitals and the names of fields often lack."""
_INCLUDED: Final = re.compile(
    r"(?:incl(?:\.|uding|usive)?|inkl\.?|mit|inc\.?|ttc|toutes taxes|iva incl\w*|含税|税込|с ндс|z vat|kdv dahil)"
)
_RATE: Final = re.compile(r"rate|percent|pct|satz|quote|taux|tipo|aliquota|%|税率|税率|ставка|oran|stawka|sazba")
_NUMBERED: Final = re.compile(r"no\b|nr|num|id\b|#|番号|号|nº|n°|ref")
_BOUND: Final = r"(?<![^\W_]){}(?![^\W_])"


class Label(NamedTuple):
    """A concept named in a text, and where."""

    concept: str
    start: int
    end: int


class Purpose(NamedTuple):
    """What a field is for: a concept of a group; `rate` says that its number is a percentage."""

    group: str
    concept: str
    rate: bool = False

    def names(self, concept: str) -> bool:
        """Whether a value that is labelled so is for this field: "date" alone is the day of issue."""
        return concept == self.concept or {concept, self.concept} == {"dated", "issued"}

    def contradicts(self, concept: str) -> bool:
        """Whether a value that is labelled so is not for this field."""
        return not self.names(concept) and concept not in _ALIKE.get(self.concept, ())


@cache
def _pattern(group: str) -> re.Pattern[str]:
    """The words of a group. Chinese, Japanese and Thai ones stand anywhere, others as words."""
    concepts = []
    for concept, words in _GROUPS[group].items():
        spaced = normalize_pattern(words)
        concepts.append(f"(?P<{concept}>{spaced})")
    return re.compile("|".join(concepts))


def normalize_pattern(words: str) -> str:
    """The alternatives of a pattern with the bounds that their script has."""
    parts = _alternatives(words.replace("ı", "i").replace("ё", "е").translate(_PLAIN))
    free = [part for part in parts if re.search("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]", part)]
    bound = [part for part in parts if part not in free]
    return "|".join(([_BOUND.format(f"(?:{'|'.join(bound)})")] if bound else []) + free)


def _alternatives(words: str) -> list[str]:
    """The alternatives at the top of a pattern."""
    parts, depth = [""], 0
    for char in words:
        depth += (char in "([") - (char in ")]")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def labels_in(group: str, text: str) -> list[Label]:
    """The concepts of a group that a normalized text names, from left to right; the longest where several begin."""
    found: list[Label] = []
    at = 0
    text = text.translate(_PLAIN)
    while match := _pattern(group).search(text, at):
        best = max(_at(group, text, match.start()), key=lambda label: label.end)
        found.append(best)
        at = max(best.end, match.start() + 1)
    return found


def _at(group: str, text: str, start: int) -> Iterator[Label]:
    for concept in _GROUPS[group]:
        if match := _one(group, concept).match(text, start):
            yield Label(concept, start, match.end())


@cache
def _one(group: str, concept: str) -> re.Pattern[str]:
    return re.compile(normalize_pattern(_GROUPS[group][concept]))


def amount_concept(text: str, *, after_number: bool) -> str | None:
    """What the text before an amount says that it is; `after_number` if another amount stands before that text.

    "Total incl. VAT" is the total, and "incl. 19 % VAT" after an amount is the tax in it.
    """
    concepts = [label.concept for label in labels_in("amount", text)]
    for first in ("carried", "discount", "shipping", "paid", "subtotal", "net"):
        if first in concepts and not (first == "net" and concepts[-1] == "tax" and "net" in concepts[:-1]):
            return first
    if "tax" in concepts:
        total = "total" in concepts and concepts.index("total") < concepts.index("tax")
        included = _INCLUDED.search(text) is not None and not after_number
        return "total" if included and (total or "%" not in text) else "tax"
    return concepts[-1] if concepts else None


# --- fields ----------------------------------------------------------------------------------------------------------


def spaced(name: str) -> str:
    """The words of a field's name: `invoiceNumber`, `invoice_number`."""
    return normalize(re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-./]+", " ", name))


def purpose_of(path: tuple[str, ...], description: str, kind: str) -> Purpose | None:
    """What a field of this path is for, if its names, from the last one, or its description say so.

    `kind` is the type or the format of its value.
    """
    names = [spaced(name) for name in path]
    return _purpose(names, normalize(description), kind) or _purpose(
        [re.sub("([aou])e", r"\1", name) for name in names], "", kind
    )


def _purpose(names: list[str], text: str, kind: str) -> Purpose | None:
    if kind in ("number", "integer"):
        return next(filter(None, (_amount_purpose(each) for each in (names[-1], text))), None)
    if number := _number_purpose(names[-1]):
        return number
    if kind in ("date", "date-time"):
        return next(filter(None, (_of_group("date", each) for each in (*reversed(names), text))), None)
    if kind == "amount" and (amount := next(filter(None, map(_amount_purpose, (names[-1], text))), None)):
        return amount
    return next(filter(None, (_of_group("party", each) for each in reversed(names))), None)


def _number_purpose(name: str) -> Purpose | None:
    """That of `order_number`, and of `order` alone."""
    labels = labels_in("number", name)
    is_all = bool(labels) and labels[0][1:] == (0, len(name))
    return Purpose("number", labels[0].concept) if is_all or (labels and _NUMBERED.search(name)) else None


def _amount_purpose(text: str) -> Purpose | None:
    concept = amount_concept(text, after_number=False)
    return Purpose("amount", concept, rate=_RATE.search(text) is not None) if concept else None


def _of_group(group: str, text: str) -> Purpose | None:
    labels = labels_in(group, text)
    told = [label.concept for label in labels if label.concept != "dated"] or [label.concept for label in labels]
    return Purpose(group, told[0]) if told else None
