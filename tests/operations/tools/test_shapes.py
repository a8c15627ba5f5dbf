"""Shapes of data and of goals that others' services and people have, and what is made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from operations.tools import support
from operations.tools.advice import further
from operations.tools.base import Tool
from operations.tools.found import found
from operations.tools.goal import Goal
from operations.tools.observed import Observed

from .test_support import TODAY, Call, judge, named, observations

WEND: Call = ("river", {"name": "Wend"}, {"river": "Wend", "mouth": "Lake Idris", "length_km": 388.5, "fed_by": []})
OSSEL: Call = ("river", {"name": "Ossel"}, {"river": "Ossel", "mouth": "Lorne", "length_km": 412, "fed_by": ["Tarn"]})
LONGER = "Which river is longer, the Ossel or the Wend, and by how many kilometres?"
PEOPLE: Call = (
    "people",
    {"name": "Ottoline Frayne"},
    {"people": [{"id": "E-2014", "name": "Ottilie Frayne"}, {"id": "E-2041", "name": "Ottoline Frayne"}]},
)
OTTILIE: Call = ("employee", {"id": "E-2014"}, {"id": "E-2014", "name": "Ottilie Frayne", "extension": "6642"})
OTTOLINE: Call = ("employee", {"id": "E-2041"}, {"id": "E-2041", "name": "Ottoline Frayne", "extension": "6624"})
EXTENSION = "What is the extension of Ottoline Frayne?"
PERMITS: list[Call] = [
    ("permit", {"number": "W-118"}, {"permit": "W-118", "valid": {"from": "14 Mar 2025", "to": "13 Mar 2027"}}),
    ("permit", {"number": "W-126"}, {"permit": "W-126", "valid": {"from": "3 Nov 2025", "to": "2 Nov 2026"}}),
]
RUNS_OUT = "There are two permits, W-118 and W-126. Which will run out first?"
WARD: Call = (
    "ward",
    {"code": "D1"},
    {"ward": "D1", "consultant": {"name": "Ansel Amsel", "pager": "3174"}, "nurse_in_charge": None},
)
TIGER: Call = (
    "animal",
    {"name": "Bashir"},
    {"animal": "Bashir", "diet": {"meat_per_day": "6500 g"}, "weight": "184 kg"},
)
CONCERT: Call = (
    "concert",
    {"name": "Vesper"},
    {"concert": "Vesper", "works": [{"work": "Lament", "lasts": "12 min"}, {"work": "Psalms", "lasts": "27 min"}],
     "interval": "20 min"},
)  # fmt: skip
CAST: Call = (
    "opera",
    {"title": "The Drowned Bell"},
    {"opera": "The Drowned Bell", "conductor": "Ada Sorge", "cast": {"Miller": "Oskar Venn", "Ferryman": "Is Holroyd",
     "Founder": "Tadeus Krol"}},
)  # fmt: skip


# --- answers of services ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        ({"river": "Wend", "mouth": "Lake Idris", "length_km": 388.5, "fed_by": []}, False),
        ({"hits": 0, "people": []}, True),
        ({"query": "Wend", "total": 0, "page": 1, "status": "ok", "results": []}, True),
        ({"ok": False, "error": {"code": "NO_MATCH"}, "did_you_mean": ["Wand"]}, True),
        ({"ok": True, "error": None, "name": "Wend"}, False),
        ({"name": None, "phone": None}, True),
    ],
)
def test_whether_an_answer_holds_something(value: Any, empty: bool) -> None:
    """A record with an empty list in it does; a search without a hit, or a failure with status 200, does not."""
    assert Observed("o1", "river", {"name": "Wend"}, None, json.dumps(value)).is_empty is empty


def test_a_record_with_an_empty_list_is_compared() -> None:
    """And a difference is said once, whichever is taken from the other."""
    verdict = judge(LONGER, [WEND, OSSEL], difference="o1['length_km'] - o2['length_km']")
    assert verdict.text == "Ossel: 412 km, the highest; Wend 388.5 km. The difference is 23.5 km."
    assert verdict.supported


def test_a_quantity_is_an_object_of_a_value_and_a_unit() -> None:
    """It is read as such, also by a model that reads its value; hours are compared with days."""
    moons: list[Call] = [
        ("moon", {"name": name}, {"moon": name, "period": {"value": value, "unit": unit}})
        for name, value, unit in (("Pell", 31, "hours"), ("Sabra", 2.5, "days"))
    ]
    goal = "Which moon has the longer period, Pell or Sabra?"
    verdict = judge(goal, moons, a="o1['period']['value']", b="o2['period']")
    assert verdict.text.startswith("Sabra: 2.5 days, the highest; Pell 31 hours.")
    assert verdict.supported
    assert judge("What is the period of Pell?", moons[:1], period="o1['period']").text == "period (Pell): 31 hours"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[each['name'] for each in o1 if each['distance_km'] < 20]", "Wick"),
        ("len([0 for e in o1 if e['t'] > 24])", "1"),
    ],
)
def test_a_limit_without_a_unit_is_in_that_of_the_field(expression: str, value: str) -> None:
    """`20` beside a field of kilometres, or `24` beside `31 h`."""
    rows = [{"name": "Wick", "distance_km": 12, "t": "31 h"}, {"name": "Ayr", "distance_km": 31, "t": "6 h"}]
    assert judge("Which of the towns are less than 20 km away?", [("towns", {}, rows)], x=expression).text.endswith(
        value
    )


# --- goals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "numbers"),
    [
        ("How far is the planet Halcyra c from here?", ["Halcyra c"], []),
        ("Is Castle & Keys cheaper than Brinmoor Bank?", ["Castle & Keys", "Brinmoor Bank"], []),
        ("Where is the PM2.5 highest, in Ayr or in Wick?", ["PM2.5", "Ayr", "Wick"], []),
        ("Which platform has the 17:42 to Wick?", ["Wick"], ["17:42"]),
        ("Until when is permit W-140 valid?", ["W-140"], []),
        ("Does Employee E-2014 earn more than 3,000 euros?", ["Employee E-2014"], ["3,000"]),
        ("HELP - the velorin burns. What do I put it out with?", [], []),
    ],
)
def test_names_and_numbers(text: str, names: list[str], numbers: list[str]) -> None:
    """A letter, an ampersand and a number belong to a name; a time is one number."""
    goal = Goal(text, TODAY)
    assert (goal.names, goal.numbers) == (names, numbers)


def test_a_name_that_is_a_field_needs_no_call() -> None:
    """PM2.5 is measured at each station, and the miller is a part of the opera."""
    stations: list[Call] = [
        ("air", {"station": name}, {"station": name, "pm2_5": {"value": value, "unit": "µg/m³"}})
        for name, value in (("Ayr", 9.4), ("Wick", 17.8))
    ]
    verdict = judge("Where is the PM2.5 highest, in Ayr or in Wick?", stations, a="o1['pm2_5']", b="o2['pm2_5']")
    assert verdict.text.startswith("Wick: 17.8 µg/m³, the highest; Ayr 9.4 µg/m³.")
    assert verdict.supported
    goal = "Who sings the Miller in The Drowned Bell, and who is the conductor?"
    assert judge(goal, [CAST], a="o1['cast']['Miller']", b="o1['conductor']").supported
    all_of_it = {name: f"o1['cast'][{name!r}]" for name in CAST[2]["cast"]}
    verdict = judge(goal, [CAST], **all_of_it, conductor="o1['conductor']")  # what nobody asks for is left out
    assert verdict.text == "Miller (The Drowned Bell): Oskar Venn\nconductor (The Drowned Bell): Ada Sorge"
    assert verdict.supported


def test_one_level_higher_is_no_comparison() -> None:
    """And the manager's manager is not one too far."""
    goal = Goal("E-2014 wants to go one level higher: who is her manager's manager?", TODAY)
    assert not goal.compares
    chain = [
        ("employee", {"id": one}, {"id": one, "name": name, "reports_to": other})
        for one, name, other in (("E-2014", "Ada", "E-1377"), ("E-1377", "Bo", "E-1001"), ("E-1001", "Cy", None))
    ]
    assert judge(goal.text, chain, name="o3['name']").supported


# --- of whom, and of what --------------------------------------------------------------------------------------------


def test_the_entry_of_a_list_that_the_goal_names() -> None:
    """Of two people with names alike, the call has to be about the one of the goal."""
    verdict = judge(EXTENSION, [PEOPLE, OTTILIE], extension="o2['extension']")
    assert (verdict.supported, verdict.hint) == (False, "The id is 'E-2041': look that up first.")
    assert judge(EXTENSION, [PEOPLE, OTTOLINE], extension="o2['extension']").supported


def test_a_part_that_the_goal_does_not_name() -> None:
    """The pager of the consultant is not that of the nurse in charge, of whom there is none."""
    verdict = judge("What is the pager of the nurse in charge of ward D1?", [WARD], pager="o1['consultant']['pager']")
    assert verdict.hint == "The goal asks for the nurse in charge: read that, or say that there is none."
    assert judge("What is the pager of the consultant of D1?", [WARD], pager="o1['consultant']['pager']").supported


def test_the_end_of_a_time() -> None:
    """Dates in words are compared; what runs out has its end, and not its beginning."""
    verdict = judge(RUNS_OUT, PERMITS, a="o1['valid']['to']", b="o2['valid']['to']")
    assert verdict.text.startswith("W-126: 2 Nov 2026, the earliest; W-118 13 Mar 2027.")
    assert verdict.supported
    verdict = judge(RUNS_OUT, PERMITS, a="o1['valid']['from']", b="o2['valid']['from']")
    assert verdict.hint == "The goal asks for the end, and from is the beginning."
    verdict = judge("From when is permit W-118 valid?", PERMITS[:1], day="o1['valid']['to']")
    assert verdict.hint == "The goal asks for the beginning, and to is the end."


def test_a_comparison_that_the_model_does_not_write() -> None:
    """By the one field of each that passes all checks; of several none is chosen."""
    verdict = found(Goal(RUNS_OUT, TODAY), observations(*PERMITS), {})
    assert verdict is not None
    assert verdict.text.startswith("W-126: 2 Nov 2026, the earliest; W-118 13 Mar 2027.")
    moons: list[Call] = [
        ("moon", {"name": name}, {"moon": name, "diameter_km": km, "orbit": orbit})
        for name, km, orbit in (("Pell", 1180, "31 hours"), ("Sabra", 940, "2.5 days"))
    ]
    goal = Goal("Which one needs longer to go round its planet, Pell or Sabra?", TODAY)
    assert found(goal, observations(*moons), {}) is None


FILMS: Call = (
    "festival",
    {"day": "Saturday"},
    [
        {"film": "Paper Rivers", "subtitles": "English", "sold_out": False},
        {"film": "Old Tin", "subtitles": "French", "sold_out": False},
        {"film": "Night Bakery", "subtitles": "English", "sold_out": False},
    ],
)


def test_one_of_several_that_are_so() -> None:
    """One entry is no answer to which films they are, nor is the whole list."""
    goal = "Which films on Saturday have English subtitles?"
    assert (
        "Several entries of o1 have English"
        in judge(goal, [FILMS], film="o1[0]['film']", language="o1[0]['subtitles']").hint
    )
    assert "whole objects" in judge(goal, [FILMS], films="[each for each in o1 if each['subtitles'] == 'English']").hint
    verdict = judge(goal, [FILMS], films="[each['film'] for each in o1 if each['subtitles'] == 'English']")
    assert (verdict.text, verdict.supported) == ("films: Paper Rivers, Night Bakery", True)


FARM: Call = ("farm", {"id": "WF-4"}, {"id": "WF-4", "manager": {"name": "Ada Ask", "email": "ask@garrow.example"}})
ROOM: Call = ("saleroom", {"code": "NTH"}, {"code": "NTH", "street": "14 Row", "town": "Melbury", "seats": 90})
CODER: Call = ("developer", {"login": "mirano"}, {"login": "mirano", "time_zone": "Asia/Tokyo", "commits": 90})
RUNS: list[Call] = [
    ("race", {"bib": bib}, {"bib": bib, "runner": name, "finish": time})
    for bib, name, time in ((4410, "Greta", "3:41:08"), (4417, "Odile", "3:38:55"))
]


@pytest.mark.parametrize(
    ("goal", "calls", "values"),
    [
        ("Give me the e-mail address of the manager of the farm WF-4.", [FARM], {"x": "o1['manager']['email']"}),
        ("At what address is the saleroom NTH?", [ROOM], {"a": "o1['street']", "b": "o1['town']"}),
        ("What time zone is the developer mirano in?", [CODER], {"x": "o1['time_zone']"}),
        (
            "Of 4410 and 4417 of the Aldermoor Marathon, whose finish was the earlier one?",
            [*RUNS, ("server", {"name": "Aldermoor Marathon"}, 404)],
            {"a": "o1['finish']", "b": "o2['finish']"},
        ),
    ],
)
def test_words_that_mean_something_else_together(goal: str, calls: list[Call], values: dict[str, str]) -> None:
    """An e-mail address is no address, a time zone no time; a call about numbers takes no name."""
    verdict = judge(goal, calls, **values)
    assert verdict.supported, verdict


def test_times_are_compared() -> None:
    """As they are, and without a difference, whose unit nobody knows."""
    goal = "Which runner finished in the shorter time, 4410 or 4417?"
    verdict = judge(goal, RUNS, a="o1['finish']", b="o2['finish']")
    assert verdict.text == "4417: 3:38:55, the lowest; 4410 3:41:08.\nfinish (4410): 3:41:08\nfinish (4417): 3:38:55"


@pytest.mark.parametrize(
    ("period", "kilos"), [("in two weeks", "91 kg"), ("in a fortnight", "91 kg"), ("in 3 days", "19.5 kg")]
)
def test_what_is_so_much_a_day(period: str, kilos: str) -> None:
    """It is multiplied by the days of the goal, by the program where the model does not."""
    goal = f"How many kilograms of meat does Bashir get {period}?"
    assert not judge(goal, [TIGER], meat="o1['weight']").supported
    verdict = found(Goal(goal, TODAY), observations(TIGER), {})
    assert verdict is not None
    assert verdict.text.startswith(f"amount: {kilos}")


def test_a_day_is_no_week() -> None:
    """The amount of another period, as it stands, is no answer."""
    goal = "How many kilograms of meat does Bashir get in two weeks?"
    assert judge(goal, [TIGER], x="o1['diet']['meat_per_day']").hint.startswith(
        "meat_per_day is for a day: multiply it."
    )
    assert judge(goal, [TIGER], x="o1['diet']['meat_per_day'] * 14").supported


def test_one_of_several_entries_that_the_goal_may_mean() -> None:
    """An entry taken by its place, while another one has the same words of the goal."""
    courses: Call = (
        "courses",
        {"language": "Latin"},
        [
            {"course": "L-1", "level": "A1", "when": "evening", "places_left": 0},
            {"course": "L-2", "level": "A1", "when": "morning", "places_left": 5},
            {"course": "L-3", "level": "A1", "when": "evening", "places_left": 3},
        ],
    )
    goal = "Which A1 evening course in Latin still has places left?"
    verdict = judge(goal, [courses], left="o1[0]['places_left']")
    assert verdict.hint.startswith("Several entries of o1 have evening: choose by all that the goal asks for.")
    assert judge(
        "How many places are left in the A1 morning course in Latin?", [courses], x="o1[1]['places_left']"
    ).supported


def test_one_part_of_a_total() -> None:
    """The tip is not all that was charged."""
    charges = {"fare": 14.8, "waiting": 2.1, "tip": 2.0}
    ride: Call = ("ride", {"number": "R-90"}, {"ride": "R-90", "km": 9.6, "charges_eur": charges})
    goal = "Add up everything I was charged for the ride R-90, tip included."
    assert "computed of all of them" in judge(goal, [ride], tip="o1['charges_eur']['tip']").hint
    assert judge(goal, [ride], total="sum(o1['charges_eur'].values())").text.startswith("total: 18.9")


def test_what_the_goal_leaves_out() -> None:
    """It is no answer; the sum of the rest is."""
    goal = "How many minutes does the Vesper concert add up to, if you leave out the interval?"
    assert "leaves out the interval" in judge(goal, [CONCERT], x="o1['interval']").hint
    assert judge(goal, [CONCERT], x="sum(each['lasts'] for each in o1['works'])").text == "x: 39 min"


def test_a_mean_is_divided_by_how_many_there_are() -> None:
    """That number is no invention; another one is."""
    rain: Call = ("rain", {"place": "Wick"}, {"place": "Wick", "rain_mm": {"Mar": 71, "Apr": 44, "May": 53}})
    goal = "What was the average monthly rain in Wick from March to May?"
    total = "(o1['rain_mm']['Mar'] + o1['rain_mm']['Apr'] + o1['rain_mm']['May'])"
    assert judge(goal, [rain], x=f"{total} / 3").text == "x: 56"
    assert judge(goal, [rain], x=f"{total} / 3").supported
    assert not judge(goal, [rain], x=f"{total} / 4").supported
    assert not judge(goal, [rain], x=f"{total} / 2").supported


def test_a_list_without_entries() -> None:
    """Where the goal asks for its entries, there are none; a limit of the record is none of them."""
    card: Call = (
        "card",
        {"number": "LC-2177"},
        {"number": "LC-2177", "holder": "Gid Parfitt", "home": "Quay", "valid_until": "2026-12-31", "loans": []},
    )
    goal = Goal("Which books are out on library card LC-2177?", TODAY)
    verdict = found(goal, observations(card), {})
    assert verdict is not None
    assert (verdict.text, verdict.supported) == ("loans (LC-2177): none", True)
    assert not judge(goal.text, [card], day="o1['valid_until']").supported
    other = Goal("Until when is library card LC-2177 valid?", TODAY)
    assert judge(other.text, [card], day="o1['valid_until']").supported


def test_what_is_followed_twice() -> None:
    """The manager's manager is neither the first nor the third in the chain."""
    goal = "E-2014 asks: what is the name of my manager's manager?"
    chain: list[Call] = [
        ("employee", {"id": one}, {"id": one, "name": name, "reports_to": other})
        for one, name, other in (
            ("E-2014", "Ada", "E-31"),
            ("E-31", "Bo", "E-42"),
            ("E-42", "Cy", "E-53"),
            ("E-53", "Di", None),
        )
    ]
    supported = [judge(goal, chain, name=f"o{number}['name']").supported for number in (1, 2, 3, 4)]
    assert supported == [False, False, True, False]


# --- before a run gives up -------------------------------------------------------------------------------------------


def test_calls_that_may_find_more() -> None:
    """About what was found that a tool takes, by its name or written alike; not about what was asked already."""
    compound, *others = [
        replace(each, url="http://api.example/x") for each in named("compound", "safety_sheet", "employee").values()
    ]
    tools = [compound, *others]
    sheet: Call = (
        "compound",
        {"name": "velorin"},
        {"compound": "velorin", "formula": "C7", "safety_sheet": "SDS-0488"},
    )
    goal = Goal("The velorin burns. What do I put it out with?", TODAY)
    assert further(goal, observations(sheet), tools) == [("safety_sheet", {"name": "SDS-0488"})]
    elsewhere = [compound, *(replace(each, url="http://other.example/x") for each in others)]
    assert further(goal, observations(sheet), elsewhere) == []  # another host learns nothing of what was found
    answered: Call = ("safety_sheet", {"name": "SDS-0488"}, {"extinguish": "powder"})
    assert further(goal, observations(sheet, answered), tools) == []
    person: Call = ("employee", {"name": "E-2014"}, {"id": "E-2014", "reports_to": "E-1377"})
    goal = Goal("Who is the manager of the manager of E-2014?", TODAY)
    assert ("employee", {"name": "E-1377"}) in further(goal, observations(person), tools)
    people = Tool("people", "", compound.parameters, str, url=compound.url)
    by_id = {"properties": {"id": {"type": "string"}}, "required": ["id"]}
    employee = Tool("employee", "", by_id, str, url=compound.url)
    found_people = observations(PEOPLE)
    assert further(Goal(EXTENSION, TODAY), found_people, [people, employee]) == [("employee", {"id": "E-2041"})]


def test_energies_are_compared_in_one_unit() -> None:
    """Megawatt-hours are more than kilowatt-hours; of units that nobody knows there is no order."""
    goal = "Which used more electricity, Hadley House or the Corn Hall?"
    houses = [("energy", {"name": "Hadley House"}, {"electricity": used}) for used in ("84.6 MWh", "84.6 crates")]
    hall: Call = ("energy", {"name": "Corn Hall"}, {"electricity": "79300 kWh"})
    both = {"hadley": "o1['electricity']", "corn": "o2['electricity']"}
    assert judge(goal, [houses[0], hall], **both).text.startswith("Hadley House: 84.6 MWh, the highest")
    assert not judge(goal, [houses[1], hall], **both).supported


def test_an_id_is_no_answer() -> None:
    """Whose it is has to be looked up, unless the goal asks for it in that word."""
    account: Call = ("account", {"number": 20881}, {"number": 20881, "adviserId": "ADV-6"})
    adviser = named("adviser", "account")
    for goal, is_answer in (
        ("Which adviser looks after account 20881?", False),
        ("Which adviser id has account 20881?", True),
    ):
        verdict = support.judge(Goal(goal, TODAY), observations(account), [("x", "o1['adviserId']")], "", adviser)
        assert verdict.supported is is_answer


def test_a_question_after_a_statement() -> None:
    """It is answered by yes or no, whatever is said before it."""
    said = "Our webhooks are acting strangely."
    assert Goal(f"{said} Are they all right?", TODAY).is_yes_or_no
    assert Goal("Are they all right? Yes or no is enough.", TODAY).is_yes_or_no
    assert not Goal(f"{said} Are they all right? When were they?", TODAY).is_yes_or_no
    assert not Goal(f"{said} What is their status?", TODAY).is_yes_or_no


def test_names_with_units_months_and_owners() -> None:
    """Are one name each; and a length in light-years is no year."""
    names = Goal("Which is bigger, Inch Varra, the Ida Marsh or Tanner's Lock?", TODAY)
    assert names.names[:2] == ["Inch Varra", "Ida Marsh"]
    assert "Tanner's Lock" in names.forms
    assert Goal("Is it warm in Bergen in Celsius?", TODAY).names == ["Bergen"]


def test_one_number_is_asked_for() -> None:
    """Two that were found are not what is computed of them."""
    job: Call = ("job", {"number": "J-55"}, {"number": "J-55", "batch_size": 24, "cycle_minutes": 2})
    goal = "How many minutes will the machine be busy with the batch of job J-55?"
    size, cycle = "o1['batch_size']", "o1['cycle_minutes']"
    assert not judge(goal, [job], size=size, cycle=cycle).supported
    assert judge(goal, [job], total=f"{size} * {cycle}").supported


def test_a_comparison_with_another_question() -> None:
    """Is not answered by the comparison alone."""
    hostels: list[Call] = [
        ("hostel", {"name": name}, {"name": name, "beds": beds, "dorm_eur": price})
        for name, beds, price in (("Birch", 84, 29), ("Stone", 112, 33))
    ]
    goal = "Which has more beds, Birch or Stone, and what is the price of a night in the dorm there?"
    beds = {"birch": "o1['beds']", "stone": "o2['beds']"}
    assert not judge(goal, hostels, **beds).supported
    assert judge(goal, hostels, **beds, price="o2['dorm_eur']").supported


def test_a_wait_within_a_day_is_minutes() -> None:
    """And no days, of which there are none between two times of one day."""
    goal = "How long did Dunja wait for the first reply to ticket TK-77?"
    ticket: Call = ("ticket", {"id": "TK-77"}, {"opened": "2026-10-05T08:12", "first_reply": "2026-10-05T09:47:00"})
    opened, reply = "o1['opened']", "o1['first_reply']"
    for value in (f"days_between({opened}, {reply})", f"{reply} - {opened}"):
        assert "95 min (1 h 35 min)" in judge(goal, [ticket], wait=value).text
    later: Call = ("ticket", {"id": "TK-77"}, {"opened": "2026-10-05T08:12", "first_reply": "2026-10-09T09:47:00"})
    assert "4 days" in judge(goal, [later], wait=f"{reply} - {opened}").text


def test_the_day_of_the_goal_is_asked_about() -> None:
    """Nothing on the day before says nothing of it."""
    goal = Goal("How many people have the late shift on 2 December 2026?", TODAY)
    seen = observations(("roster", {"day": "2026-12-01"}, 404))
    verdict = support.judge(goal, seen, (), "", named("roster"))
    assert (verdict.supported, verdict.needs_call) == (False, True)
    asked = observations(("roster", {"day": "2026-12-01"}, 404), ("roster", {"day": "2026-12-02"}, 404))
    assert support.judge(goal, asked, (), "", named("roster")).supported


def test_places_that_are_left_are_a_difference() -> None:
    """All the seats of a course are none of them."""
    course: Call = ("course", {"title": "First Aid"}, {"course": "First Aid", "seats": 12, "booked": 12})
    goal = "Are there any seats left on the course First Aid, and how many?"
    assert not judge(goal, [course], seats="o1['seats']").supported
