"""Whether what an answer reads is what its goal asks for, by the names of the fields.

A goal names a field by one of its words, by a word that means the same (`how deep`), by a unit, or by the kind of what
it asks for (`when`). In other languages than English nothing is known of that.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from ..form.currency import code_of
from ..form.words import normalize
from .asked import SAME, is_time, kind_words
from .goal import STARTS, TOTALS, Goal
from .missing import is_in_goal, is_long
from .observed import Observations, is_alike, words, words_of, words_of_key
from .suggested import MEAN, is_number, price_and_quantity
from .units import quantity, unit_of, unit_of_field
from .values import Path, Value, name_of

NOT_ASKED: Final = "The goal does not ask for"
"""The beginning of a hint that an answer is in another field than the goal asks for."""
_WHICH: Final = re.compile(r"\b(?:which|what) ([a-z]+)\b", re.IGNORECASE)
_OF_WHAT: Final = re.compile(r"\bhow (?:many|much) [a-z]+ of ([a-z]+)\b", re.IGNORECASE)
TWO: Final = 2
"""Values of an answer to two questions, at least."""
LONG_KEY: Final = 5
"""Letters of a name that stands in a goal as two words by no chance: `timezone`."""
_NAMING: Final = words("name title id number code label")
_ALSO: Final = re.compile(
    r"(?:\band|,|\?|;)\s+(?:also |then |so )?(?:(?:on|in|at|by|from|to|since|until) )?"
    r"(?:what|which|who|whose|when|where|how (?:many|much|long|far|old|big|tall|high|deep|heavy))\b",
    re.IGNORECASE,
)
"""A second question in a goal."""
_AND_WHAT: Final = re.compile(
    r"\band (?:what|when|where|who|whose)\b(?!(?: is|['’]s)? (?:the|its) difference)", re.IGNORECASE
)
"""A question beside a comparison: the price of a night in the hostel that has more beds."""
_DIFFERENCE: Final = re.compile(
    r"\b(?:difference|differ|more|less|fewer|than|between|rise|risen|fallen|left|remain\w*)\b"
)
_SUBTRACTED: Final = re.compile(
    r"\b(?:differ\w*|saved?|saves|saving|unspent|unsold|left over|remain\w*|still left)\b|"
    r"\b\w+s left(?= ?(?:\?|\.|$|on |in |at |for |of ))"
)
"""What a goal asks for where one number is taken from another, unless there is a field of that name."""
_SUBTRACTS: Final = re.compile(r" - |\bdays_between\b|\babs\b")
_GENERIC: Final = words("id key type kind text note description currency unit url row column index")
"""Names of fields that a goal mentions for other reasons."""

_LIGHT_YEAR: Final = re.compile(r"light[- ]year", re.IGNORECASE)
"""A length, and not a time."""
SMALL: Final = words("a an and as at in is it of on or out the")
"""Words of goals that name no field: `outOf`."""
_PERIODS: Final = {
    **dict.fromkeys(("day", "daily", "today", "night"), "day"),
    **dict.fromkeys(("week", "weekly", "fortnight"), "week"),
    **dict.fromkeys(("month", "monthly"), "month"),
    **dict.fromkeys(("year", "yearly", "annual", "annually"), "year"),
}
"""Words for periods of time."""
_BEGINNING: Final = words("from start since begin begins starts")
_END: Final = words("to until till end ends expires expiry")
_ENDS: Final = re.compile(r"\b(?:runs? out|expir\w+|until|till|ends?|ending|clos\w+|shuts?|no longer)\b")
_BEGINS: Final = re.compile(r"\b(?:from|since|starts?|starting|begins?|opens?|opening|how early)\b")
_LEAVES_OUT: Final = re.compile(r"\b(?:leav\w+ out|without|except\w*|excluding|not counting|apart from)(?: the)? (\w+)")

_TABLE: Final = """
long longer longest short shorter shortest: length page duration minute distance km second hour
heavy heavier heaviest light lighter lightest weigh: weight mass
warm warmer warmest cold colder coldest hot hotter hottest cool cooler coolest degree: temperature temp
high higher highest tall taller tallest low lower lowest: height elevation altitude
deep deeper deepest shallow shallower shallowest down: depth
cheap cheaper cheapest dear dearer dearest costly costlier costliest pricey pricier priciest: price cost fee rate rent
cheap cheaper cheapest dear dearer dearest: total amount fare
pay charge charged spend owe expensive worth: price cost fee rate rent fare amount total
large larger largest big bigger biggest small smaller smallest size: size area seat population member staff capacity
far farther further nearest closest near: distance km
fast faster fastest quick quicker quickest slow slower slowest: speed minute duration time
windy windier windiest: wind
strong stronger strongest: alcohol strength
loud louder loudest quiet quieter quietest noisier: noise sound loudness decibel db
old older oldest young younger youngest: age year built born founded
new newer newest early earlier earliest late later latest soon sooner soonest first last: year date day time founded
old older oldest new newer newest first last before after: built born joined opened established begun ordered
where: town city place location seat room office site floor shelf district port station cupboard hall aisle
where: address street venue building country region
who whose whom: name person owner
when: date day time year
called: name title
come from: origin nationality country
sit seat seated: seat capacity
wrote written write: author writer
run lead head manage charge: manager head lead leader boss director
unsold: sold
unpaid: paid
unused: used
start began begin begun since: joined start begin since
teach teache taught: teacher tutor instructor
win won: winner awarded
ring dial call reach: phone telephone mobile extension
expire expires until end ends: valid until expiry expire end to deadline due
sort kind type: kind type model category make
often: frequency interval every
make made: maker manufacturer artist
live: population inhabitant
work: employee staff
leave depart go: departure departs leaves leave depart
arrive get: arrival arrives arrive
open: opens opening hours hour
close shut: closes closing hours hour
"""
_FIELDS: Final = [
    (words(own), words(names)) for own, _, names in (line.partition(": ") for line in _TABLE.strip().splitlines())
]
"""Words of goals, and the words in the names of fields that they ask for."""


def irrelevant(
    goal: Goal, observations: Observations, values: Sequence[tuple[Value, set[Path]]], reads: set[Path]
) -> Iterator[str]:
    """What is wrong with the fields of an answer: values with what each has read; for words alone, what they say."""
    if not goal.is_english:
        return
    given = [path for value, read in values for path in (list(_places(value)) or read)] or [*reads]
    own = [path for path in given if normalize(str(observations.at(path))) not in observations.called]
    if any(is_long(observations.at(path)) for path in own):
        return
    other = [path for path in own if not (is_asked(path, observations, goal) or _names_entry(path, observations, goal))]
    asked = {name_of(path) for path in own if path not in other}
    if other and (not asked or (asks_two(goal) and len(asked) < TWO)):
        yield _not_asked(goal, observations, other)
    named = {path[:-1] for path in own if path not in other and _said(str(path[-1]), goal)}
    if len(more := [path for path in other if path[:-1] in named]) > 1:
        yield _not_asked(goal, observations, more)
    yield from _other_than_named(goal, observations, own)
    yield from _of_another_part(goal, observations, own)
    yield from _of_other_end(goal, own)
    yield from _of_another_period(goal, values)
    yield from _left_out_of(goal, values)
    for value, read in values:
        yield from _of_different_fields(goal, observations, value, read)
    yield from _one_of_two(goal, observations, values, reads)


def _places(value: Value) -> Iterator[Path]:
    """The places of a value that was found, or of the entries of a list of them."""
    if value.path:
        yield value.path
    elif isinstance(value.data, list):
        for each in value.data:
            if isinstance(each, Value):
                yield from _places(each)


def _not_asked(goal: Goal, observations: Observations, own: Sequence[Path]) -> str:
    others = {str(path[-1]) for path, leaf in observations.leaves() if is_asked(path, observations, goal)}
    fields = ", ".join(sorted({str(path[-1]) for path in own if isinstance(path[-1], str)}))
    such = f": read {', '.join(sorted(others)[:3])}" if others else ": if there is none, say so"
    return f"{NOT_ASKED} {fields or 'that'}{such}."


def _other_than_named(goal: Goal, observations: Observations, own: Sequence[Path]) -> Iterator[str]:
    """A field that the goal names after which or what, and that was found and not read: `at which port`."""
    read = {word for path in own for key in path[1:] for word in words_of_key(str(key))}
    asked = [] if goal.compares else [*_WHICH.findall(goal.spelled), *_OF_WHAT.findall(goal.spelled)]
    for word in (each for found in asked for each in words_of(found)):
        fields = [
            str(path[-1])
            for path, leaf in observations.leaves()
            if word in words_of_key(str(path[-1])) and not is_known(leaf, goal, observations)
        ]
        if fields and word not in read:
            yield f"The goal asks for the {word}: read {fields[0]}."


def _of_another_part(goal: Goal, observations: Observations, own: Sequence[Path]) -> Iterator[str]:
    """A field of a part that the goal does not name, beside one that it names: the consultant, for the nurse."""
    for path in own:
        for at in range(2, len(path)) if name_of(path) not in goal.fields else ():
            key, around = path[at - 1], observations.at(path[: at - 1])
            if not isinstance(key, str) or not isinstance(around, dict) or _said(key, goal):
                continue
            others = [other for other, value in around.items() if isinstance(value, dict | None) and _said(other, goal)]
            if others:
                yield f"The goal asks for the {others[0].replace('_', ' ')}: read that, or say that there is none."


def _said(key: str, goal: Goal) -> bool:
    """Whether all words of the name of a part stand in the goal."""
    said = [word for word in words_of_key(key) if len(word) > TWO]
    return bool(said) and {*said} <= {*goal.words}


def _of_other_end(goal: Goal, own: Sequence[Path]) -> Iterator[str]:
    """The beginning of a time, for a goal that asks for its end: `valid.from`, for what runs out."""
    asks = bool(_ENDS.search(goal.plain)), bool(_BEGINS.search(goal.plain))
    for path in own:
        key = words_of_key(str(path[-1]))
        if asks == (True, False) and {*key} & _BEGINNING:
            yield f"The goal asks for the end, and {path[-1]} is the beginning."
        if asks == (False, True) and {*key} & _END:
            yield f"The goal asks for the beginning, and {path[-1]} is the end."


def _of_another_period(goal: Goal, values: Sequence[tuple[Value, set[Path]]]) -> Iterator[str]:
    """What is so much a day, as it stands, for a goal that names weeks."""
    periods = {word for word in goal.words if word in _PERIODS}
    for value, _ in values:
        parts = words_of_key(str(value.path[-1])) if value.path else []
        per = parts[parts.index("per") + 1 :] if "per" in parts else [word for word in parts if word in _PERIODS]
        own = {_PERIODS[word] for word in per if word in _PERIODS}
        if own and periods and not own & {_PERIODS[word] for word in periods}:
            yield f"{value.path[-1] if value.path else ''} is for a {min(own)}: multiply it."


def _left_out_of(goal: Goal, values: Sequence[tuple[Value, set[Path]]]) -> Iterator[str]:
    """A field that the goal leaves out."""
    left = {word for found in _LEAVES_OUT.findall(goal.plain) for word in words_of(found)}
    for value, _ in values:
        if value.path and {*words_of_key(str(value.path[-1]))} & left:
            yield f"The goal leaves out the {value.path[-1]}: give the rest as a value."


def is_known(leaf: Any, goal: Goal, observations: Observations) -> bool:
    """Whether a call was about a value, or the goal has it."""
    return normalize(str(leaf)) in observations.called or is_in_goal(leaf, goal)


def _of_different_fields(goal: Goal, observations: Observations, value: Value, read: set[Path]) -> Iterator[str]:
    """A sum or a product of numbers in several fields, of which the goal asks for one at most."""
    if value.path or isinstance(value.data, list | bool | str):
        return
    numbers = {str(path[-1]): path for path in read if isinstance(path[-1], str) and is_number(observations.at(path))}
    if len(numbers) < 2 or price_and_quantity(dict.fromkeys(numbers, 0)):
        return
    units = {unit_of_field(key) for key in numbers}
    same = len(units) == 1 and None not in units
    asked = [is_asked(path, observations, goal) for path in numbers.values()]
    if not all(asked) and not (same and any(asked)):
        yield f"{' and '.join(sorted(numbers)[:3])} are different things, of which the goal does not ask for each."


def _one_of_two(
    goal: Goal, observations: Observations, values: Sequence[tuple[Value, set[Path]]], reads: set[Path]
) -> Iterator[str]:
    """One field for a goal that asks for two: when, and where."""
    fields = {path[1:] for path in reads}
    failed = any(not each.is_useful for each in observations.all)
    if asks_two(goal) and len(fields) < TWO and len(values) < TWO and not failed:
        yield "The goal asks for two things: give a value for each."
    if goal.compares and _AND_WHAT.search(goal.spelled) and len({name_of(path) for path in reads}) < TWO and not failed:
        yield "The goal asks for more than the comparison: give a value for that."


def asks_two(goal: Goal) -> bool:
    """Whether a goal asks for two things: when, and where."""
    return len(parts_of(goal)) > 1


def parts_of(goal: Goal) -> list[str]:
    """The questions of a goal, where it asks for two things."""
    starts = [] if goal.compares else [found.start() for found in _ALSO.finditer(goal.spelled)]
    return [goal.spelled[start:end].strip(" ,;") for start, end in pairwise([0, *starts, len(goal.spelled)])]


def _names_entry(path: Path, observations: Observations, goal: Goal) -> bool:
    """Whether a value is the name of one of several, of which the goal asks which one it is."""
    asks = goal.compares or bool({"which", "list", "what", "find", "name"} & {*goal.words})
    return (
        asks
        and isinstance(path[-1], str)
        and bool({*words_of_key(path[-1])} & _NAMING)
        and (len(observations.siblings(path)) > 1 or len(observations.all) > 1)
    )


def shows_asked(goal: Goal, observations: Observations) -> bool:
    """Whether a field was found that the goal asks for."""
    return goal.is_english and any(
        is_asked(path, observations, goal)
        for path, leaf in observations.leaves()
        if not is_known(leaf, goal, observations)
    )


def miscomputed(goal: Goal, values: Sequence[tuple[str, Value]], reads: set[Path]) -> Iterator[str]:
    """A sum for a difference, a difference for a sum, a sum for a mean, or a list for one of them."""
    fields = {word for path in reads for key in path[1:] for word in words_of_key(str(key))}
    wanted = {word for found in _SUBTRACTED.findall(goal.plain) for word in words_of(found)}
    subtracts = any(_SUBTRACTS.search(expression) for expression, _ in values)
    if wanted and not subtracts and not goal.compares and not any(is_alike(a, b) for a in wanted for b in fields):
        yield "The goal asks for a difference: give it as a value."
    computed = [(expression, value) for expression, value in values if value.path is None]
    for expression, value in computed:
        operators = set(_operators(expression))
        if ast.Add in operators and _DIFFERENCE.search(goal.plain) and not goal.asks_for_total:
            yield "The goal asks for a difference, and the value is a sum."
        if ast.Sub in operators and goal.asks_for_total and not _DIFFERENCE.search(goal.plain):
            yield "The goal asks for a total, and the value is a difference."
        many = isinstance(value.data, list) and len(value.data) > 1
        if many and goal.asks_for_total and len(values) == 1:
            yield "The goal asks for one value that is computed of several, and not for a list."
        if MEAN.search(goal.plain) and isinstance(value.data, Decimal) and not _divides(expression, len(reads)):
            yield "The goal asks for a mean: divide the sum by how many there are."


def _divides(expression: str, count: int) -> bool:
    """Whether an expression divides by what is computed, or by how many values there are."""
    return any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div | ast.FloorDiv)
        and (not isinstance(node.right, ast.Constant) or node.right.value == count)
        for node in ast.walk(ast.parse(expression.strip(), mode="eval"))
    )


def _operators(expression: str) -> Iterator[type[ast.operator]]:
    """The operators between parts of an expression that are no constants."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and not any(isinstance(each, ast.Constant) for each in (node.left, node.right)):
            yield type(node.op)


def is_asked(path: Path, observations: Observations, goal: Goal) -> bool:
    """Whether the goal asks for a field."""
    leaf = observations.at(path)
    if observations.by_name[str(path[0])].tool == "query":
        return True
    keys = [key for key in path[1:] if isinstance(key, str)]
    if not keys or name_of(path) in goal.fields:
        return True
    if any(words_of_key(keys[-1]) == words_of(name) for name in goal.names):
        return True
    wanted = asked_words(goal, frozenset(each.tool for each in observations.all))
    parts = [part for key in keys for part in words_of_key(key)]
    parts = [part for part in parts if unit_of(part) is None] or parts
    joined = {"".join(words_of_key(key)) for key in keys}
    own = {*parts, *kind_words(str(leaf)), *joined} - _GENERIC
    unit = unit_of_field(keys[-1]) or (quantity(str(leaf)) or (0, None))[1]
    if unit:
        own.add(unit.dimension)
        if unit.dimension in {each.dimension for each in goal.units}:
            return True
    if any(is_alike(part, word) for part in own if len(part) > 1 for word in wanted):
        return True
    if any(len(key) > LONG_KEY and key in goal.plain.replace(" ", "") for key in joined):
        return True
    if any(code_of(part) for part in words_of_key(keys[-1])) and wanted & {"price", "cost", "pay"}:
        return True
    return is_time(leaf) and bool(wanted & {"when"}) and bool(own & {"date", "day", "time"})


@lru_cache(maxsize=16)
def asked_words(goal: Goal, tools: frozenset[str]) -> set[str]:
    """The words of the question of a goal, without its names, with all that mean the same.

    And without what a tool is about, before a name or a number: the order 5502.
    """
    names = {word for name in goal.names for word in words_of(name)}
    text = goal.text if goal.compares else " ".join(goal.questions) or goal.text
    terms = "|".join(map(re.escape, sorted((*goal.names, *goal.numbers), key=len, reverse=True)))
    subjects = {word for tool in tools for word in words_of(tool)}
    before = re.findall(rf"\b([^\W\d_]+) (?:{terms})(?!\w)", text) if terms else []
    said = words_of(_LIGHT_YEAR.sub("lightyear", text))
    for word in (word for each in before for word in words_of(each)):
        if word in subjects and word in said:
            said.remove(word)
    own = {word for word in said if word not in names} - SMALL - (STARTS - {"when", "where", "who", "whose", *TOTALS})
    own |= {"until"} if _ENDS.search(goal.plain) else set()
    own |= {field for adjectives, fields in _FIELDS if adjectives & own for field in fields}
    return own.union(*(group for group in SAME if group & own))
