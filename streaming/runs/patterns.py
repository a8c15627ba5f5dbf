"""Regular expressions of strangers, searched for in time that is linear in the text: Rust's `regex`, by pydantic.

It has neither look-around nor back-references. Its time is bounded by the size of the pattern times that of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_LENGTH: Final = 1_000
"""Characters of a pattern."""
MAX_SIZE: Final = 40_000
"""Of a compiled pattern, in states of the engine; it takes up to a microsecond for each."""

_TOKEN: Final = re.compile(
    r"\{(?P<least>\d*),?(?P<most>\d*)\}|(?P<open>\()|(?P<close>\))|(?P<letters>\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\.)|.",
    re.DOTALL,
)
_CLASSES: Final = {"w": 300, "W": 300, "p": 300, "P": 300, "d": 20, "D": 20, "s": 20, "S": 20}
"""States of the larger classes of characters, by the letter after the backslash."""
_WIDTH: Final = 4
"""How many of them are occupied at once: the bytes of a character."""
_SMALL: Final = 20
"""The size up to which the engine remembers each set of states that it meets, and never looks at one twice."""


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`.

    Raises `ValueError`, worded for the pattern's author, for one that the engine does not take.
    """
    return _compile(pattern).isinstance_python(text)


def search_cost(pattern: str, length: int) -> int:
    """Microseconds, at worst, of the search in a text of so many characters."""
    size = _size_of(pattern, _WIDTH)
    return 1 + length * (size if size > _SMALL else 1) // 100


def compile_cost(pattern: str) -> int:
    """Microseconds, at worst, of compiling the pattern."""
    return 1 + min(_size_of(pattern), MAX_SIZE)


@lru_cache(256)
def _compile(pattern: str) -> SchemaValidator:
    if len(pattern) > MAX_LENGTH or _size_of(pattern) > MAX_SIZE:
        raise ValueError(f"the pattern {pattern[:80]!r} is too large")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().rpartition("error: ")[2].partition("\n")[0] or "it is invalid"
        raise ValueError(f"the pattern {pattern[:80]!r} cannot be used: {reason}") from None


@lru_cache(256)
def _size_of(pattern: str, widest: int = 300) -> int:
    """The states of a pattern, roughly, with its repetitions written out; a class has at most `widest`."""
    groups: list[list[int]] = [[0]]
    for token in _TOKEN.finditer(pattern[: MAX_LENGTH + 1]):
        if token["open"]:
            groups.append([0])
        elif token["close"] and len(groups) > 1:
            group = sum(groups.pop())
            groups[-1].append(group + 1)
        elif token["least"] or token["most"]:
            groups[-1][-1] *= max(1, *(int(number[:9]) for number in (token["least"], token["most"]) if number))
        else:
            classes = [_CLASSES.get(letter, 1) for letter in re.findall(r"\\(.)", token["letters"] or "")]
            groups[-1].append(min(sum(classes) or 1, widest))
    return sum(map(sum, groups))
