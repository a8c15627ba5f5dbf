"""What a model is told before its next reply, so that it makes the call that is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from ..form.dates import date_of
from ..form.words import normalize
from .asked import asks_for_other, field_words, is_asked_for_itself, key_words, kind_words
from .base import Tool
from .goal import Goal
from .missing import is_in_goal, is_long, is_named, look_up, names_entry, names_without_call, unresolved
from .nothing import MOST_CALLS, Call, asked_hosts, first_call, missing_call, unasked, was_called
from .observed import Observations, has_words, words, words_of, words_of_key

_SAYS_LITTLE: Final = words("name title date time type status description")
"""Words in the names of fields and of parameters that say nothing about what may be looked up."""


class Advice(NamedTuple):
    """What the model is told, whether nothing but a call helps, and such a call."""

    text: str
    needs_call: bool
    call: Call | None = None


def advice(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Iterator[Advice]:
    """What is known to be missing: a name that no call was about, and what a field has that the goal asks about."""
    if not observations.values:
        if missing := observations.all and missing_call(goal, observations, {tool.name: tool for tool in tools}):
            yield Advice(missing.hint, True, missing.call)
        return
    for text in names_without_call(goal, observations, ()):
        about = text.removeprefix("No call was made about ").partition(":")[0]
        yield Advice(text, True, _call_about(about, goal, observations, like_found=True))
    called = observations.called
    numbers = [number for number in goal.numbers if number in called]
    for number in goal.numbers if numbers else ():
        if not any(number in argument for argument in called):
            yield Advice(f"No call was made about {number}: make one if it is like {numbers[0]}.", False)
    yield from _unfollowed(goal, observations, tools, called)


def _unfollowed(
    goal: Goal, observations: Observations, tools: Sequence[Tool], called: Collection[str]
) -> Iterator[Advice]:
    """What a field has that the goal names, and that no call was about."""
    subjects = {word for tool in tools for word in _subjects(tool)}
    followed = [str(path[-1]) for path, leaf in observations.leaves() if normalize(str(leaf)) in called]
    first, others = list[Advice](), list[Advice]()
    for path, leaf in observations.leaves():
        key = str(path[-1])
        if not isinstance(leaf, str) or normalize(leaf) in called or normalize(leaf) in goal.plain or len(leaf) > 60:
            continue
        if len(observations.siblings(path)) > 1 or kind_words(leaf) or date_of(leaf[:10]):
            continue  # one of many, or nothing that is looked up
        words = words_of_key(key)
        if followed.count(key) >= max((goal.words.count(word) for word in words), default=0):
            continue
        between = words in [words_of(word) for word in goal.between]
        is_link = {*words} & subjects and not is_asked_for_itself(goal, key)
        if between or (is_named(key, goal) and (is_link or asks_for_other(goal, key, leaf))):
            call = _call_to_look_up(key, leaf, goal, observations, tools)
            (first if between else others).append(Advice(look_up(key, leaf), True, call))
        elif is_named(key, goal) and set(words) & subjects:
            others.append(Advice(f"The {key} is {leaf!r}: look that up if the goal asks about it.", False))
    yield from first or others or _elsewhere(goal, observations, tools)


def further(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> list[Call]:
    """Calls that nobody has made, and that may find what the goal asks for, before a run gives up.

    About what was found that a tool takes, such as the sheet of a compound, and about each name of the goal.
    """
    about_found = (
        call
        for call in _about_found(goal, observations, tools)
        if not was_called(call[0], next(iter(call[1].values())), observations)
    )
    calls = [*about_found, *unasked(goal, observations, tools)]
    return list({f"{name} {arguments}": (name, arguments) for name, arguments in calls}.values())[:MOST_CALLS]


def _about_found(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Iterator[Call]:
    """Calls about short texts that were found: of the tools that take one of their name, or like one that found one."""
    tools = list(chain(*asked_hosts(goal, observations, tools)))  # no other host learns what was found
    asked = {str(path[-1]) for path, leaf in observations.leaves() if normalize(str(leaf)) in observations.called}
    for path, leaf in observations.leaves():
        key = str(path[-1])
        entry, siblings = observations.entry(path), observations.siblings(path)
        is_other = entry and len(siblings) > 1 and not names_entry(observations.at(entry), goal)
        if not isinstance(leaf, str) or is_long(leaf) or is_other:
            continue
        if kind_words(leaf) or date_of(leaf[:10]) or ({*words_of_key(key)} <= _SAYS_LITTLE and key not in asked):
            continue
        telling = {*words_of_key(key)} - _SAYS_LITTLE
        of_name = (first_call(tool, leaf) for tool in tools if telling & _subjects(tool))
        may_be_asked = key in asked or is_named(key, goal) or re.search(r"\d", leaf)
        yield from filter(None, [*of_name, _call_alike(leaf, observations) if may_be_asked else None])


def _elsewhere(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Iterator[Advice]:
    """What a tool knows more about, where the field that the goal asks for is in nothing that was found."""
    asked = field_words(goal)
    if not asked or any(asked & {*key_words(str(key))} for path, _ in observations.leaves() for key in path[1:]):
        return
    paths = [path for path, _ in observations.leaves() if not observations.siblings(path)[1:]]
    for key, value in unresolved(goal, observations, paths, [tool.name for tool in tools]):
        yield Advice(look_up(key, value), True, _call_to_look_up(key, str(value), goal, observations, tools))


def call_for(hint: str, goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Call | None:
    """The call that a hint of `missing` asks for, where it is clear."""
    for path, leaf in observations.leaves():
        if isinstance(path[-1], str) and hint == look_up(path[-1], leaf):
            return _call_to_look_up(path[-1], str(leaf), goal, observations, tools)
    found = (each.call for each in advice(goal, observations, tools) if each.text == hint)
    return next(found, None)


def _call_to_look_up(
    key: str, value: str, goal: Goal, observations: Observations, tools: Sequence[Tool]
) -> Call | None:
    """A call about the value of a field: of the tool that bears its name, else like one about a name of the goal."""
    words = {*words_of_key(key)}
    calls = (first_call(tool, value) for tool in tools if words & _subjects(tool))
    return next(filter(None, calls), None) or _call_alike(value, observations) or _call_about(value, goal, observations)


def _call_alike(value: str, observations: Observations) -> Call | None:
    """A call like one that had a result for a value that is written alike: `D60` for `D08`."""
    for each in observations.all:
        for parameter, other in each.arguments.items():
            if each.is_useful and isinstance(other, str) and _form(other) == _form(value):
                return each.tool, {**each.arguments, parameter: value}
    return None


def _form(text: str) -> str:
    return re.sub(r"\d", "9", re.sub(r"[^\W\d_]+", "a", text))


def _subjects(tool: Tool) -> set[str]:
    """The words of the names of a tool and of its parameters."""
    names = (tool.name, *tool.parameters.get("properties", {}))
    return {word for name in names for word in words_of(name)}


def _call_about(about: str, goal: Goal, observations: Observations, *, like_found: bool = False) -> Call | None:
    """A call about something, like one that was made about a name of the goal, or like one that found something."""
    calls = sorted(observations.all, key=lambda each: not each.is_useful) if like_found else observations.all
    for each in calls if about else ():
        for parameter, value in each.arguments.items():
            if isinstance(value, str) and (
                any(has_words(name, value) for name in goal.names) or is_in_goal(value, goal)
            ):
                return each.tool, {**each.arguments, parameter: about}
    return None


def example(call: Call | None) -> str:
    """A call as the model writes it."""
    if call is None:
        return ""
    return f"For example {json.dumps({'tool': call[0], 'arguments': call[1]}, ensure_ascii=False)}. "
