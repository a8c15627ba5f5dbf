"""What the observations say by themselves where something is computed, chosen or compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from operations.tools import support
from operations.tools.advice import advice
from operations.tools.base import Tool
from operations.tools.found import found
from operations.tools.goal import Goal
from operations.tools.nothing import unasked
from operations.tools.suggested import suggested
from tests.operations.tools.test_support import LISBON, OSLO, PART, TODAY, Call, named, observations

NOVELS: Call = (
    "author",
    {"name": "Edda Rask"},
    [
        {"title": "Northern Salt", "year": 1998, "pages": 312, "language": "Danish"},
        {"title": "The Glass Ferry", "year": 2006, "pages": 448, "language": "Danish"},
        {"title": "Low Tide", "year": 2017, "pages": 205, "language": "English"},
    ],
)
HALLS: Call = (
    "rooms",
    {"building": "A1"},
    [
        {"room": "Rigi", "seats": 6, "projector": True},
        {"room": "Titlis", "seats": 12, "projector": True},
        {"room": "Pilatus", "seats": 24, "projector": False},
    ],
)
LINES: Call = (
    "order",
    {"number": 5501},
    {
        "number": 5501,
        "lines": [{"part": "P-1", "quantity": 4, "price": 37.5}, {"part": "P-2", "quantity": 20, "price": 1.8}],
    },
)
SOUP: Call = (
    "recipe",
    {"dish": "lentil soup"},
    {"dish": "lentil soup", "ingredients": [{"name": "lentils", "grams": 300}, {"name": "onions", "grams": 120}]},
)
SALES: Call = (
    "query",
    {"sql": "SELECT region, max(revenue) FROM sales WHERE month = '2026-02' GROUP BY region"},
    [{"region": "North", "max(revenue)": 2850}, {"region": "South", "max(revenue)": 7800}],
)
EURO: Call = ("rate", {"currency": "EUR"}, {"currency": "EUR", "chf": 0.94})
RIVERSIDE: Call = ("camp", {"name": "Riverside"}, {"camp": "Riverside", "crowding": 61, "tents": 30})
HILLSIDE: Call = ("camp", {"name": "Hillside"}, {"camp": "Hillside", "crowding": 17, "tents": 45})
ALDER: Call = ("words", {"word": "alder"}, {"word": "alder", "first_seen": 1210})
BIRCH: Call = ("words", {"word": "birch"}, {"word": "birch", "first_seen": 1395})
LIDO: Call = ("pool", {"name": "Lido"}, {"name": "Lido", "opening": "08:30", "closing": "19:00"})
SONGS: Call = (
    "album",
    {"title": "Tarn"},
    {"album": "Tarn", "tracks": [{"title": "A", "instrumental": True}, {"title": "B", "instrumental": False}]},
)
RUN: Call = (
    "race",
    {"name": "Fell Run"},
    {"race": "Fell Run", "finishers": [{"runner": "Al", "age": 29}, {"runner": "Mo", "age": 63}]},
)
PAINT: Call = ("paint", {"name": "Matt Blue"}, {"paint": "Matt Blue", "grams_per_m2": 150, "dry_in": "May"})
LOOM: Call = ("magazine", {"title": "Loom"}, {"magazine": "Loom", "yearly_eur": 60, "single_eur": 7, "issues": 12})
RIGA: Call = ("weather", {"city": "Riga"}, 503)
OTTERS: Call = (
    "club",
    {"name": "Otters"},
    {"club": "Otters", "groups": [{"group": "morning", "swimmers": 8}, {"group": "evening", "swimmers": 12}]},
)
OFFERS: Call = (
    "job",
    {"number": 7},
    {"number": 7, "offers": [{"by": "A", "amount_eur": 300}, {"by": "B", "amount_eur": 600}]},
)
TREES: Call = (
    "trees",
    {"park": "Elm Park"},
    [
        {"tree": "T1", "kind": "oak", "height_m": 12},
        {"tree": "T2", "kind": "oak", "height_m": 24},
        {"tree": "T3", "kind": "lime", "height_m": 31},
    ],
)
CAFE: Call = ("cafe", {"name": "Otto"}, {"name": "Otto", "phone": "55 12", "cook": "Ann Roy"})
NOBODY: Call = ("rooms", {"building": "K2"}, [])
HOUSE: Call = ("building", {"name": "K2"}, {"building": "K2", "floors": 4})


@pytest.mark.parametrize(
    ("goal", "calls", "answer"),
    [
        ("How many pages do the novels of Edda Rask have in all?", [NOVELS], "pages: 965"),
        ("How many grams of ingredients does the lentil soup need in all?", [SOUP], "grams: 420"),
        (
            "Which region had the highest revenue in February 2026, and how much was it?",
            [SALES],
            "South: 7800, the highest",
        ),
        ("Which rooms of building A1 have a projector and more than 10 seats?", [HALLS], "room: Titlis"),
        ("Which rooms of building A1 have at most 12 seats?", [HALLS], "room: Rigi, Titlis"),
        ("Which rooms of building A1 have no projector?", [HALLS], None),
        ("Which green rooms of building A1 have a projector?", [HALLS], None),
        ("What is the total of order 5501, all lines together?", [LINES], "total: 186"),
        ("Which is the longest novel by Edda Rask?", [NOVELS], "The Glass Ferry: 448, the highest;"),
        ("Which is the oldest novel by Edda Rask?", [NOVELS], "Northern Salt: 1998, the earliest;"),
        ("Which is warmer, Oslo or Lisbon?", [OSLO, LISBON], "Lisbon: 22 °C, the highest;"),
        ("Is it warmer in Oslo than in Lisbon?", [OSLO, LISBON], "Lisbon: 22 °C, the highest;"),
        ("What do 3 pieces of P-77 cost together?", [PART], "price: 12.6"),
        ("What would 7 brackets of P-77 come to?", [PART], "price: 29.4"),
        ("What would 7 painted brackets of P-77 come to?", [PART], None),
        ("how long is it between opening and closing at the Lido today", [LIDO], "time: 630 min (10 h 30 min)"),
        (
            "By how many years is the word alder older than birch, by when each was first seen?",
            [ALDER, BIRCH],
            "alder: 1210, the earliest; birch 1395. The difference is 185.",
        ),
        ("Is it more crowded in Riverside than in Hillside?", [RIVERSIDE, HILLSIDE], "Riverside: 61, the highest;"),
        ("How warm is it in Oslo right now? And in Lisbon?", [OSLO, LISBON], "temperature c (Oslo): -2 °C"),
        ("How warm is it in Oslo, and how warm in Riga?", [OSLO, RIGA], "temperature c (Oslo): -2 °C\nCould not be"),
        ("How many people swim in the Otters, all groups together?", [OTTERS], "swimmers: 20"),
        ("What's the average of the offers for job 7?", [OFFERS], "mean amount eur: 450"),
        ("I only like oaks. Which ones in Elm Park are taller than 20 metres?", [TREES], "tree: T2"),
        ("Which ones in Elm Park are lower than 0.02 km?", [TREES], None),
        ("I'd like to ring the cook who works for Otto. What's the phone number?", [CAFE], None),
        ("How many seats has the largest of the rooms of building K2?", [NOBODY, HOUSE], "Not found: rooms (K2)"),
        ("Who was the oldest to finish the Fell Run? I'd love to hear the age.", [RUN], "Mo: 63, the highest; Al 29."),
        ("Who was the youngest to finish the Fell Run?", [RUN], "Al: 29, the lowest; Mo 63."),
        (
            "I'm about to paint 40 square metres with Matt Blue. How many kilos of it do I need?",
            [PAINT],
            "amount: 6 kg",
        ),
        ("They'd give me 10% off the yearly price of Loom. So what would I end up paying?", [LOOM], "price: 54"),
        ("What would 10% more than the yearly price of Loom be?", [LOOM], None),
        ("How many songs on Tarn have no singing?", [SONGS], None),
        ("How many floors has building K2?", [NOBODY, HOUSE], "floors (K2): 4"),
    ],
)
def test_what_is_computed(goal: str, calls: list[Call], answer: str | None) -> None:
    """An expression is the answer if it takes each word of the goal into account."""
    tools = named(
        *(
            "author",
            "rooms",
            "building",
            "order",
            "weather",
            "part",
            "recipe",
            "camp",
            "club",
            "job",
            "trees",
            "cafe",
            "words",
        ),
        description="The novels, or a part.",
    )
    verdict = found(Goal(goal, TODAY), observations(*calls), tools)
    assert (verdict and verdict.text[: len(answer or "")]) == answer


@pytest.mark.parametrize(
    ("goal", "calls", "values"),
    [
        ("How many novels has Edda Rask set in Danish towns?", [NOVELS], "len([each for each in o1 if {}])"),
        ("How many francs are 250 euros?", [EURO], "o1['chf'] * 250"),
        ("Is it warmer in Oslo than in Lisbon?", [LISBON, OSLO], "o2['temperature_c'] > o1['temperature_c']"),
    ],
)
def test_what_is_suggested(goal: str, calls: list[Any], values: str) -> None:
    """Where a word is left, the expression is a hint for the model."""
    values = values.format("each['language'] == 'Danish'")
    assert values in [
        expression for each in suggested(Goal(goal, TODAY), observations(*calls)) for _, expression in each
    ]


def test_what_is_compared() -> None:
    """An adjective has its fields: the older of two bridges is not the shorter one."""
    calls: list[Call] = [
        ("bridge", {"name": "Kestle Span"}, {"name": "Kestle Span", "length_m": 812, "opened": "1934-05-26"}),
        ("bridge", {"name": "Hollin Bridge"}, {"name": "Hollin Bridge", "length_m": 488, "opened": "1966-10-03"}),
    ]
    goal = Goal("Which is older, Kestle Span or Hollin Bridge?", TODAY)
    lengths = [(f"o{number}", f"o{number}['length_m']") for number in (1, 2)]
    verdict = support.judge(goal, observations(*calls), lengths, "")
    assert verdict.hint.startswith("The goal compares by opened: read that of each.")
    other = found(goal, observations(*calls), named("bridge"))
    assert other is not None
    assert other.text.startswith("Kestle Span: 1934-05-26, the earliest; Hollin Bridge 1966-10-03.")


def test_a_field_of_another_name() -> None:
    """A time of the day is one whatever its field is called; nothing is absent while a field may be meant."""
    hotel: Call = ("hotel", {"name": "Almadine"}, {"name": "Almadine", "rooms": 34, "check_in_from": "14:00"})
    verdict = found(Goal("From what time can I check in at the Almadine?", TODAY), observations(hotel), named("hotel"))
    assert verdict is not None
    assert verdict.text == "check in from (Almadine): 14:00"
    late: Call = ("hotel", {"name": "Almadine"}, {"name": "Almadine", "check_in_from": "two o'clock"})
    assert (
        found(Goal("What is the time of check in at the Almadine?", TODAY), observations(late), named("hotel")) is None
    )


def test_days_between_two_dates() -> None:
    """They are computed where the goal asks for those between the two that were found; a date is no number of days."""
    patent: Call = ("patent", {"number": "EP-1"}, {"number": "EP-1", "filed": "2021-03-15", "granted": "2023-06-07"})
    goal = Goal("How many days did it take from the filing of EP-1 until it was granted?", TODAY)
    verdict = found(goal, observations(patent), named("patent"))
    assert verdict is not None
    assert verdict.text == "days: 814 days"
    assert not support.judge(goal, observations(patent), [("granted", "o1['granted']")], "").supported
    today = Goal("How many days is it from today until EP-1 was granted?", TODAY)
    assert found(today, observations(patent), named("patent")) is None


def test_one_of_two_was_asked_of_the_wrong_tool() -> None:
    """Nothing is compared before the tool that knows the one was asked about the other."""
    calls: list[Call] = [
        ("play", {"name": "Corvid Playhouse"}, 404),
        ("play", {"name": "Malthouse Theatre"}, 404),
        ("theatre", {"name": "Corvid Playhouse"}, {"name": "Corvid Playhouse", "seats": 420}),
    ]
    goal = Goal("How many more seats does Corvid Playhouse have than Malthouse Theatre?", TODAY)
    twice = [("a", "o3['seats']"), ("b", "o3['seats']")]
    verdict = support.judge(goal, observations(*calls), twice, "")
    assert verdict.hint == "No call was made about Malthouse Theatre: make one."
    tools = [*named("play", "theatre").values()]
    first = next(iter(advice(goal, observations(*calls), tools)))
    assert first.call == ("theatre", {"name": "Malthouse Theatre"})


def test_entries_of_a_list_are_not_looked_up() -> None:
    """The goal names them by the name of their field."""
    breads: Call = (
        "bakery",
        {"name": "Pettigrew"},
        [{"bread": "rye", "vegan": True}, {"bread": "bun", "vegan": False}],
    )
    goal = Goal("How many of the breads at Pettigrew are vegan?", TODAY)
    verdict = support.judge(goal, observations(breads), [("n", "sum(each['vegan'] for each in o1)")], "")
    assert verdict.supported


def test_the_mean_of_a_list() -> None:
    """One entry is not the mean of all."""
    rows = [{"bread": "rye", "price_eur": 4.0}, {"bread": "bun", "price_eur": 1.0}]
    breads: Call = ("bakery", {"name": "Pettigrew"}, rows)
    goal = Goal("What is the average price of the breads at Pettigrew?", TODAY)
    assert not support.judge(goal, observations(breads), [("price", "o1[0]['price_eur']")], "").supported
    verdict = found(goal, observations(breads), named("bakery", description="The breads of a bakery."))
    assert verdict is not None
    assert verdict.text == "mean price eur: 2.5"


def test_calls_before_nothing_is_found() -> None:
    """Each tool that changes nothing is asked about each name as it stands in the goal."""
    tools = [
        *named("staff", "school").values(),
        Tool("erase", "", {"properties": {"name": {"type": "string"}}}, str),
    ]
    tools[:2] = [replace(tool, repeatable=True) for tool in tools[:2]]
    goal = Goal("We're moving to Larkbridge. Which schools are there?", TODAY)
    seen = observations(("staff", {"name": "Larkbridge"}, 404), ("school", {"name": "We're"}, []))
    assert unasked(goal, seen, tools) == [("school", {"name": "Larkbridge"})]
    verdict = support.judge(goal, seen, [], "There are none.", {tool.name: tool for tool in tools})
    assert verdict.hint == "No call of school was made about Larkbridge: make one."


def test_all_tools_are_asked_before_nothing_is_found() -> None:
    """Another tool may know where to go on; a name with small words in it is asked about as a whole, too."""
    tools = [replace(tool, repeatable=True, url="https://api.example/") for tool in named("museum", "picture").values()]
    goal = Goal("I'd like to see Night on the Lake. What is the admission to its museum?", TODAY)
    seen = observations(("museum", {"name": "Night"}, []))
    assert unasked(goal, seen, tools)[:4] == [
        ("museum", {"name": "Night on the Lake"}),
        ("museum", {"name": "Lake"}),
        ("picture", {"name": "Night on the Lake"}),
        ("picture", {"name": "Night"}),
    ]
    elsewhere = [tools[0], replace(tools[1], url="https://public.example/")]
    assert {name for name, _ in unasked(goal, seen, elsewhere)} == {"museum"}, "no other host learns of it"
    assert all(name == "museum" for name, _ in unasked(goal, seen, [replace(tool, url="") for tool in tools]))


BILL: Call = ("bill", {"number": "R-20"}, {"number": "R-20", "net_eur": 200.0, "vat_percent": 19, "due": "2026-10-01"})
HELMET: Call = ("item", {"number": "BK-4"}, {"number": "BK-4", "price_gbp": 40, "discount_percent": 15, "stock": 3})


@pytest.mark.parametrize(
    ("goal", "call", "price"),
    [
        ("Bill R-20 is given net. What does it come to once VAT has been added?", BILL, "238"),
        ("item BK-4 has some discount on it. what's the price once that is taken off", HELMET, "34"),
    ],
)
def test_a_price_with_what_stands_beside_it_in_percent(goal: str, call: Call, price: str) -> None:
    """The price alone is no answer."""
    verdict = found(Goal(goal, TODAY), observations(call), named("bill", "item"))
    assert verdict is not None
    assert verdict.text.startswith(f"price: {price}")
    key = next(key for key in call[2] if key.endswith(("eur", "gbp")))
    assert not support.judge(Goal(goal, TODAY), observations(call), [("price", f"o1[{key!r}]")], "").supported
