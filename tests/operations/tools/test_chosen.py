"""The answer in the field that says best what a goal asks for, of a model whose replies are known."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, cast

import pytest

from operations.tools import chosen, support
from operations.tools.fields import LEADS, SAYS, SURE, Asker, Check, Fields, Odds
from operations.tools.goal import Goal
from operations.tools.values import Path
from streaming import Event
from tests.apps.llm_fake import outcome

from .test_support import TODAY, Call, observations

FILM: Call = (
    "film_credits",
    {"title": "Salt Engine"},
    {"title": "Salt Engine", "year": 2024, "crew": {"writer": "Aoife Lanz", "composer": "Pia Korvald"}},
)
CONSULATE: Call = ("consulate", {"city": "Melkov"}, {"phone": {"office": "555 0132", "emergency": None}, "floor": 2})
REQUEST: Call = ("pull_request", {"number": 918}, {"number": 918, "author_login": "tkw", "reviewer_login": "mirano"})
AUTHOR: Call = ("developer", {"login": "tkw"}, {"login": "tkw", "time_zone": "Europe/Lisbon"})
REVIEWER: Call = ("developer", {"login": "mirano"}, {"login": "mirano", "time_zone": "Asia/Tokyo"})
CAVE: Call = ("cave", {"name": "Orrel"}, {"name": "Orrel", "surveyed_length_m": 2340, "depth_m": 187})
DIVES: tuple[Call, ...] = (
    ("site", {"name": "Wall"}, {"name": "Wall", "visibility_m": 12, "depth_m": 38}),
    ("site", {"name": "Arch"}, {"name": "Arch", "visibility_m": 18, "depth_m": 24}),
)
PACKAGE: Call = ("package", {"name": "tidewire"}, {"name": "tidewire", "license": "MPL-2.0", "released": "2026-02-03"})
MUSIC, ZONE = "Who wrote the music of the film Salt Engine?", "What time zone is the reviewer of pull request 918 in?"


class Scripted(Asker):
    """Says what it is given: for the names of fields, how much likelier a yes is; all others are a no."""

    def __init__(self, says: Mapping[str, float], leads: Mapping[str, float] | None = None) -> None:
        super().__init__(cast("Any", None), {})
        self.by_check = {SAYS.order: says, LEADS.order: leads or {}}
        self.questions: list[str] = []

    def odds(self, question: str, fields: Fields, check: Check = SAYS) -> Generator[Event, Any, Odds]:
        """What is given, or -1."""
        self.questions.append(question)
        return {name: self.by_check[check.order].get(name, -1.0) for name in fields}
        yield


def better(asker: Asker, goal: str, path: Path, *calls: Call, **more: Any) -> tuple[str, float] | None:
    """The field that is better than one, or than several that were read."""
    verdict = support.Verdict("", True, reads=frozenset({path, *more.pop("reads", ())}), **more)
    found: tuple[str, float] | None = outcome(chosen.better(asker, Goal(goal, TODAY), observations(*calls), verdict))
    return found


def answer(asker: Asker, goal: str, *calls: Call) -> str | None:
    """The text of the answer that is chosen."""
    verdict: support.Verdict | None = outcome(chosen.chosen(asker, Goal(goal, TODAY), observations(*calls), {}))
    return verdict.text if verdict else None


def test_another_field_of_the_same_kind_says_it_better() -> None:
    """The composer, for who wrote the music; where both say it about as well, none is better."""
    writer, composer = ("o1", "crew", "writer"), ("o1", "crew", "composer")
    asker = Scripted({"crew.writer": 1.7, "crew.composer": 2.3, "year": 3.0})
    assert better(asker, MUSIC, writer, FILM) == ("crew.composer", 2.3)
    assert better(asker, MUSIC, composer, FILM) is None
    alike = Scripted({"crew.writer": 1.7, "crew.composer": 1.7 + chosen.BETTER})
    assert better(alike, MUSIC, writer, FILM) is None


def test_it_may_be_better_than_several() -> None:
    """Where a goal asks for one; what is computed of several has them all."""
    calls = ("film", {"title": "Salt Engine"}, {"writer": "A. Lanz", "cutter": "I. Moss", "composer": "P. Korvald"})
    asker = Scripted({"writer": 1.0, "composer": 2.0})
    both = ("o1", "cutter"), {"reads": [("o1", "writer")]}
    assert better(asker, MUSIC, both[0], calls, **both[1]) == ("composer", 2.0)
    assert better(asker, MUSIC, both[0], calls, **both[1], is_computed=True) is None
    assert better(asker, "Who cut and who wrote the film Salt Engine?", both[0], calls, **both[1]) is None


def test_a_field_without_a_value_may_say_it_better() -> None:
    """The phone number for emergencies is not given, and that of the office is another one."""
    asker = Scripted({"phone.emergency": 1.0, "phone.office": 0.7})
    goal = "What is the emergency number of the consulate in Melkov?"
    assert better(asker, goal, ("o1", "phone", "office"), CONSULATE) == ("phone.emergency", 1.0)


def test_another_field_leads_to_what_is_asked_for() -> None:
    """The time zone of the author, where that of the reviewer is asked for."""
    calls = (REQUEST, AUTHOR, REVIEWER)
    asker = Scripted({"time_zone": 1.0}, {"author_login": -0.5, "reviewer_login": 0.2})
    assert better(asker, ZONE, ("o2", "time_zone"), *calls) == ("reviewer_login", 0.2)
    assert better(asker, ZONE, ("o3", "time_zone"), *calls) is None
    assert answer(asker, ZONE, *calls) == "time zone (mirano): Asia/Tokyo"
    assert answer(Scripted({"time_zone": 1.0}), ZONE, *calls) is None


@pytest.mark.parametrize("path", [("o1", "title"), ("o1", "year")])
def test_nothing_of_another_kind_is_asked_about(path: Path) -> None:
    """Nor a field of which there is no other one of its kind."""
    asker = Scripted({})
    assert better(asker, MUSIC, path, (*FILM[:2], {"title": "Salt Engine", "year": 2024, "seen": True})) is None
    assert asker.questions == []


def test_the_field_that_says_best_what_is_asked_for() -> None:
    """Of those that pass all checks: how deep something is stands in its depth."""
    goal = "How deep is the cave Orrel?"
    asker = Scripted({"depth_m": 0.4, "surveyed_length_m": 0.5})
    assert answer(asker, goal, CAVE) == "depth m (Orrel): 187 m"


def test_the_comparison_by_the_field_that_says_it_best() -> None:
    """Where things may be compared by several fields."""
    goal = "At which of the two sites can you see further, Wall or Arch?"
    assert "Arch: 18 m" in str(answer(Scripted({"visibility_m": 0.5, "depth_m": 0.1}), goal, *DIVES))
    assert answer(Scripted({"visibility_m": 0.5, "depth_m": 0.4}), goal, *DIVES) is None


def test_each_of_two_questions_has_its_field() -> None:
    """It has to be sure, and another one for each."""
    goal = "Which licence is the package tidewire under, and when was it released?"
    asker = Scripted({"license": SURE, "released": SURE - 0.1})
    assert answer(asker, goal, PACKAGE) is None
    assert asker.questions == ["Which licence is the package tidewire under", "and when was it released?"]

    class Each(Scripted):
        def odds(self, question: str, fields: Fields, check: Check = SAYS) -> Generator[Event, Any, Odds]:
            name = "released" if "when" in question else "license"
            return {each: 1.0 if each == name else -1.0 for each in fields}
            yield

    assert answer(Each({}), goal, PACKAGE) == "license (tidewire): MPL-2.0\nreleased (tidewire): 2026-02-03"
