"""What a model is told before its next reply, so that it makes the call that is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..form.words import normalize
from .base import Tool
from .goal import Goal
from .missing import LOOK_UP, is_named, names_without_call, nothing_asked, untried
from .observed import Observations, has_words, words_of

Call = tuple[str, dict[str, Any]]
"""A tool and its arguments."""


class Advice(NamedTuple):
    """What the model is told, whether nothing but a call helps, and such a call."""

    text: str
    needs_call: bool
    call: Call | None = None


def advice(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Iterator[Advice]:
    """What is known to be missing: a name that no call was about, and what a field has that the goal asks about."""
    if not observations.values:
        name = next(iter(goal.names), "")
        if text := nothing_asked(goal, observations):
            yield Advice(text, True, _call_about(name, goal, observations))
        elif text := untried(goal, observations, [tool.name for tool in tools]):
            yield Advice(text, True, _first_call(next(tool for tool in tools if f" {tool.name} " in text), name))
        return
    for text in names_without_call(goal, observations, ()):
        about = next((name for name in goal.names if name in text), "")
        yield Advice(text, True, _call_about(about, goal, observations))
    called = {normalize(str(value)) for each in observations.all for value in each.arguments.values()}
    numbers = [number for number in goal.numbers if number in called]
    for number in goal.numbers if numbers else ():
        if not any(number in argument for argument in called):
            yield Advice(f"No call was made about {number}: make one if it is like {numbers[0]}.", False)
    yield from _unfollowed(goal, observations, tools, called)


def _unfollowed(goal: Goal, observations: Observations, tools: Sequence[Tool], called: set[str]) -> Iterator[Advice]:
    """What a field has that the goal names, and that no call was about."""
    subjects = {
        word
        for tool in tools
        for name in (tool.name, *tool.parameters.get("properties", {}))
        for word in words_of(name)
    }
    followed = [str(path[-1]) for path, leaf in observations.leaves() if normalize(str(leaf)) in called]
    for path, leaf in observations.leaves():
        key = str(path[-1])
        if not isinstance(leaf, str) or normalize(leaf) in called or normalize(leaf) in goal.plain or len(leaf) > 60:
            continue
        words = words_of(key.replace("_", " "))
        if followed.count(key) >= max((goal.words.count(word) for word in words), default=0):
            continue
        if words in [words_of(word) for word in goal.between]:
            yield Advice(f"The {key} is {leaf!r}: {LOOK_UP}", True, _call_about(leaf, goal, observations))
        elif is_named(key, goal) and set(words) & subjects:
            yield Advice(f"The {key} is {leaf!r}: look that up if the goal asks about it.", False)


def _call_about(about: str, goal: Goal, observations: Observations) -> Call | None:
    """A call about something, like one that was made about a name of the goal."""
    for each in observations.all if about else ():
        for parameter, value in each.arguments.items():
            if isinstance(value, str) and any(has_words(name, value) for name in goal.names):
                return each.tool, {**each.arguments, parameter: about}
    return None


def _first_call(tool: Tool, name: str) -> Call | None:
    """A call of a tool about a name, where that is all that it needs."""
    properties, required = (tool.parameters.get(key, ()) for key in ("properties", "required"))
    texts = [key for key in properties if properties[key].get("type") == "string"]
    return (tool.name, {texts[0]: name}) if name and texts and {*required} <= {texts[0]} else None


def example(call: Call | None) -> str:
    """A call as the model writes it."""
    if call is None:
        return ""
    return f"For example {json.dumps({'tool': call[0], 'arguments': call[1]}, ensure_ascii=False)}. "
