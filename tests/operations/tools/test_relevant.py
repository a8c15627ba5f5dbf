"""Whether an answer is in a field that its goal asks for, and computed as it asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from operations.tools import support
from operations.tools.goal import Goal
from operations.tools.relevant import NOT_ASKED

from .test_support import LISBON, OSLO, PART, TODAY, Call, judge, observations, person, weather

RADIO: Call = (
    "radio",
    {"station": "Radio Orla"},
    {"station": "Radio Orla", "town": "Wexham", "genre": "jazz", "frequency_mhz": 97.3, "on_air_since": 1988},
)
TICKET: Call = (
    "ticket",
    {"number": 4711},
    {"number": 4711, "subject": "Printer", "opened": "2026-03-01", "assigned_to": "Ida Moss", "priority": 2},
)
SHIP: Call = ("ship", {"name": "Orla"}, {"name": "Orla", "length_m": 90, "built": 1999, "berths": 22, "port": "Wick"})
BREADS: Call = (
    "bakery",
    {"name": "Pettit"},
    [{"bread": "rye", "price_eur": 4.2, "grams": 750}, {"bread": "roll", "price_eur": 0.6, "grams": 60}],
)
CHAIN = [
    person("Anna Keller", "117", "Bo Lind"),
    person("Bo Lind", "900", "Ida Moss"),
    person("Ida Moss", "4", "Al Ott"),
]


@pytest.mark.parametrize(
    ("goal", "call", "right", "others"),
    [
        ("what frequency is Radio Orla on?", RADIO, "frequency_mhz", ("town", "genre", "on_air_since")),
        ("Where is Radio Orla?", RADIO, "town", ("genre", "frequency_mhz")),
        ("When was ticket 4711 opened?", TICKET, "opened", ("subject", "priority", "assigned_to")),
        ("How long is the ship Orla?", SHIP, "length_m", ("built", "berths", "port")),
        ("How many feet is the Orla long?", SHIP, "length_m", ("built", "berths")),
        ("In which port does the Orla lie?", SHIP, "port", ("built", "berths")),
        ("What does the part P-77 cost?", PART, "price", ("weight_g", "name")),
        ("How heavy is the part P-77?", PART, "weight_g", ("price", "name")),
    ],
)
def test_the_field_that_a_goal_names(goal: str, call: Call, right: str, others: tuple[str, ...]) -> None:
    """By its word, by what means the same, or by a unit; no other is an answer, as a value or in words."""
    assert judge(goal, [call], value=f"o1[{right!r}]").supported
    assert judge(goal, [call], f"It is {call[2][right]}.").supported
    for other in others:
        assert not judge(goal, [call], value=f"o1[{other!r}]").supported, other
        assert not judge(goal, [call], f"It is {call[2][other]}.").supported, other


def test_a_field_of_no_word_of_the_goal() -> None:
    """It is no answer, unless the model says of it alone that it is (`fields`)."""
    goal = Goal("who's dealing with ticket 4711", TODAY)
    values = [("who", "o1['assigned_to']")]
    verdict = support.judge(goal, observations(TICKET), values, "")
    assert verdict.hint.startswith(f"{NOT_ASKED} assigned_to: if there is none, say so.")
    assert support.judge(replace(goal, fields=frozenset({"assigned_to"})), observations(TICKET), values, "").supported
    assert judge("Wer bearbeitet 4711?", [TICKET], who="o1['assigned_to']").supported  # nothing is known of German


def test_what_a_tool_is_about_is_not_asked_for() -> None:
    """The word before a name says what that is: an order that was ordered."""
    call: Call = ("order", {"number": 5502}, {"number": 5502, "ordered": "2026-02-20", "delivered": None})
    assert not judge("On which day was order 5502 delivered?", [call], day="o1['ordered']").supported
    assert judge("On which day was order 5502 ordered?", [call], day="o1['ordered']").supported


def test_two_questions_have_two_answers() -> None:
    """When, and how long: one value is half of that."""
    goal = "When was the Orla built, and how long is it?"
    assert "two things" in judge(goal, [SHIP], built="o1['built']").hint
    assert judge(goal, [SHIP], built="o1['built']", length="o1['length_m']").supported
    shipment = {"number": "S-7", "expected": "2026-11-23", "from": "Izmir", "to": "Wick"}
    call: Call = ("shipment", {"number": "S-7"}, shipment)
    goal = "When is S-7 expected, and at which port?"
    assert f"{NOT_ASKED} from" in judge(goal, [call], expected="o1['expected']", port="o1['from']").hint


@pytest.mark.parametrize(
    ("goal", "right", "wrong", "hint"),
    [
        ("How much warmer is Lisbon than Oslo?", "o2['temperature_c'] - o1['temperature_c']", "+", "a sum"),
        (
            "How many degrees are Oslo and Lisbon in all?",
            "o1['temperature_c'] + o2['temperature_c']",
            "-",
            "a difference",
        ),
    ],
)
def test_a_sum_is_no_difference(goal: str, right: str, wrong: str, hint: str) -> None:
    """Nor is a difference a sum."""
    assert judge(goal, [OSLO, LISBON], value=right).supported
    other = f"o2['temperature_c'] {wrong} o1['temperature_c']"
    assert hint in judge(goal, [OSLO, LISBON], value=other).hint


def test_numbers_of_different_things_are_not_computed() -> None:
    """A length and a number of berths; but a price and a quantity."""
    assert "different things" in judge("How long is the Orla?", [SHIP], value="o1['length_m'] + o1['berths']").hint
    lines: Call = ("order", {"number": 7}, {"number": 7, "price": 4.5, "quantity": 3})
    assert judge("What does order 7 cost in all?", [lines], value="o1['price'] * o1['quantity']").supported


def test_a_mean_is_divided() -> None:
    """A sum, or a list, is none."""
    goal = "What does a bread at Pettit cost on average?"
    assert "divide" in judge(goal, [BREADS], value="sum(each['price_eur'] for each in o1)").hint
    assert "not for a list" in judge(goal, [BREADS], value="[each['price_eur'] for each in o1]").hint
    assert judge(goal, [BREADS], value="sum(each['price_eur'] for each in o1) / len(o1)").supported


def test_one_manager_is_not_two() -> None:
    """A link that the goal names once is followed once."""
    goal = "What is the phone number of Anna Keller's manager?"
    assert judge(goal, CHAIN, phone="o2[0]['phone']").supported
    assert not judge(goal, CHAIN, phone="o3[0]['phone']").supported


def test_all_that_are_compared() -> None:
    """The coldest of two is not the coldest of three."""
    goal = "Which is the coldest of Oslo, Lisbon and Riga?"
    calls = [OSLO, LISBON, weather("Riga", -6)]
    assert "compares Riga too" in judge(goal, calls, one="o1['temperature_c']", two="o2['temperature_c']").hint


def test_what_is_left_is_a_difference() -> None:
    """Unless there is a field of that name."""
    tickets: Call = ("parade", {"name": "Lark"}, {"parade": "Lark", "single_gbp": 9.5, "family_gbp": 24})
    goal = "How much do two people save with the family ticket of the Lark instead of single ones?"
    assert "a difference" in judge(goal, [tickets], single="o1['single_gbp']", family="o1['family_gbp']").hint
    assert judge(goal, [tickets], saved="2 * o1['single_gbp'] - o1['family_gbp']").supported
    places: Call = ("course", {"name": "Judo"}, {"course": "Judo", "places": 20, "places_left": 3})
    assert judge("How many places are still left in Judo?", [places], left="o1['places_left']").supported
