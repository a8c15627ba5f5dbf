"""Twenty-four more goals for the agent, of other worlds, by somebody who had not seen how it checks answers.

A goal may be of two kinds at once, as a chain of calls whose last one fails, or a sum over the rows of a table.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Source, Task

ABSENT: Final = (
    NOT_FOUND[0] + r"|\bcannot\b|\bmissing\b|\bnull\b|\bempty\b|\blacks?\b|\bunpaid\b|\bstill (?:in|act|op)",
)
DOWN: Final = (FAILURE[0] + r"|not (?:available|respond|reach)|\berror\b|\bis down\b|out of order",)

SOURCES: Final[dict[str, Source]] = {
    "vessel": Source(
        "A ship by its name.",
        "name",
        {
            "aurelia marsh": {
                "name": "Aurelia Marsh",
                "flag": "Malta",
                "length_m": 182.5,
                "gross_tonnage": 24310,
                "built": 2008,
                "home_port": "Port Ellis",
                "sister_ship": "Aurelia Bay",
            },
            "aurelia bay": {
                "name": "Aurelia Bay",
                "flag": "Cyprus",
                "length_m": 182.5,
                "gross_tonnage": 24295,
                "built": 2009,
                "home_port": "Skarvik",
                "sister_ship": "Aurelia Marsh",
            },
            "brave finch": {
                "name": "Brave Finch",
                "flag": "Liberia",
                "length_m": 176.2,
                "gross_tonnage": 19870,
                "built": 2014,
                "home_port": "Port Ellis",
                "sister_ship": None,
            },
            "corrigan": {
                "name": "Corrigan",
                "flag": "Ireland",
                "length_m": 94.8,
                "gross_tonnage": 4120,
                "built": 1999,
                "home_port": "Dunloe",
                "sister_ship": None,
            },
        },
    ),
    "harbour": Source(
        "A harbour by the name of the port.",
        "port",
        {
            "port ellis": {"port": "Port Ellis", "berths": 22, "depth_m": 11, "tide_m": 2.3},
            "skarvik": {"port": "Skarvik", "berths": 9, "depth_m": 14.5, "tide_m": 0.7},
            "dunloe": {"port": "Dunloe", "berths": 5, "depth_m": 7.5, "tide_m": 3.9},
        },
    ),
    "parcel": Source(
        "A parcel by its tracking number, as in AB-12345, and the code of the depot that has it.",
        "tracking",
        {
            "zt-40718": {
                "tracking": "ZT-40718",
                "sender": "Lindqvist Optik",
                "weight_kg": 3.4,
                "posted": "2026-06-18",
                "depot": "D21",
            },
            "zt-40733": {
                "tracking": "ZT-40733",
                "sender": "Moor & Daughters",
                "weight_kg": 0.9,
                "posted": "2026-06-20",
                "depot": "D08",
            },
            "zt-40790": {
                "tracking": "ZT-40790",
                "sender": "Papier Veit",
                "weight_kg": 11.2,
                "posted": "2026-06-23",
                "depot": "D35",
            },
        },
    ),
    "depot": Source(
        "A parcel depot by its code. Its hub is a depot too.",
        "code",
        {
            "d21": {
                "code": "D21",
                "city": "Ulmstad",
                "hub": "D50",
                "storage_eur_per_day": 1.85,
                "phone": "+44 1632 960118",
            },
            "d08": {
                "code": "D08",
                "city": "Carrow",
                "hub": "D60",
                "storage_eur_per_day": 2.4,
                "phone": "+44 1632 960240",
            },
            "d50": {
                "code": "D50",
                "city": "Velden",
                "hub": None,
                "storage_eur_per_day": 3.1,
                "phone": "+44 1632 960500",
            },
            "d60": {
                "code": "D60",
                "city": "Tarbeck",
                "hub": None,
                "storage_eur_per_day": 2.95,
                "phone": "+44 1632 960611",
            },
            "d35": FAILED,
        },
    ),
    "hearing": Source(
        "When and where a court case is heard, by the number of the case, as in 24-X-100.",
        "case",
        {
            "24-c-309": {
                "case": "24-C-309",
                "court": "Northgate County Court",
                "judge": "Ada Pemberton",
                "date": "2026-03-09",
                "time": "10:15",
                "room": "5B",
            },
            "24-c-311": {
                "case": "24-C-311",
                "court": "Northgate County Court",
                "judge": "Luke Osgood",
                "date": "2026-03-11",
                "time": "14:00",
                "room": "2A",
            },
        },
    ),
    "busline": Source(
        "The timetable of a bus line by its number.",
        "line",
        {
            "14": {"line": 14, "first": "05:12", "last": "23:48", "every_minutes": 12, "terminus": "Gasworks"},
            "27": FAILED,
        },
        kind="integer",
    ),
    "alloy": Source(
        "The properties of an alloy by its name.",
        "name",
        {
            "corvanite": {
                "name": "Corvanite",
                "melting_point_c": 1140,
                "density_g_cm3": 8.2,
                "main_metal": "nickel",
            },
            "telsite": {"name": "Telsite", "melting_point_c": 655, "density_g_cm3": 2.7, "main_metal": "aluminium"},
        },
    ),
    "invoice": Source(
        "An invoice by its number.",
        "number",
        {
            "7714": {
                "number": 7714,
                "customer": "Baxter Lane Dental",
                "issued": "2026-05-06",
                "due": "2026-06-05",
                "total_eur": 1280.4,
                "paid": None,
            },
            "7715": {
                "number": 7715,
                "customer": "Orrin Press",
                "issued": "2026-05-07",
                "due": "2026-06-06",
                "total_eur": 342,
                "paid": "2026-05-29",
            },
        },
        kind="integer",
    ),
    "clinics": Source(
        "The clinics of a town.",
        "town",
        {
            "weldham": {
                "results": [
                    {"name": "Elmside", "beds": 64, "emergency": True, "opened": 1996},
                    {"name": "Harrow Gate", "beds": 38, "emergency": True, "opened": 2003},
                    {"name": "St Brannock", "beds": 120, "emergency": False, "opened": 1958},
                    {"name": "Quayside", "beds": 45, "emergency": True, "opened": 2018},
                ]
            }
        },
        {"results": []},
    ),
    "share": Source(
        "The price of a share by its ticker.",
        "ticker",
        {
            "klmr": {"ticker": "KLMR", "company": "Kolmer Glass", "price_eur": 47.15, "previous_close_eur": 45.6},
            "dova": {"ticker": "DOVA", "company": "Dova Foods", "price_eur": 12.84, "previous_close_eur": 13.02},
            "orsk": FAILED,
        },
    ),
    "satellite": Source(
        "A satellite by its name.",
        "name",
        {
            "kestrel-2": {
                "name": "Kestrel-2",
                "operator": "Norvane",
                "launched": "2019-11-27",
                "altitude_km": 547,
                "mass_kg": 310,
                "decommissioned": None,
            },
            "meridian-4": {
                "name": "Meridian-4",
                "operator": "Astrel",
                "launched": "2020-02-14",
                "altitude_km": 786,
                "mass_kg": 1240,
                "decommissioned": "2025-08-01",
            },
        },
    ),
    "matches": Source(
        "The matches of a football club in this season.",
        "club",
        {
            "tarnholm rovers": [
                {"opponent": "Eskford", "home": True, "scored": 2, "conceded": 1},
                {"opponent": "Lowick Town", "home": False, "scored": 1, "conceded": 0},
                {"opponent": "Haverby", "home": True, "scored": 1, "conceded": 3},
                {"opponent": "Port Ness", "home": False, "scored": 5, "conceded": 2},
                {"opponent": "Castle Vale", "home": True, "scored": 0, "conceded": 0},
                {"opponent": "Eskford", "home": False, "scored": 3, "conceded": 4},
            ],
        },
        [],
    ),
    "tariff": Source(
        "An electricity tariff by the name of its plan.",
        "plan",
        {
            "nightsaver": {"plan": "Nightsaver", "eur_per_kwh": 0.275, "standing_eur_per_month": 9.9},
            "flatline": {"plan": "Flatline", "eur_per_kwh": 0.312, "standing_eur_per_month": 6.5},
            "greenflow": FAILED,
        },
    ),
}

FILES: Final = {
    "repairs.csv": """\
ticket,workshop,kind,hours,cost
R-101,Northside,brakes,2.5,140
R-102,Northside,gearbox,6,910
R-103,Eastgate,brakes,1.5,95
R-104,Northside,brakes,4,265
R-105,Eastgate,tyres,1,60
R-106,Eastgate,gearbox,5.5,870
R-107,Northside,tyres,3,120
R-108,Eastgate,brakes,3.5,230
""",
    "allotments.txt": """\
Rules of the allotments on Fennel Hill.

A plot costs 96 euros a year. The gates are locked at 9 in the evening; a key is to be had from Mr. Osei, on plot 17,
for a deposit of 25 euros. Complaints go to the chair, Mrs. Dunmore.

The water is turned off on 2 November 2026, and turned on again on 22 March 2027.
Bonfires are allowed on Saturdays only.
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task(
        "flag",
        "Under which flag does the Aurelia Marsh sail?",
        ("vessel", "harbour"),
        (r"(?i)Malt(?:a|ese)",),
        (r"(?i)Cypr|Liberia|Ireland|Irish",),
    ),
    Task(
        "courtroom",
        "Which room is case 24-C-309 heard in? And who is the defence lawyer?",
        ("hearing", "clinics", "invoice"),
        (r"(?i)\b5[- ]?B\b", *ABSENT),
        (r"(?i)(?:lawyer|counsel)[^.]{0,25} (?:is|was) (?:judge )?(?:Ada |A\. )?Pemberton|room 2[- ]?A\b|Osgood",),
    ),
    Task(
        "issued-paid",
        "When was invoice 7714 issued, and when was it paid?",
        ("invoice", "parcel"),
        (
            r"(?i)2026-05-06|\b0?6(?:th)?(?: of)? May\b|May 0?6|\b0?6\. ?0?5\. ?(?:20)?26|\b0?[56]/0?[56]/(?:20)?26",
            *ABSENT,
        ),
        (r"(?i)2026-05-29|29(?:th)?(?: of)? May|May 29|(?<!not )\bpaid (?:on )?(?:the )?(?:\d|June|May)",),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "storage-cost",
        "my parcel ZT-40718 is going to stay 12 days in its depot. what will the storage cost me?",
        ("parcel", "depot", "tariff"),
        (r"\b22[.,]20?(?!\d)",),
        (r"28[.,]8|37[.,]2|40[.,]8|35[.,]4",),
    ),
    Task(
        "depot-down",
        "I need the phone number of the depot that has the parcel ZT-40790.",
        ("parcel", "depot", "busline"),
        DOWN,
        (r"1632|(?i:not exist|no such|has no phone)",),
    ),
    Task(
        "hub-city",
        "Find out where parcel ZT-40733 is: in which city is the hub of its depot?",
        ("parcel", "depot", "harbour"),
        (r"Tarbeck",),
        (r"Ulmstad|Velden|(?i:hub is in Carrow)",),
    ),
    Task(
        "sister-port",
        "How deep, in feet, is the home port of the sister ship of the Aurelia Marsh?",
        ("vessel", "harbour", "satellite"),
        (r"(?i)\b47[.,][56]|\b48 ?(?:feet|foot|ft)",),
        (r"(?i)\b36[.,]?\d* ?(?:feet|foot|ft)|14[.,]5 ?(?:feet|foot|ft)|\b24[.,]6",),
    ),
    # -- comparisons and differences ---------------------------------------------------------------------------------
    Task(
        "longest-ship",
        "Of the Brave Finch, the Aurelia Marsh and the Corrigan, which ship is the longest, and how many metres"
        " longer than the Corrigan is it?",
        ("vessel", "harbour", "matches"),
        (r"Aurelia Marsh", r"87[.,]7"),
        (r"(?i)81[.,]4|longest(?: one| ship)? is (?:the )?(?:Brave|Corr)|(?:Finch|Corrigan) is the longest",),
    ),
    Task(
        "launches",
        "Which satellite went up first, Kestrel-2 or Meridian-4? How many days lay between the two launches?",
        ("satellite", "vessel"),
        (r"(?i)Kestrel[- ]?2", r"\b79\b"),
        (r"(?i)Meridian[- ]?4 (?:went up|was launched|launched|was|is|came) (?:the )?(?:first|earlier|before)",),
    ),
    # -- lists -------------------------------------------------------------------------------------------------------
    Task(
        "let-in",
        "All its matches of this season taken together, how many goals has Tarnholm Rovers conceded?",
        ("matches", "share"),
        (r"(?i)\b10\b|\bten\b",),
        (r"(?i)\b12 goals|\b(?:conceded|let in) (?:12|22)\b|\btwelve\b",),
    ),
    Task(
        "emergencies",
        "List the clinics in Weldham that take emergencies and have more than 40 beds.",
        ("clinics", "hearing"),
        (r"Elmside", r"Quayside"),
        (r"Harrow Gate|Brannock",),
    ),
    # -- calculations ------------------------------------------------------------------------------------------------
    Task(
        "melting",
        "At how many degrees Fahrenheit does Corvanite melt?",
        ("alloy", "tariff"),
        (r"2[.,'\s]?084",),
        (r"2[.,'\s]?052|1[.,'\s]?172|1[.,'\s]?211|1[.,'\s]?140 ?(?:°F|degrees F)",),
    ),
    Task(
        "night-cost",
        "What would 320 kWh cost me on the Nightsaver plan, the standing charge left aside?",
        ("tariff", "invoice"),
        (r"(?<![\d.,])88(?:[.,]0+)?(?![.,]?\d|%)",),
        (r"(?i)97[.,]9|99[.,]84|\b88 cents",),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "no-vessel",
        "Tell me the gross tonnage of the Silent Heron.",
        ("vessel", "harbour", "depot"),
        ABSENT,
        (r"\d[.,'\s]?\d{3}\b",),
    ),
    Task(
        "no-clinics",
        "how many clinics in Brackmoor take emergencies?",
        ("clinics", "matches"),
        (ABSENT[0] + r"|\b0\b|\bzero\b",),
        (
            r"(?i)\b[1-9]\d* (?:of the )?(?:\w+ )?clinics?\b|(?<!not )\b(?:one|two|three|four) clinics?\b",
            r"Elmside|Quayside",
        ),
    ),
    Task(
        "passengers",
        "How many passengers can the Brave Finch carry?",
        ("vessel", "satellite"),
        ABSENT,
        (r"(?i)\d passengers|carry (?:up to |about )?\d|19[.,'\s]?870",),
    ),
    Task(
        "retired",
        "On which day was the satellite Kestrel-2 decommissioned?",
        ("satellite", "busline", "alloy"),
        ABSENT,
        (r"(?i)2025-08-01|August|decommissioned on \d",),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "bus-down",
        "At what time in the morning does the first bus of line 27 leave?",
        ("busline", "hearing"),
        DOWN,
        (r"(?i)\b0?5[:.]12|not exist|no such|no line 27",),
    ),
    Task(
        "two-shares",
        "By how many euros has KLMR risen since its previous close, and what is the price of ORSK?",
        ("share", "invoice"),
        (r"\b1[.,]55", *DOWN),
        (
            r"(?i)ORSK(?: (?:now |currently )?(?:costs?|is|stands at|trades at)|[:=])[^.\d]{0,12}\d+[.,]\d",
            r"(?i)[-\u2212]1[.,]55|KLMR (?:has )?fallen|KLMR fell|12[.,]84|not exist|no such",
        ),
    ),
    Task(
        "tariff-gap",
        "How much more does a kWh cost on the Flatline plan than on Greenflow?",
        ("tariff", "share"),
        DOWN,
        (
            r"(?i)0?[.,]037|\b3[.,]7 ?c|no difference|costs? the same",
            r"(?i)(?:costs|is|by) (?:€ ?)?0[.,]312 (?:EUR |euros? )?more",
        ),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "long-repairs",
        "How many of the repairs took more than 3 hours?",
        ("query", "invoice"),
        (r"(?i)\b4\b|\bfour\b",),
        (r"(?i)\b(?:5|five) (?:of the )?(?:\w+ )?repairs|\b(?:5|five) took",),
        files=("repairs.csv",),
    ),
    Task(
        "brakes",
        "What did the brake repairs at the Northside workshop cost altogether?",
        ("query", "parcel"),
        (r"(?<![\d.,])405(?:[.,]0+)?(?![.,]?\d)",),
        (r"\b730\b|1[.,'\s]?435|2[.,'\s]?690",),
        files=("repairs.csv",),
    ),
    Task(
        "allotment-key",
        "Whom do I have to ask for a key to the allotments?",
        ("read", "depot"),
        (r"Osei",),
        (r"Dunmore",),
        files=("allotments.txt",),
    ),
    Task(
        "water-off",
        "From the day on which the water is turned off to the day it comes back on, how many days is that?",
        ("read", "harbour"),
        (r"\b140\b",),
        (r"\b(?:139|141|142) days",),
        files=("allotments.txt",),
    ),
)
