"""Where no call had a result: whether that is the answer, or a call is missing, or was made with wrong arguments."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ..form.currency import code_of
from ..form.words import normalize
from . import wording
from .base import Tool
from .goal import Goal
from .observed import FAULTS, Observations, Observed, has_words, text_of, words_of

MOST_CALLS: Final = 6
"""How many calls are made at a time in place of the model."""
LONG_WORD: Final = 3
"""Letters of a word that is more than a part of another by chance."""
OF_FILES: Final = ("query", "read")
"""The tools for what comes with a goal."""
MAKE_ONE: Final = "make one."
"""The end of a hint that only a call of a tool helps with."""

_NUMBERS: Final = ("integer", "number")
"""Types of parameters that are numbers."""

Tools = Mapping[str, Tool]
Call = tuple[str, dict[str, Any]]
"""A tool and its arguments."""


class Missing(NamedTuple):
    """A hint, and the call that it asks for, as far as that is clear."""

    hint: str
    call: Call | None = None


def missing_call(goal: Goal, observations: Observations, tools: Tools) -> Missing | None:
    """The call without which it is not known that there is nothing; `None` if there is nothing.

    `Jane Doe's manager` as the name of somebody is not about Jane Doe, and another tool does not know her for that one.
    """
    if all(each.code in FAULTS for each in observations.all):
        last = observations.all[-1]
        return Missing(f"The arguments of {last.tool} were wrong: {last.text[:300]} Change them: {MAKE_ONE}")
    return (
        _of_the_files(observations, tools)
        or _with_a_code(observations, tools)
        or _of_another_day(goal, observations)
        or _with_more_words(goal, observations)
        or _about_no_term(goal, observations)
        or _of_another_tool(goal, observations, tools)
        or _about_each_name(goal, observations, tools)
        or _without_ending(goal, observations)
    )


def _of_the_files(observations: Observations, tools: Tools) -> Missing | None:
    """That the tables or documents that came with the goal were not looked at: no statement worked."""
    called = {each.tool for each in observations.all if each.code not in FAULTS}
    unread = next((name for name in OF_FILES if name in tools and name not in called), None)
    return Missing(f"No call of {unread} was made, which has the files of the goal: {MAKE_ONE}") if unread else None


def _of_another_day(goal: Goal, observations: Observations) -> Missing | None:
    """That calls were about another day than that of the goal."""
    for each in observations.all if len(goal.days) == 1 else ():
        for parameter, value in each.arguments.items():
            is_day = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
            day = str(next(iter(goal.days)))
            if is_day and value != day and not was_called(each.tool, day, observations):
                call = each.tool, {**each.arguments, parameter: day}
                return Missing(f"No call of {each.tool} was made about {day}: {MAKE_ONE}", call)
    return None


def _with_more_words(goal: Goal, observations: Observations) -> Missing | None:
    for each in observations.all:
        arguments = [str(value) for value in each.arguments.values() if value is not None]
        for name in goal.names:
            more = any(_says_more(value, name, goal) for value in arguments)
            if more and not was_called(each.tool, name, observations):
                parameter = next(key for key, value in each.arguments.items() if value is not None)
                hint = f"No call of {each.tool} was made about {name} alone: {MAKE_ONE}"
                return Missing(hint, (each.tool, {**each.arguments, parameter: name}))
    return None


def _without_ending(goal: Goal, observations: Observations) -> Missing | None:
    """A call about a word in small letters with an s, which may be that of an owner: `curlews budget`."""
    for each in observations.all:
        for parameter, value in each.arguments.items():
            bare = re.sub(r"['’]?s$", "", value) if isinstance(value, str) and len(value) > LONG_WORD else value
            is_small = isinstance(value, str) and re.search(rf"\b{re.escape(value.casefold())}\b", goal.text)
            if each.is_empty and bare != value and is_small and not was_called(each.tool, bare, observations):
                hint = f"No call of {each.tool} was made about {bare}: {MAKE_ONE}"
                return Missing(hint, (each.tool, {**each.arguments, parameter: bare}))
    return None


def _with_a_code(observations: Observations, tools: Tools) -> Missing | None:
    """A currency that was named in words; a tool that takes codes, and that none was given."""
    for each in observations.all:
        for parameter, value in each.arguments.items():
            code = code_of(value) if isinstance(value, str) else None
            if code and normalize(code) not in observations.called:
                hint = f"No call of {each.tool} was made about {code}, the code of {value}: {MAKE_ONE}"
                return Missing(hint, (each.tool, {**each.arguments, parameter: code}))
    for name in {each.tool: None for each in observations.all if each.is_empty}:
        texts = [str(value) for each in observations.all if each.tool == name for value in each.arguments.values()]
        if _takes_codes(tools.get(name)) and not any(re.fullmatch(r"[A-Z\d][A-Z\d -]{1,9}", text) for text in texts):
            return Missing(f"No call of {name} was made with a code, which it takes: {MAKE_ONE}")
    return None


def _takes_codes(tool: Tool | None) -> bool:
    if tool is None:
        return False
    described = [tool.description, *(str(each.get("description")) for each in _properties(tool).values())]
    return any(re.search(r"\bcodes?\b|\bISO \d", text) for text in described)


def _properties(tool: Tool) -> Mapping[str, Mapping[str, object]]:
    properties: Mapping[str, Mapping[str, object]] = tool.parameters.get("properties", {})
    return properties


def _about_no_term(goal: Goal, observations: Observations) -> Missing | None:
    """That no call was about one of the names of the goal, or about none of its numbers."""
    exact = [str(value) for each in observations.all for value in each.arguments.values() if value is not None]
    exact = [value for value in exact if not any(_says_more(value, name, goal) for name in goal.names)]
    terms = [*goal.names, *goal.numbers]
    currencies = {code_of(word) for word in re.findall(r"[^\W\d_]+|[€$£]", goal.text)} - {None}
    if any(code_of(value) in currencies for value in exact):
        return None
    asked = " ".join(map(text_of, exact))
    about = [each for each in terms if has_words(each, asked) or wording.stands_in(each, asked)]
    unasked = [each for each in (goal.names if about else terms) if each not in about]
    if not unasked:
        return None
    calls = (
        (each.tool, {**each.arguments, parameter: unasked[0]})
        for each in observations.all
        for parameter, value in each.arguments.items()
        if value in about
    )
    return Missing(f"No call was made about {unasked[0]}: {MAKE_ONE}", next(calls, None))


def unasked(goal: Goal, observations: Observations, tools: Collection[Tool]) -> list[Call]:
    """The calls that have to be made before nothing is found: of each tool about each name of the goal as it stands.

    Only of tools that change nothing and need no more than a name. First of those that were called or that the goal
    names; then of the others of a host that was called: one may know where to go on, such as the museum of a sculpture.
    What is asked of another host would leave the machine unasked.
    """
    first, others = asked_hosts(goal, observations, tools)
    parts = [part.strip() for each in observations.all if each.is_empty for part in _parts_of(each)]
    calls = (
        first_call(tool, name)
        for tool in (*first, *others)
        for name in (*goal.forms, *parts, *(goal.ids if tool in first or _takes_numbers(tool) else ()))
        if tool.repeatable
        and not tool.approve
        and not was_called(tool.name, name, observations)
        and (tool in first or not _takes_codes(tool) or re.search(r"\d", name))
    )
    return [call for call in calls if call][:MOST_CALLS]


def _parts_of(call: Observed) -> list[str]:
    """The parts of an argument that names several things: `pellow, gantry cross`."""
    texts = [value for value in call.arguments.values() if isinstance(value, str) and "," in value]
    return [part for text in texts for part in text.split(",") if part.strip()]


def asked_hosts(
    goal: Goal, observations: Observations, tools: Collection[Tool]
) -> tuple[Sequence[Tool], Sequence[Tool]]:
    """The tools that were called or that the goal names, and the others of a host that was called."""
    called = {each.tool for each in observations.all}
    first = [tool for tool in tools if tool.name in called or _is_named(tool.name, goal)]
    hosts = {_host(tool) for tool in tools if tool.name in called} - {""}
    return first, [tool for tool in tools if tool not in first and _host(tool) in hosts]


def _host(tool: Tool) -> str:
    return urlsplit(tool.url).netloc


def _is_named(tool: str, goal: Goal) -> bool:
    """Whether the goal has a word of the name of a tool, or the beginning or the end of one: `powerplant`."""
    words = [word for word in goal.words if len(word) > LONG_WORD]
    own = {*words_of(tool)}
    return bool(own & {*goal.words}) or any(
        each.startswith(word) or each.endswith(word) for each in own for word in words
    )


def _about_each_name(goal: Goal, observations: Observations, tools: Tools) -> Missing | None:
    for tool, arguments in unasked(goal, observations, tools.values()):
        return Missing(
            f"No call of {tool} was made about {next(iter(arguments.values()))}: {MAKE_ONE}", (tool, arguments)
        )
    return None


def _of_another_tool(goal: Goal, observations: Observations, tools: Tools) -> Missing | None:
    """A tool that may know more: one that the goal names, or any where it asks about something of somebody."""
    hint = untried(goal, observations, tools)
    if not hint:
        return None
    tool = next(tool for tool in tools.values() if f" {tool.name} " in hint)
    return Missing(hint, first_call(tool, next(iter(goal.names), "")))


def untried(goal: Goal, observations: Observations, tools: Tools) -> str:
    """The hint about such a tool; none where a call failed otherwise than that there is nothing."""
    rest = sorted({*tools} - {each.tool for each in observations.all})
    may_know = all(each.is_empty for each in observations.all)
    named = [tool for tool in rest if may_know and _is_named(tool, goal)]
    subjects = {word for tool in tools for word in words_of(tool)}
    of_something = {word for found in re.findall(r"\bthe ([a-z]+) of\b", goal.text) for word in words_of(found)}
    is_chain = goal.between or re.search(r"['’]s [a-z]", goal.text) or of_something & subjects
    first = next(iter([*named, *(rest if may_know and is_chain else ())]), None)
    return f"No call of {first} was made, which may know more: {MAKE_ONE}" if first else ""


def first_call(tool: Tool, name: str) -> Call | None:
    """A call of a tool about a name or a number, where that is all that it needs; a statement or a page is no name."""
    if tool.name in OF_FILES or not name:
        return None
    properties, required = _properties(tool), tool.parameters.get("required", ())
    texts = [key for key in properties if properties[key].get("type") in ("string", *_NUMBERS)]
    if not texts or not {*required} <= {texts[0]}:
        return None
    if properties[texts[0]].get("type") in _NUMBERS:
        return (tool.name, {texts[0]: int(name)}) if re.fullmatch(r"\d{1,15}", name) else None
    return tool.name, {texts[0]: name}


def _takes_numbers(tool: Tool) -> bool:
    call = first_call(tool, "1")
    return call is not None and isinstance(next(iter(call[1].values())), int)


def was_called(tool: str, name: Any, observations: Observations) -> bool:
    """Whether a tool was called with a name or a number, as it stands."""
    values = [value for each in observations.all if each.tool == tool for value in each.arguments.values()]
    return any(normalize(str(value)) == normalize(str(name)) for value in values)


def _says_more(argument: str, name: str, goal: Goal) -> bool:
    """Whether an argument has a name and words around it, which are no part of another name."""
    rest = [word for word in re.findall(r"[^\W\d_]{3,}", argument) if not has_words(word, name)]
    names = " ".join(goal.names)
    return has_words(name, argument) and any(
        word[0].islower() or (has_words(word, goal.text) and not has_words(word, names)) for word in rest
    )
