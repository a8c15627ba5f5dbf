"""Which entries of a list a goal asks for, asked of the model by itself, where the words of the goal do not tell.

`a day without rain, and warmer than 20 degrees` are the entries with `rain_mm` 0 and `high_c` over 20. A small model
that writes such an expression writes a wrong one, or none. Asked about one condition at a time, after examples, it is
much more reliable; what stands in the goal is not asked, and the program chooses the entries.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from math import inf
from typing import Any, Final

from streaming import Event

from ..form.dates import dates_in
from ..llm.prompts import visible
from .asked import field_words, is_time, key_words
from .expressions import Evaluation
from .fields import Asker, Check
from .goal import Goal
from .measures import is_measured
from .missing import is_in_goal, is_long
from .observed import Observations, is_alike, words, words_of, words_of_key
from .suggested import BELOW, Values, expression_of, is_about, is_number, lists, name_of_entries, negates
from .units import quantity, unit_of, unit_of_field
from .values import ExpressionError, Path, plain

SURE: Final = 0.2
SURE_OF_TRUTH: Final = 0.8
"""How much likelier a yes than a no has to be, as a difference of logarithms; and for a field that is true or false."""
SURE_OF_LIMIT: Final = -0.5
"""The same for the field of a limit, which the goal has for one of them: right ones had -0.3 at least, others -1.9."""
MOST_FIELDS: Final = 8
MOST_TEXTS: Final = 6
"""Different texts of a field that may tell the entries apart."""
MOST_SHORT: Final = 2
"""Letters of a name that may stand for another one by chance."""
TWO: Final = 2
_SAYS_LITTLE: Final = words("unit currency id number code")
_NOTHING: Final = words("no non none without zero free dry direct nothing")
"""Words of a goal for a number that is 0."""
_LIMIT: Final = re.compile(
    r"\b(?P<how>at least|at most|no (?:more|less|later) than|up to|over|above|under|below|\w+ than)"
    r"(?P<of>(?: [^\W\d_]+){0,2}) (?:[€$£] ?)?(?P<number>\d[\d.,]*) ?(?P<unit>[^\W\d_]*)"
)
_SIGNS: Final = {
    "at least": ">=", "no less than": ">=", "at most": "<=", "no more than": "<=", "no later than": "<=", "up to": "<=",
    "over": ">", "above": ">", "under": "<", "below": "<",
}  # fmt: skip

_DAY_SIGNS: Final = {"before": "<", "after": ">", "until": "<=", "by": "<=", "since": ">=", "from": ">="}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")

_BOOKINGS, _TICKETS = (
    "Which bookings at the Bellway Hotel are not paid yet?",
    "List the urgent tickets that nobody works on",
)
_GOODS = "What can I still buy for under 20 euros?"
CHOOSES: Final = Check(
    """\
A question asks for some entries of a list. You check whether it asks for those of which a condition is true. A \
condition that the question says nothing about is a no. Reply yes or no.""",
    "Condition",
    (
        (_BOOKINGS, "paid = false", "yes"),
        (_BOOKINGS, "paid = true", "no"),
        (_BOOKINGS, 'room = "double"', "no"),
        (_TICKETS, "assignee is not given", "yes"),
        (_TICKETS, 'priority = "high"', "yes"),
        (_TICKETS, 'priority = "low"', "no"),
        (_TICKETS, 'system = "mail"', "no"),
        (_GOODS, "price_eur < 20", "yes"),
        (_GOODS, "weight_kg < 20", "no"),
        (_GOODS, 'state = "sold out"', "no"),
        (_GOODS, 'state = "in stock"', "yes"),
        ("How many of the lamps on Mill Lane work?", "broken = true", "no"),
    ),
)
"""Whether a question asks for the entries that fulfil a condition."""

Entries = Sequence[Mapping[str, Any]]
Option = tuple[str, str]
"""A condition in words, and as an expression over `each`."""


def entries_asked(asker: Asker, goal: Goal, observations: Observations) -> Generator[Event, Any, Values]:
    """Values for the entries that a goal asks for: their names, how many there are, or a field of the only one.

    None where that is not sure.
    """
    found: dict[tuple[str, ...], list[tuple[Path, Entries]]] = {}
    for path, entries in lists(observations):
        place = (observations.by_name[str(path[0])].tool, *map(str, path[1:]))
        parts = found.setdefault(place, [])
        if not any(entries == others for _, others in parts):  # the same one may be asked for twice
            parts.append((path, entries))
    if len(found) != 1 or goal.asks_for_total:
        return []
    [parts] = found.values()
    every = [entry for _, entries in parts for entry in entries]
    name = name_of_entries(goal, every)
    tests = yield from asked_tests(asker, goal, every)
    if not tests or name is None:
        return []
    chosen = [f"[each[{name!r}] for each in {expression_of(path)} if {' and '.join(tests)}]" for path, _ in parts]
    named = [_computed(expression, observations) for expression in chosen]
    if not 0 < sum(map(len, named)) < len(every):
        return []
    if goal.compares:
        return _end(goal, every, name, parts[0][0], tests) if len(parts) == 1 else []
    if re.search(r"\bhow many\b", goal.plain):
        return [("count", " + ".join(f"len({expression})" for expression in chosen))]
    if values := (yield from _of_one(asker, goal, observations, parts, tests)):
        return values
    asked = field_words(goal)
    if (asked and not asked & {*key_words(name)}) or any(is_in_goal(each, goal) for each in chain(*named)):
        return []  # it asks for something of them
    return [(name, expression) for expression, each in zip(chosen, named, strict=True) if each]


def _of_one(
    asker: Asker, goal: Goal, observations: Observations, parts: Sequence[tuple[Path, Entries]], tests: Sequence[str]
) -> Generator[Event, Any, Values]:
    """The field that a goal asks for of the only entry that fulfils the tests."""
    conditions = " and ".join(tests)
    fields = [key for key in parts[0][1][0] if f"each[{key!r}]" not in conditions]
    found: dict[str, tuple[Any, str]] = {}
    for key in fields:
        for path, _ in parts:
            values = _computed(f"[each[{key!r}] for each in {expression_of(path)} if {conditions}]", observations)
            if len(values) > 1 or (values and key in found):
                return []
            if values and not isinstance(values[0], list | dict | None):
                found[key] = values[0], f"[each for each in {expression_of(path)} if {conditions}][0][{key!r}]"
    name = yield from asker.field(goal.text, {key: value for key, (value, _) in found.items()})
    return [(name, found[name][1])] if name else []


def _end(goal: Goal, entries: Entries, name: str, path: Path, tests: Sequence[str]) -> Values:
    """The entry with the highest or the lowest value, of those that fulfil the tests."""
    keys = [key for key in entries[0] if is_measured(key, goal) and is_number(entries[0][key])]
    direction = goal.direction(dates=False)
    if len(keys) != 1 or not direction:
        return []
    choose = "max" if direction > 0 else "min"
    chosen = f"[each for each in {expression_of(path)} if {' and '.join(tests)}]"
    entry = f"{choose}({chosen}, key=lambda each: each[{keys[0]!r}])"
    return [(each, f"{entry}[{each!r}]") for each in (name, keys[0])]


def _computed(expression: str, observations: Observations) -> Sequence[Any]:
    try:
        value = plain(Evaluation(observations.values).value(expression))
    except ExpressionError:
        return ()
    return value if isinstance(value, list) else ()


def asked_tests(asker: Asker, goal: Goal, entries: Entries) -> Generator[Event, Any, list[str]]:
    """What the entries have to fulfil that a goal asks for; nothing where that is not sure, or the model fails."""
    chosen: list[str] = []
    for options, sure in _questions(goal, entries):
        if len(options) == 1 and not options[0][0]:
            chosen.append(options[0][1])
            continue
        lines = {expression: visible(text) for text, expression in options}
        odds = yield from asker.odds_of_lines(goal.text, lines, CHOOSES)
        if not odds:
            return []
        best = max(odds, key=lambda each: odds[each])
        if odds[best] >= sure:
            chosen.append(best)
    return chosen


def _questions(goal: Goal, entries: Entries) -> Iterator[tuple[list[Option], float]]:
    """Conditions of which one may hold, and how sure that has to be; one without words is sure."""
    keys = [key for key in entries[0] if all(key in entry for entry in entries)]
    columns = {key: [entry[key] for entry in entries] for key in keys}
    numbers = [key for key, values in columns.items() if _is_measure(values)]
    for sign, number, found in _limits(goal):
        fitting = [key for key in numbers if _fits(key, found, columns[key])] or numbers
        sure = len(fitting) == 1
        if fitting:
            tests = [(f"{key} {sign} {number}", f"each[{key!r}] {sign} {number}") for key in fitting]
            yield [("" if sure else text, test) for text, test in tests], SURE_OF_LIMIT
    dated = [key for key, values in columns.items() if all(_DATE.match(str(value)) for value in values)]
    for sign, day in _days(goal) if dated else ():
        yield [(f"{key} {sign} {day}", f"each[{key!r}] {sign} '{day}'") for key in dated], -inf
    zeros = [key for key in numbers if 0 in columns[key]]
    if zeros and _NOTHING & {*goal.words}:
        yield [(f"{key} = 0", f"each[{key!r}] == 0") for key in zeros], 0.0  # the goal has a word for that
    name = name_of_entries(goal, entries)
    for key, values in [*columns.items()][:MOST_FIELDS]:
        if key not in numbers and key != name and (options := _options(goal, key, values)):
            is_truth = any(isinstance(value, bool) for value in values)
            yield options, SURE_OF_TRUTH if is_truth else SURE


def _is_measure(values: Sequence[Any]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(is_number(each) or (isinstance(each, str) and quantity(each)) for each in given)


def _limits(goal: Goal) -> Iterator[tuple[str, str, re.Match[str]]]:
    for found in _LIMIT.finditer(goal.plain):
        sign = _SIGNS.get(found["how"]) or ("<" if found["how"].split()[0] in BELOW else ">")
        yield sign, found["number"].rstrip(".,").replace(",", ""), found


def _days(goal: Goal) -> Iterator[tuple[str, date]]:
    """The days before or after which something has to be: `before 1 October`."""
    for found in dates_in(goal.plain):
        if sign := _DAY_SIGNS.get(" ".join(goal.plain[: found.start].split()[-1:])):
            yield sign, found.day


def _fits(key: str, found: re.Match[str], values: Sequence[Any]) -> bool:
    """Whether a field has the unit, or the name, of a limit: `less than 20 km down`."""
    parts = words_of_key(key)
    unit = unit_of(found["unit"]) if found["unit"] else None
    texts = [quantity(each) for each in values if isinstance(each, str)]
    own = unit_of_field(key) or next((each[1] for each in texts if each), None)
    if unit and own:
        return unit.dimension == own.dimension
    said = words_of(f"{found['of']} {found['unit']}")
    return any(
        is_alike(part, word) or (len(part) > MOST_SHORT and word.startswith(part)) for part in parts for word in said
    )


def _options(goal: Goal, key: str, values: Sequence[Any]) -> list[Option]:
    each = f"each[{key!r}]"
    given = [value for value in values if value is not None]
    missing = [(f"{key} is not given", f"{each} == None")] if len(given) < len(values) else []
    if given and all(isinstance(value, bool) for value in given):
        if is_about(key, goal) and not negates(goal):
            return [("", each)]
        return [(f"{key} = true", each), (f"{key} = false", f"not {each}"), *missing]
    texts = list(dict.fromkeys(value for value in given if isinstance(value, str) and not is_long(value)))
    if len(texts) != len({*map(str, given)}) or len(texts) + len(missing) < TWO:
        return missing
    named = [text for text in texts if is_in_goal(text, goal)]
    if len(named) == 1:
        return [("", f"{each} == {named[0]!r}")]
    few = len(texts) <= MOST_TEXTS and len(texts) < len(values) and not {*words_of_key(key)} & _SAYS_LITTLE
    if not few or any(is_time(text) for text in texts):
        return missing
    return [*((f'{key} = "{text}"', f"{each} == {text!r}") for text in texts), *missing]
