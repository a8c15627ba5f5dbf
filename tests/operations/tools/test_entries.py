"""Which entries of a list a goal asks for, asked of a scripted model, and chosen by the program."""

from __future__ import annotations

from typing import Any

import pytest

from operations.llm import connect
from operations.tools import entries, support
from operations.tools.fields import Asker
from operations.tools.goal import Goal
from tests.apps.llm_fake import Fake, Reply, fake_model, outcome, problem

from .test_fields import said
from .test_support import TODAY, Call, observations

DAYS: Call = (
    "forecast",
    {"place": "Wick"},
    [
        {"day": "Monday", "high_c": 24, "rain": 3.5, "sky": "grey"},
        {"day": "Tuesday", "high_c": 23, "rain": 0, "sky": "blue"},
        {"day": "Friday", "high_c": 17, "rain": 0, "sky": "blue"},
    ],
)
ALERTS: Call = (
    "alerts",
    {"cluster": "heron"},
    {
        "alerts": [
            {"host": "a1", "severity": "critical", "seen_by": "Ida", "waits": "31 h"},
            {"host": "a2", "severity": "critical", "seen_by": None, "waits": "6 h"},
            {"host": "b1", "severity": "warning", "seen_by": None, "waits": "40 h"},
        ]
    },
)
FARES: Call = (
    "fares",
    {"route": "TLM-RSB"},
    [
        {"airline": "Nimbair", "stops": 1, "fare_gbp": 98},
        {"airline": "Auklet", "stops": 0, "fare_gbp": 143},
        {"airline": "Kestrel", "stops": 0, "fare_gbp": 129},
    ],
)
LIFTS: Call = (
    "lifts",
    {"resort": "Wick"},
    [{"lift": "Kamm", "open": True}, {"lift": "Birk", "open": False}, {"lift": "Tal", "open": False}],
)
YES, NO = said("yes", yes=-0.1, no=-2.4), said("no", yes=-2.4, no=-0.1)
HARDLY = said("yes", yes=-0.6, no=-0.8)


def asked(
    monkeypatch: pytest.MonkeyPatch, goal: str, calls: list[Call], *replies: Reply
) -> tuple[str | None, list[str], Fake]:
    """The answer with the entries, or `None`, and the conditions about which the model was asked."""
    usage = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    seen, own = observations(*calls), Goal(goal, TODAY)
    with fake_model(*replies) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        values: Any = outcome(entries.entries_asked(Asker(outcome(connect()), usage), own, seen))
    questions = [each["messages"][-1]["content"].partition("Condition: ")[2] for each in fake.requests]
    assert usage["calls"] <= len(questions)
    conditions = [each for each in questions if each]
    return support.judge(own, seen, values, "").text if values else None, conditions, fake


def test_limits_are_of_the_field_that_the_model_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose unit the goal names there is nothing to ask; of several fields it is the likeliest."""
    goal = "Which days in Wick are without rain, and warmer than 20 degrees?"
    text, conditions, _ = asked(monkeypatch, goal, [DAYS], HARDLY, NO, YES, NO, NO)
    assert conditions == ["high_c > 20", "rain > 20", "rain = 0", 'sky = "grey"', 'sky = "blue"']
    assert text == "day: Tuesday"


def test_what_stands_in_the_goal_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """`critical` is the one of its field; what is not given is asked about."""
    goal = "Which hosts in heron have a critical alert that nobody has seen?"
    text, conditions, _ = asked(monkeypatch, goal, [ALERTS], NO, YES)
    assert conditions == ['seen_by = "Ida"', "seen_by is not given"]
    assert text == "host: a2"


@pytest.mark.parametrize(("limit", "hosts"), [("more than 24 hours", "a1, b1"), ("less than 7 hours", "a2")])
def test_a_limit_in_the_unit_of_its_field(monkeypatch: pytest.MonkeyPatch, limit: str, hosts: str) -> None:
    """A number without a unit of its own is in that of the field, beside which it stands."""
    text, conditions, _ = asked(monkeypatch, f"Which hosts of heron wait for {limit}?", [ALERTS], NO, NO, NO)
    assert text == f"host: {hosts}"
    assert not any("waits" in each for each in conditions)


def test_a_limit_of_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model is sure of none, there is no condition."""
    goal = "Which days in Wick have winds above 20?"
    assert asked(monkeypatch, goal, [DAYS], NO, NO, NO, NO)[0] is None


def test_how_many_entries_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all pages of a list."""
    pages = [
        LIFTS,
        (LIFTS[0], {"resort": "Wick", "page": 2}, [{"lift": "Zug", "open": False}, {"lift": "Alm", "open": True}]),
    ]
    text, _, _ = asked(monkeypatch, "How many lifts in Wick are not running?", pages, NO, YES)
    assert text == "count: 3"


def test_the_end_of_those_that_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest, of those without a stop."""
    goal = "Who flies the cheapest non-stop on TLM-RSB, and for how much?"
    text, conditions, _ = asked(monkeypatch, goal, [FARES], YES)
    assert conditions == ["stops = 0"]
    assert text is not None
    assert "Kestrel" in text
    assert "129" in text


BOOK: Call = (
    "book",
    {"isbn": "044"},
    [
        {"role": "illustrator", "name": "Tove Birk", "born": 1961},
        {"role": "translator", "name": "Liv Aasen", "born": 1970},
    ],
)


@pytest.mark.parametrize(
    ("goal", "call", "replies", "right"),
    [
        ("When was the translator of the book 044 born?", BOOK, [NO, YES], "1970"),
    ],
)
def test_a_field_of_the_entry_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, goal: str, call: Call, replies: list[Reply], right: str
) -> None:
    """It is asked for by itself, as a field of one record is."""
    text, _, _ = asked(monkeypatch, goal, [call], *replies)
    assert right in str(text)


@pytest.mark.parametrize("replies", [[NO, NO], [NO, HARDLY], [problem(401, "no key")]], ids=["no", "hardly", "failed"])
def test_a_model_that_is_not_sure(monkeypatch: pytest.MonkeyPatch, replies: list[Reply]) -> None:
    """There are no entries then: that all are meant, or none, is no answer."""
    assert asked(monkeypatch, "How many lifts in Wick are not running?", [LIFTS], *replies)[0] is None


def test_two_different_lists_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known which one is meant."""
    assert asked(monkeypatch, "Which lifts are not running?", [LIFTS, DAYS])[1] == []
