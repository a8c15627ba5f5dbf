"""Whether the hyphen at the end of a line belongs to the word, or only parts it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:[-’'][^\W_]+)*")
_AROUND: Final = "\"'“”‘’«»()[]{}<>.,;:!?…"
_ADDRESS: Final = re.compile(r"[@/\\_:.\d]|^www\b", re.IGNORECASE)
"""What stands inside of addresses, paths and numbers, and not in words."""
_LINKS: Final = {
    "of",
    "the",
    "to",
    "and",
    "in",
    "on",
    "by",
    "up",
    "a",
    "at",
    "de",
    "la",
    "le",
    "sur",
    "aux",
    "und",
    "zu",
}
"""Words in the midst of a compound: `state-of-the-art`."""
_TENS: Final = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
_ONES: Final = {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
_NO_COMPOUND: Final = ("ish", "less", "sam")
"""How words go on that begin with `self` and are no compounds."""


def words(text: str) -> set[str]:
    """The words of a page, compounds with their hyphens, in lower case."""
    return {word.casefold() for word in _WORD.findall(text)}


def joined(first: str, second: str, known: Collection[str]) -> str:
    """Both parts of a word; `known` are the other words of the page."""
    hyphen = "-" if keeps_hyphen(first.lstrip(_AROUND), second.rstrip(_AROUND), known) else ""
    return first + hyphen + second


def keeps_hyphen(first: str, second: str, known: Collection[str]) -> bool:
    """Whether the hyphen between the parts, without what is around them, belongs to the word.

    It does in addresses and numbers, before a capital, in a compound that the page has elsewhere in one line, and in
    those that are certain by themselves.
    """
    if _ADDRESS.search(first + second) or not (first[-1:].isalpha() and second[:1].islower()):
        return True
    start, end = first.casefold(), second.casefold()
    if f"{start}-{end}" in known:
        return True
    if start + end in known:
        return False
    before, _, last = start.rpartition("-")
    following, _, after = end.partition("-")
    certain = len(start) == 1 or (before and last in _LINKS) or (after and following in _LINKS)
    self_compound = start == "self" and not end.startswith(_NO_COMPOUND)
    return bool(certain or self_compound or (start in _TENS and end in _ONES))
