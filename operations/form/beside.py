"""How much a place on a page speaks for a field, by what stands beside it: its own label, none, or that of another.

A label stands before its value on the line; where a line has values alone, in the lines above, one for each value. A
party's label begins a line, and holds for the lines under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from .currency import GLUED
from .evidence import PageText, Span
from .label_words import NOTHING
from .labels import Label, Purpose, amount_concept, labels_in

OWN, ALIKE, NONE, OTHER = 3, 2, 1, 0
"""What stands beside a value: the label of its field, one that may mean the same, none that tells, that of another."""

MAX_HEAD: Final = 4
"""Words of a label that has several concepts: `Total incl. VAT`."""
BLOCK: Final = 5
"""Lines under the label of a party that are its name and address."""
_BASE: Final = re.compile(r"\b(?:on|auf|von|of|su|sur|de|sobre|from|di|van|op|från|od|ze?)(?: [a-z]{3}| \W)?\s*$")
"""`19 % VAT on 100.00`: what the tax is of."""
_CODE_BEFORE: Final = re.compile(r"[a-z\d][-/_]\Z")
_CODE_AFTER: Final = re.compile(r"[-/_][a-z\d]")
"""`RE-2026-0042` has no amount."""
_LONG_WORD: Final = re.compile(r"[^\W\d_]{5}")
"""Between the label of a number and the number there is at most `no.` or `is`."""
_WORDS: Final = re.compile(r"[^\W\d_]{2,}")
_NOTHING: Final = re.compile(NOTHING)
_RANGE: Final = re.compile(r"\W*(?:-|bis|to|until|au|al?|hasta|tot|t/m|do)\W*")
_OF_NUMBER: Final = re.compile(r"^\S* ?\(?(?:of|dated|vom|du|en date du|del?|van|z(?: dnia)?|,)(?: \w{2,4}\.?,)? $")
_DATE_OF_NUMBER: Final = {
    "order_number": "ordered",
    "customer_number": "other",
    "delivery_number": "delivered",
    "invoice_number": "issued",
    "credit_number": "issued",
}
_CELL: Final = re.compile(r"\S*\d\S*")
_PERCENT: Final = re.compile(r"\d+(?:[.,]\d+)? ?%")
_MAY_BE_NOTHING: Final = ("tax", "discount", "shipping", "paid")


def support(page: PageText, span: Span, purpose: Purpose) -> int:
    """`OWN`, `ALIKE`, `NONE` or `OTHER`, for a value of a field with this purpose."""
    key = span, purpose
    if key not in page.supports:
        page.supports[key] = _support(page, span, purpose)
    return page.supports[key]


def _support(page: PageText, span: Span, purpose: Purpose) -> int:
    if purpose.group == "party":
        concept = _party(page, span)
    elif purpose.group in ("amount", "number") and not _may_be(page, span, purpose):
        return OTHER
    else:
        concept = _before(page, span, purpose.group) or _above(page, span, purpose.group)
    if concept is None:
        return NONE
    return OWN if purpose.names(concept) else OTHER if purpose.contradicts(concept) else ALIKE


def says_nothing(page: PageText, purpose: Purpose) -> bool:
    """Whether the page says in words, or with a dash, that there is no such amount: a tax of 0."""
    if purpose.concept not in _MAY_BE_NOTHING:
        return False
    if purpose.concept == "tax":
        return any(_NOTHING.search(line.text) for line in page.lines)
    named = (line.text for line in page.lines if purpose.concept in {e.concept for e in labels_in("amount", line.text)})
    return any(_NOTHING.search(text) or re.search(r"[-:] ?-+$", text) for text in named)


def _may_be(page: PageText, span: Span, purpose: Purpose) -> bool:
    """Whether an amount or a code is no part of a date or a code, and no percentage unless the field is one."""
    if _is_in_date(page, span) or _is_in_code(page, span):
        return False
    return purpose.rate or not re.match(" ?%", page.text[span[1] : span[1] + 2])


def _is_in_date(page: PageText, span: Span) -> bool:
    return any(found.start <= span[0] and span[1] <= found.end for found in page.dates)


def _is_in_code(page: PageText, span: Span) -> bool:
    """Whether it is a part of a longer code."""
    return bool(_CODE_BEFORE.search(page.text[max(0, span[0] - 2) : span[0]]) or _CODE_AFTER.match(page.text, span[1]))


def _prefix(page: PageText, span: Span) -> str:
    line = page.lines[page.line_of(span[0])]
    return line.text[: max(0, span[0] - line.start)]


def _before(page: PageText, span: Span, group: str) -> str | None:
    """The concept of the words between the value and the one before it on its line."""
    prefix = _prefix(page, span)
    start = span[0] - len(prefix)
    numbers = [end for _, end in _values(page, page.line_of(span[0])) if end <= span[0]]
    words = prefix[numbers[-1] - start :] if numbers else prefix
    if group == "date":
        return _date_label(page, span, prefix, words, bool(numbers))
    if group != "amount":
        labels = labels_in(group, words)
        return labels[-1].concept if labels and not _LONG_WORD.search(words, labels[-1].end) else None
    if _BASE.search(words) or _is_total_of_columns(page, span, prefix):
        return None
    concept = amount_concept(words, after_number=bool(numbers))
    is_last = numbers and _values(page, page.line_of(span[0]))[-1][1] <= span[1]
    return (
        amount_concept(prefix, after_number=False) if concept is None and is_last and _is_summary(prefix) else concept
    )


def _date_label(page: PageText, span: Span, prefix: str, words: str, after_value: bool) -> str | None:
    """The concept of the last label before a date; "date" is one only by itself, right before it.

    `to` and the like continue the date before, and `of` says of what number the date is: "Order 45 of 3 April".
    """
    labels = labels_in("date", words)
    if labels and labels[-1].concept != "dated":
        return labels[-1].concept
    if labels:
        rest = words[: labels[-1].start] + words[labels[-1].end :]
        return None if re.search(r"[^\W\d_]", rest) else "dated"
    if not after_value:
        return None
    if _RANGE.fullmatch(words):
        before = [found for found in page.dates if 0 < span[0] - found.end <= len(words)]
        return _before(page, (before[0].start, before[0].end), "date") if before else None
    if not _OF_NUMBER.search(words):
        return None
    concepts = [(label.end, _DATE_OF_NUMBER[label.concept]) for label in labels_in("number", prefix)]
    return max([*concepts, *((label.end, label.concept) for label in labels_in("date", prefix))], default=(0, None))[1]


def _is_total_of_columns(page: PageText, span: Span, prefix: str) -> bool:
    """Whether amounts in several columns have this one label, and this is not the last: net, tax and total."""
    line = page.lines[page.line_of(span[0])]
    after = [each for each in _values(page, page.line_of(span[0])) if each[0] >= span[1]]
    kinds = {label.concept for label in labels_in("amount", prefix)}
    return kinds == {"total"} and any(
        not _without_units(line.text[span[1] - line.start : start - line.start]) for start, _ in after[:1]
    )


def _is_summary(prefix: str) -> bool:
    """Whether a line with several numbers begins with the label of an amount: `VAT 19 % on 100.00 19.00`."""
    labels = labels_in("amount", prefix)
    return bool(labels) and labels[0].start == 0


def _values(page: PageText, at: int, *, spaced: bool = True) -> list[Span]:
    """The dates of a line and its numbers that are no percentages; `spaced` ones have spaces between thousands."""
    dates = {(each.start, each.end) for each in page.dates}
    found = [each for each in page.values_on(at) if spaced or each in dates or " " not in page.text[each[0] : each[1]]]
    spans: list[Span] = []
    for first, last in sorted(found, key=lambda span: (span[0], -span[1])):
        if (not spans or first >= spans[-1][1]) and not re.match(" ?%", page.text[last:]):
            spans.append((first, last))
    return spans


def _above(page: PageText, span: Span, group: str) -> str | None:
    """The concept of the label in the lines above, if the line has values alone."""
    at = page.line_of(span[0])
    first = at
    while first > 0 and _has_values_alone(page, first - 1):
        first -= 1
    last = at
    while last + 1 < len(page.lines) and _has_values_alone(page, last + 1):
        last += 1
    if not _has_values_alone(page, at):
        return None
    labels = list(_label_lines(page, first))
    values = last - first + 1
    if len(labels) < values:
        return None
    return _in_column(page, span, group, labels[values - 1 - (at - first)])


def _label_lines(page: PageText, before: int) -> Iterator[str]:
    """The lines without values above a line, upwards."""
    for line in reversed(page.lines[:before]):
        if re.search(r"\d", _PERCENT.sub("", line.text)):
            return
        yield line.text


def _in_column(page: PageText, span: Span, group: str, heads: str) -> str | None:
    """The concept of one of the labels in a line, by the number of the value in its own."""
    columns = _columns(heads)
    labels = labels_in(group, heads)
    at = page.line_of(span[0])
    cells = _cells(page, at)
    if len(columns) == len(cells) > 1:
        return columns[max(0, sum(start <= span[0] for start, _ in cells) - 1)].concept
    for values in (_values(page, at, spaced=False), _values(page, at)):
        if len(labels) == len(values) > 1:
            return labels[max(0, sum(start <= span[0] for start, _ in values) - 1)].concept
    if (
        (len(_values(page, at)) != 1 and " " in page.lines[at].text)
        or not labels
        or (len(labels) > 1 and len(heads.split()) > MAX_HEAD)
    ):
        return None
    return amount_concept(heads, after_number=False) if group == "amount" else labels[-1].concept


def _columns(heads: str) -> list[Label]:
    """The labels of numbers, dates and amounts in a line, from left to right; the longest where several begin."""
    labels: list[Label] = []
    found = [label for group in ("number", "date", "amount") for label in labels_in(group, heads)]
    for label in sorted(found, key=lambda each: (each.start, -each.end)):
        if not labels or label.start >= labels[-1].end:
            labels.append(label)
    return labels


def _cells(page: PageText, at: int) -> list[Span]:
    """The dates of a line, and its other words that have digits."""
    line = page.lines[at]
    end = line.start + len(line.text)
    dates = {(each.start, each.end) for each in page.dates if line.start <= each.start < end}
    words = [match.span() for match in _CELL.finditer(page.text, line.start, end)]
    free = [word for word in words if not any(word[0] < last and first < word[1] for first, last in dates)]
    return sorted([*dates, *free])


@lru_cache(maxsize=4096)
def _without_units(text: str) -> str:
    return " ".join(word for word in _WORDS.findall(text) if word not in GLUED)


def _has_values_alone(page: PageText, at: int) -> bool:
    """Whether a line has numbers or dates, and no other words than currencies and months."""
    line = page.lines[at]
    text = line.text
    for found in page.dates:
        if line.start <= found.start < line.start + len(text):
            begin = found.start - line.start
            text = text[:begin] + " " * (found.end - found.start) + line.text[begin + found.end - found.start :]
    return re.search(r"\d", _PERCENT.sub("", line.text)) is not None and not _without_units(_CELL.sub("", text))


# --- parties ---------------------------------------------------------------------------------------------------------


def _party(page: PageText, span: Span) -> str | None:
    """Whose name or address stands here: the party whose label is the last before it."""
    at = page.line_of(span[0])
    offset = span[0] - page.lines[at].start
    before = [head for head in _heads(page, at) if head.end <= offset]
    if before:
        return before[-1].concept
    for line in range(at - 1, max(-1, at - 1 - BLOCK), -1):
        heads = _heads(page, line)
        if len({head.concept for head in heads}) > 1:
            return _of_columns(page, span, heads)
        if heads:
            return heads[-1].concept
    return None


def _of_columns(page: PageText, span: Span, heads: list[Label]) -> str | None:
    """Two parties beside each other: the first name of a line is the first one's."""
    line = page.lines[page.line_of(span[0])]
    starts, ends = span[0] == line.start, span[1] >= line.start + len(line.text) - 1
    return None if starts == ends else heads[0].concept if starts else heads[-1].concept


def has_own_block(page: PageText, purpose: Purpose) -> bool:
    """Whether the page names this party under a label, with a name."""
    for at in range(len(page.lines)):
        heads = _heads(page, at)
        if heads and {head.concept for head in heads} == {purpose.concept}:
            rest = page.lines[at].text[heads[-1].end :].strip(" :")
            following = page.lines[at + 1].text if at + 1 < len(page.lines) else ""
            if any(len(_WORDS.findall(text)) > 1 for text in (rest, following)):
                return True
    return False


def _heads(page: PageText, at: int) -> list[Label]:
    """The parties that a line names as labels: at its beginning, or after another, and before a colon or its end."""
    text = page.lines[at].text
    heads: list[Label] = []
    for label in labels_in("party", text):
        before = text[heads[-1].end if heads else 0 : label.start]
        after = text[label.end :].lstrip()
        follows = _follows(after) or _is_head(after)
        begins = not before.strip(" :/()-") or before.rstrip().endswith((",", ";", "|")) or ":" in before
        if follows and begins:
            heads.append(label)
    return [head for head in heads if not _is_number_of(text[head.end :])]


def _is_head(text: str) -> bool:
    labels = labels_in("party", text)
    return bool(labels) and labels[0].start == 0 and _follows(text[labels[0].end :].lstrip())


def _follows(after: str) -> bool:
    return not after or after[0] in ":/("


def _is_number_of(after: str) -> bool:
    """Whether what follows a label makes it that of a number: `Customer: 4711`."""
    return re.match(r"[ :]*[\d#]", after) is not None
