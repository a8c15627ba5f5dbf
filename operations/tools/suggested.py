"""Expressions that may be what a goal asks for: an example for a model that gave another answer, or none.

Numbers are multiplied and added up, as the goal names them; of a list the entries are chosen that it describes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, Final

from ..form.currency import code_of
from ..form.months import months_of
from ..form.words import normalize
from .asked import SAME, asks_for_number
from .base import Tool
from .goal import Goal
from .measures import MEASURES, TIMES, is_measured
from .observed import Observations, has_words, is_alike, words, words_of, words_of_key
from .units import quantity, unit_of, unit_of_field, with_powers
from .values import Path, name_of
from .wording import stands_in

Values = list[tuple[str, str]]
"""Names and expressions."""

_THRESHOLD: Final = re.compile(
    r"\b(?P<how>at least|at most|over|above|under|below|(?P<adjective>\w{3,}) than) "
    r"(?P<number>\d[\d.,]*) ?(?P<of>[^\W\d_]*)"
)
_ABOVE: Final = words("more over above longer heavier higher taller warmer hotter larger bigger deeper wider greater")
BELOW: Final = words("less fewer under below shorter lighter lower colder cooler smaller cheaper narrower shallower")
_REDUCED: Final = re.compile(r"\b(?P<percent>\d+) ?(?:%|percent|per cent) (?:off|less|cheaper|discount|reduction)\b")
PERCENT: Final = words("percent pct")
"""Words in the names of fields that are a part of another one."""
_DISCOUNTS: Final = words("discount reduction rebate")
_DISCOUNTED: Final = re.compile(r"\b(?:discount\w*|reduc\w+|rebate|off)\b")
_TAXES: Final = words("vat tax")
_TAXED: Final = re.compile(
    r"\b(?:vat|tax)\b.*\b(?:added|included)\b|\b(?:including|incl|with|plus|after|adding|add)\b.*\b(?:vat|tax)\b|\bgross\b"
)
_OF_RATES: Final = words(
    "off once after before less discount reduction rebate reduced vat tax added adding included "
    "including gross been apply applied deducted"
)
"""Words that say that a price is meant with its discount or tax."""
_PERCENT: Final = re.compile(r"%|\bper ?cent\b")
MEAN: Final = re.compile(r"\b(?:average|mean|durchschnitt\w*)\b")
_OTHERWISE: Final = re.compile(r"\b(?:no|not|without|except|other|or|neither|nor|both|either)\b|n't\b")
"""Words with which a condition may mean its opposite."""
_PRICES: Final = frozenset(("price", "cost", "fee", "rate", "fare"))
_PAID: Final = re.compile(r"\b(?:cost|costs|pay|paying|come to|charge|charged|spend|price|owe)\b")
"""Words of a goal that asks what something costs."""
_QUANTITIES: Final = frozenset(("quantity", "qty", "count", "piece", "stock", "number", "unit"))
_AGGREGATES: Final = frozenset(("max", "min", "sum", "avg"))
"""Words in the names of columns that SQL has computed."""
_NAMES: Final = ("name", "title", "room", "id", "number")


def example(goal: Goal, observations: Observations, reads: set[Path]) -> str:
    """The end of a hint: an expression over the numbers that an answer has read, if there are any."""
    found = expression_over(goal, observations, reads)
    return f": give a value such as {found}" if found else ""


def expression_over(goal: Goal, observations: Observations, reads: set[Path]) -> str:
    """Each number that was read times the one before its subject in the goal, added up.

    Of several numbers of one record it is their product: a price and how many there are.
    """
    numbers = numbers_of(observations, reads)
    terms = [_term(goal, observations, path, alone=len(numbers) == 1) for path in numbers]
    of_one = len({observations.record(path) for path in numbers}) == 1
    return (" * " if of_one else " + ").join(terms)


def rate(goal: Goal, observations: Observations) -> str:
    """A price for a unit, times the number of these units in the goal; empty if there is none, or several."""
    found: dict[tuple[str, str], str] = {}  # the same record may have been asked for twice
    amounts = re.findall(r"(\d[\d.,]*) ?([^\W\d_]+[23]?)", with_powers(goal.plain))
    amounts += [(_FEW[few], word) for few, word in _SOME.findall(goal.plain)]
    for path, leaf in observations.leaves():
        parts = words_of_key(str(path[-1]))
        of, _, per = (parts[:-2], parts[-2], parts[-1]) if parts[-2:-1] == ["per"] else ([], "", "")
        is_amount = is_number(leaf) or (isinstance(leaf, str) and quantity(leaf) is not None)
        for number, word in amounts if per and is_amount else ():
            if times := _times(number.rstrip(".,"), per, word):
                expression = _in_goal_unit(goal, f"{expression_of(path)} * {times}", of[-1] if of else "")
                found.setdefault((name_of(path), str(leaf)), expression)
    return next(iter(found.values())) if len(found) == 1 else ""


_FEW: Final = {"a": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "ten": "10"}
_SOME: Final = re.compile(rf"\b({'|'.join(_FEW)}) ((?:week|day|hour|fortnight)s?)\b")
"""A number in words of some periods."""


def _times(number: str, per: str, word: str) -> str:
    """How many times something is taken that is so much a unit, for a number of units: 14 a day, for 2 weeks."""
    number, word = (str(2 * int(number)), "weeks") if word.startswith("fortnight") else (number, word)
    own, other = unit_of(per), unit_of(word)
    if per in words_of(word) or (own is not None and own == other):
        return number
    if own is None or other is None or own.dimension != "time" or other.dimension != "time":
        return ""
    ratio = other.factor / own.factor
    return f"{int(number) * int(ratio)}" if number.isdigit() and ratio == int(ratio) else ""


def _in_goal_unit(goal: Goal, expression: str, word: str) -> str:
    """An expression in the unit of its field, converted if the goal asks for another one: kilos of grams."""
    own = unit_of(word) if word else None
    others = [unit for unit in goal.units if own and unit.dimension == own.dimension and unit != own]
    return f"convert({expression}, {own.symbol!r}, {others[0].symbol!r})" if own and others else expression


_DAYS: Final = re.compile(r"\bhow many days\b.*\b(?:between|from|passed|pass|take|took|taken|lie|lay|until|after)\b")
_HOUR: Final = re.compile(r"\d{1,2}:[0-5]\d")
_LONG: Final = re.compile(r"\bhow long\b.*\b(?:between|from|until)\b")
_RELATIVE: Final = re.compile(r"\b(?:today|now|tomorrow|yesterday|left|ago|each|per)\b")


def days(goal: Goal, observations: Observations) -> str:
    """The days between the two dates that were found, or the time between two hours of the day; empty if not asked."""
    texts = [(path, leaf) for path, leaf in observations.leaves() if isinstance(leaf, str)]
    if len(hours := [path for path, leaf in texts if _HOUR.fullmatch(leaf) and is_about(str(path[-1]), goal)]) == 2:
        return f"{expression_of(hours[1])} - {expression_of(hours[0])}" if _LONG.search(goal.plain) else ""
    dates = [path for path, leaf in texts if re.match(r"\d{4}-\d\d-\d\d", leaf)]
    if len(dates) != 2 or not _DAYS.search(goal.plain) or _RELATIVE.search(goal.plain):
        return ""
    return f"days_between({expression_of(dates[0])}, {expression_of(dates[1])})"


def numbers_of(observations: Observations, reads: set[Path], *, with_units: bool = False) -> list[Path]:
    """Those of the values that were read that are numbers, and texts that are a number and a unit."""
    leaves = ((path, observations.at(path)) for path in sorted(reads, key=str))
    return [
        path for path, leaf in leaves if is_number(leaf) or (with_units and isinstance(leaf, str) and _has_unit(leaf))
    ]


def _has_unit(text: str) -> bool:
    found = quantity(text)
    return found is not None and found[1] is not None


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _term(goal: Goal, observations: Observations, path: Path, *, alone: bool) -> str:
    place = _place(goal, observations, path)
    before = [number for number in goal.numbers if 0 <= goal.plain.find(number) < place]
    factor = before[-1] if before else goal.numbers[0] if alone and len(goal.numbers) == 1 else ""
    return expression_of(path) + (f" * {factor}" if factor else "")


def _place(goal: Goal, observations: Observations, path: Path) -> int:
    return goal.plain.find(normalize(observations.subject(path)))


def expression_of(path: Path) -> str:
    """The expression for what stands at a path."""
    return "".join([str(path[0]), *(f"[{key!r}]" for key in path[1:])])


# --- lists -----------------------------------------------------------------------------------------------------------


def suggested(goal: Goal, observations: Observations) -> Iterator[Values]:
    """Values that a goal may ask for: a comparison, a total, or the entries of a list that it describes.

    Of the entries their names, how many there are, or the sum of a field.
    """
    if goal.compares:
        yield from _compared(goal, observations)
    elif not negates(goal):
        if goal.asks_for_total:
            yield from ([total] for total in _totals(goal, observations))
        for path, entries in lists(observations):
            if value := _of_list(goal, path, entries, asked=observations.called):
                yield [value]
        yield from _products(goal, observations)
        if len(goal.names) > 1 and not goal.asks_for_total:
            yield from _of_each(goal, observations)


def _products(goal: Goal, observations: Observations) -> Iterator[Values]:
    """A number, or a price where the goal asks for one, times that of the goal; a price that is reduced; a rate."""
    numbers = numbers_of(observations, {path for path, _ in observations.leaves()})
    factors = [number for number in goal.numbers if not any(stands_in(number, each) for each in observations.called)]
    prices = [path for path in numbers if _is_price(str(path[-1]))] if _PAID.search(goal.plain) else []
    named = [path for path in prices if {*words_of_key(str(path[-1]))} & {*goal.words} - _PRICES]
    prices = named if len(named) == 1 else prices
    of = prices if len(prices) == 1 else numbers
    yield from ([("price", expression)] for price in prices for expression in _with_rate(goal, numbers, price))
    if found := _REDUCED.search(goal.plain):
        yield from ([("price", f"{expression_of(each)} * (100 - {found['percent']}) / 100")] for each in prices)
    elif len(of) == len(factors) == 1 and (prices or asks_for_number(goal)) and not _PERCENT.search(goal.plain):
        yield [(str(of[0][-1]), expression_over(goal, observations, {*of}))]
    if expression := rate(goal, observations):
        yield [("amount", expression)]


def _with_rate(goal: Goal, numbers: Sequence[Path], price: Path) -> Iterator[str]:
    """A price less the discount, or with the tax, that stands beside it in percent."""
    for path in numbers:
        parts = {*words_of_key(str(path[-1]))}
        if path[:-1] != price[:-1] or not parts & PERCENT:
            continue
        if parts & _DISCOUNTS and _DISCOUNTED.search(goal.plain):
            yield f"{expression_of(price)} * (100 - {expression_of(path)}) / 100"
        if parts & _TAXES and _TAXED.search(goal.plain):
            yield f"{expression_of(price)} * (100 + {expression_of(path)}) / 100"


def _of_list(
    goal: Goal, path: Path, entries: Sequence[Mapping[str, Any]], *, asked: Collection[str]
) -> tuple[str, str] | None:
    conditions = [*_conditions(goal, entries, asked)]
    tests = f" if {' and '.join(conditions)}" if conditions else ""
    over = f"for each in {expression_of(path)}{tests}"
    number, pair, name = _field(goal, path, entries), price_and_quantity(entries[0]), name_of_entries(goal, entries)
    if number and MEAN.search(goal.plain):
        return f"mean {number}", f"sum(each[{number!r}] {over}) / len([each {over}])"
    if goal.asks_for_total and number:
        return number, f"sum(each[{number!r}] {over})"
    if goal.asks_for_total and pair:
        return "total", f"sum(each[{pair[0]!r}] * each[{pair[1]!r}] {over})"
    if conditions and re.search(r"\bhow many\b", goal.question.casefold()):
        return "count", f"len([each {over}])"
    return (name, f"[each[{name!r}] {over}]") if conditions and name else None


def _compared(goal: Goal, observations: Observations) -> Iterator[Values]:
    """One field of several things, or the entry of a list in which it is highest or lowest."""
    for path, entries in lists(observations):
        keys = [key for key in entries[0] if is_measured(key, goal)]
        keys = keys or [key for key in entries[0] if is_number(entries[0][key]) and is_about(key, goal)]
        name = name_of_entries(goal, entries)
        direction = goal.direction(dates=bool(keys and {*words_of_key(keys[0])} & TIMES))
        if len(keys) == 1 and name and direction:
            choose = "max" if direction > 0 else "min"
            entry = f"{choose}({expression_of(path)}, key=lambda each: each[{keys[0]!r}])"
            yield [(each, f"{entry}[{each!r}]") for each in (name, keys[0])]
    places: dict[tuple[str, ...], list[Path]] = {}
    for path, _ in observations.leaves():
        key = path[-1]
        if not isinstance(key, str) or observations.siblings(path)[1:]:
            continue
        if is_measured(key, goal) or (is_number(observations.at(path)) and is_about(key, goal)):
            places.setdefault((observations.by_name[str(path[0])].tool, *map(str, path[1:])), []).append(path)
    for found in places.values():
        named = [path for path in found if is_in_names(observations.subject(path), goal)]
        paths = named if len(named) > 1 else found  # and not the sister of a ship beside those that the goal names
        expressions = [expression_of(path) for path in sorted(paths, key=lambda path: _place(goal, observations, path))]
        direction = goal.direction(dates=bool({*words_of_key(str(paths[0][-1]))} & TIMES))
        if goal.is_yes_or_no and len(paths) == 2 and direction:
            yield [("answer", (" > " if direction > 0 else " < ").join(expressions))]
        elif len(paths) > 1:
            yield [(str(paths[0][-1]), expression) for expression in expressions]


def _of_each(goal: Goal, observations: Observations) -> Iterator[Values]:
    """One field of each thing that the goal names, and that a tool has found; it has failed for the others."""
    for tool in {each.tool for each in observations.all}:
        calls = [each for each in observations.all if each.tool == tool and each.subject in goal.names]
        found = [each for each in calls if each.is_useful]
        if {each.subject for each in calls} < {*goal.names} or len(calls) != len(goal.names):
            continue
        records = [each.value for each in found if isinstance(each.value, dict)]
        for key in records[0] if records and len(records) == len(found) else ():
            if (is_about(key, goal) or is_measured(key, goal)) and all(
                is_number(record.get(key)) for record in records
            ):
                yield [(key, expression_of((each.name, key))) for each in found]


def _totals(goal: Goal, observations: Observations) -> Iterator[tuple[str, str]]:
    """A price times how many there are, and a field of several things, each times the number before it in the goal."""
    fields: dict[str, set[Path]] = {}
    for path, leaf in observations.leaves():
        if is_number(leaf) and not any(isinstance(key, int) for key in path[1:-1]):
            fields.setdefault(str(path[-1]), set()).add(path)
    for (key, paths), (other, others) in permutations(fields.items(), 2):
        if len(paths) == len(others) == 1 and price_and_quantity({key: 0, other: 0}) and is_about(other, goal):
            yield "total", expression_over(goal, observations, paths | others)
    for key, paths in fields.items():
        if len(paths) == len(goal.names) > 1 and is_about(key, goal):
            yield "total", expression_over(goal, observations, paths)


def price_and_quantity(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """The keys of a price and of how many there are, where there is one of each."""
    keys = [key for key, value in entry.items() if is_number(value)]
    prices = [key for key in keys if {*words_of_key(key)} & _PRICES]
    quantities = [key for key in keys if {*words_of_key(key)} & _QUANTITIES]
    return (prices[0], quantities[0]) if len(prices) == len(quantities) == 1 else None


def _is_price(key: str) -> bool:
    parts = words_of_key(key)
    return bool({*parts} & _PRICES) or any(code_of(part) for part in parts)


def lists(observations: Observations) -> Iterator[tuple[Path, Sequence[Mapping[str, Any]]]]:
    """The lists of several records, with their places."""
    found: dict[Path, Sequence[Mapping[str, Any]]] = {}
    for path, _ in observations.leaves():
        entry = observations.entry(path)
        siblings = observations.siblings(path)
        if entry and len(siblings) > 1 and all(isinstance(each, dict) for each in siblings):
            found[entry[:-1]] = siblings
    yield from found.items()


def _conditions(goal: Goal, entries: Sequence[Mapping[str, Any]], asked: Collection[str]) -> Iterator[str]:
    """What an entry has to fulfil: a field that is true, a number, a text of the goal that tells entries apart.

    Not a text that was only `asked` about in a call.
    """
    for key in entries[0]:
        values = [entry.get(key) for entry in entries]
        if all(isinstance(value, bool) for value in values) and is_about(key, goal):
            yield f"each[{key!r}]"
        for found in _THRESHOLD.finditer(goal.plain) if all(map(is_number, values)) else ():
            if test := _test(key, found):
                yield f"each[{key!r}] {test}"
        texts = {value for value in values if isinstance(value, str) and len(value) < 40 and quantity(value) is None}
        named = [
            text for text in texts if stands_in(text, goal.plain) and not any(stands_in(text, each) for each in asked)
        ]
        if len(named) == 1 and len(texts) > 1:
            yield f"each[{key!r}] == {named[0]!r}"


def _test(key: str, found: re.Match[str]) -> str:
    """What a field has to fulfil by words such as `longer than 1000 metres`; empty for another field."""
    how, number = found["adjective"] or found["how"], found["number"].rstrip(".,")
    operator = {"at least": ">=", "at most": "<="}.get(how) or (">" if how in _ABOVE else "<" if how in BELOW else "")
    own, wanted = unit_of_field(key), unit_of(found["of"]) if found["of"] else None
    fields = {field for adjectives, fields in MEASURES if how in adjectives for field in fields}
    named = {*words_of(found["of"])} & {*words_of_key(key)} or (wanted is not None and wanted == own)
    if not operator or (own and wanted and own != wanted):
        return ""
    return f"{operator} {number}" if named or {*words_of_key(key)} & fields else ""


def _field(goal: Goal, path: Path, entries: Sequence[Mapping[str, Any]]) -> str | None:
    """The one field of numbers that the goal names, by name or unit; or the only one of a list that it names."""
    keys = [key for key in entries[0] if all(is_number(entry.get(key)) for entry in entries)]
    named = [key for key in keys if is_about(key, goal)]
    if not named and isinstance(path[-1], str) and is_about(path[-1], goal):
        named = keys
    return named[0] if len(named) == 1 else None


def name_of_entries(goal: Goal, entries: Sequence[Mapping[str, Any]]) -> str | None:
    """The field that names the entries of a list; `None` where there is none."""
    texts = [key for key, value in entries[0].items() if isinstance(value, str)]
    named = [key for key in texts if is_about(key, goal)]
    unique = [key for key in texts if len({str(entry.get(key)) for entry in entries}) == len(entries)]
    return next((key for key in (*named, *_NAMES, *unique) if key in texts), None)


def is_in_names(subject: str, goal: Goal) -> bool:
    """Whether something is one of the names of a goal, with or without a word more."""
    return any(has_words(name, subject) or has_words(subject, name) for name in goal.names)


def negates(goal: Goal) -> bool:
    """Whether a goal has a word with which a condition may mean its opposite."""
    return _OTHERWISE.search(goal.plain) is not None


def is_about(key: str, goal: Goal) -> bool:
    """Whether the name of a field, or what means the same, stands in the goal; of units one is enough."""
    known = {*goal.words}.union(*(group for group in SAME if group & {*goal.words}))
    units = {unit_of(word) for word in goal.words} - {None}
    parts = [part for part in words_of_key(key) if code_of(part) is None and part not in _AGGREGATES]
    plain = [part for part in parts if unit_of(part) is None]
    named = all(any(is_alike(part, word) for word in known) for part in plain)
    return bool(parts) and (named if plain else unit_of(parts[0]) in units)


# --- whether that is all ---------------------------------------------------------------------------------------------

PLAIN: Final = {
    *words_of("""
    a according all an and any are as at by can could currently d do does each end every for from get give going had
    has have hear how i if in is it know like list ll love m many me moment much my name need now of on one only our
    out people person piece please re right s see should show so some somebody someone take taken tell that the
    their them then there these they this those to up us ve want was we well were what which who will with would
    write written wrote
    total sum together altogether worth average mean more than over above least less fewer under below most
""")
}
"""Words that add nothing to what an expression takes into account."""


def complete(goal: Goal, observations: Observations, tools: Iterable[Tool]) -> Iterator[Values]:
    """Those of `suggested` that take each word of the goal into account, or what the tools are for."""
    known = " ".join(" ".join((tool.name, tool.description, *tool.parameters.get("properties", {}))) for tool in tools)
    return (values for values in suggested(goal, observations) if _is_all_of(goal, values, observations, known))


def _is_all_of(goal: Goal, values: Values, observations: Observations, known: str) -> bool:
    asked = " ".join(str(value) for each in observations.all for value in each.arguments.values())
    expressions = " ".join(expression for _, expression in values)
    used = {*words_of(f"{expressions} {asked} {known}")}
    used |= {word for adjectives, fields in MEASURES if fields & used for word in adjectives}
    if goal.compares:
        used |= {word for adjectives, _ in MEASURES for word in adjectives} | goal.degrees | {"or"}
    if goal.by_time:
        used |= TIMES | {"when"}
    if any(_is_price(part) for part in re.findall(r"\['(\w+)'\]", expressions)):
        used |= {word for found in _PAID.findall(goal.plain) for word in words_of(found)} | _PRICES
    if re.search(r"\* \(100 [-+] o", expressions):
        used |= _OF_RATES
    if " if " in expressions:
        used |= {word for found in _THRESHOLD.finditer(goal.plain) for word in words_of(found[0])}
    used |= {word for number in goal.numbers if f"* {number}" in expressions for word in _counted(goal, number)}
    used = used.union(*(group for group in SAME if group & used))
    units = {unit_of(word) for word in used} - {None}
    used |= {word for word in goal.words for month in months_of(word) if f"-{month:02}" in asked}
    # What is told before the question may describe the entries of a list, and else says nothing about a product.
    wanted = goal.words if goal.compares or " for each in " in expressions else words_of(goal.question)
    return all(
        word in PLAIN or unit_of(word) in units or any(is_alike(word, other) for other in used) for word in wanted
    )


def _counted(goal: Goal, number: str) -> list[str]:
    """What there is so much of: the bottles of `6 bottles`."""
    return [word for found in re.findall(rf"\b{re.escape(number)} ([^\W\d_]+)", goal.plain) for word in words_of(found)]
