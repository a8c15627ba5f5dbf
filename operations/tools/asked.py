"""What kind of value a goal asks for: a number, a date, somebody, and the name of the field that it is in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..form.currency import code_of
from ..form.dates import date_of
from ..form.months import months_of
from ..form.words import normalize
from .goal import Goal
from .observed import Observations, words, words_of, words_of_key
from .units import quantity, unit_of, unit_of_field
from .values import Path, Value, name_of, plain
from .wording import stands_in

_HOW_MUCH: Final = re.compile(
    r"\b(?:what|which) number\b|"
    r"\bwhat (?:do|does|did|will|would)\b.*\bcost\b|"
    r"\bhow (?:many|much|long|far|high|tall|old|big|heavy|warm|cold|hot|fast|deep|wide|large|often|late)\b",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(r"\b(?:how (?:long|much|many|far)|difference)\b.*\bbetween\b.* and\b")
_IN_UNIT: Final = re.compile(r"\b(?:in|into|how many) ([^\W\d_]{3,})\b")
_EMAIL: Final = re.compile(r"\be-?mail address(?:es)?\b", re.IGNORECASE)
_WHEN: Final = re.compile(
    r"\bwhen\b|\b(?:what|which)(?:(?:['’]s| is| was) the(?: \w+)?)? (?:day|date|time(?![ -]?zone)|year)\b",
    re.IGNORECASE,
)
_WHO: Final = re.compile(
    r"(?:^|[.?!:;,]\s*|\b(?:and|or|but|me|know|out|say|by|from|to|for|of) )(?:who(?:m|se)?|where)\b|"
    r"\b(?:what|which) (?:city|town|country|street)\b",
    re.IGNORECASE,
)
"""`Who is ...`, and not `the adjuster who is ...`."""
_FIELD: Final = re.compile(
    r"\b(?:[Ww]hat|[Ww]hich|[Ww]ho) (?:is|are|was|were) (?:the|its|their|his|her|your) ([a-z][a-z -]*?)"
    r"(?: of| for| in| at| on| that| which|[?.,;]|$| and)(?!\w)|"
    r"\b(?:[Ff]ind|[Gg]ive|[Ll]ook up|[Tt]ell|[Nn]eed|[Gg]et)(?: me| us| out)? the ([a-z][a-z -]*?)"
    r" (?:of|for|in|at|on|who|that|which)\b|"
    r"\b(?:[Ww]hat|[Ww]hich) (?:is|are|was|were) [A-Z][\w. -]*['’]s? ([a-z][a-z -]*?)(?:[?.,;]|$| and\b| in\b)"
)
"""`What is the phone number of ...`, `What is Jane Doe's phone number?`"""
_DATE: Final = re.compile(r"^\d{4}-\d\d-\d\d(?!\d)")
_NUMBER: Final = re.compile(r"(?<![\w-])[-+]?\d")
"""A number, and not that of a code: `T-06`."""
_WHICH: Final = re.compile(r"\b(?:[Ww]hat|[Ww]hich) ([a-z]+)\b")
_HOW_MANY: Final = re.compile(r"\b[Hh]ow many (?:more )?([a-z]+)\b")
_NO_FIELDS: Final = words("degree time percent point more other different of are is in")
"""Words after `how many` that name no field."""
_RING: Final = re.compile(r"\bnumber\b.*\b(?:ring|call|dial)\b|\b(?:ring|call|dial)\b.*\bnumber\b")
"""A phone number in other words."""
_ATTRIBUTES: Final = words("""
    address phone telephone mobile email mail price cost fee rent town city capital height weight length distance
    duration depth author room office salary age colour color postcode website population temperature humidity
    departure arrival
""")
"""What something may have, and what a goal asks for where it names that, in whatever sentence."""
_DAY_OR_TIME: Final = re.compile(
    r"\b(?:[12]\d{3}|\d{1,2}[:.h][0-5]\d|\d{1,2} ?(?:am|pm|o'clock|h)|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|"
    r"today|tomorrow|yesterday|days?|noon|midnight|now)\b"
)
_AGO: Final = re.compile(r"\bages ago\b|\bfor ages\b")
"""Where ages are no ages."""
SHORT: Final = 60
"""Characters of a text that is a value, and not one that says more."""
_LAST: Final = words("number address name date code value id")
"""Words that mean little at the end of a field's name."""
SAME: Final = [
    words("price cost fee amount rate rent fare"),
    words("phone telephone mobile extension"),
    words("email mail"),
    words("town city place location seat capital"),
    words("height elevation altitude"),
    words("weight mass"),
    words("manager boss supervisor superior head lead leader report"),
    words("job position role title"),
    words("author writer"),
    words("length distance duration"),
    words("room office"),
    words("address street"),
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
    if asks_for_number(goal) and not any(_NUMBER.search(_DATE.sub("", str(each))) for each in flat):
        yield "The goal asks for a number, and no value is one."
    if asks_for_day(goal) and not any(is_time(each) for each in flat):
        yield "The goal asks for a day or a time, and no value is one."
    if _WHO.search(goal.text) and not goal.compares and not any(map(_is_words, flat)):
        yield "The goal asks for somebody or something by its name, and no value is that."
    yield from _without_field(goal, observations, reads)
    if goal.compares or not all(value.path for value in values):
        return
    if values and not goal.is_yes_or_no and all(stands_in(str(each), goal.plain) for each in flat):
        yield "The answer says no more than the goal: read what it asks for."
    yield from _of_other_dimension(goal, observations, reads)
    if _BETWEEN.search(goal.plain):
        yield "The goal asks for what lies between two values: give the difference as a value."
    fields = [path for value in values for path in [value.path] if path] or [*reads]
    known = {word for path in fields for key in path[1:] for word in key_words(str(key))}
    known |= {word for path in fields for word in key_words(observations.by_name[str(path[0])].tool)}
    texts = [str(observations.at(path)) for path in fields]
    known |= {word for text in texts for word in (*words_of(text), *kind_words(text))}
    is_sure = all(name_of(path) in goal.fields for path in fields)
    for own, asked in () if is_sure else asked_fields(goal):
        if not known & asked:
            yield f"No value is in a field for {own}: if there is none, say so."


def _of_other_dimension(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A unit that the goal asks for, though nothing that was read can be given in it."""
    leaves = [(str(path[-1]), str(observations.at(path))) for path in reads]
    units = [unit_of_field(key) or (quantity(text) or (0, None))[1] for key, text in leaves]
    for word in _IN_UNIT.findall(goal.plain):
        asked = unit_of(word)
        if asked and asked.dimension not in {unit.dimension for unit in units if unit}:
            yield f"The goal asks for {word}, and no value is one."


def _without_field(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """What the goal names that something may have, and that is neither read nor a step on the way."""
    if any(not each.is_useful and not each.is_empty for each in observations.all):
        return  # it may be what could not be found out
    if any(name_of(path) in goal.fields for path in reads):
        return
    keys = [key for path in reads for key in path[1:]]
    keys += [path[-1] for path, leaf in observations.leaves() if normalize(str(leaf)) in observations.called]
    known = {word for key in keys for word in key_words(str(key))}
    known |= {"price" for key in keys for part in words_of_key(str(key)) if part == "per" or code_of(part)}
    known |= {unit.dimension for key in keys if (unit := unit_of_field(str(key)))}
    for path in reads:
        text = str(observations.at(path))
        known |= {*kind_words(text), *(words_of(text) if len(text) > SHORT else ())}
    calls = " ".join(
        f"{each.tool} {' '.join(map(str, (*each.arguments, *each.arguments.values())))}" for each in observations.all
    )
    known |= {*words_of(calls)} | {word for name in goal.names for word in words_of(name)}
    for word in words_of(_EMAIL.sub("email", " ".join(goal.questions) or goal.text)):
        if word in _ATTRIBUTES and not _all_words({word}) & known and not _AGO.search(goal.plain):
            yield f"No value is in a field for {word}: if there is none, say so."


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


_IDS: Final = words("id code number reference")


def is_id(key: str) -> bool:
    """Whether a field has an id, which says nothing to people: `adviserId`."""
    return len(parts := words_of_key(key)) > 1 and parts[-1] == "id"


def is_asked_for_itself(goal: Goal, key: str) -> bool:
    """Whether a goal asks which depot it is, and not for something of the depot; for an id only in that word."""
    if is_id(key) and not _IDS & {*goal.words}:
        return False
    words = "|".join(map(re.escape, {*words_of_key(key)}))
    asks = (
        r"\b(?:which|what|whose|who|whom|name|find|list|show|give me|tell me)(?: out)?(?: is| are| was)?(?: the| its)?"
    )
    return re.search(rf"{asks}(?: \w+)? (?:{words})s?\b(?! of|['’])", goal.plain) is not None


def asked_fields(goal: Goal) -> list[tuple[str, set[str]]]:
    """The fields that a goal asks for by their names, each with all words for it; none where it names none.

    The last word does not count where it means little: the number of a phone number.
    """
    found = [next(filter(None, match.groups())) for match in _FIELD.finditer(goal.spelled.replace("e-mail", "email"))]
    phrases = [words_of(each) for each in found if each not in ("person", "people", "one")]
    phrases = [each[:-1] if len(each) > 1 and each[-1] in _LAST else each for each in phrases]
    which = [words_of(match[1]) for match in _WHICH.finditer(goal.text)]
    phrases += [[word] for each in which for word in each if any(word in group for group in SAME)]
    phrases += [["phone"]] if _RING.search(goal.plain) else []
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


def is_time(value: Any) -> bool:
    """Whether a value tells a day or a time: a date, a year, a weekday, a month, an hour, or a text that has one."""
    text = normalize(str(value))
    dated = date_of(text) is not None or date_of(text[:10]) is not None
    is_day = dated or _DAY_OR_TIME.search(text) is not None or any(months_of(word) for word in text.split())
    return is_day and re.fullmatch(r"\+?[\d ]{9,}", text) is None


def kind_words(value: str) -> tuple[str, ...]:
    """Words for what a value is by its form, whatever its field is called: a time of the day."""
    return ("time", "hour") if re.fullmatch(r"\d{1,2}[:.h]\d\d(?::\d\d)?", value) else ()


def key_words(key: str) -> list[str]:
    """The words of the name of a field."""
    parts = words_of_key(key)
    return [*parts, "".join(parts)]
