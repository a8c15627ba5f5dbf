"""What kind of value a goal asks for: a number, a date, somebody, and the name of the field that it is in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from .goal import Goal
from .observed import Observations, words, words_of
from .units import quantity
from .values import Path, Value, plain

_HOW_MUCH: Final = re.compile(
    r"\bhow (?:many|much|long|far|high|tall|old|big|heavy|warm|cold|hot|fast|deep|wide|large|often|late)\b",
    re.IGNORECASE,
)
_WHEN: Final = re.compile(r"\bwhen\b|\b(?:what|which) (?:day|date|time|year)\b", re.IGNORECASE)
_WHO: Final = re.compile(r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:city|town|country|street)\b", re.IGNORECASE)
_FIELD: Final = re.compile(
    r"\b(?:[Ww]hat|[Ww]hich) (?:is|are|was|were) the ([a-z][a-z -]*?) (?:of|for|in|at|on)\b|"
    r"\b(?:[Ff]ind|[Gg]ive|[Ll]ook up|[Tt]ell|[Nn]eed|[Gg]et)(?: me| us| out)? the "
    r"([a-z][a-z -]*?) (?:of|for|in|at|on)\b|"
    r"\b(?:[Ww]hat|[Ww]hich) (?:is|are|was|were) [A-Z][\w. -]*['’]s? ([a-z][a-z -]*?)(?:[?.,;]|$| and\b| in\b)"
)
"""`What is the phone number of ...`, `What is Jane Doe's phone number?`"""
_LAST: Final = words("number address name date code value id")
"""Words that mean little at the end of a field's name."""
_SAME: Final = [
    words("price cost fee amount rate rent"),
    words("phone telephone mobile extension"),
    words("email mail"),
    words("town city place location seat capital"),
    words("height elevation altitude"),
    words("weight mass"),
    words("manager boss supervisor superior head lead leader"),
    words("job position role title"),
    words("author writer"),
    words("length distance duration"),
    words("room office"),
    words("time hour departure departs departing arrival arrives"),
]
"""Names of fields that mean the same."""


def other_kind(goal: Goal, observations: Observations, values: Sequence[Value], reads: set[Path]) -> Iterator[str]:
    """That no value is of the kind, or in the field, that the goal asks for; values are none for words alone."""
    data = [plain(value) for value in values] or [observations.at(path) for path in reads]
    flat = [each for value in data for each in (value if isinstance(value, list) else [value])]
    if not flat or None in flat:
        return
    if asks_for_number(goal) and not any(re.search(r"\d", str(each)) for each in flat):
        yield "The goal asks for a number, and no value is one."
    if asks_for_day(goal) and not any(re.search(r"\d", str(each)) for each in flat):
        yield "The goal asks for a day or a time, and no value is one."
    if _WHO.search(goal.text) and not goal.compares and not any(map(_is_words, flat)):
        yield "The goal asks for somebody or something by its name, and no value is that."
    if not goal.compares and (asked := field_words(goal)):
        fields = [path for value in values if value.path for path in [value.path]] or [*reads]
        known = {word for path in fields for key in path[1:] for word in key_words(str(key))}
        known |= {word for path in fields for word in key_words(observations.by_name[str(path[0])].tool)}
        known |= {word for path in fields for word in words_of(str(observations.at(path)))}
        if all(value.path for value in values) and not known & asked:
            yield f"No value is in a field for {' '.join(sorted(_own_words(goal)))}: if there is none, say so."


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and quantity(value) is None and bool(re.match(r"\W*[^\W\d]", value))


def _own_words(goal: Goal) -> list[str]:
    """The words of the field that a goal asks for, without a last one that means little."""
    match = _FIELD.search(goal.text.replace("e-mail", "email"))
    found = words_of(next(each for each in match.groups() if each)) if match else []
    return found[:-1] if len(found) > 1 and found[-1] in _LAST else found


def asks_for_number(goal: Goal) -> bool:
    """Whether a goal asks for a number."""
    return _HOW_MUCH.search(goal.text) is not None


def asks_for_day(goal: Goal) -> bool:
    """Whether a goal asks for a day or a time."""
    return _WHEN.search(goal.text) is not None


def field_words(goal: Goal) -> set[str]:
    """Words for the field that a goal asks for by its name; empty where it does not."""
    words = _own_words(goal)
    own = {*words, "".join(words)} - {""}
    return own.union(*(group for group in _SAME if group & own))


def key_words(key: str) -> list[str]:
    """The words of the name of a field."""
    parts = words_of(re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key))
    return [*parts, "".join(parts)]
