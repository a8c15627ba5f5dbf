"""Which field says what a goal asks for, asked of the model by itself, one field at a time.

`who's dealing with it` asks for `assigned_to`, and `how heavy is it` for nothing that a machine with `power_kw` has. A
small model that writes an answer takes what there is. Asked whether a field says it, after examples, it is much more
reliable, by how much likelier its yes is than its no: of 38 goals whose answer has fields of the same kind beside it,
a model with 1.5 billion parameters had the right one first in all, and of 34 goals that compare, in 29.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, NamedTuple

from streaming import Event, OperationError

from ..llm import Finished, Model, Text, chat
from ..llm.prompts import visible
from . import prompt
from .goal import Goal
from .missing import is_long
from .observed import Observations
from .relevant import is_known
from .values import name_of

MOST: Final = 16
"""Fields about which a model is asked, at most."""
SHOWN: Final = 60
"""Characters of a value that it is shown."""
SURE: Final = 0.6
"""How much likelier a yes than a no has to be, as a difference of logarithms. Of 16 further questions, six of ten right
fields had more, and two of six wrong ones; four of those without the example of the photographs, and at least 1.1."""
TOKENS: Final = 800
"""Tokens of a reply, with the thoughts before it."""
LIKELIEST: Final = 8


class Check(NamedTuple):
    """What a model is asked: an order, the kind of what it is asked about, and examples with their replies."""

    order: str
    about: str
    examples: Sequence[tuple[str, str, str]]


SAYS: Final = Check(
    """\
You check whether a field of a record says what a question asks for. A field of the same kind that says something else \
is a no. Reply yes or no.""",
    "Field",
    (
        ("What is the fax number of the Bellway Hotel?", "phone = 01223 496 0100", "no"),
        ("who looks after the lift in block C", "maintained_by = Orlin Lifts", "yes"),
        ("How wide is the Ashby Bridge?", "length_m = 220", "no"),
        ("what do I owe for one night", "rate_eur = 80", "yes"),
        ("When was the hall sold?", "built = 1911-05-02", "no"),
        ("Who took the photographs in the book Low Tide?", "author = Ada Lind", "no"),
        ("Since when has Ada Lind been with the club?", "joined = 2019-03-01", "yes"),
        ("How many parcels fit into the lorry?", "doors = 3", "no"),
        ("Which town does she come from?", "lives_in = Ely", "no"),
        ("Where can I find the spare keys?", "location = drawer 3", "yes"),
        ("How much salt is in it?", "sugar_g = 12", "no"),
    ),
)
"""Whether a field says what is asked for."""
_LANDLORD, _CLOCK, _PAINTING, _TRAM = (
    "What is the phone number of the landlord of flat 4?",
    "In which town does the woman who repaired the station clock live?",
    "How wide is the newest painting of the gallery?",
    "When does the bus leave the stop where tram 5 ends?",
)
LEADS: Final = Check(
    """\
A question asks for something of a person or a thing, and a record refers to several of them. You check whether the \
question is about the one that a field refers to. Reply yes or no.""",
    "Field",
    (
        (_LANDLORD, "landlord_id = L-7", "yes"),
        (_LANDLORD, "agent_id = A-2", "no"),
        (_CLOCK, "owner = Lind", "no"),
        (_CLOCK, "repaired_by = moss", "yes"),
        (_PAINTING, "first_painting = P-1", "no"),
        (_PAINTING, "last_painting = P-9", "yes"),
        (_TRAM, "to_stop = S-31", "yes"),
        (_TRAM, "from_stop = S-02", "no"),
    ),
)
"""Whether a field leads to what something is asked of: of 12 pairs, 11 had the right one first."""

Fields = Mapping[str, Any]
"""Names of fields with one value of each."""
Odds = dict[str, float]
"""How much likelier a yes than a no is, by the names of fields."""


def fields_of(goal: Goal, observations: Observations) -> Fields:
    """The fields that may hold what a goal asks for: not what it says itself, what a call was about, or long texts."""
    found: dict[str, Any] = {}
    for path, leaf in observations.leaves():
        name = name_of(path)
        is_other = is_known(leaf, goal, observations) or is_long(leaf)
        if name and name not in found and not is_other and len(found) < MOST:
            found[name] = leaf
    return found


@dataclass
class Asker:
    """Asks a model for a yes or a no, once for each question; its calls are counted in `usage`."""

    model: Model
    usage: dict[str, int]
    said: dict[tuple[str, str], float] = field(default_factory=dict)

    def odds(self, question: str, fields: Fields, check: Check = SAYS) -> Generator[Event, Any, Odds]:
        """How much likelier a yes than a no is, of each field; none if the model fails."""
        lines = {name: f"{visible(name)} = {visible(str(value))[:SHOWN]}" for name, value in fields.items()}
        return (yield from self.odds_of_lines(question, lines, check))

    def odds_of_lines(self, question: str, lines: Mapping[str, str], check: Check) -> Generator[Event, Any, Odds]:
        """The same of anything, as it is shown to the model."""
        found: Odds = {}
        for name, line in lines.items() if not self.model.demonstration else ():
            asked = f"Question: {question}\n{check.about}: {line}"
            if (check.order, asked) not in self.said:
                examples = [(f"Question: {each}\n{check.about}: {of}", reply) for each, of, reply in check.examples]
                try:
                    odds = yield from odds_of_yes(self.model, check.order, [*examples, (asked, "")], self.usage)
                except OperationError:
                    return {}
                self.said[check.order, asked] = odds
            found[name] = self.said[check.order, asked]
        return found

    def field(self, question: str, fields: Fields) -> Generator[Event, Any, str | None]:
        """The field that holds what a question asks for; `None` if that is not sure, or the model fails."""
        odds = yield from self.odds(question, fields)
        best = max(odds, key=lambda name: odds[name], default=None)
        is_sure = best and odds[best] >= SURE and [*odds.values()].count(odds[best]) == 1
        return best if is_sure else None


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


def count_usage(usage: dict[str, int], finished: Finished) -> None:
    """Counts a call of the model."""
    usage["calls"] += 1
    usage["prompt_tokens"] += finished.usage.prompt_tokens or 0
    usage["completion_tokens"] += finished.usage.completion_tokens or 0
