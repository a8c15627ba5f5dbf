"""The words of an answer: the model's sentence where each fact in it is a value, else the values themselves.

A comparison is worded by the program: the values in their order, with the difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ..form.amounts import is_numeric, numbers_in, readings
from ..form.dates import date_of, dates_in
from ..form.words import normalize
from . import units
from .goal import Goal
from .measures import is_measured
from .observed import FAULTS, Observations, Observed, spaced, text_of, words_of, words_of_key
from .values import Path, Value, plain

LONG: Final = 200
"""Characters from which a text is one to be read, and no name."""
MAX_ENTRIES: Final = 12
_COMPARED: Final = re.compile(
    r"\b(?:than|more|less|most|least|fewer|same|equal|als|mehr|weniger|\w{2,}(?:er|est|ier|iest))\b", re.IGNORECASE
)
_ASKS_FOR_DIFFERENCE: Final = re.compile(r"\bby how (?:much|many)\b|\bhow (?:much|many)\b[^.?]*\bthan\b", re.IGNORECASE)
_DENIED: Final = re.compile(
    r"\b(?:not|no|none|never|nobody|nothing|cannot|unknown|unavailable|unable|without|yes|kein\w*|nicht|niemand|ja|nein)"
    r"\b|n't\b",
    re.IGNORECASE,
)
_MINUTE: Final = units.unit_of("min")
UNSAID: Final = ("invalid_arguments", "no_such_tool")
"""Codes of failures that say nothing about what was asked for."""
_NUMBER: Final = re.compile(r"(?<![^\W_])[-+]?\d(?:[\d.,:/' -]*\d)?")


class Rank(NamedTuple):
    """One of several values that are compared; `direction` is 1 for the highest, -1 for the lowest, 0 for neither."""

    subject: str
    shown: str
    order: Decimal
    direction: int
    is_date: bool


def facts(text: str) -> list[str]:
    """The numbers, dates and names of a text."""
    written = [match[0].strip(" -/:") for match in _NUMBER.finditer(text)]
    return [*written, *Goal(f"{text} the", date.min).names]


def numbers(text: str) -> list[str]:
    """The numbers of a text, without those that are a part of a name, such as `A1`."""
    return re.findall(r"(?<![^\W_])\d+(?:[.,]\d+)*", normalize(text))


_CLOCK: Final = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?")
"""A time of the day, or how long something took; of two of one form the order is the same, whatever the parts are."""
_DATED: Final = re.compile(r"\d{1,2}\.? [^\W\d_]{3,9}\.? \d{4}|[^\W\d_]{3,9}\.? \d{1,2}, \d{4}")
"""A date with its month in words."""


def stands_in(fact: str, text: str) -> bool:
    """Whether a number, a date or words stand in a normalized text, in whatever notation."""
    wanted = normalize(fact)
    if is_numeric(wanted) and len(re.sub(r"\D", "", wanted)) < 16:
        values = readings(wanted)
        if any(number.value in values for number in numbers_in(text)):
            return True
        return bool(re.search(rf"(?<![\d.,]){re.escape(wanted.strip())}(?![\d]|[.,]\d)", text))
    day = date_of(fact)
    if day is not None:
        return any(found.day == day for found in dates_in(text))
    return bool(wanted) and bool(words_of(fact)) and f" {' '.join(words_of(fact))} " in f" {' '.join(words_of(text))} "


def denies(text: str) -> bool:
    """Whether a text says that something is not so, or that it is."""
    return _DENIED.search(text) is not None


# --- nothing ---------------------------------------------------------------------------------------------------------


def nothing_found(goal: Goal, observations: Observations) -> str:
    """What an answer says where all calls failed or had no result."""
    return "\n".join(failures(goal, observations) or ["Not found: no call of a tool has succeeded."])


def failures(goal: Goal, observations: Observations) -> list[str]:
    """A line for each call that had no result, or failed and did not succeed later, unless nobody has asked for it."""
    done = {(each.tool, each.subject) for each in observations.all if each.is_useful}
    said: dict[tuple[str, str], str] = {}
    others: dict[tuple[str, str], str] = {}
    for each in observations.all:
        key = (each.tool, each.subject)
        is_fault = each.code in FAULTS and (each.code in UNSAID or observations.values)
        if each.is_useful or key in done or each.code == "repeated" or is_fault:
            continue
        lines = said if _is_asked_for(each, goal, observations) else others
        if each.is_empty:
            lines[key] = f"Not found: {each.title} has no result."
        else:
            lines[key] = f"Could not be found out: {each.title} failed. {each.text[:200]}"
    return list(said.values()) or ([] if observations.values else list(others.values()))


def _is_asked_for(call: Observed, goal: Goal, observations: Observations) -> bool:
    """Whether a call is about a name or number of the goal, or a value that was found; without any, about its words."""
    terms = [*goal.names, *goal.numbers]
    if not terms:
        return observations.mentions(call.arguments, goal.text)
    asked = [normalize(str(value)) for value in call.arguments.values() if value is not None]
    found = {normalize(str(leaf)) for _, leaf in observations.leaves()}
    return any(value in found or stands_in(value, normalize(term)) for value in asked for term in terms)


def what_there_is(observations: Observations) -> str:
    """A hint: the fields that can be read."""
    fields = [f"{name} has {', '.join(_fields(value)) or 'a text'}" for name, value in observations.values.items()]
    return f"{'; '.join(fields)}. Give what the goal asks for as values, or say that it is not there."[:800]


def fields_without_answer(goal: Goal, observations: Observations) -> str:
    """What an answer says where the observations do not hold what was asked for."""
    lines = [f"{each.title} has only {', '.join(_fields(each.value))}." for each in observations.all if each.is_useful]
    return "\n".join(["Not found.", *lines, *failures(goal, observations)])


def _fields(value: Any) -> list[str]:
    if isinstance(value, list):
        return _fields(value[0]) if value else []
    if not isinstance(value, dict):
        return []
    inner = [f"{key}.{name}" for key, each in value.items() if isinstance(each, dict | list) for name in _fields(each)]
    return [*(str(key) for key in value), *inner][:30]


# --- values ----------------------------------------------------------------------------------------------------------


def answer(
    goal: Goal, observations: Observations, values: Sequence[tuple[str, Value]], text: str, reads: set[Path]
) -> str:
    """The model's sentence with the values in it, or the values; and what could not be found out."""
    shown = [(name, show(value, goal)) for name, value in values]
    sentence = re.sub(r"\{+([^{}]*)\}+", lambda match: _filled(match[1], shown), text)
    ranks = ranking(goal, observations, reads) if goal.compares else []
    if not _is_of(sentence, shown, goal, ranks):
        compared = [_in_words(ranks, asked=_ASKS_FOR_DIFFERENCE.search(goal.text) is not None)] if ranks else []
        said = [(name, value) for name, value in values if not (compared and _is_difference(value, compared[0], goal))]
        lines = [f"{_label(goal, observations, name, value)}: {show(value, goal)}" for name, value in said]
        sentence = "\n".join([*compared, *lines])
    return "\n".join([sentence, *failures(goal, observations)])


def _filled(name: str, shown: Sequence[tuple[str, str]]) -> str:
    wanted = re.sub(r"\W|_", "", name).casefold()
    found = [text for each, text in shown if re.sub(r"\W|_", "", each).casefold() == wanted]
    return found[0] if found else "{?}"


def _is_of(sentence: str, shown: Sequence[tuple[str, str]], goal: Goal, ranks: Sequence[Rank]) -> bool:
    """Whether a sentence has all values and no other facts, and claims nothing that was not computed."""
    if (
        "{?}" in sentence
        or any(text == "not given" for _, text in shown)
        or not sentence.strip()
        or not all(text in sentence for _, text in shown)
    ):
        return False
    values = normalize(" ; ".join(text for _, text in shown))
    if not all(stands_in(fact, values) or stands_in(fact, goal.plain) for fact in facts(sentence)):
        return False
    rest = sentence
    for _, text in shown:
        rest = rest.replace(text, " ")
    if denies(rest):
        return False
    if _COMPARED.search(" ".join(word for word in rest.split() if word.casefold() not in goal.plain)) or goal.compares:
        return bool(ranks) and _names_first(sentence, shown, ranks)
    return True


def _names_first(sentence: str, shown: Sequence[tuple[str, str]], ranks: Sequence[Rank]) -> bool:
    """Whether the one that the goal asks for is a value, and the first of those compared in the sentence."""
    places = {rank.subject: sentence.find(rank.subject) for rank in ranks if rank.subject in sentence}
    first = min(places, key=lambda subject: places[subject], default=None)
    return bool(ranks[0].direction) and first == ranks[0].subject and first in [text for _, text in shown]


def show(value: Value, goal: Goal) -> str:
    """A value for people, in the unit of the goal."""
    data = plain(value)
    if data is None:
        return "not given"
    if isinstance(data, bool):
        return "yes" if data else "no"
    if isinstance(data, list):
        parts = value.data if isinstance(value.data, list) else data
        entries = [show(each if isinstance(each, Value) else Value(each), goal) for each in parts]
        more = f" and {len(entries) - MAX_ENTRIES} more" if len(entries) > MAX_ENTRIES else ""
        return ", ".join(entries[:MAX_ENTRIES]) + more if entries else "none"
    if isinstance(data, dict):
        return ", ".join(f"{key} {show(Value(each), goal)}" for key, each in data.items())
    return _quantity(data, value, goal)


def _quantity(data: Any, value: Value, goal: Goal) -> str:
    """A text as it is, or a number with its unit; converted if the goal names another one."""
    found = units.quantity(data) if isinstance(data, str) else None
    is_number = isinstance(data, int | float | Decimal)
    unit = found[1] if found else value.unit if is_number else None
    text = _number(Decimal(str(data))) if is_number else str(data)
    text = f"{text} {unit.symbol}" if unit and is_number else text
    if is_number and unit == _MINUTE and data >= 60 and data == int(data):
        text = f"{text} ({int(data) // 60} h {int(data) % 60} min)"
    targets = [each for each in goal.units if unit and each.dimension == unit.dimension]
    if unit is None or not targets or unit in targets:
        return text
    number = found[0] if found else Decimal(str(data))
    converted = units.convert(number, unit, targets[0])
    return f"{_number(converted)} {targets[0].symbol} ({text})"


def _number(number: Decimal) -> str:
    """At most four decimals; as many digits as a small number needs."""
    places = 4 if abs(number) >= 1 or not number else min(12, 3 - number.adjusted())
    text = f"{round(number, places):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _label(goal: Goal, observations: Observations, name: str, value: Value) -> str:
    """What a value is: the name of its field and what that is of; for a computed one the model's name."""
    if value.path and len(value.path) > 1:
        key = next((str(each) for each in reversed(value.path) if isinstance(each, str)), name)
        subject = observations.subject(value.path)
        return f"{spaced(key)} ({subject})" if subject else spaced(key)
    label = re.sub(r"[_\s]+", " ", name).strip()
    known = " ".join(map(text_of, (goal.text, *observations.values.values())))
    return label if label and all(stands_in(fact, known) for fact in facts(label)) else "value"


# --- comparisons -----------------------------------------------------------------------------------------------------


def ranking(goal: Goal, observations: Observations, reads: set[Path]) -> list[Rank]:
    """The values that are compared, of the same field of several things, in the order that the goal asks for."""
    groups: dict[str, dict[str, tuple[Decimal, str, bool]]] = {}
    kinds: dict[str, set[str]] = {}
    for path in sorted(reads, key=str):
        key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
        measured = _measure(observations.at(path), key)
        if measured is not None and len(path) > 1:
            groups.setdefault(key, {}).setdefault(observations.subject(path), measured)
            kinds.setdefault(key, set()).add(_kind_of(observations.at(path)))
    complete = [(key, group) for key, group in groups.items() if len(group) > 1 and len(kinds[key]) == 1]
    if len(complete) > 1:  # those by which the entries were chosen are compared with a number
        complete = [(key, group) for key, group in complete if is_measured(key, goal)]
    if len(complete) != 1:
        return []
    [(key, group)] = complete
    dates = any(each[2] for each in group.values()) or (goal.by_time and "age" not in words_of_key(key))
    direction = goal.direction(dates=dates)
    order = sorted(group.items(), key=lambda each: each[1][0], reverse=direction >= 0)
    return [Rank(subject, shown, number, direction, dates) for subject, (number, shown, _) in order]


def _kind_of(data: Any) -> str:
    """What a quantity measures; its words, where that is not known: 3 crates are not more than 2 pallets."""
    found = units.quantity(data) if isinstance(data, str) else None
    return (found[1].dimension if found[1] else found[2]) if found else ""


def _measure(data: Any, key: str) -> tuple[Decimal, str, bool] | None:
    """A number, a quantity or a date, as something that can be compared; how it is shown; whether it is a date."""
    if isinstance(data, bool):
        return None
    if isinstance(data, int | float):
        unit, number = units.unit_of_field(key), Decimal(str(data))
        shown = f"{_number(number)} {unit.symbol}" if unit else _number(number)
        return (number * unit.factor + unit.offset if unit else number), shown, False
    if not isinstance(data, str):
        return None
    is_day = re.match(r"\d{4}-\d\d-\d\d", data) or _DATED.fullmatch(data)
    if is_day and (day := date_of(data if _DATED.fullmatch(data) else data[:10])):
        return Decimal(day.toordinal()), data, True
    if clock := _CLOCK.fullmatch(data):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return Decimal(hours * 3600 + minutes * 60 + seconds), data, False
    found = units.quantity(data)
    if found is None:
        return None
    number, unit, _ = found
    return (number * unit.factor + unit.offset if unit else number), data, False


def lacks_difference(goal: Goal, ranks: Sequence[Rank]) -> bool:
    """Whether a goal asks by how much, and the words of a comparison do not say that."""
    return bool(_ASKS_FOR_DIFFERENCE.search(goal.text)) and not _differences(ranks, asked=True)


def _in_words(ranks: Sequence[Rank], *, asked: bool) -> str:
    first, second = ranks[0], ranks[1]
    if first.order == second.order:
        return f"{first.subject} and {second.subject} are equal: {first.shown}."
    high, low = ("latest", "earliest") if first.is_date else ("highest", "lowest")
    word = f"the {low if first.direction < 0 else high}"
    others = ", ".join(f"{rank.subject} {rank.shown}" for rank in ranks[1:MAX_ENTRIES])
    return f"{first.subject}: {first.shown}, {word}; {others}.{_differences(ranks, asked=asked)}"


def _differences(ranks: Sequence[Rank], *, asked: bool) -> str:
    if len(ranks) == 2:
        return _difference(ranks[0], ranks[1])
    found = [
        _difference(ranks[0], rank).replace("difference is", f"difference to {rank.subject} is") for rank in ranks[1:]
    ]
    return "".join(found) if asked and len(ranks) <= MAX_ENTRIES else ""


def _is_difference(value: Value, compared: str, goal: Goal) -> bool:
    """Whether the words of a comparison say a difference that was computed, in whatever order."""
    if value.path or not isinstance(value.data, Decimal):
        return False
    return f" is {show(Value(abs(value.data), unit=value.unit), goal)}." in compared


def _difference(first: Rank, second: Rank) -> str:
    """How far apart two values are, where they have the same unit."""
    if first.is_date and not (first.shown.isdigit() and second.shown.isdigit()):  # those are years
        is_day = date_of(first.shown[:10]) and date_of(second.shown[:10])
        return f" The difference is {abs(first.order - second.order)} days." if is_day else ""
    if _CLOCK.fullmatch(first.shown):
        return ""
    one, other = units.quantity(first.shown), units.quantity(second.shown)
    if one is None and other is None:
        return f" The difference is {_number(abs(first.order - second.order))}."
    if one is None or other is None or one[1] != other[1]:
        return ""
    unit = f" {one[1].symbol}" if one[1] else ""
    return f" The difference is {_number(abs(one[0] - other[0]))}{unit}."
