"""Whether the observations of a run support an answer, so that none of it is invented.

The values of an answer are expressions, which the program computes (`expressions`). What the model writes itself, its
sentence, may have only numbers, dates and names of those values, of the goal or of the observations. And the values
have to take all of the goal into account: each name and number of it, the objects between (the manager, and not the
person), the entry of a list, the day, the direction of a comparison. What misses is a hint for the model.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from . import wording
from .expressions import Evaluation
from .goal import Goal
from .missing import (
    LOOK_UP,
    MAKE_ONE,
    Computed,
    is_in_goal,
    is_long,
    is_named,
    names_without_call,
    nothing_asked,
    problems,
    texts_with,
    untried,
)
from .observed import Observations, text_of
from .units import convert, unit_of_field
from .values import ExpressionError, Value, number_of

NOT_YET: Final = "No tool has been called yet."


@dataclass(frozen=True)
class Verdict:
    """The answer as it is given, whether the observations support it, and else what the model should do."""

    text: str
    supported: bool
    hint: str = ""

    @property
    def needs_call(self) -> bool:
        """Whether nothing but a call of a tool helps."""
        return self.hint.endswith((MAKE_ONE, LOOK_UP)) or self.hint == NOT_YET


Named = tuple[str, str]
"""A name and an expression."""


def judge(
    goal: Goal, observations: Observations, values: Sequence[Named], text: str, tools: Collection[str] = ()
) -> Verdict:
    """The verdict on an answer: values as names and expressions, and a sentence with `{name}` for each of them."""
    if not observations.all:
        return Verdict(text, False, NOT_YET)
    if not observations.values:
        missing = nothing_asked(goal, observations) or untried(goal, observations, tools)
        return Verdict(wording.nothing_found(goal, observations), not missing, missing)
    try:
        computed = [_compute(goal, observations, *each) for each in values]
    except ExpressionError as error:
        failed = [each.name for each in observations.all if not each.is_useful]
        without = f" Without {', '.join(failed)}, which have no value." if failed else ""
        return Verdict(_without_braces(text), False, f"{error}.{without}")
    if not computed:
        return _judge_text(goal, observations, _without_braces(text))
    reads = {path for each in computed for path in each.evaluation.reads}
    literals = {literal for each in computed for literal in each.evaluation.literals}
    reads |= {each.value.path for each in computed if each.value.path and each.value.data is None}
    reads |= {path for each in literals - {"0", "1", "2"} for path in texts_with(goal, observations, each)}
    problem = next(problems(goal, observations, computed, reads, literals), None)
    sentence = wording.answer(goal, observations, [(each.name, each.value) for each in computed], text, reads)
    return Verdict(sentence, problem is None, problem or "")


def _compute(goal: Goal, observations: Observations, name: str, expression: str) -> Computed:
    evaluation = Evaluation(observations.values, target=goal.unit)
    value = evaluation.value(expression)
    return Computed(name, _converted(observations, evaluation, value), evaluation)


def _converted(observations: Observations, evaluation: Evaluation, value: Value) -> Value:
    """A value of an observation in the unit of the goal, by whatever formula: its constants are no facts."""
    target, number = evaluation.target, value.data
    if target is None or len(evaluation.reads) != 1 or not isinstance(number, Decimal) or value.unit == target:
        return value
    [path] = evaluation.reads
    leaf = Value(observations.at(path), path, unit_of_field(str(path[-1])))
    try:
        source = number_of(leaf)
        found = convert(source.data, source.unit, target) if source.unit else None
    except ValueError:
        return value
    if found is None or abs(found - number) > abs(found) / 1000:
        return value
    evaluation.literals.clear()
    return Value(found, unit=target)


def _without_braces(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "…", text)


# --- an answer in words alone ----------------------------------------------------------------------------------------


def _judge_text(goal: Goal, observations: Observations, text: str) -> Verdict:
    """The verdict on an answer without values: what it names has to stand in the observations."""
    everything = " ".join(text_of(each) for each in observations.values.values())
    known = f"{everything} {goal.plain}"
    unknown = next((each for each in wording.facts(text) if not wording.stands_in(each, known)), None)
    if unknown is not None:
        return Verdict(text, False, f"No observation holds {unknown!r}: give values as expressions.")
    own = [each for each in wording.facts(text) if not wording.stands_in(each, goal.plain)]
    reads = {
        path
        for path, leaf in observations.leaves()
        for each in own
        if not is_long(leaf) and wording.stands_in(each, text_of(leaf))
    }
    reads |= {path for each in own for path in texts_with(goal, observations, each)}
    if not reads or goal.compares or goal.is_yes_or_no or wording.denies(text):
        return Verdict(text, False, wording.what_there_is(observations))
    literals = set(wording.numbers(text))
    problem = next(problems(goal, observations, (), reads, literals), None)
    return Verdict(text, problem is None, problem or "")


def absent(goal: Goal, observations: Observations, tools: Collection[str]) -> Verdict | None:
    """The verdict where the model says twice that the observations do not hold what the goal asks for.

    `None` if a field bears the name of what is asked for, so that this is not so, and while there are tools that were
    not called: the answer may be elsewhere.
    """
    if next(names_without_call(goal, observations, ()), None) or {each.tool for each in observations.all} < set(tools):
        return None
    for path, leaf in observations.leaves():
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        asked = is_named(key, goal) and not is_in_goal(leaf, goal)
        if len(path) > 1 and (asked or is_long(leaf)):
            return None
    return Verdict(wording.fields_without_answer(goal, observations), True)
