"""What a model is told before its next reply, so that it makes the call that is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..form.words import normalize
from .base import Tool
from .goal import Goal
from .missing import LOOK_UP, is_named, names_without_call, nothing_asked
from .observed import Observations, has_words, words_of


class Advice(NamedTuple):
    """What the model is told, whether nothing but a call helps, and what that is about."""

    text: str
    needs_call: bool
    about: str = ""


def advice(goal: Goal, observations: Observations, tools: Sequence[Tool]) -> Iterator[Advice]:
    """What is known to be missing: a name that no call was about, and what a field has that the goal asks about."""
    if not observations.values:
        if text := nothing_asked(goal, observations):
            yield Advice(text, True, next(iter(goal.names), ""))
        return
    for text in names_without_call(goal, observations, ()):
        yield Advice(text, True, next((name for name in goal.names if name in text), ""))
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
            yield Advice(f"The {key} is {leaf!r}: {LOOK_UP}", True, leaf)
        elif is_named(key, goal) and set(words) & subjects:
            yield Advice(f"The {key} is {leaf!r}: look that up if the goal asks about it.", False)


def missing_call(about: str, goal: Goal, observations: Observations) -> tuple[str, dict[str, Any]] | None:
    """A call about something, like one that was made about a name of the goal: its tool and arguments."""
    for each in observations.all if about else ():
        for parameter, value in each.arguments.items():
            if isinstance(value, str) and any(has_words(name, value) for name in goal.names):
                return each.tool, {**each.arguments, parameter: about}
    return None


def example(call: tuple[str, dict[str, Any]] | None) -> str:
    """A call as the model writes it."""
    if call is None:
        return ""
    return f"For example {json.dumps({'tool': call[0], 'arguments': call[1]}, ensure_ascii=False)}. "
