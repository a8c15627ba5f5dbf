"""Forty more goals for the agent, whose author did not know how it checks its answers.

They are of public life in and around a town: libraries, clubs, events, coaches, schools, surgeries, shops, sport and
travel bookings.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Json, Source, Task


def _loan(title: str, writer: str, due: str, renewals_left: int) -> Json:
    return {"title": title, "writer": writer, "due": due, "renewals_left": renewals_left}


def _call(stop: str, departs: str, km: float) -> Json:
    return {"stop": stop, "departs": departs, "km_from_start": km}


def _activity(activity: str, day: str, until: str, places_left: int, fee: float) -> Json:
    return {
        "activity": activity,
        "day": day,
        "until": until,
        "places_left": places_left,
        "fee_gbp_per_term": fee,
    }


def _standing(club: str, won: int, drawn: int, lost: int, scored: int, conceded: int) -> Json:
    return {
        "club": club,
        "played": won + drawn + lost,
        "won": won,
        "drawn": drawn,
        "lost": lost,
        "goals_for": scored,
        "goals_against": conceded,
        "points": 3 * won + drawn,
    }


def _tour(tour: str, language: str, starts: str, minutes: int, price: float) -> Json:
    return {"tour": tour, "language": language, "starts": starts, "duration_minutes": minutes, "price_eur": price}


_ELMGATE: Final = {
    "branch": "Elmgate",
    "address": {"street": "14 Tollbar Lane", "district": "Northside"},
    "phone": "0161 555 0142",
    "hours": {
        "monday": "closed",
        "tuesday": "10:00-17:30",
        "thursday": "10:00-19:15",
        "saturday": "09:30-13:00",
    },
    "study_desks": 22,
    "step_free_access": True,
}
_HARROW_QUAY: Final = {
    "branch": "Harrow Quay",
    "address": {"street": "1 Capstan Road", "district": "Docks"},
    "phone": "0161 555 0187",
    "hours": {
        "monday": "09:00-18:00",
        "tuesday": "09:00-18:00",
        "thursday": "09:00-20:45",
        "saturday": "10:00-16:00",
    },
    "study_desks": 58,
    "step_free_access": False,
}
_CHESS: Final = {
    "club": "Wrenfield Chess Club",
    "meets": {"day": "Thursday", "from": "19:30", "to": "22:00"},
    "venue_id": "V-12",
    "secretary": "Hugo Lanyon",
    "members": 34,
    "fee_gbp_per_year": 48,
    "founded": 1956,
}
_RAMBLERS: Final = {
    "club": "Marsh Lane Ramblers",
    "meets": {"day": "Sunday", "from": "09:15", "to": "13:00"},
    "venue_id": "V-31",
    "secretary": None,
    "members": 71,
    "fee_gbp_per_year": 22,
    "founded": 1988,
}
_PARADE: Final = {
    "event": "Lantern Parade",
    "date": "2026-11-14",
    "starts": "17:45",
    "venue_id": "V-31",
    "tickets": {"adult_gbp": 9.5, "child_gbp": 4, "family_gbp": 24},
    "sold": 96,
}
_JAZZ: Final = {
    "event": "Gravy Jazz Night",
    "date": "2026-10-30",
    "starts": "20:30",
    "venue_id": "V-12",
    "tickets": {"adult_gbp": 16, "child_gbp": 8},
    "sold": 187,
}
_N24: Final = {
    "line": "N24",
    "operator": "Greyling Coaches",
    "runs": "Monday to Saturday",
    "single_fare_gbp": 11.8,
    "calls": [
        _call("Averley", "06:40", 0),
        _call("Dunmoor", "07:05", 21.5),
        _call("Pennow Cross", "07:38", 48),
        _call("Little Sarn", "07:57", 63.2),
        _call("Stanmere", "08:25", 90.4),
    ],
}
_THORNBRIDGE: Final = {
    "school": "Thornbridge Primary",
    "headteacher": "Marguerite Tolland",
    "pupils": 312,
    "classes": 12,
    "autumn_term": {"first_day": "2026-09-03", "last_day": "2026-12-18"},
    "lunch_gbp": 2.85,
    "gates_open": "08:40",
}
_ALDHELM: Final = {
    "school": "St Aldhelm's Primary",
    "headteacher": "Fergus Whitlock",
    "pupils": 198,
    "classes": 9,
    "autumn_term": {"first_day": "2026-09-07", "last_day": "2026-12-16"},
    "lunch_gbp": 3.1,
    "gates_open": "08:25",
}
_ACTIVITIES: Final = [
    _activity("Recorder", "Monday", "16:15", 0, 45),
    _activity("Coding", "Wednesday", "16:30", 4, 60),
    _activity("Judo", "Wednesday", "16:45", 0, 72),
    _activity("Gardening", "Thursday", "16:00", 7, 20),
    _activity("Pottery", "Wednesday", "16:30", 2, 85),
    _activity("Netball", "Friday", "16:10", 1, 30),
]
_BEECH: Final = {
    "surgery": "Copper Beech Surgery",
    "phone": "01632 960 411",
    "walk_in": {"from": "08:00", "to": "10:40"},
    "doctors": [
        {"name": "Dr. Amrit Sohal", "field": "general practice", "room": 4},
        {"name": "Dr. Lotte Vance", "field": "paediatrics", "room": 7},
    ],
    "nearest_chemist": "Pargeter's",
}
_PARGETER: Final = {
    "chemist": "Pargeter's",
    "address": "27 Fuller Street",
    "phone": "01632 960 455",
    "open_until": "18:45",
    "delivers": True,
}
_LARKIN: Final = {
    "shop": "Larkin & Daughter",
    "sells": "bicycles",
    "address": "6 Ropewalk",
    "hours": {"monday_to_friday": "09:00-18:00", "saturday": "09:00-16:00", "sunday": "closed"},
    "returns_within_days": 28,
    "repairs": True,
}
_INKPOT: Final = {
    "shop": "Inkpot Lane",
    "sells": "stationery",
    "address": "52 Fuller Street",
    "hours": {"monday_to_friday": "08:30-17:30", "saturday": "10:00-17:00", "sunday": "11:00-15:00"},
    "returns_within_days": 14,
    "repairs": False,
}
_NORTHERN: Final = [
    _standing("Ashby Rovers", 11, 3, 2, 34, 15),
    _standing("Thirlby Town", 10, 4, 2, 41, 17),
    _standing("Brockhaven", 9, 2, 5, 28, 22),
    _standing("Corrie Vale", 6, 4, 6, 25, 25),
    _standing("Hexby United", 2, 3, 11, 13, 39),
]
_LAVENDER: Final = {
    "airline": "Lavender Air",
    "cabin_bag": {"max_size": "55 x 40 x 20 cm", "max_kg": 8},
    "hold_bag": {"max_kg": 23, "first_eur": 0, "extra_eur": 38},
    "online_check_in_opens": "48 hours before departure",
}
_COLDHARBOUR: Final = {
    "rink": "Coldharbour Rink",
    "entry_gbp": 7.2,
    "skate_hire_gbp": 3.4,
    "helmet_hire_gbp": 1.5,
    "public_sessions": ["10:00-12:30", "14:00-16:30", "19:00-21:30"],
}
_MILL_SQUARE: Final = {
    "station": "Mill Square",
    "docks": 24,
    "available": {"ordinary": 11, "electric": 5},
    "price_gbp_per_30_minutes": {"ordinary": 1.5, "electric": 2.75},
}
_ABBEY: Final = {
    "car_park": "Abbey Fields",
    "spaces": 180,
    "free_now": 43,
    "gbp_per_hour": 2.2,
    "height_limit_m": 2.1,
}

SOURCES: Final[dict[str, Source]] = {
    "branch": Source(
        "A branch of the public library by its name.",
        "name",
        {
            "elmgate": _ELMGATE,
            "elmgate library": _ELMGATE,
            "elmgate branch": _ELMGATE,
            "harrow quay": _HARROW_QUAY,
            "harrow quay library": _HARROW_QUAY,
            "harrow quay branch": _HARROW_QUAY,
        },
    ),
    "library_card": Source(
        "A library card by its number, as in LC-1000, with the loans on it.",
        "number",
        {
            "lc-2093": {
                "number": "LC-2093",
                "holder": "Tamsin Orrell",
                "home_branch": "Elmgate",
                "valid_until": "2027-08-31",
                "owes_gbp": 3.6,
                "loans": [
                    _loan("The Saltmarsh Year", "Bea Tolliver", "2026-10-12", 1),
                    _loan("Knots and Splices", "Rolf Anker", "2026-10-19", 0),
                ],
            },
            "lc-2177": {
                "number": "LC-2177",
                "holder": "Gideon Parfitt",
                "home_branch": "Harrow Quay",
                "valid_until": "2026-12-31",
                "owes_gbp": 0,
                "loans": [],
            },
        },
    ),
    "club": Source(
        "A club or society of the town by its name.",
        "name",
        {
            "wrenfield chess club": _CHESS,
            "wrenfield chess": _CHESS,
            "the wrenfield chess club": _CHESS,
            "marsh lane ramblers": _RAMBLERS,
            "the marsh lane ramblers": _RAMBLERS,
        },
    ),
    "venue": Source(
        "A hall or other venue by its id, as in V-10.",
        "id",
        {
            "v-12": {
                "id": "V-12",
                "name": "Corn Exchange",
                "address": "3 Sluice Street",
                "capacity": 260,
                "hire_gbp_per_hour": 32.5,
            },
            "v-31": {
                "id": "V-31",
                "name": "St Bride's Hall",
                "address": "88 Marsh Lane",
                "capacity": 145,
                "hire_gbp_per_hour": 18,
            },
        },
    ),
    "contact": Source(
        "How to reach somebody who holds an office in a club, by full name.",
        "name",
        {
            "hugo lanyon": [
                {"name": "Hugo Lanyon", "mobile": "07700 900 318", "email": "lanyon@wrenfield.example"},
            ],
            "una prowse": [{"name": "Una Prowse", "mobile": "07700 900 846", "email": "una@ramblers.example"}],
        },
        [],
    ),
    "event": Source(
        "A public event by its title.",
        "title",
        {
            "lantern parade": _PARADE,
            "the lantern parade": _PARADE,
            "gravy jazz night": _JAZZ,
            "the gravy jazz night": _JAZZ,
        },
    ),
    "coach": Source(
        "The stops of a long-distance coach by its line, as in N10.",
        "line",
        {"n24": _N24, "n 24": _N24, "coach n24": _N24},
    ),
    "bus_stop": Source(
        "The next departures from a bus stop by its name.",
        "stop",
        {
            "pound hill": {"stop": "Pound Hill", "departures": []},
            "infirmary": {
                "stop": "Infirmary",
                "departures": [
                    {"line": "12", "to": "Harbourside", "in_minutes": 4},
                    {"line": "35A", "to": "Northside", "in_minutes": 9},
                ],
            },
        },
        {"departures": []},
    ),
    "primary_school": Source(
        "A primary school by its name.",
        "name",
        {
            "thornbridge primary": _THORNBRIDGE,
            "thornbridge primary school": _THORNBRIDGE,
            "thornbridge": _THORNBRIDGE,
            "st aldhelm's primary": _ALDHELM,
            "st aldhelm's primary school": _ALDHELM,
            "st aldhelm's": _ALDHELM,
            "st. aldhelm's primary": _ALDHELM,
            "st aldhelms primary": _ALDHELM,
        },
    ),
    "after_school": Source(
        "The after-school activities at a school, by the name of the school.",
        "school",
        {
            "thornbridge primary": _ACTIVITIES,
            "thornbridge primary school": _ACTIVITIES,
            "thornbridge": _ACTIVITIES,
        },
        [],
    ),
    "surgery": Source(
        "A doctors' surgery by its name.",
        "name",
        {"copper beech surgery": _BEECH, "copper beech": _BEECH, "the copper beech surgery": _BEECH},
    ),
    "chemist": Source(
        "A chemist's shop by its name.",
        "name",
        {"pargeter's": _PARGETER, "pargeters": _PARGETER, "pargeter's chemist": _PARGETER},
    ),
    "appointment": Source(
        "A medical appointment by its reference number.",
        "reference",
        {
            "88214": {
                "reference": 88214,
                "patient": "Farida Haddock",
                "surgery": "Copper Beech Surgery",
                "doctor": "Dr. Lotte Vance",
                "date": "2026-10-22",
                "time": "11:10",
                "planned_minutes": 20,
            },
        },
        kind="integer",
    ),
    "shop": Source(
        "A shop by its name.",
        "name",
        {
            "larkin & daughter": _LARKIN,
            "larkin and daughter": _LARKIN,
            "larkin": _LARKIN,
            "inkpot lane": _INKPOT,
        },
    ),
    "shop_item": Source(
        "An article that shops sell, by its number, as in BK-1000.",
        "number",
        {
            "bk-2204": {
                "number": "BK-2204",
                "name": "children's cycle helmet",
                "price_gbp": 34,
                "discount_percent": 15,
                "in_stock": 6,
                "fits_head_cm": "48-54",
                "weight_g": 260,
            },
            "bk-2310": {
                "number": "BK-2310",
                "name": "inner tube",
                "price_gbp": 6.5,
                "discount_percent": 0,
                "in_stock": 41,
                "weight_g": 120,
            },
        },
    ),
    "receipt": Source(
        "A receipt by its number, as in R-10000.",
        "number",
        {
            "r-70115": {
                "number": "R-70115",
                "shop": "Larkin & Daughter",
                "date": "2026-09-05",
                "paid_by": "card",
                "items": [
                    {"article": "BK-2260", "name": "bell", "quantity": 2, "unit_price_gbp": 7.25},
                    {"article": "BK-2310", "name": "inner tube", "quantity": 3, "unit_price_gbp": 6.5},
                    {"article": "BK-2391", "name": "floor pump", "quantity": 1, "unit_price_gbp": 22.4},
                ],
            },
        },
    ),
    "league": Source(
        "The table of a football league by its name.",
        "league",
        {"northern counties": _NORTHERN, "northern counties league": _NORTHERN},
        [],
    ),
    "footballer": Source(
        "A football player by full name.",
        "name",
        {
            "desmond oyelaran": {
                "name": "Desmond Oyelaran",
                "club": "Thirlby Town",
                "position": "goalkeeper",
                "shirt": 31,
                "born": "2001-06-17",
                "contract_until": "2028-06-30",
            },
        },
    ),
    "booking": Source(
        "A travel booking by its six-letter code.",
        "code",
        {
            "qxblpn": {
                "code": "QXBLPN",
                "booked_by": "Celia Rowntree",
                "travellers": 3,
                "airline": "Lavender Air",
                "outbound": {"flight": "LV 402", "date": "2026-12-19", "departs": "07:25", "arrives": "10:05"},
                "inbound": {"flight": "LV 409", "date": "2027-01-02", "departs": "18:50", "arrives": "21:20"},
                "lodging_id": "G-551",
                "total_eur": 614.4,
            },
        },
    ),
    "lodging": Source(
        "A guest house or other lodging by its id, as in G-100.",
        "id",
        {
            "g-551": {
                "id": "G-551",
                "name": "Casa Alecrim",
                "town": "Tavira",
                "check_in_from": "15:00",
                "nightly_eur": 72,
                "breakfast_eur": 9.5,
                "phone": "+351 281 555 063",
            },
            "g-560": {
                "id": "G-560",
                "name": "Casa Moinho",
                "town": "Olhos",
                "check_in_from": "16:30",
                "nightly_eur": 64,
                "breakfast_eur": 7,
                "phone": "+351 281 555 099",
            },
        },
    ),
    "airline": Source(
        "The baggage rules of an airline by its name.",
        "name",
        {"lavender air": _LAVENDER, "lavender": _LAVENDER},
    ),
    "tours": Source(
        "The guided tours in a town.",
        "town",
        {
            "tavira": [
                _tour("Salt Pans by Boat", "English", "09:30", 150, 39),
                _tour("Castle and Old Streets", "Portuguese", "10:00", 90, 12),
                _tour("Tiles and Churches", "English", "11:15", 75, 18),
                _tour("Evening Tapas Walk", "English", "18:00", 120, 27.5),
                _tour("Market Morning", "German", "08:45", 60, 15),
            ],
        },
        [],
    ),
    "lost_property": Source(
        "A thing that was handed in at the lost property office, by the reference, as in LP-100.",
        "reference",
        {"lp-638": FAILED},
    ),
    "ice_rink": Source(
        "An ice rink by its name.",
        "name",
        {"coldharbour rink": _COLDHARBOUR, "coldharbour": _COLDHARBOUR, "coldharbour ice rink": _COLDHARBOUR},
    ),
    "bike_hire": Source(
        "A station of the bicycle hire scheme by its name.",
        "station",
        {"mill square": _MILL_SQUARE, "mill square station": _MILL_SQUARE},
    ),
    "car_park": Source(
        "A car park by its name, with the spaces free now.",
        "name",
        {
            "abbey fields": _ABBEY,
            "abbey fields car park": _ABBEY,
            "foundry yard": FAILED,
            "foundry yard car park": FAILED,
        },
    ),
}

FILES: Final[dict[str, str]] = {
    "stalls.csv": """\
stall,goods,frontage_m,pitch_fee_gbp,takings_gbp
A1,food,3,40,612
A2,crafts,2,25,188
A3,plants,4,50,430
B1,food,4,50,745
B2,toys,2,25,263
B3,crafts,3,40,351
C1,food,2,25,398
C2,plants,3,40,276
""",
    "riders.csv": """\
line,weekday,riders
12,Friday,1840
12,Saturday,2210
12,Sunday,960
35A,Friday,2475
35A,Saturday,1390
35A,Sunday,705
61,Friday,1120
61,Saturday,1655
61,Sunday,1230
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task(
        "elmgate-thursday",
        "what time does elmgate library shut on thursdays",
        ("branch", "bus_stop"),
        (r"(?i)\b19[:.h]15|\b0?7[:.]15 ?p|quarter past (?:7|seven)",),
        (r"(?i)17[:.]30|20[:.]45|8[:.]45 ?p",),
    ),
    Task(
        "card-validity",
        "Until when can library card LC-2093 be used?",
        ("library_card", "club"),
        (r"(?i)2027[-/.]0?8[-/.]31|\b31(?:st)?(?: of)? Aug|\bAug\w*\.? (?:the )?31|\b31[-/.] ?0?8\b|\b0?8/31\b",),
        (r"(?i)2026-12-31|2026-10-1",),
    ),
    Task(
        "chess-evening",
        "I used to play a lot and would like to take it up again. On which day, and from what time on, do the people of"
        " the Wrenfield Chess Club get together?",
        ("club", "event", "contact"),
        (r"(?i)Thursday", r"(?i)\b19[:.h]30|\b0?7[:.]30|half past seven"),
        (r"(?i)Sunday",),
    ),
    Task(
        "parade-child",
        "How much is charged for a child at the Lantern Parade?",
        ("event", "shop"),
        (r"(?i)(?<![\d.,])4(?:[.,]00?)?(?![.,]?\d)|\bfour\b",),
        (r"(?i)child[^.\n\d]{0,30}(?:9[.,]50?|24|8)(?!\d)",),
    ),
    Task(
        "pennow-cross",
        "Good morning, could you kindly tell me at what time the coach N24 leaves from Pennow Cross?",
        ("coach", "bus_stop", "car_park"),
        (r"(?<!\d)0?7[:.h]38",),
        (r"(?i)(?:leaves|departs)(?: from)?(?: Pennow Cross)?(?: at)? 0?(?:6[:.]40|7[:.]05|7[:.]57|8[:.]25)",),
    ),
    Task(
        "thornbridge-head",
        "Find out who is in charge of Thornbridge Primary. I have to write them a letter.",
        ("primary_school", "surgery"),
        (r"(?i)Tolland",),
        (r"Whitlock",),
    ),
    Task(
        "walk-in",
        "My little boy has had a fever since last night and we have no appointment. Until what time do they see people"
        " without one at Copper Beech Surgery?",
        ("surgery", "appointment", "chemist"),
        (r"(?i)(?<!\d)10[:.h]40|twenty to eleven",),
        (r"(?i)18[:.]45|11[:.]10",),
    ),
    Task(
        "appointment-who",
        "appt 88214 - which doctor and what time??",
        ("appointment", "contact"),
        (r"(?i)Vance", r"(?<!\d)11[:.h]10"),
        (r"Sohal",),
    ),
    Task(
        "bring-back",
        "If I buy a thing at Larkin & Daughter and it turns out to be wrong, how long have I got to take it back?",
        ("shop", "receipt"),
        (r"(?i)(?<![\d.,])28(?![.,]?\d)|twenty-eight|\b(?:4|four) weeks",),
        (r"(?i)\b14 days",),
    ),
    Task(
        "sunday-bikes",
        "Is Larkin & Daughter open on Sundays?",
        ("shop", "branch"),
        (r"(?i)\bclosed\b|\bno\b|not open|n['’]t open|\bshut\b",),
        (r"(?i)^\W*yes\b|\b11[:.]00|Sundays? from",),
    ),
    Task(
        "cabin-bag",
        "I need the biggest size that a cabin bag may have with Lavender Air.",
        ("airline", "booking"),
        (r"(?i)55(?: ?cm)? ?(?:x|×|\*|by|,) ?40(?: ?cm)? ?(?:x|×|\*|by|,|and|, and) ?20",),
    ),
    Task(
        "hire-skates",
        "We're four and none of us owns skates. What does it cost to borrow a pair at Coldharbour Rink?",
        ("ice_rink", "bike_hire", "league"),
        (r"(?i)(?<![\d.,])3[.,]40?(?!\d)|(?<![\d.,])340 ?(?:p\b|pence)",),
        (r"(?i)(?:pair|hire|skates?)[^.\n\d]{0,25}(?:7[.,]20?|1[.,]50?)(?!\d)",),
    ),
    Task(
        "electric-bikes",
        "how many e-bikes are left at mill square right now pls",
        ("bike_hire", "car_park"),
        (r"(?i)(?<![\d.,])5(?![.,]?\d)|\bfive\b",),
        (r"(?i)(?<![\d.,])(?:11|16|24) (?:free |available )?(?:e-?bikes|electric)",),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "chess-address",
        "What's the address of the place where the Wrenfield Chess Club meets?",
        ("club", "venue", "shop"),
        (r"(?i)\b3\W{0,3}Sluice|Sluice St\w*\.?,? ?(?:no\.? ?|number )?3\b",),
        (r"(?i)Marsh Lane|\b88\b",),
    ),
    Task(
        "chess-secretary",
        "I'd like to join the Wrenfield Chess Club and was told to ring its secretary."
        " Can you get me the mobile number?",
        ("club", "contact", "branch"),
        (r"07700[- ]?900[- ]?318|\+44[- ]?7700[- ]?900[- ]?318",),
        (r"900[- ]?846",),
    ),
    Task(
        "unsold-seats",
        "How many seats of the hall are still unsold for the Gravy Jazz Night?",
        ("event", "venue", "club"),
        (r"(?i)(?<![\d.,])73(?![.,]?\d)|seventy-three",),
        (
            (
                r"(?i)(?<![\d.,])(?:187|260|164|49) (?:seats|tickets|places)?"
                r"(?: are| remain)? ?(?:still |left|unsold|remain)"
            ),
        ),
    ),
    Task(
        "coach-ride",
        "I'm taking the N24 coach from Averley all the way to Stanmere. How long will I be sitting in it?",
        ("coach", "tours"),
        (
            (
                r"(?i)(?<![\d.,])105(?![.,]?\d)|\b0?1[*\s]{0,3}(?:h\b|hrs?\b|hours?\b|:)\D{0,8}45"
                r"|\b1[.,]75 ?h|one hour and (?:45|forty-five)|an hour and (?:45|three quarters)|1 ?¾|1 3/4"
            ),
        ),
        (r"(?i)\b2 ?(?:h|hours?)\D{0,6}(?:25|45)\b|(?<!\d)(?:145|165|185) ?min",),
    ),
    Task(
        "fewer-in-class",
        "We can pick between Thornbridge Primary and St Aldhelm's Primary for our daughter. Smaller classes would be"
        " better for her. Which of the two has fewer children per class?",
        ("primary_school", "after_school"),
        (r"(?i)Aldhelm",),
        (
            r"(?i)Thornbridge(?: Primary)?(?: \([^)]*\))? has (?:the )?(?:fewer|fewest|smaller|less)",
            r"(?i)(?:fewer|smaller|lower)[^.\n]{0,40}(?: is|:) Thornbridge",
        ),
    ),
    Task(
        "autumn-days",
        "How many days are there between the first and the last day of the autumn term at Thornbridge Primary?",
        ("primary_school", "library_card"),
        (r"(?i)(?<![\d.,])10[567](?![.,]?\d)|15 weeks(?: and|,) (?:1|one) day",),
        (r"(?i)(?<![\d.,])100 days|-106",),
    ),
    Task(
        "helmet-price",
        "article BK-2204 has some discount on it. what's the price once that is taken off",
        ("shop_item", "receipt", "chemist"),
        (r"(?i)(?<![\d.,])28[.,]90?(?!\d)",),
        (r"(?<![\d.,])(?:39[.,]10?|19[.,]00|33[.,]85)(?!\d)",),
    ),
    Task(
        "receipt-sum",
        "Please work out what was paid in all on receipt R-70115.",
        ("receipt", "library_card"),
        (r"(?<![\d.,])56[.,]40?(?!\d)",),
        (r"(?i)(?<![\d.,])(?:36[.,]15|49[.,]15|43[.,]40?)(?!\d)",),
    ),
    Task(
        "return-deadline",
        "I want to return the floor pump that's on receipt R-70115. What's the last date on which the shop takes it"
        " back?",
        ("receipt", "shop", "event"),
        (
            (
                r"(?i)2026[-/.]10[-/.]0?3\b|\b0?3(?:rd)?(?: of)? Oct|\bOct\w*\.? (?:the )?0?3(?:rd)?\b"
                r"|\b0?3[-/.]10\b|\b10/0?3\b"
            ),
        ),
        (r"(?i)2026[-/.](?:09-19|10-0[1245])|\b(?:19|19th) Sep|\bSep\w* 19",),
    ),
    Task(
        "goal-difference",
        "Take the Northern Counties league: which club has the best goal difference, and what is that difference?",
        ("league", "footballer"),
        (r"(?i)Thirlby", r"(?<![\d.,])24(?![.,]?\d)"),
        (
            (
                r"(?i)(?:best|highest|largest) goal difference(?: is|:| belongs to| has)? "
                r"(?:held by )?(?:Ashby|Brock|Corrie)"
            ),
        ),
    ),
    Task(
        "lodging-phone",
        "My booking is QXBLPN and we'll land late, so I need to warn the place where we sleep. What's the phone number"
        " there?",
        ("booking", "lodging", "airline"),
        (r"281[- ]?555[- ]?063",),
        (r"555[- ]?099",),
    ),
    Task(
        "hold-pounds",
        "what's the weight limit of a hold bag on Lavender Air, in pounds?",
        ("airline", "lodging"),
        (r"(?i)(?<![\d.,])(?:50[.,](?:6|7)\d*|51)(?!\d)",),
        (r"(?i)(?<![\d.,])(?:17[.,]6\d*|10[.,]4\d*|23) ?(?:lbs?\b|pounds)",),
    ),
    Task(
        "cheap-tour",
        "We only speak English. Which guided tour in Tavira is the cheapest one for us?",
        ("tours", "event", "coach"),
        (r"(?i)Tiles and Churches",),
        (
            r"(?i)(?:cheapest|lowest)[^.\n]{0,60}(?: is|:) [^.\n]{0,8}(?:Castle|Market|Salt|Evening)",
            r"(?i)(?:Castle and Old Streets|Market Morning)[^.\n]{0,20} is the cheapest",
        ),
    ),
    Task(
        "family-saving",
        "Two adults and three children are going to the Lantern Parade. How much do they save with the family ticket"
        " instead of separate ones?",
        ("event", "venue"),
        (r"(?i)(?<![\d.,])7(?:[.,]00?)?(?![.,]?\d)|\bseven\b",),
        (r"(?i)(?:saves?|saving)[^.\n\d]{0,25}(?:31|10[.,]5|-7)(?![.,]?\d)(?! ?(?:[-−–]|minus|pounds [-−]))",),
    ),
    Task(
        "wednesday-places",
        "Which of the Wednesday activities after school at Thornbridge Primary still have room for another child?",
        ("after_school", "primary_school", "club"),
        (r"(?i)Coding", r"(?i)Pottery"),
        (
            (
                r"(?i)Gardening|Netball|Judo (?:still )?has (?:room|places)|"
                r"(?:Coding|Pottery),? and Judo|Judo(?:,| and) Pottery"
            ),
        ),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "nothing-borrowed",
        "Which books are out on library card LC-2177 at the moment?",
        ("library_card", "branch"),
        NOT_FOUND,
        (r"(?i)Saltmarsh|Knots and",),
    ),
    Task(
        "bell-ringers",
        "hi, when do the Wrenfield Bell Ringers practise?",
        ("club", "contact"),
        NOT_FOUND,
        (r"(?i)\b(?:Thurs|Sun|Mon|Tues|Wednes|Fri|Satur)days?\b|\b\d\d:\d\d",),
    ),
    Task(
        "ramblers-secretary",
        "Who's the secretary of the Marsh Lane Ramblers these days?",
        ("club", "contact", "venue"),
        NOT_FOUND,
        (r"(?i)Lanyon|Prowse",),
    ),
    Task(
        "keeper-height",
        "How tall is the footballer Desmond Oyelaran? A friend bet me he's under one ninety.",
        ("footballer", "league"),
        NOT_FOUND,
        (r"(?i)(?<!\d)1[.,]?[789]\d ?(?:m|cm)\b|\b[56] ?(?:ft|feet|foot|')|(?<!\d)31 (?:cm|m|feet)\b",),
    ),
    Task(
        "pound-hill",
        "I'm standing at the stop Pound Hill in the rain. If anything is due there, tell me the line and in how many"
        " minutes it comes.",
        ("bus_stop", "coach"),
        NOT_FOUND,
        (r"(?i)\b35A\b|\bline 12\b|\bin (?:4|9) min|Harbourside",),
    ),
    Task(
        "bettany",
        "I need Bettany Crouch's mobile, she's on some committee or other.",
        ("contact", "club"),
        NOT_FOUND,
        (r"07700|900[- ]?\d{3}",),
    ),
    Task(
        "uniform",
        "Could you check what colour the uniform at Thornbridge Primary is? Thank you ever so much!",
        ("primary_school", "shop", "after_school"),
        NOT_FOUND,
        (r"(?i)\b(?:red|blue|navy|green|grey|gray|black|white|yellow|maroon|burgundy|purple|brown)\b",),
    ),
    Task(
        "strange-booking",
        "booking ZRDTTK - what day do i fly out",
        ("booking", "lodging"),
        NOT_FOUND,
        (r"(?i)2026-12-19|2027-01-02|\bDec\w*\b|\bLV 40",),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "lost-umbrella",
        "An umbrella of mine may have been handed in. The reference they gave me is LP-638: where was it found?",
        ("lost_property", "bus_stop"),
        FAILURE,
        (r"(?i)(?:was|been) found (?:at|in|on|near)|not exist|no such|not handed in",),
    ),
    Task(
        "two-car-parks",
        "How many spaces are free at the Abbey Fields car park, and how many at Foundry Yard?",
        ("car_park", "bike_hire", "shop"),
        (r"(?<![\d.,])43(?![.,]?\d)", *FAILURE),
        (r"(?i)Foundry Yard(?: car park)?(?: \w+){0,3}:? ?(?:\d+|no|zero) (?:free|spaces|parking)",),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "food-takings",
        "What did all the stalls with food take in together?",
        ("query", "shop"),
        (r"(?<![\d.,])1[.,'’\s]?755(?:[.,]00?)?(?!\d)",),
        (r"(?<![\d.,])(?:115|3[.,' ]?263)(?![.,]?\d)",),
        files=("stalls.csv",),
    ),
    Task(
        "saturday-riders",
        "On Saturdays, which bus line was used by the most people, and by how many?",
        ("query", "bus_stop"),
        (r"(?i)(?:line|bus|number|no\.?|route|\b)\W{0,4}12\b(?![.,:]\d)", r"(?<![\d.,])2[.,'’\s]?210(?!\d)"),
        (r"(?i)\b(?:line|bus|route) (?:35A|61) (?:was|had|has|carried) (?:used by )?(?:the )?most",),
        files=("riders.csv",),
    ),
)
