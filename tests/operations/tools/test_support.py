"""Whether observations support an answer: cases in which a small model was wrong and did not say so."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from operations.tools import support
from operations.tools.advice import advice, call_for
from operations.tools.base import Tool
from operations.tools.found import found
from operations.tools.goal import Goal
from operations.tools.nothing import first_call
from operations.tools.observed import Observations, Observed
from operations.tools.support import Verdict

Call = tuple[str, dict[str, Any], Any]
TODAY = date(2026, 11, 29)


def named(*names: str, description: str = "") -> dict[str, Tool]:
    """Tools with one argument that is called as they are."""
    schema = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    return {name: Tool(name, description, schema, str) for name in names}


def observations(*calls: Call) -> Observations:
    """Observations of calls: a tool, its arguments, and its answer; a number is the status of a failure."""
    observed = []
    for number, (tool, arguments, answer) in enumerate(calls, 1):
        failed = isinstance(answer, int)
        text = f"api.example answered {answer}." if failed else json.dumps(answer)
        observed.append(Observed(f"o{number}", tool, arguments, f"http_{answer}" if failed else None, text))
    return Observations(observed)


BIX = """Bix Ltd: 1931, the earliest; Ada Ltd 1974. The difference is 43.
founded (Ada Ltd): 1974
founded (Bix Ltd): 1931"""


def judge(goal: str, calls: list[Call], text: str = "", **values: str) -> Verdict:
    """The verdict on an answer with these expressions."""
    return support.judge(Goal(goal, TODAY), observations(*calls), list(values.items()), text)


def weather(city: str, temperature: int) -> Call:
    """The weather in a city."""
    return "weather", {"city": city}, {"city": city, "temperature_c": temperature}


def person(name: str, phone: str, manager: str) -> Call:
    """Somebody in the directory."""
    return "person", {"name": name}, [{"name": name, "phone": phone, "manager": manager, "room": "B1"}]


def order(number: int, total: float) -> Call:
    """An order."""
    return "order", {"number": number}, {"number": number, "total": total, "currency": "EUR"}


ANNA, BO = person("Anna Keller", "117", "Bo Lind"), person("Bo Lind", "900", "Ida Moss")
OSLO, LISBON = weather("Oslo", -2), weather("Lisbon", 22)
PART: Call = ("part", {"number": "P-77"}, {"number": "P-77", "name": "bracket", "weight_g": 340, "price": 4.2})
ROOMS: Call = (
    "rooms",
    {"day": "2026-05-03"},
    [
        {"room": "Alpha", "seats": 8, "free": True, "floor": "upper"},
        {"room": "Beta", "seats": 12, "free": True, "floor": "lower"},
        {"room": "Gamma", "seats": 20, "free": False, "floor": "lower"},
    ],
)
FORECAST: Call = (
    "forecast",
    {"city": "Oslo"},
    {"days": [{"date": "2026-11-29", "max_c": 3}, {"date": "2026-11-30", "max_c": 5}]},
)
MANAGER = "What is the phone number of Anna Keller's manager?"
WARMER = "Is it warmer in Oslo or in Lisbon right now, and by how many degrees?"
WEIGHT = "How many kilograms do 12 pieces of part P-77 weigh together?"
FREE = "Which rooms are free on 3 May 2026 and have more than 10 seats?"


@pytest.mark.parametrize(
    ("goal", "calls", "text", "values", "hint"),
    [
        (
            MANAGER,
            [ANNA],
            "It is {phone}.",
            {"phone": "o1[0]['phone']"},
            "The manager is 'Bo Lind': look that up first",
        ),
        (MANAGER, [ANNA, BO], "It is {phone}.", {"phone": "o1[0]['phone']"}, "The manager is 'Bo Lind'"),
        (MANAGER, [ANNA, BO], "The number is 117.", {}, "The manager is 'Bo Lind'"),
        (MANAGER, [ANNA, BO], "The number is 555.", {}, "No observation holds '555'"),
        (MANAGER, [BO], "It is {phone}.", {"phone": "o1['phone']"}, "No call was made about Anna Keller"),
        (
            MANAGER,
            [ANNA],
            "It is {phone}.",
            {"name": "o1['name']", "manager": "o1['manager']", "phone": "o1['phone']"},
            "The manager is 'Bo Lind': look that up first",
        ),
        ("What is the number of Anna Keller's boss?", [ANNA], "{x}", {"x": "o1['phone']"}, "not about the boss"),
        ("What is Anna Keller's boss's phone?", [ANNA], "{x}", {"x": "o1['phone']"}, "not about the boss"),
        ("What is the phone of the boss of Anna Keller?", [ANNA], "{x}", {"x": "o1['phone']"}, "not about the boss"),
        (WARMER, [OSLO], "{oslo}", {"oslo": "o1['temperature_c']"}, "No call was made about Lisbon"),
        (
            "Wie warm ist es in Oslo und in Riga?",
            [OSLO],
            "{x}",
            {"x": "o1['temperature_c']"},
            "No call was made about Riga",
        ),
        (WARMER, [OSLO, LISBON], "Oslo is warmer: -2 and 22.", {}, "o1 has city, temperature_c"),
        (
            WARMER,
            [OSLO, LISBON],
            "{city} is warmer.",
            {"city": "'Oslo' if o1['temperature_c'] < o2['temperature_c'] else 'Lisbon'"},
            "Oslo is not the one",
        ),
        (WARMER, [OSLO, LISBON], "{a}", {"a": "o2['temperature_c']"}, "The goal compares"),
        (WEIGHT, [PART], "{kg}", {"kg": "o1['weight_g'] / 1000"}, "the 12 of the goal"),
        (WEIGHT, [PART], "{kg}", {"kg": "o1['weight_g'] * 12 * 453.6"}, "'453.6' is in no observation"),
        (WEIGHT, [PART], "They weigh 1632 kg.", {}, "No observation holds '1632'"),
        (WEIGHT, [PART], "They weigh {kg}.", {"kg": "12"}, "No value of the answer is of an observation"),
        (FREE, [ROOMS], "{rooms}", {"rooms": "[r['room'] for r in o1 if r['free']]"}, "the 10 of the goal"),
        (FREE, [ROOMS], "{rooms}", {"rooms": "[r['room'] for r in o1 if r['seats'] > 10]"}, "take it into account"),
        ("Which lower rooms are there?", [ROOMS], "{x}", {"x": "[r['room'] for r in o1]"}, "take 'lower' of the goal"),
        ("How many seats has Gamma?", [ROOMS], "{x}", {"x": "o1[0]['seats']"}, "Nothing in o1[0] is in the goal"),
        ("How many seats has Gamma?", [ROOMS], "{x}", {"x": "o1[2]"}, "x is a whole object"),
        (
            "How warm will it be in Oslo tomorrow?",
            [FORECAST],
            "{x}",
            {"x": "max(d['max_c'] for d in o1)"},
            "2026-11-30",
        ),
        ("Is Gamma free?", [ROOMS], "{x}", {"x": "o1[2]['seats']"}, "The free is 'False'"),
        ("Is it freezing in Oslo?", [OSLO], "{x}", {"x": "o1['temperature_c']"}, "answered by yes or no"),
        ("What is Anna Keller's room?", [ANNA], "{x}", {"x": "o1['desk']"}, "there is no 'desk' there"),
        (
            "Which is faster, Oslo or Lisbon?",
            [OSLO, LISBON],
            "x",
            {"a": "o1['temperature_c']", "b": "o2['temperature_c']"},
            "not clear which end",
        ),
        (MANAGER, [], "It is 117.", {}, "No tool has been called yet"),
        ("What is the phone number of Tom Zapp?", [("person", {"name": "Example"}, [])], "", {}, "about Tom Zapp"),
        (
            MANAGER,
            [("person", {"name": "Anna Keller's manager"}, [])],
            "",
            {},
            "No call of person was made about Anna Keller alone",
        ),
        ("What is Anna Keller's e-mail address?", [ANNA], "It is not known.", {}, "o1 has name, phone, manager, room"),
        ("What is Anna Keller's e-mail address?", [ANNA], "anna@x.org", {"x": "'anna@x.org'"}, "is in no observation"),
    ],
)
def test_an_answer_without_support(goal: str, calls: list[Call], text: str, values: dict[str, str], hint: str) -> None:
    """The hint says what is missing."""
    verdict = judge(goal, calls, text, **values)
    assert not verdict.supported
    assert hint in verdict.hint


@pytest.mark.parametrize(
    ("goal", "calls", "text", "values", "expected"),
    [
        (MANAGER, [ANNA, BO], "It is {phone}.", {"phone": "o2[0]['phone']"}, "It is 900."),
        (MANAGER, [ANNA, BO], "The number is 900.", {}, "The number is 900."),
        (MANAGER, [ANNA, BO], "Call 117.", {"phone": "o2[0]['phone']"}, "phone (Bo Lind): 900"),
        (
            WARMER,
            [OSLO, LISBON],
            "Oslo is warmer than Lisbon by 20 degrees.",
            {
                "oslo": "o1['temperature_c']",
                "lisbon": "o2['temperature_c']",
                "by": "o2['temperature_c'] - o1['temperature_c']",
            },
            (
                "Lisbon: 22 °C, the highest; Oslo -2 °C. The difference is 24 °C.\n"
                "temperature c (Oslo): -2 °C\ntemperature c (Lisbon): 22 °C\nby: 24"
            ),
        ),
        (
            WARMER,
            [OSLO, LISBON],
            "{city} is warmer, by {by} degrees.",
            {
                "city": "'Oslo' if o1['temperature_c'] > o2['temperature_c'] else 'Lisbon'",
                "by": "abs(o1['temperature_c'] - o2['temperature_c'])",
            },
            "Lisbon is warmer, by 24 degrees.",
        ),
        (
            "Which of the orders 71, 72 and 73 is the cheapest?",
            [order(71, 812.5), order(72, 1240.0), order(73, 99.95)],
            "Order 72.",
            {"a": "o1['total']", "b": "o2['total']", "c": "o3['total']"},
            "73: 99.95, the lowest; 71 812.5, 72 1240.\ntotal (71): 812.5\ntotal (72): 1240\ntotal (73): 99.95",
        ),
        (WEIGHT, [PART], "They weigh {kg}.", {"kg": "o1['weight_g'] * 12"}, "They weigh 4.08 kg (4080 g)."),
        (WEIGHT, [PART], "They weigh 4 tons.", {"weight": "o1['weight_g'] * 12 / 1000"}, "weight: 4.08 kg"),
        (
            "How warm is it in Lisbon in Fahrenheit?",
            [LISBON],
            "{x}",
            {"x": "o1['temperature_c'] * 9 / 5 + 32"},
            "71.6 °F",
        ),
        (
            "Which was founded earlier, Ada Ltd or Bix Ltd?",
            [("firm", {"name": name}, {"founded": year}) for name, year in (("Ada Ltd", 1974), ("Bix Ltd", 1931))],
            "Ada Ltd.",
            {"a": "o1['founded']", "b": "o2['founded']"},
            BIX,
        ),
        ("What is the boss of Anna Keller?", [ANNA], "{x}.", {"x": "o1['manager']"}, "Bo Lind."),
        (
            "When was order 9 delivered?",
            [("order", {"number": 9}, {"number": 9, "delivered": None})],
            "Yesterday.",
            {"day": "o1['delivered']"},
            "delivered (9): not given",
        ),
        (FREE, [ROOMS], "{x}", {"x": "[r['room'] for r in o1 if r['free'] and r['seats'] > 10]"}, "Beta"),
        ("How many seats has Gamma?", [ROOMS], "{x}.", {"x": "o1[2]['seats']"}, "20."),
        ("Is Gamma free?", [ROOMS], "It is free.", {"free": "o1[2]['free']"}, "free (Gamma): no"),
        ("How warm will it be in Oslo tomorrow?", [FORECAST], "{x}", {"x": "o1['days'][1]['max_c']"}, "5 °C"),
    ],
)
def test_an_answer_with_support(goal: str, calls: list[Call], text: str, values: dict[str, str], expected: str) -> None:
    """The sentence is the model's if all facts in it are values; else the values are the answer."""
    assert judge(goal, calls, text, **values) == Verdict(expected, True)


@pytest.mark.parametrize(
    ("calls", "text", "expected"),
    [
        ([("person", {"name": "Tom Zapp"}, [])], "Extension 1000.", "Not found: person (Tom Zapp) has no result."),
        ([("person", {"name": "Tom Zapp"}, {"results": [], "count": 0})], "", "Not found: person (Tom Zapp)"),
        ([("person", {"name": "Tom Zapp"}, 404)], "It is 12.", "Not found: person (Tom Zapp) has no result."),
        (
            [("person", {"name": "Tom Zapp"}, 503)],
            "He does not exist.",
            "Could not be found out: person (Tom Zapp) failed.",
        ),
    ],
)
def test_nothing_found(calls: list[Call], text: str, expected: str) -> None:
    """Whatever the model says over an empty or failed observation, the answer is what happened."""
    verdict = judge("What is the extension of Tom Zapp?", calls, text)
    assert verdict.supported
    assert verdict.text.startswith(expected)


def test_advice() -> None:
    """What is known to be missing before an answer is tried; a field that another tool takes is only mentioned."""
    tools = [Tool(name, "", {"properties": {name: {"type": "string"}}}, str) for name in ("person", "room")]

    def texts(goal: str, *calls: Call) -> list[tuple[str, bool]]:
        return [(each.text, each.needs_call) for each in advice(Goal(goal, TODAY), observations(*calls), tools)]

    assert texts("How many seats has Anna Keller's room?", ANNA) == [("The room is 'B1': look that up first.", True)]
    assert texts(MANAGER, ANNA) == [("The manager is 'Bo Lind': look that up first.", True)]
    assert texts(MANAGER, ANNA, BO) == []
    assert texts(WARMER, OSLO) == [("No call was made about Lisbon: make one.", True)]
    assert texts("Which of the orders 71 and 72 is cheaper?", order(71, 5.0)) == [
        ("No call was made about 72: make one if it is like 71.", False)
    ]
    empty: Call = ("person", {"name": "Anna Keller's manager"}, [])
    assert texts(MANAGER, empty) == [("No call of person was made about Anna Keller alone: make one.", True)]


def test_calls_by_coordinates_are_about_places() -> None:
    """Two places are compared by their names, though the weather is called by what another tool gave for them."""
    calls: list[Call] = []
    for city, latitude in (("Oslo", 59.91273), ("Lisbon", 38.71667)):
        calls.append(("geocode", {"place": city}, [{"name": city, "latitude": latitude, "longitude": 1.5}]))
    calls.append(("weather", {"latitude": 59.91, "longitude": 1.5, "days": None}, {"now": {"temperature": "-2.1 °C"}}))
    calls.append(("weather", {"latitude": 38.72, "longitude": 1.5, "days": None}, {"now": {"temperature": "17 °C"}}))
    verdict = judge(WARMER, calls, "Oslo.", a="o3['now']['temperature']", b="o4['now']['temperature']")
    assert verdict.supported
    assert verdict.text.startswith("Lisbon: 17 °C, the highest; Oslo -2.1 °C.")


def test_one_of_two_calls_failed() -> None:
    """The answer has the value of the other, and says what could not be found out."""
    calls: list[Call] = [OSLO, ("weather", {"city": "Lisbon"}, 503)]
    verdict = judge(WARMER, calls, "Oslo has {oslo}.", oslo="o1['temperature_c']")
    assert verdict.supported
    assert verdict.text.endswith("Could not be found out: weather (Lisbon) failed. api.example answered 503.")
    assert "which have no value" in judge(WARMER, calls, "{x}", x="o2['temperature_c']").hint


def test_a_field_that_is_not_there() -> None:
    """It is not found, unless a field bears its name."""
    goal = Goal("What is Anna Keller's e-mail address?", TODAY)
    verdict = support.absent(goal, observations(ANNA), named("person"))
    assert verdict == Verdict("Not found.\nperson (Anna Keller) has only name, phone, manager, room.", True)
    assert (
        support.absent(Goal("What is Anna Keller's phone number?", TODAY), observations(ANNA), named("person")) is None
    )
    assert (
        support.absent(Goal("What is Tom Zapp's e-mail address?", TODAY), observations(ANNA), named("person")) is None
    )
    assert support.absent(goal, observations(ANNA), named("person", "mailboxes")) is None


TEXT = "The rent is 2,340 francs a month.\nThe lease begins on 1 May 2025.\nPets are allowed.\n" + "More. " * 50


@pytest.mark.parametrize(
    ("text", "values", "supported"),
    [
        ("The rent is 2,340 francs.", {}, True),
        ("The rent is {rent} francs.", {"rent": "'2,340'"}, True),
        ("The rent is 2,430 francs.", {}, False),
    ],
)
def test_facts_of_a_text(text: str, values: dict[str, str], supported: bool) -> None:
    """They stand in it, near the words of the goal."""
    read: list[Call] = [("read", {"file": "lease.txt"}, {"pages": [{"page": 1, "text": TEXT}]})]
    assert judge("How much is the rent in the lease?", read, text, **values).supported is supported
    assert not judge("How much is the deposit of the tenant for the keys?", read, "It is 2,340 francs.").supported


@pytest.mark.parametrize(
    ("order", "supported"),
    [("ORDER BY n DESC", True), ("ORDER BY count(*) DESC LIMIT 2", True), ("ORDER BY n", False), ("", False)],
)
def test_the_first_row_of_a_statement(order: str, supported: bool) -> None:
    """It is the one that the goal asks for, where the statement puts that first."""
    rows = [{"city": "Porto", "n": 9}, {"city": "Ghent", "n": 4}]
    query: Call = ("query", {"sql": f"SELECT city, count(*) AS n FROM orders GROUP BY city {order}"}, rows)
    verdict = judge("Which city has the most orders?", [query], "It is {city}.", city="o1[0]['city']")
    assert verdict.supported is supported


def test_a_difference_is_computed() -> None:
    """It stands in the words of a comparison of two."""
    calls = [weather("Bergen", 4), weather("Riga", -6)]
    verdict = judge("How much warmer is Bergen than Riga?", calls, a="o1['temperature_c']", b="o2['temperature_c']")
    assert verdict.supported
    assert "The difference is 10 °C." in verdict.text


def test_a_chain_whose_beginning_was_not_looked_up() -> None:
    """Nothing found by the wrong tool, or about a name with more words, is no answer."""
    goal = Goal("In which city does Paul Egger's team sit?", TODAY)
    seen = observations(("team", {"name": "Paul Egger"}, []))
    assert support.judge(goal, seen, [], "Not found.", named("staff", "team")).needs_call
    assert not support.judge(goal, seen, [], "Not found.", named("team")).hint
    lead = Goal("When did the lead of the Logistics team join the company?", TODAY)
    title = observations(("staff", {"name": "Logistics Team Lead"}, []))
    assert "No call of staff was made about Logistics alone" in support.judge(lead, title, [], "Not found.").hint
    other = observations(("team", {"name": "Logistics Team"}, []), ("building", {"name": "Logistics"}, []))
    assert "No call of team was made about Logistics alone" in support.judge(lead, other, [], "Not found.").hint

    assert (
        "No call of team was made, which may know more"
        in support.judge(
            lead, observations(("staff", {"name": "Logistics"}, [])), [], "Not found.", named("staff", "team")
        ).hint
    )
    failed = observations(("staff", {"name": "Logistics"}, 503))
    assert support.judge(lead, failed, [], "It failed.", named("staff", "team")).supported


def test_what_is_asked_about_somebody_further_on() -> None:
    """Neither the one between counts, nor a list of all there is."""
    goal = "Where was the teacher of the painter of Blue Door born?"
    ada = ("painter", {"name": "Ada Lim"}, {"name": "Ada Lim", "born_in": "Rye", "teacher": "Tom Fox"})
    tom = ("painter", {"name": "Tom Fox"}, {"name": "Tom Fox", "born_in": "Ely", "teacher": "Max Oz"})
    calls = [("picture", {"title": "Blue Door"}, {"title": "Blue Door", "painter": "Ada Lim"}), ada, tom]
    assert "The teacher is 'Tom Fox': look that up" in judge(goal, calls[:2], born="o2['born_in']").hint
    assert judge(goal, calls, born="o3['born_in']").supported
    assert "read o3" in judge(goal, calls, teacher="o3['teacher']", born="o2['born_in']").hint


LAKE: Call = ("lake", {"name": "Lake Oro"}, {"lake": "Lake Oro", "area_km2": 3.45, "depth_m": 61})


def test_the_unit_that_is_asked_for() -> None:
    """A value of another dimension is no answer, nor is the name in the goal; an area is no length."""
    goal = "Size of Lake Oro in hectares, please."
    assert judge(goal, [LAKE], size="o1['area_km2']").text == "area km2 (Lake Oro): 345 ha (3.45 km2)"
    assert judge(goal, [LAKE], "{size} hectares.", size="3.45").text == "345 ha (3.45 km2) hectares."
    assert (
        judge(goal, [LAKE], "The size of Lake Oro is 3.45 hectares.").text == "area km2 (Lake Oro): 345 ha (3.45 km2)"
    )
    assert "asks for hectares" in judge(goal, [LAKE], size="o1['depth_m']").hint
    assert "no more than the goal" in judge("What about Lake Oro?", [LAKE], lake="o1['lake']").hint


def test_what_lies_between() -> None:
    """Two times are no answer to how long it is between them."""
    sun = ("sun", {"town": "Rye"}, {"town": "Rye", "sunrise": "04:58", "sunset": "20:33"})
    goal = "how long have we got between sunrise and sunset in Rye today"
    assert "what lies between" in judge(goal, [sun], a="o1['sunrise']", b="o1['sunset']").hint
    verdict = judge(goal, [sun], daylight="o1['sunset'] - o1['sunrise']")
    assert (verdict.text, verdict.supported) == ("daylight: 935 min (15 h 35 min)", True)


def test_the_files_of_a_goal_are_looked_at() -> None:
    """Another tool that found nothing is no answer while they were not."""
    seen = observations(("expenses", {"name": "canteen"}, []))
    goal = Goal("On which day did the canteen have the fewest guests?", TODAY)
    assert "No call of query" in support.judge(goal, seen, [], "Not found.", named("expenses", "query")).hint


def test_the_rows_that_a_goal_names() -> None:
    """Each statement that an answer is of has to choose them, or show them."""
    goal = replace(Goal("What does a crate of plums weigh on average?", TODAY), row_texts=frozenset({"plums", "pears"}))
    everything: Call = ("query", {"sql": "SELECT avg(kg) FROM crates"}, [{"avg(kg)": 12}])
    plums: Call = ("query", {"sql": "SELECT avg(kg) FROM crates WHERE goods = 'plums'"}, [{"avg(kg)": 9}])
    seen = observations(everything, plums)
    assert "o1 does not choose the rows of 'plums'" in support.judge(goal, seen, [("kg", "o1[0]['avg(kg)']")], "").hint
    assert support.judge(goal, seen, [("kg", "o2[0]['avg(kg)']")], "").supported
    shown = observations(("query", {"sql": "FROM totals"}, [{"goods": "plums", "avg(kg)": 9}]))
    assert "does not choose" not in support.judge(goal, shown, [("kg", "o1[0]['avg(kg)']")], "").hint


DENTIST: Call = ("patient", {"number": 81}, {"number": 81, "name": "Ole", "dentist": "Dr Kerr", "room": "4"})
KERR: Call = ("dentist", {"name": "Dr Kerr"}, {"name": "Dr Kerr", "address": "2 Mill Row", "phone": "0700 5"})


@pytest.mark.parametrize(
    ("goal", "read", "hint"),
    [
        ("i forgot which dentist patient 81 has.. whats their address", "address", "in a field for address"),
        ("Which number do I ring to reach the dentist of patient 81?", "phone", "asks for a number"),
        ("Who is the dentist of patient 81, and do you have an e-mail for them?", "", "in a field for mail"),
        ("His dentist wants to write to patient 81: the address and postcode, please.", "", "in a field for address"),
    ],
)
def test_what_somebody_may_have_is_asked_for_in_any_sentence(goal: str, read: str, hint: str) -> None:
    """Somebody on the way to it is no answer."""
    assert hint in judge(goal, [DENTIST, KERR], dentist="o1['dentist']").hint
    if read:
        assert judge(goal, [DENTIST, KERR], found=f"o2[{read!r}]").supported


def test_a_digit_in_a_name_is_no_number() -> None:
    """An answer in words may name a building."""
    team: Call = ("team", {"team": "Finance"}, {"team": "Finance", "building": "A1"})
    assert judge("In which building does the Finance team sit?", [team], "It is A1, on the shore.").supported
    assert not judge("In which building does the Finance team sit?", [team], "It is A1, on floor 3.").supported


@pytest.mark.parametrize(
    ("goal", "calls", "answer"),
    [
        ("What is the phone number of Anna Keller's manager?", [ANNA, BO], "phone (Bo Lind): 900"),
        ("What is the phone number of Anna Keller's manager?", [ANNA], None),
        ("What is the phone number of Anna Keller?", [ANNA, BO], "phone (Anna Keller): 117"),
        ("What is the phone number and the room of Anna Keller?", [ANNA], None),
        ("What is the e-mail address of Anna Keller?", [ANNA], "Not found.\nperson (Anna Keller) has only"),
        ("What is the e-mail address of Bo Lind?", [ANNA], None),
        (
            "What is the e-mail address of Anna Keller?",
            [ANNA, ("mail", {"of": "Anna Keller"}, 503)],
            "Could not be found out: mail",
        ),
        ("Which is warmer, Oslo or Lisbon?", [OSLO, LISBON], "Lisbon: 22 °C, the highest; Oslo -2 °C."),
        ("How much do 3 pieces of P-77 weigh?", [PART], None),
        ("Which rooms are free?", [ROOMS], "room: Alpha, Beta"),
        ("Which rooms are not free?", [ROOMS], None),
    ],
)
def test_what_the_observations_say_by_themselves(goal: str, calls: list[Call], answer: str | None) -> None:
    """A field that the goal asks for, or that there is none; nothing where that is not clear, or is computed."""
    verdict = found(Goal(goal, TODAY), observations(*calls), {})
    assert (verdict and verdict.text[: len(answer or "")]) == answer


LEAD = "When did the lead of the Logistics team join the company?"
TEAM: Call = ("team", {"team": "Logistics"}, {"team": "Logistics", "lead": "Jo Abt", "members": 14})


def test_a_link_of_a_chain_is_looked_up() -> None:
    """A name that the goal mentions on the way to a date or a number, by the tool that was asked about another name."""
    tools = [*named("staff", "team").values()]
    empty: Call = ("staff", {"name": "Logistics Team Lead"}, [])
    [first] = advice(Goal(LEAD, TODAY), observations(empty, TEAM), tools)
    assert first == ("The lead is 'Jo Abt': look that up first.", True, ("staff", {"name": "Jo Abt"}))
    days = Goal("How many days does the supplier of the part P-77 need?", TODAY)
    part: Call = ("part", {"number": "P-77"}, {"number": "P-77", "supplier": "Novatec"})
    [first] = advice(days, observations(part), [*named("part", "supplier").values()])
    assert first.call == ("supplier", {"name": "Novatec"})
    assert not list(advice(Goal("Who is the lead of the Logistics team?", TODAY), observations(TEAM), tools))


def test_a_value_that_another_tool_knows_more_about() -> None:
    """It is no answer to a question for something else: the building, where a city is asked for."""
    goal = Goal("In which city does Paul Egger's team sit?", TODAY)
    team: Call = ("team", {"team": "Finance"}, {"team": "Finance", "building": "A1"})
    seen = observations(("staff", {"name": "Paul Egger"}, {"team": "Finance"}), team)
    verdict = support.judge(goal, seen, [], "It sits in building A1.", named("staff", "team", "building"))
    assert not verdict.supported
    [first] = advice(goal, seen, [*named("staff", "team", "building").values()])
    assert first.call == ("building", {"name": "A1"})
    assert found(goal, seen, named("staff", "team", "building")) is None
    assert support.absent(goal, seen, named("staff", "team", "building")) is None
    unnamed = Goal("Where does the Finance team sit?", TODAY)
    verdict = support.judge(unnamed, observations(team), [], "It sits in A1.", named("team", "building"))
    assert verdict.hint == "The building is 'A1': look that up first."
    assert call_for(verdict.hint, unnamed, observations(team), [*named("team", "building").values()]) == (
        "building",
        {"name": "A1"},
    )
    looked_up = observations(team, ("building", {"name": "A1"}, 404))
    assert support.judge(unnamed, looked_up, [], "It sits in A1.", named("team", "building")).supported


@pytest.mark.parametrize(
    ("goal", "calls", "tools", "hint"),
    [
        ("How many francs are 250 euros?", [("rate", {"currency": "euro"}, 404)], named("rate"), "about EUR"),
        ("How many francs are 250 euros?", [("rate", {"currency": "EUR"}, 404)], named("rate"), ""),
        (
            "Is Monday a holiday in Wales?",
            [("holiday", {"country": "Wales"}, 404)],
            named("holiday", description="By an ISO code."),
            "with a code",
        ),
        ("How many rows are there?", [("query", {"sql": "SELECT"}, 422)], named("query"), "were wrong"),
        ("How warm is it in Oslo?", [("weather", {"city": "Oslo"}, 503)], named("weather", "train"), ""),
        (
            "In which town is the publisher of Low Tide?",
            [("publisher", {"name": "Low Tide"}, 404)],
            named("novel", "publisher"),
            "No call of novel",
        ),
        (
            "By how much has KLMR risen, and what is the price of ORSK?",
            [("invoice", {"number": 12345}, 404), ("share", {"ticker": "ORSK"}, 503)],
            named("share", "invoice"),
            "No call was made about KLMR",
        ),
    ],
)
def test_when_nothing_was_found(goal: str, calls: list[Call], tools: dict[str, Tool], hint: str) -> None:
    """It is no answer while arguments were wrong: words for a code, invalid ones, a name that another tool knows."""
    verdict = support.judge(Goal(goal, TODAY), observations(*calls), [], "Not found.", tools)
    assert verdict.supported is not bool(hint)
    assert hint in verdict.hint


def test_numbers_that_are_not_computed() -> None:
    """Where a total is asked for, they are no answer; the hint has an expression."""
    goal = "What is the stock of the part P-77 worth, at its price?"
    part: Call = ("part", {"number": "P-77"}, {"number": "P-77", "price": 4.2, "stock": 8})
    verdict = judge(goal, [part], price="o1['price']", stock="o1['stock']")
    assert verdict.hint.endswith("computed of them: give a value such as o1['price'] * o1['stock'].")
    assert judge(goal, [part], worth="o1['price'] * o1['stock']").supported
    two = "What do 3 pieces of P-77 and 2 of P-78 cost together?"
    other: Call = ("part", {"number": "P-78"}, {"number": "P-78", "price": 10, "stock": 1})
    verdict = judge(two, [part, other], a="o1['price']", b="o2['price']")
    assert "such as o1['price'] * 3 + o2['price'] * 2" in verdict.hint


def test_one_of_two_that_failed_in_words() -> None:
    """The answer has the field of the one, and what has become of the other."""
    calls: list[Call] = [weather("Riga", -6), ("weather", {"city": "Tunis"}, 503)]
    verdict = judge("How warm is it in Riga, and how warm in Tunis?", calls, "Riga has -6, Tunis is unavailable.")
    assert verdict.supported
    assert verdict.text.startswith("temperature c (Riga): -6 °C\nCould not be found out: weather (Tunis) failed.")


def test_calls_that_nobody_has_asked_for() -> None:
    """Their failures are not in the answer."""
    calls: list[Call] = [ANNA, ("person", {"name": "phone"}, 404), ("room", {"name": "Anna Keller"}, 404)]
    verdict = judge("What is the phone number of Anna Keller?", calls, phone="o1['phone']")
    assert verdict.text == "phone (Anna Keller): 117\nNot found: room (Anna Keller) has no result."


def test_the_nearer_link_of_a_chain_comes_first() -> None:
    """The port of the sister ship is not that of the ship; a value is looked up like one of the same form."""
    goal = Goal("How deep is the home port of the sister ship of the Aurelia Marsh?", TODAY)
    ship: Call = ("vessel", {"name": "Aurelia Marsh"}, {"home_port": "Port Ellis", "sister_ship": "Aurelia Bay"})
    [first] = advice(goal, observations(ship), [*named("vessel", "harbour").values()])
    assert first == ("The sister_ship is 'Aurelia Bay': look that up first.", True, ("vessel", {"name": "Aurelia Bay"}))
    hub = Goal("In which city is the hub of the depot of the parcel ZT-4?", TODAY)
    calls: list[Call] = [
        ("parcel", {"number": "ZT-4"}, {"number": "ZT-4", "depot": "D08"}),
        ("depot", {"code": "D08"}, {"code": "D08", "city": "Carrow", "hub": "D60"}),
    ]
    first = next(iter(advice(hub, observations(*calls), [*named("parcel", "depot").values()])))
    assert first.call == ("depot", {"code": "D60"})


def test_each_of_several_fields() -> None:
    """Somebody in another field is not the answer to the second question."""
    case: Call = ("hearing", {"case": "24-C-309"}, {"case": "24-C-309", "judge": "Ada Pemberton", "room": "5B"})
    goal = "Which room is case 24-C-309 heard in? And who is the defence lawyer?"
    verdict = judge(goal, [case], "It is room 5B, and the defence lawyer is Ada Pemberton.")
    assert verdict.hint == "No value is in a field for defence lawyer: if there is none, say so."
    assert judge(
        goal.replace("defence lawyer", "judge"), [case], "It is room 5B; the judge is Ada Pemberton."
    ).supported


def test_a_price_for_a_unit() -> None:
    """The number of these units in the goal is used; one that was only an argument of a failed call was not."""
    goal = "What would 320 kWh cost on the Nightsaver plan?"
    calls: list[Call] = [
        ("tariff", {"plan": "Nightsaver"}, {"plan": "Nightsaver", "eur_per_kwh": 0.275, "standing_eur_per_month": 9.9}),
        ("invoice", {"number": 320}, 404),
    ]
    verdict = judge(goal, calls, rate="o1['eur_per_kwh']")
    assert "take the 320 of the goal into account: give a value such as o1['eur_per_kwh'] * 320" in verdict.hint
    assert judge(goal, calls, "It costs 88 euros.").hint.endswith("A value may be o1['eur_per_kwh'] * 320.")
    assert judge(goal, calls, cost="o1['eur_per_kwh'] * 320").supported


def test_differences_to_the_first_of_three() -> None:
    """They are in the answer where the goal asks for one."""
    calls = [weather("Bergen", 4), weather("Riga", -6), weather("Oslo", -2)]
    values = {name: f"{name}['temperature_c']" for name in ("o1", "o2", "o3")}
    goal = "Which of Bergen, Riga and Oslo is the warmest, and how many degrees warmer than Riga is it?"
    assert "The difference to Riga is 10 °C." in judge(goal, calls, **values).text
    assert "difference" not in judge("Which of Bergen, Riga and Oslo is the warmest?", calls, **values).text


def test_a_value_that_cannot_be_computed() -> None:
    """It does not matter where the answer has all that it says in words, and the observations hold that."""
    read: list[Call] = [("read", {"file": "lease.txt"}, {"pages": [{"page": 1, "text": TEXT}]})]
    goal = "How much is the rent in the lease?"
    assert judge(goal, read, "The rent is 2,340 francs.", rent="o1['text'].split()[1]").supported
    assert not judge(goal, read, "The rent is {rent} francs.", rent="o1['text'].split()[1]").supported
    assert not judge(goal, read, "The rent is 2,430 francs.", rent="o1['text'].split()[1]").supported


def test_a_name_with_the_ending_of_an_owner() -> None:
    """Without its apostrophe the s is no part of the name."""
    goal = Goal("how much of curlews budget is left?", TODAY)
    verdict = support.judge(goal, observations(("project", {"name": "Curlews"}, [])), (), "", named("project"))
    assert verdict.hint == "No call of project was made about Curlew: make one."


def test_what_a_number_belongs_to_is_no_name() -> None:
    """With the capital of a sentence's beginning; a machine's model is one."""
    assert Goal("Ticket 88420 concerns a server. What is its load?", TODAY).names == []
    assert Goal("Nordal 60: how loud is it?", TODAY).names == ["Nordal 60"]
    assert Goal("Which system is lynx-02 running?", TODAY).names == ["lynx-02"]


def test_a_comparison_in_words_says_yes_or_no() -> None:
    """It has both values and the difference."""
    goal = "Is Lisbon warmer than Oslo, and if so by how much?"
    values = {"lisbon": "o2['temperature_c']", "oslo": "o1['temperature_c']"}
    assert judge(goal, [OSLO, LISBON], "", **values).text.startswith("Lisbon: 22 °C, the highest; Oslo -2 °C.")
    assert judge(goal, [OSLO, LISBON], "", **values).supported


def test_a_code_is_no_number() -> None:
    """Of a question for how many."""
    bins: Call = ("stockroom", {"name": "Yard"}, {"name": "Yard", "free": "T-06", "used": 4})
    assert "asks for a number" in judge("How many bins are free in Yard?", [bins], free="o1['free']").hint


def test_the_end_of_an_order_in_a_field() -> None:
    """The biggest size is compared with nothing."""
    airline: Call = ("airline", {"name": "Lark"}, {"airline": "Lark", "bag": {"max_size": "55 x 40 cm", "max_kg": 8}})
    assert judge(
        "I need the biggest size that a bag may have with Lark.", [airline], size="o1['bag']['max_size']"
    ).supported


@pytest.mark.parametrize(
    ("text", "yes_or_no"),
    [
        ("Could you kindly tell me at what time the N24 leaves?", False),
        ("Can you give me the phone number of Anna Keller?", False),
        ("Can I bring a dog to Lantern House?", True),
        ("Is Oslo colder than Riga?", True),
        ("Is it Oslo or Riga?", False),
    ],
)
def test_what_is_asked_politely_is_not_answered_by_yes(text: str, yes_or_no: bool) -> None:
    """Whoever asks for a time wants the time."""
    assert Goal(text, TODAY).is_yes_or_no is yes_or_no


def test_a_statement_that_does_not_work_has_looked_at_nothing() -> None:
    """That the table has nothing is not known then, whatever another tool says."""
    calls = [Observed("o1", "query", {"sql": "Saturdays"}, "wrong_sql", "Parser Error")]
    calls.append(Observed("o2", "bus", {"line": "Saturdays"}, "http_404", "not found"))
    goal = Goal("On Saturdays, which bus line was used by the most people?", TODAY)
    verdict = support.judge(goal, Observations(calls), (), "", named("query", "bus"))
    assert not verdict.supported
    assert "No call of query was made" in verdict.hint
    assert goal.names == []
    query = Tool("query", "", {"properties": {"sql": {"type": "string"}}, "required": ["sql"]}, str, repeatable=True)
    assert first_call(query, "Oslo") is None
