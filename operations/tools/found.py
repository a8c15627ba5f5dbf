"""The answer that the observations alone give, where the model gave up: a field, or that there is none.

The answer is one field: of those whose name, or whose kind of value, the goal asks for first, the ones that pass all
checks of an answer have to have the same value. What is computed or compared is left to the model.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from . import support
from .asked import asks_for_day, asks_for_number, field_words, key_words
from .goal import Goal
from .missing import is_in_goal, is_long, names_without_call, untried
from .observed import Observations
from .values import Path
from .wording import fields_without_answer

_MORE: Final = re.compile(
    r"\b(?:and|und|et|together|altogether|in all|average|mean|sum|difference|between|per|each|every|all)\b",
    re.IGNORECASE,
)
"""Words of a goal that asks for more than one field, or for what is computed."""
STEM: Final = 4
"""Letters that two forms of a word have in common: `join` and `joined`."""


def found(goal: Goal, observations: Observations, tools: Collection[str]) -> support.Verdict | None:
    """The verdict on that answer; `None` where there is none, or more than one."""
    if goal.compares or goal.is_yes_or_no or len(goal.names) > 1 or _MORE.search(goal.text):
        return None
    candidates: dict[int, dict[str, support.Verdict]] = {}
    for path, leaf in observations.leaves():
        place = _place(goal, path, leaf)
        if place is None or is_in_goal(leaf, goal) or is_long(leaf):
            continue
        name = str(path[-1])
        verdict = support.judge(goal, observations, [(name, _expression(path))], "", tools)
        if verdict.supported:
            candidates.setdefault(place, {})[str(leaf)] = verdict
    first = candidates.get(min(candidates, default=0), {})
    if not candidates:
        return _no_field(goal, observations, tools)
    return next(iter(first.values())) if len(first) == 1 else None


def _no_field(goal: Goal, observations: Observations, tools: Collection[str]) -> support.Verdict | None:
    """That what was observed of a name has no field of the name that the goal asks for."""
    asked = field_words(goal)
    fields = {word for path, _ in observations.leaves() for key in path[1:] for word in key_words(str(key))}
    texts = any(is_long(leaf) for _, leaf in observations.leaves())
    failed = any(not each.is_useful and not each.is_empty for each in observations.all)
    if not fields or not asked or asked & fields or texts or failed or untried(goal, observations, tools):
        return None
    if next(names_without_call(goal, observations, ()), None):
        return None
    return support.Verdict(fields_without_answer(goal, observations), True)


def _place(goal: Goal, path: Path, leaf: Any) -> int | None:
    """Where the goal names the field of a value: the number of the word; `None` where it does not ask for it."""
    if not isinstance(path[-1], str) or isinstance(leaf, bool) or leaf in (None, ""):
        return None
    keys = key_words(path[-1])
    if (asks_for_day(goal) or asks_for_number(goal)) and not re.search(r"\d", str(leaf)):
        return None
    if asked := field_words(goal):
        return 0 if asked & {*keys} else None
    places = (at for at, word in enumerate(goal.words) if any(_is_alike(word, key) for key in keys))
    return next(places, None)


def _is_alike(word: str, key: str) -> bool:
    return word == key or (min(len(word), len(key)) >= STEM and (word.startswith(key) or key.startswith(word)))


def _expression(path: Path) -> str:
    return "".join([str(path[0]), *(f"[{key!r}]" for key in path[1:])])
