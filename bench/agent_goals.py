"""Forty goals for the agent with their answers, and the world in which they are: what each tool returns for a key.

The checks of answers were made with these; those of the other modules are by people who had not seen any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

FAILED: Final = 503
"""In place of an answer: the server fails."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A tool: what it does, its parameter, its answers by the value of that, and the answer for any other value."""

    description: str
    parameter: str
    answers: Json
    other: Any = 404
    kind: str = "string"


@dataclass(frozen=True)
class Task:
    """A goal, the tools for it, and patterns that its answer must all have, and must not have."""

    name: str
    goal: str
    tools: tuple[str, ...]
    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


NOT_FOUND: Final = (r"(?i)\bnot? |n't|nobody|none|nothing|unknown",)
FAILURE: Final = (r"(?i)503|could not|fail|unavailable|not be",)


def _person(name: str, phone: str, manager: str | None, team: str, joined: str) -> list[Json]:
    return [{"name": name, "phone": phone, "manager": manager, "team": team, "joined": joined}]


SOURCES: Final[dict[str, Source]] = {
    "staff": Source(
        "Looks up a member of staff by full name, as in Jane Doe.",
        "name",
        {
            "mira holt": _person("Mira Holt", "+41 44 201 11 07", "Jonas Abt", "Logistics", "2019-04-01"),
            "jonas abt": _person("Jonas Abt", "+41 44 201 11 90", "Rita Senn", "Logistics", "2011-09-15"),
            "rita senn": _person("Rita Senn", "+41 44 201 10 02", None, "Board", "2004-01-05"),
            "paul egger": _person("Paul Egger", "+41 44 201 13 35", "Rita Senn", "Finance", "2022-02-14"),
        },
        [],
    ),
    "team": Source(
        "Describes a team of the company by its name.",
        "team",
        {
            "logistics": {
                "team": "Logistics",
                "building": "K2",
                "members": 14,
                "budget_chf": 820000,
                "lead": "Jonas Abt",
            },
            "finance": {"team": "Finance", "building": "A1", "members": 9, "budget_chf": 410000, "lead": "Paul Egger"},
            "board": {"team": "Board", "building": "A1", "members": 3, "budget_chf": 1500000, "lead": "Rita Senn"},
        },
    ),
    "building": Source(
        "Where a building stands.",
        "building",
        {
            "k2": {"building": "K2", "street": "Hafenweg 12", "city": "Basel", "floors": 4, "built": 1987},
            "a1": {"building": "A1", "street": "Seestrasse 3", "city": "Zug", "floors": 11, "built": 2009},
        },
    ),
    "climate": Source(
        "The weather in a city now.",
        "city",
        {
            "bergen": {"city": "Bergen", "temperature_c": 4.5, "wind_kmh": 38, "humidity_percent": 91},
            "seville": {"city": "Seville", "temperature_c": 31, "wind_kmh": 9, "humidity_percent": 28},
            "riga": {"city": "Riga", "temperature_c": -6, "wind_kmh": 22, "humidity_percent": 80},
            "tunis": FAILED,
        },
    ),
    "train": Source(
        "The next departure of a train by its number.",
        "number",
        {
            "re 481": {
                "number": "RE 481",
                "from": "Basel",
                "to": "Zug",
                "departs": "14:07",
                "arrives": "15:31",
                "track": 6,
            },
            "ir 77": {
                "number": "IR 77",
                "from": "Basel",
                "to": "Bern",
                "departs": "16:20",
                "arrives": "17:19",
                "track": 3,
            },
            "ic 905": FAILED,
        },
    ),
    "part": Source(
        "A spare part by its number, as in X-100.",
        "number",
        {
            "p-310": {
                "number": "P-310",
                "name": "gear",
                "weight_g": 485,
                "price_chf": 37.5,
                "stock": 120,
                "supplier": "Ferrum AG",
            },
            "p-311": {
                "number": "P-311",
                "name": "shaft",
                "weight_g": 2150,
                "price_chf": 112,
                "stock": 8,
                "supplier": "Novatec",
            },
            "p-312": {
                "number": "P-312",
                "name": "seal",
                "weight_g": 12,
                "price_chf": 1.8,
                "stock": 0,
                "supplier": "Ferrum AG",
            },
        },
    ),
    "supplier": Source(
        "A supplier by its name.",
        "name",
        {
            "ferrum ag": {"name": "Ferrum AG", "city": "Olten", "delivery_days": 9, "rating": 4.1},
            "novatec": {"name": "Novatec", "city": "Lyon", "delivery_days": 21, "rating": 4.7},
        },
    ),
    "order": Source(
        "An order by its number.",
        "number",
        {
            "5501": {
                "number": 5501,
                "customer": "Hotel Krone",
                "ordered": "2026-02-11",
                "delivered": "2026-03-04",
                "lines": [
                    {"part": "P-310", "quantity": 4, "price": 37.5},
                    {"part": "P-312", "quantity": 20, "price": 1.8},
                ],
            },
            "5502": {
                "number": 5502,
                "customer": "Marti Bau",
                "ordered": "2026-02-20",
                "delivered": None,
                "lines": [{"part": "P-311", "quantity": 2, "price": 112}],
            },
        },
        kind="integer",
    ),
    "rate": Source(
        "How many Swiss francs one unit of a currency is worth, by its ISO code.",
        "currency",
        {
            "eur": {"currency": "EUR", "chf": 0.94, "day": "2026-11-27"},
            "usd": {"currency": "USD", "chf": 0.81, "day": "2026-11-27"},
        },
    ),
    "rooms": Source(
        "The meeting rooms of a building.",
        "building",
        {
            "a1": [
                {"room": "Rigi", "seats": 6, "projector": True},
                {"room": "Säntis", "seats": 18, "projector": True},
                {"room": "Pilatus", "seats": 24, "projector": False},
                {"room": "Titlis", "seats": 12, "projector": True},
            ],
            "k2": [],
        },
    ),
    "author": Source(
        "The novels of an author.",
        "name",
        {
            "edda rask": [
                {"title": "Northern Salt", "year": 1998, "pages": 312, "language": "Danish"},
                {"title": "The Glass Ferry", "year": 2006, "pages": 448, "language": "Danish"},
                {"title": "Low Tide", "year": 2017, "pages": 205, "language": "English"},
            ],
            "tomas vell": [{"title": "Ash Roads", "year": 2012, "pages": 530, "language": "Spanish"}],
        },
        {"results": [], "count": 0},
    ),
    "novel": Source(
        "Who published a novel, by its title.",
        "title",
        {
            "low tide": {
                "title": "Low Tide",
                "publisher": "Harbour House",
                "isbn": "978-1-4028-9462-6",
                "price_gbp": 11.99,
            },
            "ash roads": {"title": "Ash Roads", "publisher": "Cordel", "isbn": "978-84-376-0494-7", "price_gbp": 14.5},
        },
    ),
    "publisher": Source(
        "A publisher by its name.",
        "publisher",
        {
            "harbour house": {"publisher": "Harbour House", "founded": 1931, "seat": "Leith", "staff": 45},
            "cordel": {"publisher": "Cordel", "founded": 1974, "seat": "Vigo", "staff": 12},
        },
    ),
    "peak": Source(
        "A mountain by its name.",
        "name",
        {
            "corno grande": {
                "name": "Corno Grande",
                "height_m": 2912,
                "first_climbed": "1573-08-19",
                "country": "Italy",
            },
            "galdhøpiggen": {
                "name": "Galdhøpiggen",
                "height_m": 2469,
                "first_climbed": "1850-07-21",
                "country": "Norway",
            },
        },
    ),
    "flight": Source(
        "The status of a flight.",
        "code",
        {
            "qk 118": {"code": "QK 118", "gate": "B22", "status": "boarding", "delay_minutes": 35, "distance_km": 1240},
            "qk 119": FAILED,
        },
    ),
    "recipe": Source(
        "The ingredients of a dish for four people.",
        "dish",
        {
            "lentil soup": {
                "dish": "lentil soup",
                "minutes": 45,
                "ingredients": [
                    {"name": "lentils", "grams": 300},
                    {"name": "carrots", "grams": 250},
                    {"name": "onions", "grams": 120},
                ],
            }
        },
    ),
}

FILES: Final = {
    "sales.csv": """\
region,month,units,revenue
North,2026-01,120,3600
North,2026-02,95,2850
South,2026-01,210,6300
South,2026-02,260,7800
West,2026-01,40,1200
West,2026-02,75,2250
""",
    "lease.txt": """\
Lease of the workshop at Mühlegasse 8.

The rent is 2,340 francs a month, payable in advance.
The deposit is 7,020 francs. The lease begins on 1 May 2025.

Either side may end it with six months' notice, to the end of a quarter. The tenant is Kellenberger Holzbau,
the landlord the Brunner foundation.
""",
    "minutes.txt": """\
Minutes of the meeting of 12 March 2026.

The choir will sing in Arbon on 6 June 2026.
Mrs. Lenz is the new treasurer. The membership fee rises to 85 francs.
The next meeting is on 9 April 2026.
""",
}

COMPANY: Final = ("staff", "team", "building")

TASKS: Final = (
    Task("phone", "What is the phone number of Paul Egger?", ("staff", "team"), (r"201 13 35",)),
    Task(
        "manager-phone", "What is the phone number of Mira Holt's manager?", COMPANY, (r"201 11 90",), (r"201 11 07",)
    ),
    Task("team-building", "In which city does Paul Egger's team sit?", COMPANY, (r"Zug",), (r"Basel",)),
    Task("lead-joined", "When did the lead of the Logistics team join the company?", COMPANY, (r"2011|September",)),
    Task("nobody", "What is the phone number of Lukas Frei?", ("staff", "team"), NOT_FOUND, (r"201",)),
    Task("no-field", "What is the e-mail address of Mira Holt?", ("staff", "team"), NOT_FOUND, (r"@",)),
    Task(
        "warmer",
        "Which is warmer now, Bergen or Seville, and by how many degrees?",
        ("climate", "train"),
        (r"Seville", r"26[.,]5"),
        (r"Bergen is warmer",),
    ),
    Task("coldest", "Which is the coldest of Bergen, Riga and Seville now?", ("climate",), (r"Riga",)),
    Task("difference", "How much warmer is Bergen than Riga now?", ("climate",), (r"10[.,]5",)),
    Task("fahrenheit", "What is the temperature in Seville in Fahrenheit?", ("climate",), (r"87[.,]8",)),
    Task("windier", "Is it windier in Bergen than in Riga?", ("climate",), (r"(?i)yes|Bergen.*38",)),
    Task("down", "How warm is it in Tunis?", ("climate", "train"), FAILURE),
    Task("one-down", "How warm is it in Riga, and how warm in Tunis?", ("climate",), (r"-6|−6|minus 6", *FAILURE)),
    Task(
        "train",
        "From which track does the train RE 481 leave, and at what time?",
        ("train", "climate"),
        (r"6", r"14:07"),
    ),
    Task(
        "train-down", "When does the train IC 905 leave?", ("train", "climate"), FAILURE, (r"(?i)not exist|no train",)
    ),
    Task("no-train", "At what time does the train RE 999 leave?", ("train",), NOT_FOUND),
    Task(
        "weight",
        "How many kilograms do 16 pieces of the part P-310 weigh together?",
        ("part", "supplier"),
        (r"7[.,]76",),
    ),
    Task("value", "What is the stock of the part P-311 worth, at its price?", ("part",), (r"896",)),
    Task("two-parts", "What do 3 pieces of P-310 and 2 of P-311 cost together?", ("part", "order"), (r"336[.,]5",)),
    Task(
        "supplier-days",
        "How many days does the supplier of the part P-311 need to deliver?",
        ("part", "supplier"),
        (r"21",),
    ),
    Task("order-total", "What is the total of order 5501, all lines together?", ("order",), (r"186",)),
    Task(
        "order-days",
        "How many days passed between the ordering and the delivery of order 5501?",
        ("order", "part"),
        (r"21",),
    ),
    Task("undelivered", "On which day was order 5502 delivered?", ("order",), NOT_FOUND, (r"2026-0[3-9]",)),
    Task("rate", "How many Swiss francs are 250 euros?", ("rate",), (r"235",)),
    Task(
        "rooms",
        "Which meeting rooms of building A1 have a projector and more than 10 seats?",
        ("rooms", "building"),
        (r"Säntis", r"Titlis"),
        (r"Rigi|Pilatus",),
    ),
    Task(
        "no-rooms",
        "How many seats has the largest meeting room of building K2?",
        ("rooms", "building"),
        NOT_FOUND,
        (r"24",),
    ),
    Task(
        "table",
        "Which region had the highest revenue in February 2026, and how much was it?",
        ("query",),
        (r"South", r"7[.,' ]?800"),
        files=("sales.csv",),
    ),
    Task(
        "document",
        "How much is the deposit in the lease?",
        ("read",),
        (r"7[.,' ]?020",),
        (r"2[.,' ]?340",),
        files=("lease.txt",),
    ),
    Task("pages", "How many pages do the novels of Edda Rask have in all?", ("author", "novel"), (r"965",)),
    Task("longest", "Which is the longest novel by Edda Rask?", ("author",), (r"Glass Ferry",), (r"Ash Roads",)),
    Task("danish", "How many novels has Edda Rask written in Danish?", ("author",), (r"\b2\b|two",)),
    Task("seat", "In which town is the publisher of Low Tide?", ("novel", "publisher", "author"), (r"Leith",)),
    Task(
        "older-house",
        "Which was founded earlier, the publisher Cordel or the publisher Harbour House?",
        ("publisher",),
        (r"Harbour House",),
        (r"Cordel: 1974, the",),
    ),
    Task("no-author", "Which novels did Ines Morau write?", ("author",), NOT_FOUND),
    Task("feet", "How high is Corno Grande in feet?", ("peak",), (r"9[,.' ]?55[34]",)),
    Task("higher", "How many metres higher is Corno Grande than Galdhøpiggen?", ("peak",), (r"443",)),
    Task("gate", "At which gate is flight QK 118, and how many minutes is it late?", ("flight",), (r"B22", r"35")),
    Task("flight-down", "What is the gate of flight QK 119?", ("flight",), FAILURE, (r"B22",)),
    Task("grams", "How many grams of ingredients does the lentil soup need in all?", ("recipe",), (r"670",)),
    Task(
        "concert",
        "When does the choir sing in Arbon?",
        ("read",),
        (r"6 June|2026-06-06|June 6",),
        files=("minutes.txt",),
    ),
)
