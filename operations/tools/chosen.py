"""The answer in the field that says best what a goal asks for, as the model says of each (`fields`).

Of several fields of one kind, and of several that led to other calls, a small model knows well which one is asked for:
the composer for who wrote the music, and the reviewer of a pull request, and not its author.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Any, Final

from streaming import Event

from ..form.words import normalize
from . import support
from .asked import SAME, is_time
from .fields import LEADS, SAYS, SURE, Asker, Check, Fields, Odds, fields_of
from .found import comparisons, is_of_one
from .goal import Goal
from .missing import is_in_goal, is_long
from .nothing import Tools
from .observed import Observations, is_alike, words_of, words_of_key
from .relevant import is_known, parts_of
from .suggested import expression_of, is_number
from .units import quantity
from .values import Path, name_of

BETTER: Final = 0.15
"""How much likelier a yes has to be for one of two fields, as a difference of logarithms."""
LEAST: Final = 0.0
"""How much likelier a yes than a no has to be for the only field that passes the checks."""
MUCH_BETTER: Final = 0.5
"""The same of a field in the answer of another call, and of one for a goal that may ask for several."""
RIVALS: Final = 6
"""Fields of the same kind with which one is compared."""


def better(
    asker: Asker, goal: Goal, observations: Observations, verdict: support.Verdict
) -> Generator[Event, Any, tuple[str, float] | None]:
    """A field that says better what a goal asks for than those that an answer has read, and the odds of its yes.

    Or one that leads better to what was read, or that alone says it of several. `None` for entries of a list, and for
    what is computed of several fields.
    """
    paths = {name_of(path): path for path in sorted(verdict.reads, key=str)}
    if any(len(observations.siblings(path)) > 1 for path in verdict.reads) or not all(paths):
        return None
    values = {name: observations.at(path) for name, path in paths.items()}
    if len(values) > 1:
        if verdict.is_computed or goal.may_ask_for_several or not is_of_one(goal):
            return None
        odds = yield from asker.odds(goal.text, values)
        first = _best(odds, by=MUCH_BETTER)
        if first is None:
            return None
        path, value = paths[first], values[first]
        found = yield from _better_than(asker, goal, first, value, _alike(path, str(path[0]), goal, observations))
        return found or (first, odds[first])
    [(name, path)] = paths.items()
    if (value := values[name]) is None:
        return None
    found = yield from _better_than(asker, goal, name, value, _alike(path, str(path[0]), goal, observations))
    if found is None:
        rest = [
            each
            for other in observations.values
            if other != path[0]
            for each in _alike(path, other, goal, observations).items()
        ]
        found = yield from _better_than(asker, goal, name, value, dict(rest), by=MUCH_BETTER)
    link = _link_to(path, goal, observations)
    if found or link is None:
        return found
    others = _other_links(path, link, observations)
    found = yield from _better_than(asker, goal, name_of(link), observations.at(link), others, check=LEADS)
    if found or _is_named(link, path, goal, observations):
        return found
    others = _alike(path, str(link[0]), goal, observations)
    return (yield from _better_than(asker, goal, name, value, others, by=-MUCH_BETTER))


def _better_than(
    asker: Asker, goal: Goal, name: str, value: Any, others: Fields, *, by: float = BETTER, check: Check = SAYS
) -> Generator[Event, Any, tuple[str, float] | None]:
    others = dict([(other, leaf) for other, leaf in others.items() if other != name][:RIVALS])
    odds = (yield from asker.odds(goal.text, {name: value, **others}, check)) if others else {}
    best = max(odds, key=lambda each: (each != name, odds[each]), default=name)
    return (best, odds[best]) if best != name and odds[best] > odds[name] + by else None


def _alike(path: Path, call: str, goal: Goal, observations: Observations) -> Fields:
    """The fields of a call's answer that are of the same kind as one, or would be if they were given."""
    value = observations.at(path)
    return {
        name_of(other): value if leaf is None else leaf
        for other, leaf in observations.fields()
        if other[0] == call
        and (leaf is None or _kind(leaf) == _kind(value))
        and not (is_known(leaf, goal, observations) or is_long(leaf) or len(observations.siblings(other)) > 1)
    }


def _kind(leaf: Any) -> str:
    if isinstance(leaf, bool):
        return "truth"
    if is_number(leaf) or (isinstance(leaf, str) and quantity(leaf)):
        return "number"
    return "time" if is_time(leaf) else "text"


def _is_named(link: Path, path: Path, goal: Goal, observations: Observations) -> bool:
    """Whether the goal names what was followed, or the tool that was called for it: the farm of a turbine."""
    own = {*words_of_key(str(link[-1])), *words_of(observations.by_name[str(path[0])].tool)}
    said = {*goal.words}.union(*(group for group in SAME if group & {*goal.words}))
    return any(is_alike(one, other) for one in own for other in said)


def _link_to(path: Path, goal: Goal, observations: Observations) -> Path | None:
    """The field that led to the call that has found something; `None` if the goal did."""
    asked = {normalize(str(value)) for value in observations.by_name[str(path[0])].arguments.values()}
    if any(is_in_goal(value, goal) for value in asked):
        return None
    links = (
        other
        for other, leaf in observations.leaves()
        if other[0] != path[0] and name_of(other) and normalize(str(leaf)) in asked
    )
    return next(links, None)


def _other_links(path: Path, link: Path, observations: Observations) -> Fields:
    """Other fields that led to calls of the same tool, beside one that did."""
    tool = observations.by_name[str(path[0])].tool
    called = {
        normalize(str(value))
        for each in observations.all
        if each.tool == tool and each.is_useful
        for value in each.arguments.values()
    }
    return {
        name_of(at): leaf
        for at, leaf in observations.leaves()
        if at[0] == link[0] and leaf != observations.at(link) and normalize(str(leaf)) in called
    }


# --- the answer ------------------------------------------------------------------------------------------------------


def chosen(
    asker: Asker, goal: Goal, observations: Observations, tools: Tools
) -> Generator[Event, Any, support.Verdict | None]:
    """The answer in one field, or the comparison by one, of those that pass all checks; in two for two questions.

    A goal that may ask for more than one, or for what is computed, has to be sure, and say nothing else about as well.
    """
    if len(parts := parts_of(goal)) > 1:
        return (yield from _of_parts(asker, goal, parts, observations, tools))
    answers = comparisons(goal, observations, tools) if goal.compares else _answers(goal, observations, tools)
    odds = yield from asker.odds(goal.text, {name: _first(each, observations) for name, each in answers.items()})
    best = _best(odds)
    is_sure = goal.is_yes_or_no or goal.may_ask_for_more
    least = -inf if goal.compares else SURE if is_sure else LEAST
    if best is None or odds[best] < least:
        return None
    if goal.may_ask_for_more and not goal.compares:
        every = yield from asker.odds(goal.text, fields_of(goal, observations))
        if _best({**every, **odds}, by=MUCH_BETTER) != best:
            return None
    verdicts = answers[best]
    if len({verdict.text.partition(": ")[2] for verdict in verdicts}) > 1:
        return (yield from _by_links(asker, goal, verdicts, observations))
    return verdicts[0]


def _first(verdicts: list[support.Verdict], observations: Observations) -> Any:
    return observations.at(min(verdicts[0].reads, key=str))


def _best(odds: Odds, by: float = BETTER) -> str | None:
    """The field with the best odds, if no other one has about the same."""
    ordered = sorted(odds, key=lambda name: odds[name], reverse=True)
    if not ordered or (len(ordered) > 1 and odds[ordered[0]] <= odds[ordered[1]] + by):
        return None
    return ordered[0]


def _answers(goal: Goal, observations: Observations, tools: Tools) -> Mapping[str, list[support.Verdict]]:
    """The answers in one field that pass all checks, by its name."""
    found: dict[str, list[support.Verdict]] = {}
    for leaf_path, leaf in observations.leaves() if is_of_one(goal) else ():
        path = leaf_path[:-1] if isinstance(leaf_path[-1], int) else leaf_path  # a list of words as a whole
        if is_in_goal(leaf, goal) or is_long(leaf) or isinstance(leaf, bool) != goal.is_yes_or_no or not name_of(path):
            continue
        verdict = support.judge(goal, observations, [(str(path[-1]), expression_of(path))], "", tools)
        if verdict.supported:
            found.setdefault(name_of(path), []).append(verdict)
    return found


def _by_links(
    asker: Asker, goal: Goal, verdicts: list[support.Verdict], observations: Observations
) -> Generator[Event, Any, support.Verdict | None]:
    """Of several answers in one field that to which the best field has led."""
    links: dict[str, tuple[Any, support.Verdict]] = {}
    for verdict in verdicts:
        link = _link_to(min(verdict.reads, key=str), goal, observations)
        if link is None or name_of(link) in links:
            return None
        links[name_of(link)] = (observations.at(link), verdict)
    odds = yield from asker.odds(goal.text, {name: value for name, (value, _) in links.items()}, LEADS)
    best = _best(odds)
    return links[best][1] if best else None


def _of_parts(
    asker: Asker, goal: Goal, parts: list[str], observations: Observations, tools: Tools
) -> Generator[Event, Any, support.Verdict | None]:
    """The answer to a goal that asks for two things: the field of each that says it best."""
    of = fields_of(goal, observations)
    names: list[str] = []
    for part in parts:
        name = yield from asker.field(part, of)
        if name is None or name in names:
            return None
        names.append(name)
    paths = [[path for path, _ in observations.leaves() if name_of(path) == name] for name in names]
    if any(len(each) != 1 for each in paths):
        return None
    values = [(str(path[-1]), expression_of(path)) for path in chain(*paths)]
    verdict = support.judge(replace(goal, fields=goal.fields.union(names)), observations, values, "", tools)
    return verdict if verdict.supported else None
