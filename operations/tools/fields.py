"""Which field a goal asks for, asked of the model by itself, where no word of the goal names one.

`who's dealing with it` asks for `assigned_to`, and `how heavy is it` for nothing that a machine with `power_kw` has. A
small model that writes an answer takes what there is. Asked which one of the fields it is, and then whether that one
says it, after examples, it is much more reliable: of 21 goals whose answer was in a field that they do not name, or in
none, a model with 1.5 billion parameters had all right, by the probability of its yes. With who made what it is less
good: it took the designer of a game for who drew it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from math import inf
from typing import Any, Final

from streaming import Event, OperationError

from ..llm import Finished, Model, Text, chat, fill
from ..llm.prompts import visible
from . import prompt
from .goal import Goal
from .missing import is_long
from .observed import Observations
from .relevant import asks_two, is_asked, is_known
from .values import name_of

MOST: Final = 30
"""Fields of which the model chooses one."""
SHOWN: Final = 60
"""Characters of a value that it is shown."""
NONE: Final = "none"
SURE: Final = 0.6
"""How much likelier a yes than a no has to be, as a difference of logarithms. Of 16 further questions, six of ten right
fields had more, and two of six wrong ones; four of those without the example of the photographs, and at least 1.1."""
TOKENS: Final = 800
"""Tokens of a reply, with the thoughts before it."""
LIKELIEST: Final = 8

CHOOSE: Final = """\
Which field holds what the question asks for? You see the fields of some records with their values. \
If no field says exactly what is asked for, answer none: a field of the same kind that says something else is not what \
is asked for."""
CHECK: Final = """\
You check whether a field of a record says what a question asks for. A field of the same kind that says something else \
is a no. Reply yes or no."""
EXAMPLES: Final = (
    ("What is the fax number of the Bellway Hotel?", "phone", "01223 496 0100", "no"),
    ("who looks after the lift in block C", "maintained_by", "Orlin Lifts", "yes"),
    ("How wide is the Ashby Bridge?", "length_m", 220, "no"),
    ("what do I owe for one night", "rate_eur", 80, "yes"),
    ("When was the hall sold?", "built", "1911-05-02", "no"),
    ("Who took the photographs in the book Low Tide?", "author", "Ada Lind", "no"),
    ("Since when has Ada Lind been with the club?", "joined", "2019-03-01", "yes"),
    ("How many parcels fit into the lorry?", "doors", 3, "no"),
    ("Which town does she come from?", "lives_in", "Ely", "no"),
    ("Where can I find the spare keys?", "location", "drawer 3", "yes"),
    ("How much salt is in it?", "sugar_g", 12, "no"),
)
"""Questions, a field with its value, and whether that one says what is asked for."""

Fields = Mapping[str, Any]
"""Names of fields with one value of each."""


def fields_of(goal: Goal, observations: Observations) -> Fields:
    """The fields that may hold what a goal asks for: not what it says itself, what a call was about, or long texts.

    Where it asks for two things, the one that its words name is not among those for the other.
    """
    two = asks_two(goal)
    found: dict[str, Any] = {}
    for path, leaf in observations.leaves():
        name = name_of(path)
        is_other = is_known(leaf, goal, observations) or is_long(leaf) or (two and is_asked(path, observations, goal))
        if name and name not in found and not is_other and len(found) < MOST:
            found[name] = leaf
    return found


def asked_field(model: Model, goal: Goal, fields: Fields, usage: dict[str, int]) -> Generator[Event, Any, str | None]:
    """The field that holds what a goal asks for, by the model; `None` if that is not sure, or the model fails.

    Its calls are counted in `usage`.
    """
    if not fields or model.demonstration:
        return None
    try:
        name = yield from _chosen(model, goal, fields, usage)
        return name if name != NONE and (yield from _says(model, goal, name, fields[name], usage)) else None
    except OperationError:
        return None


def _chosen(model: Model, goal: Goal, fields: Fields, usage: dict[str, int]) -> Generator[Event, Any, str]:
    lines = "\n".join(f"- {visible(name)}: {_shown(value)}" for name, value in fields.items())
    order = [prompt.message("system", CHOOSE), prompt.message("user", f"Question: {goal.text}\nFields:\n{lines}\n")]
    choice = {"type": "string", "enum": [*fields, NONE]}
    schema = {"type": "object", "properties": {"field": choice}, "required": ["field"], "additionalProperties": False}
    value, finished = yield from fill(model, order, schema, max_tokens=TOKENS)
    count_usage(usage, finished)
    name = str(value.get("field")) if isinstance(value, dict) else NONE
    return name if name in fields else NONE


def _says(model: Model, goal: Goal, name: str, value: Any, usage: dict[str, int]) -> Generator[Event, Any, bool]:
    asked = [
        (f"Question: {question}\nField: {visible(field)} = {visible(str(of))[:SHOWN]}", reply)
        for question, field, of, reply in (*EXAMPLES, (goal.text, name, value, ""))
    ]
    return (yield from odds_of_yes(model, CHECK, asked, usage)) >= SURE


def odds_of_yes(
    model: Model, system: str, asked: Sequence[tuple[str, str]], usage: dict[str, int]
) -> Generator[Event, Any, float]:
    """How much likelier a yes than a no to the last of some questions is, as a difference of logarithms.

    The others are examples, with their replies. Infinite where the server says no probabilities.
    """
    order = [prompt.message("system", system)]
    for question, reply in asked:
        order.append(prompt.message("user", question))
        order += [prompt.message("assistant", reply)] if reply else []
    text = ""
    first: Mapping[str, float] = {}
    pieces = chat(model, order, max_tokens=TOKENS, temperature=0.0, likeliest=LIKELIEST)
    with closing(pieces):
        for piece in pieces:
            if isinstance(piece, Event):
                yield piece
            elif isinstance(piece, Text):
                text += piece.text
            elif isinstance(piece, Finished):
                count_usage(usage, piece)
                first = piece.first
    odds = {token.strip().casefold(): odd for token, odd in sorted(first.items(), key=lambda each: each[1])}
    if "yes" in odds and "no" in odds:
        return odds["yes"] - odds["no"]
    return inf if text.strip().casefold().startswith("yes") else -inf


def _shown(value: Any) -> str:
    return visible(json.dumps(value, ensure_ascii=False)[:SHOWN])


def count_usage(usage: dict[str, int], finished: Finished) -> None:
    """Counts a call of the model."""
    usage["calls"] += 1
    usage["prompt_tokens"] += finished.usage.prompt_tokens or 0
    usage["completion_tokens"] += finished.usage.completion_tokens or 0
