"""Whether the observations of a run support an answer, so that none of it is invented.

The values of an answer are expressions, which the program computes (`expressions`). What the model writes itself, its
sentence, may have only numbers, dates and names of those values, of the goal or of the observations. And the values
have to take all of the goal into account: each name and number of it, the objects between (the manager, and not the
person), the entry of a list, the day, the direction of a comparison. What misses is a hint for the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Final

from . import wording
from .expressions import Evaluation
from .goal import Goal
from .missing import (
    LOOK_UP,
    Computed,
    is_in_goal,
    is_long,
    is_named,
    look_up,
    names_without_call,
    problems,
    several_numbers,
    texts_with,
    unresolved,
)
from .nothing import MAKE_ONE, Tools, missing_call
from .observed import Observations, text_of
from .relevant import NOT_ASKED, irrelevant, is_asked, miscomputed, shows_asked
from .suggested import complete, days, expression_of, rate
from .units import convert, unit_of_field
from .values import ExpressionError, Path, Value, number_of, plain

NO_TOOLS: Final[Tools] = {}
NOT_YET: Final = "No tool has been called yet."


@dataclass(frozen=True)
class Verdict:
    """The answer as it is given, whether the observations support it, and else what the model should do."""

    text: str
    supported: bool
    hint: str = ""
    reads: frozenset[Path] = field(default=frozenset(), compare=False)
    """What its values were read from."""
    is_computed: bool = field(default=False, compare=False)
    """Whether one of its values does not stand as it is in what was read."""

    @property
    def needs_call(self) -> bool:
        """Whether nothing but a call of a tool helps."""
        return self.hint.endswith((MAKE_ONE, LOOK_UP)) or self.hint == NOT_YET


Named = tuple[str, str]
"""A name and an expression."""


def judge(
    goal: Goal, observations: Observations, values: Sequence[Named], text: str, tools: Tools = NO_TOOLS
) -> Verdict:
    """The verdict on an answer: values as names and expressions, and a sentence with `{name}` for each of them."""
    if not observations.all:
        return Verdict(text, False, NOT_YET)
    if not observations.values:
        missing = missing_call(goal, observations, tools)
        return Verdict(wording.nothing_found(goal, observations), missing is None, missing.hint if missing else "")
    try:
        computed = [_compute(goal, observations, *each) for each in values]
    except ExpressionError as error:
        if "{" not in text and (verdict := _judge_text(goal, observations, text, tools)).supported:
            return verdict
        failed = [each.name for each in observations.all if not each.is_useful]
        without = f" Without {', '.join(failed)}, which have no value." if failed else ""
        return Verdict(_without_braces(text), False, f"{error}.{without}")
    if not computed:
        return _judge_text(goal, observations, _without_braces(text), tools)
    reads = {path for each in computed for path in each.evaluation.reads}
    literals = {literal for each in computed for literal in each.evaluation.literals}
    reads |= {each.value.path for each in computed if each.value.path and each.value.data is None}
    reads |= {path for each in literals - {"0", "1", "2"} for path in _read_as(goal, observations, each)}
    problem = _problem(goal, observations, computed, reads, literals, tools)
    if problem and problem.startswith(NOT_ASKED) and (less := _asked_alone(goal, observations, computed, tools)):
        return less
    if problem and not problem.endswith((MAKE_ONE, LOOK_UP)) and "such as" not in problem:
        problem += _such(goal, observations, tools)
    sentence = wording.answer(goal, observations, [(each.name, each.value) for each in computed], text, reads)
    is_computed = any(each.value.path is None for each in computed)
    return Verdict(sentence, problem is None, problem or "", frozenset(reads), is_computed)


def _asked_alone(goal: Goal, observations: Observations, computed: Sequence[Computed], tools: Tools) -> Verdict | None:
    """The verdict on an answer without the values that the goal does not ask for, if that is supported."""
    asked = [
        (each.name, each.expression)
        for each in computed
        if all(is_asked(path, observations, goal) for path in each.evaluation.reads)
    ]
    verdict = judge(goal, observations, asked, "", tools) if 0 < len(asked) < len(computed) else None
    return verdict if verdict and verdict.supported else None


def _what_there_is(goal: Goal, observations: Observations, tools: Tools) -> str:
    """A hint: the fields that can be read, and what may be computed of them."""
    return wording.what_there_is(observations) + _such(goal, observations, tools)


def _such(goal: Goal, observations: Observations, tools: Tools) -> str:
    values = next(complete(goal, observations, tools.values()), None)
    expression = values[0][1] if values else rate(goal, observations) or days(goal, observations)
    return f" A value may be {expression}." if expression else ""


def _problem(
    goal: Goal,
    observations: Observations,
    computed: Sequence[Computed],
    reads: set[Path],
    literals: set[str],
    tools: Tools,
) -> str | None:
    found = problems(goal, observations, computed, reads, literals)
    unknown = (look_up(*field) for field in unresolved(goal, observations, reads, tools))
    other = _irrelevant(goal, observations, computed, reads, tools)
    several = several_numbers(goal, observations, computed, reads)
    return next(chain(found, unknown, other, several), None)


def _irrelevant(
    goal: Goal, observations: Observations, computed: Sequence[Computed], reads: set[Path], tools: Tools
) -> Iterator[str]:
    """What is wrong with the fields of an answer; nothing of what takes all words of the goal into account."""
    expressions = [each.expression for each in computed]
    known = complete(goal, observations, tools.values())
    if any([expression for _, expression in values] == expressions for values in known):
        return
    yield from irrelevant(goal, observations, [(each.value, each.evaluation.reads) for each in computed], reads)
    yield from miscomputed(goal, [(each.expression, each.value) for each in computed], reads)


def _compute(goal: Goal, observations: Observations, name: str, expression: str) -> Computed:
    evaluation = Evaluation(observations.values, target=goal.unit)
    value = evaluation.value(expression)
    if not evaluation.reads and len(copied := [*_read_as(goal, observations, str(plain(value)))]) == 1:
        # A number without its unit, which stands in the field.
        evaluation = Evaluation(observations.values, target=goal.unit)
        value = evaluation.value(expression_of(copied[0]))
    return Computed(name, expression, _converted(observations, evaluation, value), evaluation)


def _converted(observations: Observations, evaluation: Evaluation, value: Value) -> Value:
    """A value of an observation in the unit of the goal, by whatever formula: its constants are no facts."""
    target, number = evaluation.target, value.data
    if target is None or len(evaluation.reads) != 1 or not isinstance(number, Decimal) or value.unit == target:
        return value
    [path] = evaluation.reads
    leaf = _field(observations, path)
    try:
        source = number_of(leaf)
        found = convert(source.data, source.unit, target) if source.unit else None
    except ValueError:
        return value
    if found is None or abs(found - number) > abs(found) / 1000:
        return value
    evaluation.literals.clear()
    return Value(found, unit=target)


def _read_as(goal: Goal, observations: Observations, literal: str) -> Iterator[Path]:
    """Where a number, a date or a word that the model has copied comes from."""
    yield from texts_with(goal, observations, literal)
    copied = [path for path, leaf in observations.leaves() if str(leaf) == literal and not isinstance(leaf, bool)]
    if len(copied) == 1 and not is_in_goal(literal, goal):
        yield copied[0]


def _field(observations: Observations, path: Path) -> Value:
    return Value(observations.at(path), path, unit_of_field(str(path[-1])))


def _without_braces(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "…", text)


# --- an answer in words alone ----------------------------------------------------------------------------------------


def _judge_text(goal: Goal, observations: Observations, text: str, tools: Tools) -> Verdict:
    """The verdict on an answer without values: what it names has to stand in the observations."""
    everything = " ".join(text_of(each) for each in observations.values.values())
    known = f"{everything} {goal.plain}"
    unknown = next((each for each in wording.facts(text) if not wording.stands_in(each, known)), None)
    if unknown is not None:
        such = _such(goal, observations, tools)
        return Verdict(text, False, f"No observation holds {unknown!r}: give values as expressions.{such}")
    own = [each for each in wording.facts(text) if not wording.stands_in(each, goal.plain)]
    reads = {
        path
        for path, leaf in observations.leaves()
        for each in own
        if not is_long(leaf) and wording.stands_in(each, text_of(leaf))
    }
    reads |= {path for each in own for path in texts_with(goal, observations, each)}
    denies = wording.denies(text)
    has_failed = bool(wording.failures(goal, observations)) and not any(
        is_long(observations.at(each)) for each in reads
    )
    if not reads or goal.compares or goal.is_yes_or_no or (denies and not has_failed):
        return Verdict(text, False, _what_there_is(goal, observations, tools))
    if not any(is_long(observations.at(path)) for path in reads):
        fields = _fields_of(own, goal, observations, reads)
        return judge(goal, observations, fields, "" if denies else text, tools)
    literals = set(wording.numbers(text))
    problem = _problem(goal, observations, (), reads, literals, tools)
    if denies:  # of what failed, or of anything else: the fields say what there is
        shown = [(str(path[-1]), _field(observations, path)) for path in sorted(reads, key=str)]
        text = wording.answer(goal, observations, shown, "", reads)
    return Verdict(text, problem is None, problem or "")


def _fields_of(facts: Sequence[str], goal: Goal, observations: Observations, reads: set[Path]) -> list[Named]:
    """A field for each fact of a sentence: one that the goal asks for, if there are several."""
    found: dict[Path, None] = {}
    for fact in facts:
        paths = [path for path in sorted(reads, key=str) if wording.stands_in(fact, text_of(observations.at(path)))]
        asked = [path for path in paths if is_asked(path, observations, goal)]
        found |= dict.fromkeys((asked or paths)[:1])
    return [(str(path[-1]), expression_of(path)) for path in found]


def absent(goal: Goal, observations: Observations, tools: Tools) -> Verdict | None:
    """The verdict where the model says twice that the observations do not hold what the goal asks for.

    `None` if a field bears the name of what is asked for, so that this is not so, or for a list, whose entries may be
    told apart in other words, and while there are tools that were not called: the answer may be elsewhere.
    """
    if next(names_without_call(goal, observations, ()), None) or {each.tool for each in observations.all} < set(tools):
        return None
    if any(unresolved(goal, observations, (path for path, _ in observations.leaves()), tools)):
        return None
    if shows_asked(goal, observations) or goal.may_be_computed:
        return None
    for path, leaf in observations.leaves():
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        asked = is_named(key, goal) and not is_in_goal(leaf, goal)
        if len(path) > 1 and (asked or is_long(leaf) or len(observations.siblings(path)) > 1):
            return None
    return Verdict(wording.fields_without_answer(goal, observations), True)
