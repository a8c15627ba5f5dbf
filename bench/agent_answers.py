"""How many wrong answers the agent's checks let through, without a model.

    python -m bench.agent_answers --only phone,flag

For each goal of `bench.agent` the calls are made that lead from its names to what it asks for, and of some runs only
the first of them. Then each field is given as the answer, alone and with others, in words, computed with another one,
and of a list the sums, the ends and the lengths. Of the answers that are supported, the right ones are known.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bench import agent
from bench.agent_goals import Source, Task
from operations.form.words import normalize
from operations.tools import support
from operations.tools.base import Tool
from operations.tools.found import found
from operations.tools.goal import Goal, without_courtesies
from operations.tools.observed import Observations, Observed
from operations.tools.suggested import expression_of, is_number
from operations.tools.values import Path

Call = tuple[str, str]
"""A tool and its argument."""
Answer = tuple[str, list[tuple[str, str]], str]
"""Of which kind it is, values as names and expressions, and a sentence."""

DEPTH: Final = 3
"""How many calls lead from a name of a goal to another record, at most."""
WIDTH: Final = 8
"""Calls of one step."""
NUMBERS: Final = 8
"""Numbers that are computed with each other."""
FIELDS: Final = 10
"""Fields that are given two at a time."""


@dataclass(frozen=True)
class Found:
    """What was made of a goal: kinds of wrong answers that were supported, and whether a right one was."""

    task: Task
    wrong: list[tuple[str, str]]
    right: bool


def main() -> None:
    """Prints what was found."""
    options = arguments()
    only = options.only.split(",") if options.only else [task.name for task in agent.TASKS]
    results = [tried(task) for task in agent.TASKS if task.name in only and not task.files]
    kinds = Counter(kind for each in results for kind, _ in each.wrong)
    with_right = sum(each.right for each in results)
    with_wrong = sum(bool(each.wrong) for each in results)
    print(f"{len(results)} goals, {with_right} with a right answer, {with_wrong} with a wrong one that is supported")
    print(", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none")
    for each in results if options.show else ():
        for kind, text in each.wrong[: options.show]:
            print(f"{each.task.name:20}{kind:8}{' / '.join(text.splitlines())[:150]}")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent_answers", description=__doc__)
    parser.add_argument("--only", default="", help="names of goals, with commas between them")
    parser.add_argument("--show", type=int, default=0, help="how many wrong answers of each goal are printed")
    return parser.parse_args()


def tried(task: Task) -> Found:
    """All answers to a goal that are supported, by whether they are right."""
    goal = Goal(without_courtesies(task.goal), datetime.now(UTC).date())
    tools = {name: tool_of(name, agent.SOURCES[name]) for name in task.tools}
    wrong: dict[str, str] = {}
    right = False
    for calls in runs(task, goal):
        observations = observed(calls)
        verdicts = [
            (kind, support.judge(goal, observations, values, text, tools))
            for kind, values, text in answers(observations)
        ]
        verdicts += [
            (kind, verdict)
            for kind, verdict in (
                ("found", found(goal, observations, tools)),
                ("absent", support.absent(goal, observations, tools) if observations.values else None),
            )
            if verdict is not None
        ]
        for kind, verdict in verdicts:
            if verdict.supported and agent.kind_of(task, verdict.text, "supported", "answered") == agent.KINDS[0]:
                right = True
            elif verdict.supported:
                wrong.setdefault(verdict.text, kind)
    return Found(task, [(kind, text) for text, kind in wrong.items()], right)


def tool_of(name: str, source: Source) -> Tool:
    """The tool of a source, for checks that call none."""
    properties = {source.parameter: {"type": source.kind}}
    schema = {"type": "object", "required": [source.parameter], "properties": properties}
    return Tool(name, source.description, schema, lambda _: None, url=f"http://127.0.0.1/{name}", repeatable=True)


# --- calls -----------------------------------------------------------------------------------------------------------


def runs(task: Task, goal: Goal) -> Iterator[list[Call]]:
    """The calls of runs: all that lead to the answer, those of the first steps, and each of the first step alone."""
    steps = list(steps_of(task, goal))
    yield [call for step in steps for call in step]
    yield from ([call for step in steps[:count] for call in step] for count in range(1, len(steps)))
    if steps and len(steps[0]) > 1:
        yield from ([call] for call in steps[0][:4])


def steps_of(task: Task, goal: Goal) -> Iterator[list[Call]]:
    """The calls about what a goal names, then about what those have found."""
    known = {(tool, normalize(key)): key for tool in task.tools for key in agent.SOURCES[tool].answers}
    step = [
        (tool, _as_written(key, goal))
        for (tool, name), key in known.items()
        if name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", goal.plain)
    ] or [(tool, name) for tool in task.tools for name in [*goal.names, *goal.numbers][:DEPTH]]
    seen = {(tool, normalize(key)) for tool, key in step}
    for _ in range(DEPTH + 1):
        if not step:
            return
        yield step
        values = [str(leaf) for _, leaf in observed(step).leaves()]
        following = [(tool, value) for value in values for tool in task.tools if (tool, normalize(value)) in known]
        step = [each for each in dict.fromkeys(following) if (each[0], normalize(each[1])) not in seen][:WIDTH]
        seen |= {(tool, normalize(key)) for tool, key in step}


def _as_written(key: str, goal: Goal) -> str:
    match = re.search(re.escape(key), goal.text, re.IGNORECASE)
    return match[0] if match else key


def observed(calls: Sequence[Call]) -> Observations:
    """The observations of calls."""
    return Observations(_observed(f"o{number}", *call) for number, call in enumerate(calls, 1))


def _observed(name: str, tool: str, key: str) -> Observed:
    source = agent.SOURCES[tool]
    answer = source.answers.get(" ".join(key.split()).casefold(), source.other)
    failed = isinstance(answer, int) and not isinstance(answer, bool)
    text = f"The tool answered with status {answer}." if failed else json.dumps(answer, ensure_ascii=False)
    return Observed(name, tool, {source.parameter: key}, f"http_{answer}" if failed else None, text)


# --- answers ---------------------------------------------------------------------------------------------------------


def answers(observations: Observations) -> Iterator[Answer]:
    """What a model might answer."""
    fields = list(observations.leaves())
    for path, leaf in fields:
        yield "field", [_named(path)], ""
        yield "words", [], f"The answer is {leaf}."
    for one, other in itertools.combinations([path for path, _ in fields][:FIELDS], 2):
        yield "two", [_named(one), _named(other)], ""
    numbers = [expression_of(path) for path, leaf in fields if is_number(leaf)][:NUMBERS]
    for left, right in itertools.combinations(numbers, 2):
        yield from (("computed", [("value", f"{left} {operator} {right}")], "") for operator in "+-*")
        yield "computed", [("value", f"abs({left} - {right})")], ""
    yield from _of_lists(observations)


def _of_lists(observations: Observations) -> Iterator[Answer]:
    lists: dict[Path, set[str]] = {}
    for path, _ in observations.leaves():
        entry = observations.entry(path)
        if entry and len(observations.siblings(path)) > 1 and isinstance(path[-1], str):
            lists.setdefault(entry[:-1], set()).add(path[-1])
    for place, keys in lists.items():
        entries = expression_of(place)
        yield "length", [("count", f"len({entries})")], ""
        for key in sorted(keys):
            yield "list", [(key, f"[each[{key!r}] for each in {entries}]")], ""
            yield "sum", [(key, f"sum(each[{key!r}] for each in {entries})")], ""
            for by, most in itertools.product(sorted(keys), ("max", "min")):
                yield "end", [(key, f"{most}({entries}, key=lambda each: each[{by!r}])[{key!r}]")], ""


def _named(path: Path) -> tuple[str, str]:
    return str(path[-1]), expression_of(path)


if __name__ == "__main__":
    main()
