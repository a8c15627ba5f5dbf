"""What kind of value a goal asks for: a number, a date, somebody, and the name of the field that it is in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..form.currency import code_of
from ..form.dates import date_of
from .goal import Goal
from .observed import Observations, words, words_of, words_of_key
from .units import quantity, unit_of
from .values import Path, Value, plain

_HOW_MUCH: Final = re.compile(
    r"\bwhat (?:do|does|did|will|would)\b.*\bcost\b|"
    r"\bhow (?:many|much|long|far|high|tall|old|big|heavy|warm|cold|hot|fast|deep|wide|large|often|late)\b",
    re.IGNORECASE,
)
_WHEN: Final = re.compile(r"\bwhen\b|\b(?:what|which) (?:day|date|time|year)\b", re.IGNORECASE)
_WHO: Final = re.compile(
    r"(?:^|[.?!:;,]\s*|\b(?:and|or|but|me|know|out|say|by|from|to|for|of) )(?:who(?:m|se)?|where)\b|"
    r"\b(?:what|which) (?:city|town|country|street)\b",
    re.IGNORECASE,
)
"""`Who is ...`, and not `the adjuster who is ...`."""
_FIELD: Final = re.compile(
    r"\b(?:[Ww]hat|[Ww]hich|[Ww]ho) (?:is|are|was|were) the ([a-z][a-z -]*?)"
    r"(?: of| for| in| at| on| that| which|[?.,;]|$| and)(?!\w)|"
    r"\b(?:[Ff]ind|[Gg]ive|[Ll]ook up|[Tt]ell|[Nn]eed|[Gg]et)(?: me| us| out)? the ([a-z][a-z -]*?)"
    r" (?:of|for|in|at|on)\b|"
    r"\b(?:[Ww]hat|[Ww]hich) (?:is|are|was|were) [A-Z][\w. -]*['’]s? ([a-z][a-z -]*?)(?:[?.,;]|$| and\b| in\b)"
)
"""`What is the phone number of ...`, `What is Jane Doe's phone number?`"""
_DATE: Final = re.compile(r"^\d{4}-\d\d-\d\d(?!\d)")
_WHICH: Final = re.compile(r"\b(?:[Ww]hat|[Ww]hich) ([a-z]+)\b")
_HOW_MANY: Final = re.compile(r"\b[Hh]ow many (?:more )?([a-z]+)\b")
_NO_FIELDS: Final = words("degree time percent point more other different of are is in")
"""Words after `how many` that name no field."""
_LAST: Final = words("number address name date code value id")
"""Words that mean little at the end of a field's name."""
SAME: Final = [
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
    words("member people person staff employee headcount"),
    words("piece item unit stock quantity"),
    words("time hour departure departs departing arrival arrives"),
]
"""Names of fields that mean the same."""


def other_kind(goal: Goal, observations: Observations, values: Sequence[Value], reads: set[Path]) -> Iterator[str]:
    """That no value is of the kind, or in the field, that the goal asks for; values are none for words alone."""
    data = [plain(value) for value in values] or [observations.at(path) for path in reads]
    flat = [each for value in data for each in (value if isinstance(value, list) else [value])]
    if not flat or None in flat:
        return
    if asks_for_number(goal) and not any(re.search(r"\d", _DATE.sub("", str(each))) for each in flat):
        yield "The goal asks for a number, and no value is one."
    if asks_for_day(goal) and not any(re.search(r"\d", str(each)) for each in flat):
        yield "The goal asks for a day or a time, and no value is one."
    if _WHO.search(goal.text) and not goal.compares and not any(map(_is_words, flat)):
        yield "The goal asks for somebody or something by its name, and no value is that."
    if goal.compares or not all(value.path for value in values):
        return
    fields = [path for value in values for path in [value.path] if path] or [*reads]
    known = {word for path in fields for key in path[1:] for word in key_words(str(key))}
    known |= {word for path in fields for word in key_words(observations.by_name[str(path[0])].tool)}
    texts = [str(observations.at(path)) for path in fields]
    known |= {word for text in texts for word in (*words_of(text), *kind_words(text))}
    for own, asked in asked_fields(goal):
        if not known & asked:
            yield f"No value is in a field for {own}: if there is none, say so."


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and quantity(value) is None and bool(re.match(r"\W*[^\W\d]", value))


def asks_for_number(goal: Goal) -> bool:
    """Whether a goal asks for a number."""
    return _HOW_MUCH.search(goal.text) is not None


def asks_for_day(goal: Goal) -> bool:
    """Whether a goal asks for a day or a time."""
    return _WHEN.search(goal.text) is not None


def asks_for_other(goal: Goal, key: str, value: str) -> bool:
    """Whether a goal names a field on the way to something else, by the kind of its value or by its name."""
    if asks_for_number(goal) and re.match(r"\W*\d", value) is None:
        return True
    if asks_for_day(goal) and date_of(value[:10]) is None and re.match(r"\d", value) is None:
        return True
    asked = field_words(goal)
    return bool(asked) and not asked & {*key_words(key)}


def is_asked_for_itself(goal: Goal, key: str) -> bool:
    """Whether a goal asks which depot it is, and not for something of the depot."""
    words = "|".join(map(re.escape, {*words_of(key)}))
    asks = (
        r"\b(?:which|what|whose|who|whom|name|find|list|show|give me|tell me)(?: out)?(?: is| are| was)?(?: the| its)?"
    )
    return re.search(rf"{asks}(?: \w+)? (?:{words})s?\b(?! of|['’])", goal.plain) is not None


def asked_fields(goal: Goal) -> list[tuple[str, set[str]]]:
    """The fields that a goal asks for by their names, each with all words for it; none where it names none.

    The last word does not count where it means little: the number of a phone number.
    """
    found = [next(filter(None, match.groups())) for match in _FIELD.finditer(goal.spelled.replace("e-mail", "email"))]
    phrases = [words_of(each) for each in found]
    phrases = [each[:-1] if len(each) > 1 and each[-1] in _LAST else each for each in phrases]
    which = [words_of(match[1]) for match in _WHICH.finditer(goal.text)]
    phrases += [[word] for each in which for word in each if any(word in group for group in SAME)]
    counted = (words_of(match[1]) for match in _HOW_MANY.finditer(goal.text))
    phrases += [[word] for each in counted for word in each if not _is_measure(word)]
    return [(" ".join(each), _all_words({*each, "".join(each)})) for each in phrases]


def _is_measure(word: str) -> bool:
    return word in _NO_FIELDS or unit_of(word) is not None or code_of(word) is not None


def _all_words(own: set[str]) -> set[str]:
    return own.union(*(group for group in SAME if group & own))


def field_words(goal: Goal) -> set[str]:
    """Words for all fields that a goal asks for by their names; empty where it does not."""
    return {word for _, words in asked_fields(goal) for word in words}


def kind_words(value: str) -> tuple[str, ...]:
    """Words for what a value is by its form, whatever its field is called: a time of the day."""
    return ("time", "hour") if re.fullmatch(r"\d{1,2}[:.h]\d\d(?::\d\d)?", value) else ()


def key_words(key: str) -> list[str]:
    """The words of the name of a field."""
    parts = words_of_key(key)
    return [*parts, "".join(parts)]
