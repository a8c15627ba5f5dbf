"""What an answer does not take into account of its goal, though the observations show it.

Each sentence is a hint for the model: a name about which no call was made, a number that is not used, an object between
(the manager, and not the person), the entry of a list, the day, the direction of a comparison.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ..form.currency import code_of
from ..form.dates import date_of
from ..form.months import months_of
from ..form.words import normalize
from . import wording
from .asked import SAME, asks_for_number, is_asked_for_itself, is_id, other_kind
from .expressions import Evaluation
from .goal import STARTS, TOTALS, Goal
from .measures import is_measured
from .nothing import MAKE_ONE
from .observed import Observations, Observed, has_words, text_of, words, words_of, words_of_key
from .suggested import MEAN, PERCENT, example, is_in_names, numbers_of, rate
from .units import unit_of
from .values import Path, Value, name_of, plain

_GENERIC: Final = words("""
    name id title number date day time code type value key text currency unit url note description count page
    file kind label row column index date year month status
""")
"""Names of fields that a goal mentions for other reasons."""
_ENDS: Final = words("max maximum min minimum top limit best record")
"""Names of fields that hold the end of an order: the biggest size is in `max_size`."""
LOOK_UP: Final = "look that up first."
"""The end of a hint that only a call of a tool helps with."""
_FREE: Final = frozenset(("0", "1", "2", "-1"))
"""Numbers that an expression may have of its own."""
_BESIDE: Final = r"(?:(?: is)?(?: much)?(?: more \w+| less \w+| \w+er) than|,? and|,? or)(?: the)? ([^\W\d_]+)"
MOST_LINKS: Final = 4
"""How many calls lead from what a goal names to what it asks for."""
TWICE: Final = 2
FEW: Final = 2
"""Keys to a number in an object of an observation, and numbers that make a sum, at least."""
SAID: Final = 3
"""Letters of a text of a table that stands in a goal by no chance."""
_AGGREGATE: Final = re.compile(r"\b(?:sum|avg|mean|median|count|total|min|max)\s*\(|\+", re.IGNORECASE)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Computed:
    """A value of an answer: its name in the model's words, its expression, the value, and how it came about."""

    name: str
    expression: str
    value: Value
    evaluation: Evaluation


def problems(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path], literals: set[str]
) -> Iterator[str]:
    """What an answer does not take into account; the model can act on each."""
    yield from _empty_values(computed)
    yield from _unknown_literals(goal, observations, literals, computed)
    if not reads:
        yield "No value of the answer is of an observation."
    yield from names_without_call(goal, observations, reads)
    computing = {each for one in computed if one.evaluation.reads for each in one.evaluation.literals}
    yield from _unused_numbers(goal, observations, reads, computing if computed else literals)
    yield from _uncomputed(goal, observations, computed, reads)
    yield from _links(goal, observations, reads)
    yield from _chains(goal, observations, reads, literals)
    yield from _other_subject(goal, observations, reads)
    yield from _of_another_entry(goal, observations, reads)
    yield from _too_far(goal, observations, reads)
    yield from _picked(goal, observations, computed, reads)
    yield from _other_days(goal, observations, computed, reads)
    yield from _unused_words(goal, observations, reads, literals)
    yield from _unchosen_rows(goal, observations, reads)
    yield from _comparison(goal, observations, computed, reads)
    yield from other_kind(goal, observations, [each.value for each in computed], reads)


def _empty_values(computed: Sequence[Computed]) -> Iterator[str]:
    for each in computed:
        if plain(each.value) in (None, "") and not each.value.path:
            yield f"{each.name} has no value."
        data = plain(each.value)
        if isinstance(data, dict) or (isinstance(data, list) and any(isinstance(one, dict) for one in data)):
            what = "a whole object" if isinstance(data, dict) else "a list of whole objects"
            yield f"{each.name} is {what}: read the field that the goal asks for."


def _unknown_literals(
    goal: Goal, observations: Observations, literals: set[str], computed: Sequence[Computed]
) -> Iterator[str]:
    known = " ".join(
        [goal.plain, rate(goal, observations), *(text_of(value) for value in observations.values.values())]
    )
    keys = {word for each in computed for path in each.evaluation.reads for word in words_of_key(str(path[-1]))}
    percent = "%" in goal.text or "percent" in goal.plain or bool(keys & PERCENT)
    for literal in literals:
        if literal in _FREE or (percent and literal == "100") or not re.search(r"\w", literal):
            continue
        if MEAN.search(goal.plain) and literal in [str(len(each.evaluation.reads)) for each in computed]:
            continue
        is_number = re.fullmatch(r"-?\d+(\.\d+)?", literal)
        if not (wording.stands_in(literal, known) if is_number else has_words(literal, known)):
            advice = "; use convert(x, 'g', 'kg') between units" if is_number else ""
            yield f"{literal[:60]!r} is in no observation{advice}."


def names_without_call(goal: Goal, observations: Observations, reads: set[Path] | tuple[()]) -> Iterator[str]:
    """A name of the goal about which no call was made, such as the second of two cities."""
    arguments = [value for each in observations.all for value in each.arguments.values() if value is not None]
    asked = " ".join(map(text_of, arguments))
    seen = " ".join(text_of(observations.values[str(path[0])]) for path in {path[:1] for path in reads})
    fields = " ".join(str(key) for path, _ in observations.leaves() for key in path[1:])
    names = [*goal.names, *_beside(goal, observations)]
    missing = [name for name in names if not has_words(name, f"{asked} {seen} {fields}")]
    missing += [name for name in goal.names if name not in missing and _is_only_absent(name, observations)]
    codes = {value for value in arguments if isinstance(value, str) and re.fullmatch(r"[A-Z]{2,3}", value)}
    if len(missing) > len(codes):
        yield f"No call was made about {missing[-1]}: {MAKE_ONE}"


def _beside(goal: Goal, observations: Observations) -> Iterator[str]:
    """A word without a capital beside one that a call was about: how much older `fennock` is than `tarnwick`."""
    for value in observations.called:
        found = re.findall(rf"\b{value}{_BESIDE}", goal.text) if re.fullmatch(r"[^\W\d_]+", value) else ()
        yield from (word for word in found if word not in STARTS and word.islower())


def _is_only_absent(name: str, observations: Observations) -> bool:
    """Whether nothing was found about a name, and a tool that has found another one was not asked about it."""
    about = [each for each in observations.all if has_words(name, text_of(each.arguments))]
    useful = {each.tool for each in observations.all if each.is_useful and _takes_words(each)}
    failed = [each for each in about if not each.is_empty]
    return bool(about and useful) and not failed and not useful & {each.tool for each in about}


def _takes_words(call: Observed) -> bool:
    """Whether a call was made with words, and not with numbers alone."""
    return any(isinstance(value, str) and re.search(r"[^\W\d]", value) for value in call.arguments.values())


def unresolved(
    goal: Goal, observations: Observations, reads: Iterable[Path], tools: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """Fields that were read, that the goal does not ask for, and of which a tool knows more: the building of a team.

    The goal names neither such a field nor its value, and no call was made about that.
    """
    subjects = {word for tool in tools for word in words_of(tool)}
    for path in reads:
        key, leaf = str(path[-1]), observations.at(path)
        if isinstance(leaf, list | dict | float | bool | None) or is_long(leaf) or is_in_goal(leaf, goal):
            continue
        is_new = normalize(str(leaf)) not in observations.called
        others = subjects - {*words_of(observations.by_name[str(path[0])].tool)} - _GENERIC
        is_asked = is_named(key, goal) and (not is_id(key) or is_asked_for_itself(goal, key))
        if is_new and not is_asked and {*words_of_key(key)} & others:
            yield key, leaf


def look_up(key: str, value: Any) -> str:
    """The hint that a value of a field has to be looked up."""
    return f"The {key} is {str(value)[:60]!r}: {LOOK_UP}"


def _unused_numbers(goal: Goal, observations: Observations, reads: set[Path], literals: set[str]) -> Iterator[str]:
    arguments = " ".join(text_of(each.arguments) for each in observations.all if each.is_useful)
    records = " ".join(text_of(observations.at(observations.record(path))) for path in reads)
    for number in goal.numbers:
        if not any(wording.stands_in(number, each) for each in (arguments, records, *map(normalize, literals))):
            such = example(goal, observations, reads)
            yield f"The answer does not take the {number} of the goal into account{such}."


def _uncomputed(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path]
) -> Iterator[str]:
    """Several numbers as they were found, where the goal asks for one that is computed of them."""
    if not goal.asks_for_total or any(each.value.path is None for each in computed):
        return
    statements = [str(observations.by_name[name].arguments.get("sql", "")) for name in {str(path[0]) for path in reads}]
    if any(statements) and not any(_AGGREGATE.search(each) for each in statements):
        yield f"The goal asks for what is computed of several rows, and no statement does that: {MAKE_ONE}"
    if goal.compares:
        return
    numbers = numbers_of(observations, reads)
    is_one_of_many = len(numbers) == 1 and len(observations.siblings(numbers[0])) > 1
    is_one_of_many = is_one_of_many or (len(numbers) == 1 and _is_part_of_sum(observations, numbers[0]))
    if (len(numbers) > 1 or is_one_of_many) and not any({*words_of_key(str(path[-1]))} & TOTALS for path in numbers):
        what = "of all of them" if is_one_of_many else "of them"
        yield f"The goal asks for one value that is computed {what}{example(goal, observations, reads)}."


def several_numbers(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path]
) -> Iterator[str]:
    """Numbers of several fields as they are, for a goal that asks for one: a size, and how long a piece takes."""
    may_be_asked = goal.compares or goal.may_ask_for_several or len(goal.names) > 1
    if may_be_asked or not asks_for_number(goal) or any(each.value.path is None for each in computed):
        return
    numbers = numbers_of(observations, reads, with_units=True)
    if len({name_of(path) for path in numbers}) > 1 and len(numbers) == len(reads):
        yield "The goal asks for one number, and there are several: give one value, computed of them."


def _is_part_of_sum(observations: Observations, path: Path) -> bool:
    """Whether a number stands in an object of nothing but numbers, such as the charges of a ride."""
    around = observations.at(path[:-1]) if len(path) > FEW else None
    return (
        isinstance(around, dict)
        and len(around) >= FEW
        and all(isinstance(each, int | float) for each in around.values())
    )


def _chains(goal: Goal, observations: Observations, reads: set[Path], literals: set[str]) -> Iterator[str]:
    """A field that the goal names beside what was read: a manager, of whom something is asked."""
    used = {str(observations.at(path)) for path in reads} | literals
    read_from = {str(path[0]) for path in reads}
    asked = {normalize(str(value)) for name in read_from for value in observations.by_name[name].arguments.values()}
    keys = [key for path in reads for key in path if isinstance(key, str)]
    read = {word for path in reads for word in words_of_key(str(path[-1]))}
    used |= {str(value) for each in observations.all if not each.is_useful for value in each.arguments.values()}
    followed: dict[str, set[str]] = {}
    for path, leaf in observations.leaves():
        if isinstance(path[-1], str) and normalize(str(leaf)) in asked:
            followed.setdefault(path[-1], set()).add(str(leaf))
    for path in reads:
        record = observations.at(observations.record(path))
        for key, leaf in record.items() if isinstance(record, dict) else ():
            is_entry = isinstance(leaf, str) and len(observations.siblings(path)) > 1  # the goal names those of a list
            if not is_named(key, goal) or isinstance(leaf, list | dict | None) or is_entry or _is_time(leaf):
                continue
            if key not in keys and {*words_of_key(key)} & read & {*goal.words} - _GENERIC:
                continue  # of two fields for the same word, `born` and `born_in`, one was read
            have = (key in keys) + len(followed.get(key, ())) + is_in_goal(leaf, goal) + (str(leaf) in used)
            if have < _times_named(key, goal):
                unused = f"The {key} is {str(leaf)[:60]!r}: the answer does not take it into account."
                yield look_up(key, leaf) if isinstance(leaf, str) else unused


def _is_time(leaf: Any) -> bool:
    """Whether a text is a date, a month or a weekday, about which nothing can be looked up."""
    return isinstance(leaf, str) and bool(date_of(leaf[:10]) or list(months_of(normalize(leaf))))


def _links(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """What has to be looked up between what the goal names and what it asks for, and was not."""
    if not goal.between or not reads:
        return
    called = [observations.by_name[name] for name in sorted({str(path[0]) for path in reads})]
    known = words_of(" ".join(word for each in called for word in (each.tool, *each.arguments)))
    inside = words_of(" ".join(str(key) for path in reads for key in path[1:-1]))
    seen = [(path, normalize(str(leaf))) for path, leaf in observations.leaves()]
    asked = {normalize(str(value)) for each in called for value in each.arguments.values()}
    followed = any(
        value not in goal.plain and any(leaf == value and path[0] != each.name for path, leaf in seen)
        for each in called
        for value in map(normalize, map(str, each.arguments.values()))
    )
    yield from _past_the_link(goal, observations, reads)
    for word in goal.between:
        if set(words_of(word)) <= {*known, *inside}:
            continue
        own = {value: path for path, value in seen if words_of(word) == words_of_key(str(path[-1]))}
        if own and not asked & {*own}:
            path = next(iter(own.values()))
            yield look_up(str(path[-1]), observations.at(path))
        elif not own and not followed:
            yield f"The answer is not about the {word}: {LOOK_UP}"


def _past_the_link(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A field of somebody between, though the same tool has shown that of whom the goal asks about."""
    links = [words_of(word) for word in goal.between]
    values = {normalize(str(leaf)) for path, leaf in observations.leaves() if words_of_key(str(path[-1])) in links}
    about = {each.name: {normalize(str(value)) for value in each.arguments.values()} for each in observations.all}
    for path in reads:
        read = observations.by_name[str(path[0])]
        reached = [
            each for each in observations.all if each.is_useful and each.tool == read.tool and about[each.name] & values
        ]
        if words_of_key(str(path[-1])) in links or read in reached or _is_of_goal(read, goal) or not reached:
            continue
        yield f"{path[0]} is about {read.subject}, which the goal does not ask about: read {reached[-1].name}."


def _other_subject(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A field of what the goal does not name, though the same tool has shown that of what it does."""
    for path in reads:
        read = observations.by_name[str(path[0])]
        if _is_of_goal(read, goal):
            continue
        asked = {normalize(str(value)) for value in read.arguments.values()}
        through = [
            str(at[-1]) for at, leaf in observations.leaves() if at[0] != path[0] and normalize(str(leaf)) in asked
        ]
        if not through or any(_times_meant(key, goal) for key in through):
            continue
        for at, _ in observations.leaves():
            other = observations.by_name[str(at[0])]
            if other.tool == read.tool and at[1:] == path[1:] and at not in reads and _is_of_goal(other, goal):
                yield f"{path[0]} is about {read.subject}, which the goal does not ask about: read {other.name}."


def _of_another_entry(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A call that an entry of a list led to, though the goal names another one of it: of two people, alike in name."""
    names, seen = [str(path[0]) for path in reads], set[str]()
    while names and (name := names.pop()) not in seen:
        seen.add(name)
        asked = {normalize(str(value)) for value in observations.by_name[name].arguments.values()}
        for path, leaf in observations.leaves() if not any(each in goal.plain for each in asked) else ():
            if path[0] == name or normalize(str(leaf)) not in asked:
                continue
            names.append(str(path[0]))
            others = [each for each in observations.siblings(path) if names_entry(each, goal)]
            entry = observations.entry(path)
            if entry and others and not names_entry(observations.at(entry), goal) and path[-1] in others[0]:
                yield look_up(str(path[-1]), others[0][path[-1]])


def names_entry(entry: Any, goal: Goal) -> bool:
    """Whether a name of the goal stands in an entry of a list."""
    return isinstance(entry, dict) and any(has_words(name, text_of(entry)) for name in goal.names)


def _too_far(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A field of somebody whom a link led to more often than the goal names it: the manager of the manager."""
    for name in sorted({str(path[0]) for path in reads}):
        followed = list(_links_to(observations.by_name[name], goal, observations, ()))
        if goal.twice and all(sum(_means(key, goal.twice) for key in links) == 1 for links in followed) and followed:
            yield f"{name} is about the {goal.twice}, and the goal asks for the {goal.twice} of that one: {LOOK_UP}"
        if followed and all(any(links.count(key) > _most_links(key, goal) for key in links) for links in followed):
            subject = observations.by_name[name].subject
            yield f"{name} is about {subject}, one {followed[0][-1]} further than the goal asks for."


def _links_to(
    read: Observed, goal: Goal, observations: Observations, after: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """The fields that lead from a call about what the goal names to another one."""
    if len(after) > MOST_LINKS:
        return
    if _is_of_goal(read, goal) or any(is_in_goal(value, goal) for value in read.arguments.values()):
        yield after
        return
    asked = {normalize(str(value)) for value in read.arguments.values()}
    for path, leaf in observations.leaves():
        if path[0] != read.name and normalize(str(leaf)) in asked and isinstance(path[-1], str):
            yield from _links_to(observations.by_name[str(path[0])], goal, observations, (path[-1], *after))


def _is_of_goal(observed: Observed, goal: Goal) -> bool:
    """Whether a call was made about a name of the goal."""
    asked = text_of(observed.arguments)
    return any(has_words(name, asked) for name in goal.names)


def is_named(key: str, goal: Goal) -> bool:
    """Whether the goal names a field."""
    return _times_named(key, goal) > 0


def _times_named(key: str, goal: Goal) -> int:
    """How many times the goal names a field by all its words, without units; 0 for one that means little."""
    parts = words_of_key(key)
    telling = [
        part
        for part in parts
        if len(part) > 2 and part not in STARTS | PERCENT and unit_of(part) is None and code_of(part) is None
    ]
    if not set(telling) - _GENERIC:
        return 0
    return min(goal.words.count(part) for part in telling)


def _times_meant(key: str, goal: Goal) -> int:
    """How many times it names a field by its words, or by one that means the same."""
    others = (word for group in SAME if group & {*words_of_key(key)} for word in group)
    return max([_times_named(key, goal), *map(goal.words.count, others)])


def _most_links(key: str, goal: Goal) -> int:
    """How many times a field may lead on."""
    return TWICE if goal.twice and _means(key, goal.twice) else max(1, _times_meant(key, goal))


def _means(key: str, word: str) -> bool:
    """Whether the name of a field has a word, or one that means the same."""
    known = {word}.union(*(group for group in SAME if word in group))
    return bool({*words_of_key(key)} & known)


def is_in_goal(leaf: Any, goal: Goal) -> bool:
    """Whether a text or number stands in the goal."""
    return wording.stands_in(str(leaf), goal.plain)


def _picked(goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path]) -> Iterator[str]:
    """An entry of a list that was taken by its place, though nothing in it is in the goal."""
    if {"first", "last", "next", "latest", "top", "newest"} & set(goal.words):
        return
    arguments = {normalize(str(value)) for each in observations.all for value in each.arguments.values()}
    picks = {path for each in computed for path in each.evaluation.picks}
    if not computed:
        picks = {
            entry for path in reads if (entry := observations.entry(path)) and len(observations.siblings(path)) > 1
        }
    for path in picks:
        if order := _order(observations.by_name[str(path[0])], path):
            direction = goal.direction(dates=False) or goal.direction(dates=True)
            if direction and order != direction:
                yield f"{path[0]} begins with the other end of the order that the goal asks for."
            continue
        entry, siblings = observations.at(path), observations.siblings(path)
        own = [each for each in _scalars(entry) if not all(each in list(_scalars(other)) for other in siblings)]
        days = {date_of(str(each)) for each in own if _DAY.match(str(each))}
        named = any(is_in_goal(each, goal) or normalize(str(each)) in arguments for each in own)
        said = {each for each in own if isinstance(each, str) and is_in_goal(each, goal)}
        if said and sum(said <= {*_scalars(other)} for other in siblings) > 1:
            yield f"Several entries of {path[0]} have {', '.join(sorted(said))}: choose by all that the goal asks for."
        if not (named or days & goal.days):
            place = "".join(f"[{key!r}]" for key in path[1:])
            yield f"Nothing in {path[0]}{place} is in the goal: find the entry by it."


def _order(observed: Observed, path: Path) -> int:
    """1 for the first row of a statement that puts the highest first, -1 for one with the lowest first; else 0."""
    sql = str(observed.arguments.get("sql")) if observed.tool == "query" else ""
    ordered = re.search(r"\border\s+by\s+(?:[^(),]|\([^()]*\))+", sql, re.IGNORECASE)
    if ordered is None or 0 not in path:
        return 0
    return 1 if re.search(r"\bdesc\b", ordered[0], re.IGNORECASE) else -1


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _scalars(each)
    elif value is not None and not isinstance(value, bool):
        yield value


def _other_days(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path]
) -> Iterator[str]:
    """An entry of another day than that of the goal, in a list with one entry for each."""
    if len(goal.days) != 1 or any(each.evaluation.literals & set(map(str, goal.days)) for each in computed):
        return
    [wanted] = goal.days
    for path in reads:
        siblings = observations.siblings(path)
        days = [_day_in(each) for each in siblings]
        entry = observations.entry(path)
        if len(days) > 1 and wanted in days and entry and all(days) and _day_in(observations.at(entry)) != wanted:
            yield f"{path[0]} has an entry of {wanted}, which the goal asks for."


def _day_in(entry: Any) -> date | None:
    values = entry.values() if isinstance(entry, dict) else ()
    return next((date_of(each[:10]) for each in values if isinstance(each, str) and _DAY.match(each)), None)


def _unused_words(goal: Goal, observations: Observations, reads: set[Path], literals: set[str]) -> Iterator[str]:
    """A word of the goal that tells entries of a list apart, such as `open`, and that does not choose among them."""
    chosen = normalize(" ".join(literals))
    asked = " ".join(text_of(each.arguments) for each in observations.all)
    for name in {path[0] for path in reads}:
        entries = [observations.at(entry) for path in reads if path[0] == name and (entry := observations.entry(path))]
        texts = {each for entry in entries for each in _scalars(entry) if isinstance(each, str) and len(each) < 40}
        for text in texts:
            in_all = all(text in list(_scalars(entry)) for entry in entries)
            if in_all or len(entries) < 2 or not is_in_goal(text, goal) or normalize(text) in chosen:
                continue
            if has_words(text, asked):
                continue
            if not all(any(is_in_goal(own, goal) for own in _scalars(entry)) for entry in entries):
                yield f"The answer does not take {text!r} of the goal into account: choose the entries by it."


def _unchosen_rows(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A text of a table that the goal names, and that a statement does not choose rows by, nor a row that was read."""
    said = [text for text in sorted(goal.row_texts) if len(text) >= SAID and is_in_goal(text, goal)]
    for name in {str(path[0]) for path in reads} if said else ():
        call = observations.by_name[name]
        rows = (text_of(observations.at(observations.record(path))) for path in reads if path[0] == name)
        seen = " ".join([text_of(call.arguments), *rows])
        for text in said if call.tool == "query" else ():
            if not wording.stands_in(text, seen) and not re.search(rf"\b{re.escape(text)}\b", seen, re.IGNORECASE):
                yield f"{name} does not choose the rows of {text!r}, which the goal names: {MAKE_ONE}"


def _comparison(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path]
) -> Iterator[str]:
    """A comparison without the values of both, or with the wrong outcome."""
    ranks = wording.ranking(goal, observations, reads)
    in_words = goal.compares and bool(ranks)  # which say more than yes or no
    is_open = computed and not any(isinstance(plain(each.value), bool) for each in computed)
    if goal.is_yes_or_no and is_open and not in_words:
        yield "The goal is answered by yes or no: give a value that is a comparison, such as o1['x'] > o2['x']."
    if not goal.compares:
        return
    by_sql = any(observations.by_name[str(path[0])].tool == "query" for path in reads)
    yield from _other_measure(goal, observations, reads)
    yield from _left_out(goal, observations, reads)
    if not ranks:
        is_end = any({*words_of_key(str(key))} & _ENDS for path in reads for key in path[1:])
        found = " ".join(text_of(each.arguments) for each in observations.all if each.is_useful)
        has_failed = wording.failures(goal, observations) and not all(has_words(name, found) for name in goal.names)
        if not by_sql and not is_end and not has_failed:
            yield "The goal compares: read the values that are compared, one for each."
        return
    if wording.lacks_difference(goal, ranks) and all(each.value.path for each in computed):
        yield "The goal asks by how much: give the difference as a value."
    if not ranks[0].direction and goal.is_unclear:
        yield "It is not clear which end of the order the goal asks for."
    named = [rank for rank in ranks if is_in_names(rank.subject, goal)]
    if 1 < len(named) < len(ranks):
        other = next(rank.subject for rank in ranks if rank not in named)
        yield f"The goal does not compare {other}: leave it out."
    subjects = {normalize(rank.subject) for rank in ranks}
    direction = ranks[0].direction
    for each in computed:
        chosen = normalize(str(plain(each.value)))
        if direction and chosen in subjects and chosen != normalize(ranks[0].subject):
            yield f"{plain(each.value)} is not the one that the goal asks for: compare the values."


def _left_out(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """One of the things that the goal names, whose field was found and not compared."""
    fields = {(observations.by_name[str(path[0])].tool, path[1:]) for path in reads if len(path) > 1}
    subjects = {observations.subject(path) for path in reads}
    for path, leaf in observations.leaves():
        call = observations.by_name[str(path[0])]
        exact = {normalize(str(value)) for value in call.arguments.values()} & {*map(normalize, goal.names)}
        is_same = (call.tool, path[1:]) in fields and path not in reads and observations.subject(path) not in subjects
        if is_same and exact and not isinstance(leaf, bool):
            yield f"The goal compares {call.subject} too: read its {path[-1]}."


def _other_measure(goal: Goal, observations: Observations, reads: set[Path]) -> Iterator[str]:
    """A field that the goal does not compare by, though there is one that it does: the length of the older bridge."""
    records = [observations.at(observations.record(path)) for path in reads]
    keys = {key for record in records if isinstance(record, dict) for key in record}
    fitting = {key for key in keys if is_measured(key, goal)}
    read = {str(key) for path in reads for key in path[1:]}
    if fitting and not fitting & read and reads:
        yield f"The goal compares by {min(fitting)}: read that of each."


def texts_with(goal: Goal, observations: Observations, fact: str) -> Iterator[Path]:
    """The long texts that hold a fact, near words of the goal."""
    wanted = {word for word in goal.words if len(word) > 3 and word not in STARTS}
    for path, leaf in observations.leaves():
        if not is_long(leaf):
            continue
        for sentence in _passages(leaf):
            near = wanted & set(words_of(sentence))
            if wording.stands_in(fact, normalize(sentence)) and len(near) * 3 >= len(wanted):
                yield path
                break


def is_long(leaf: Any) -> bool:
    """Whether a text is one to be read, and no name."""
    return isinstance(leaf, str) and (len(leaf) > wording.LONG or "\n" in leaf)


def _passages(text: str) -> Iterator[str]:
    """Parts of a text in which facts belong together: three lines or sentences."""
    parts = re.split(r"\n+|(?<=[.!?])\s+", text)
    yield from (" ".join(parts[at : at + 3]) for at in range(len(parts)))
