"""The answer that the observations alone give, where the model gave up: a field, or that there is none.

That is an expression that takes all words of the goal into account (`suggested`), or one field: of those whose name, or
whose kind of value, the goal asks for first, the ones that pass all checks of an answer have to have the same value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ..form.words import normalize
from . import support
from .advice import advice, further
from .asked import asks_for_day, asks_for_number, field_words, key_words, kind_words
from .goal import Goal
from .missing import is_in_goal, is_long, names_without_call, unresolved
from .nothing import Tools, untried
from .observed import Observations, is_alike, spaced, words_of, words_of_key
from .relevant import SMALL, shows_asked
from .suggested import PLAIN, complete, days, expression_of, rate
from .values import Path, name_of
from .wording import failures, fields_without_answer, ranking


def found(goal: Goal, observations: Observations, tools: Tools) -> support.Verdict | None:
    """The verdict on that answer; `None` where there is none, or more than one."""
    if observations.all and not observations.values:
        verdict = support.judge(goal, observations, (), "", tools)
        return verdict if verdict.supported else None
    computed = _suggested(goal, observations, tools) or _nothing_of_the_kind(goal, observations, tools)
    if computed is not None:
        return computed
    if special := _empty_list(goal, observations) or _compared(goal, observations, tools):
        return special
    if goal.is_yes_or_no or goal.may_ask_for_more or not is_of_one(goal):
        return None
    candidates: dict[tuple[bool, int, int], dict[str, support.Verdict]] = {}
    for path, leaf in observations.fields():
        place = _place(goal, path, leaf)
        if place is None or is_in_goal(leaf, goal) or is_long(leaf):
            continue
        name = str(path[-1])
        verdict = support.judge(goal, observations, [(name, expression_of(path))], "", tools)
        if verdict.supported:
            # `country` before `country_code`
            candidates.setdefault((*place, len(words_of_key(name))), {})[str(leaf)] = verdict
    if not candidates:
        return _no_field(goal, observations, tools)
    first = candidates[min(candidates)]
    return next(iter(first.values())) if len(first) == 1 else None


def _suggested(goal: Goal, observations: Observations, tools: Tools) -> support.Verdict | None:
    """The verdict on an expression that takes all words of the goal into account."""
    found = [*complete(goal, observations, tools.values())]
    if expression := days(goal, observations):
        found.append([("days" if expression.startswith("days") else "time", expression)])
    if expression := rate(goal, observations):
        found.append([("amount", expression)])
    verdicts = (support.judge(goal, observations, values, "", tools) for values in found)
    return next((verdict for verdict in verdicts if verdict.supported), None)


def _nothing_of_the_kind(goal: Goal, observations: Observations, tools: Tools) -> support.Verdict | None:
    """That a tool that the goal names has nothing about its names, whatever others have."""
    if any(each.needs_call for each in advice(goal, observations, [*tools.values()])):
        return None
    if further(goal, observations, [*tools.values()]):
        return None
    useful = {each.tool for each in observations.all if each.is_useful}
    for each in observations.all:
        is_named = {*words_of(each.tool)} <= {*goal.words}
        values = [str(value) for value in each.arguments.values() if value is not None]
        if each.is_empty and each.tool not in useful and is_named and values and set(values) <= {*goal.names}:
            return support.Verdict("\n".join(failures(goal, observations)), True)
    return None


def is_of_one(goal: Goal) -> bool:
    """Whether a goal asks for something of one thing, and compares nothing."""
    alone = [name for name in goal.names if not any(name in title for title in goal.titles)]
    return not goal.compares and len(alone) + len(goal.titles) <= 1


def _compared(goal: Goal, observations: Observations, tools: Tools) -> support.Verdict | None:
    """The comparison by a field of each of several things that the goal names, if only one passes the checks."""
    supported = comparisons(goal, observations, tools) if goal.compares else {}
    return next(iter(supported.values()))[0] if len(supported) == 1 else None


def comparisons(goal: Goal, observations: Observations, tools: Tools) -> dict[str, list[support.Verdict]]:
    """The comparisons of several things that the goal names that pass all checks, by the field that is compared."""
    places: dict[tuple[str | int, ...], list[Path]] = {}
    for path, _ in observations.leaves():
        call = observations.by_name[str(path[0])]
        if not observations.siblings(path) and call.subject in (*goal.names, *goal.numbers):
            places.setdefault((call.tool, *path[1:]), []).append(path)
    found: dict[str, list[support.Verdict]] = {}
    for paths in places.values():
        if len(paths) > 1 and ranking(goal, observations, {*paths}):
            values = [(str(path[-1]), expression_of(path)) for path in paths]
            verdict = support.judge(goal, observations, values, "", tools)
            if verdict.supported:
                found.setdefault(name_of(paths[0]), []).append(verdict)
    return found


_ENTRIES: Final = re.compile(
    r"\b(?:which|what) [a-z]+s (?:are|were|have|has|do|did|can)\b|\blist (?:of|the|all|every)\b"
)
"""A goal that asks for the entries of a list."""


def _empty_list(goal: Goal, observations: Observations) -> support.Verdict | None:
    """That the only list of what was found has no entry."""
    found = [(each, key, value) for each in observations.all if each.is_useful for key, value in _lists_in(each.value)]
    if len(found) != 1 or not _ENTRIES.search(goal.plain):
        return None
    [(call, key, value)] = found
    is_whole = all(each.is_useful or each.is_empty for each in observations.all)
    return None if value or not is_whole else support.Verdict(f"{spaced(key)} ({call.subject}): none", True)


def _lists_in(value: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, list):
        yield "", value
    for key, each in value.items() if isinstance(value, dict) else ():
        if isinstance(each, list):
            yield key, each


def _no_field(goal: Goal, observations: Observations, tools: Tools) -> support.Verdict | None:
    """That what was observed of a name has no field of the name that the goal asks for."""
    asked = field_words(goal)
    fields = {word for path, _ in observations.leaves() for key in path[1:] for word in key_words(str(key))}
    texts = any(is_long(leaf) for _, leaf in observations.leaves())
    failed = any(not each.is_useful and not each.is_empty for each in observations.all)
    links = {
        key for path, leaf in observations.leaves() if normalize(str(leaf)) in observations.called for key in path[1:]
    }
    followed = {word for key in links for word in key_words(str(key))}
    names = {word for name in goal.names for word in words_of(name)}
    may_be = (fields - followed) & ({*goal.words} - PLAIN - names)  # a field of another name than that of what is asked
    # The entries of a list may be told apart in other words than those of the goal.
    lists = any(len(observations.siblings(path)) > 1 for path, _ in observations.leaves())
    if not fields or not asked or asked & fields or texts or may_be or lists or shows_asked(goal, observations):
        return None
    if failed:
        lines = failures(goal, observations)
        return support.Verdict("\n".join(lines), True) if lines else None
    paths = (path for path, _ in observations.leaves())
    if untried(goal, observations, tools) or any(unresolved(goal, observations, paths, tools)):
        return None
    if next(names_without_call(goal, observations, ()), None):
        return None
    return support.Verdict(fields_without_answer(goal, observations), True)


def _place(goal: Goal, path: Path, leaf: Any) -> tuple[bool, int] | None:
    """Where the goal names the field of a value: the number of the word, after those that name one exactly.

    `None` where it does not ask for it.
    """
    if not isinstance(path[-1], str) or isinstance(leaf, bool) or leaf == "":
        return None
    keys = [*key_words(path[-1]), *kind_words(str(leaf))]
    if name_of(path) in goal.fields:
        return False, -1
    if leaf is not None and (asks_for_day(goal) or asks_for_number(goal)) and not re.search(r"\d", str(leaf)):
        return None
    if asked := field_words(goal):
        return (False, 0) if asked & {*keys} else None
    said = ((at, word) for at, word in enumerate(goal.words) if word not in SMALL)
    places = ((word not in keys, at) for at, word in said if any(is_alike(word, key) for key in keys))
    return min(places, default=None)
