"""Twenty-four goals for the agent, whose author knew neither its code nor how it checks its answers.

The worlds are lifts, amateur radio, canals, escape rooms, charging points, comets, coffee, violin makers, toll roads,
paint, vaccines, and a workshop. The data come as services send them: camelCase, ids to be followed, units in keys, in
values or beside them, and near namesakes.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, Source, Task
from bench.agent_goals_various import ABSENT, OUTAGE, under


def _picked(loser: str, winner: str, more: str) -> tuple[str, ...]:
    """What an answer has that takes `loser`: `more` is the word that it would use for the right one of the two."""
    return (
        rf"(?i)^\W*(?:the )?{loser}\b(?![\s\S]*{winner}[^.;]*\b(?:{more})\b)(?![\s\S]*\b(?:{more})\b[^.;]*{winner})",
        rf"(?i)\b{loser}(?: \([^)]*\))?(?: (?!not\b|than\b|{winner})\w+){{0,4}} (?:{more})\b",
        rf"(?i)\b(?:{more})(?: (?!than\b)\w+){{0,4}}(?: is| on| with|:) (?:the )?{loser}\b",
    )


# -- what several spellings lead to ------------------------------------------------------------------------------------

_HASK: Final = {
    "designation": "P/1911 C2",
    "commonName": "Hask",
    "namedAfter": "Ignatz Hask",
    "discovery": {"by": "Lena Ostrow", "date": "1911-02-19", "observatory": "Mount Perrin"},
    "orbit": {"periodYears": 75.2, "perihelionAu": 0.81},
    "lastPerihelion": "1986-05-14",
    "nextPerihelion": "2061-07-28",
}
_ORVALL: Final = {
    "designation": "P/1938 K1",
    "commonName": "Orvall",
    "namedAfter": "Signe Orvall",
    "discovery": {"by": "Signe Orvall", "date": "1938-05-30", "observatory": "Kettil Hill"},
    "orbit": {"periodYears": 109.0, "perihelionAu": 1.44},
    "lastPerihelion": "1938-04-02",
    "nextPerihelion": "2047-03-09",
}
_TANNERS: Final = {
    "lock": "Tanner's Lock",
    "canal": "Wexmoor Canal",
    "rise": "2.4 m",
    "chamber": {"lengthM": 22.5, "widthM": 4.35, "depthOverSillM": 1.6},
    "keeper": {"name": "Wilf Arden", "phone": None},
    "navigationOfficePhone": "01632 960 733",
    "towpathWidthM": 1.8,
}
_CLOCKMAKER: Final = {
    "room": "The Clockmaker's Attic",
    "difficulty": {"value": 4, "outOf": 5},
    "duration": {"value": 75, "unit": "min"},
    "briefing": {"value": 10, "unit": "min"},
    "team": {"min": 2, "max": 6},
    "successRatePercent": 38,
}
_CHALK_FERN: Final = {
    "paint": "Chalk Fern",
    "finish": "matt",
    "tin": {"volume": {"value": 2.5, "unit": "l"}, "price": {"value": 41.9, "currency": "EUR"}},
    "coverageM2PerLitre": 11,
    "drying": {"touchDry": "1 h", "recoat": "4 h", "fullyCured": "14 days"},
}
_SATIN_PLUM: Final = {
    "paint": "Satin Plum",
    "finish": "satin",
    "tin": {"volume": {"value": 0.75, "unit": "l"}, "price": {"value": 23.5, "currency": "EUR"}},
    "coverageM2PerLitre": 14,
    "drying": {"touchDry": "2 h", "recoat": "6 h", "fullyCured": "21 days"},
}
_MERLE: Final = {
    "road": "Merle Tunnel",
    "lengthKm": 11.8,
    "tolls": [
        {"vehicle": "car", "price": "6.40 EUR"},
        {"vehicle": "motorbike", "price": "4.90 EUR"},
        {"vehicle": "lorry", "price": "19.00 EUR"},
    ],
    "payment": ["card", "tag"],
}
_DURANE: Final = {
    "road": "Durane Bridge",
    "lengthKm": 2.3,
    "tolls": [
        {"vehicle": "car", "price": "7.10 EUR"},
        {"vehicle": "motorbike", "price": "3.60 EUR"},
        {"vehicle": "lorry", "price": "22.50 EUR"},
    ],
    "payment": ["card", "cash"],
}
_TIN_HAT: Final = {
    "club": {"code": "THRC", "name": "Tin Hat Radio Club"},
    "founded": 1957,
    "members": 64,
    "repeater": {"input": {"value": 145.0875, "unit": "MHz"}, "output": {"value": 145.6875, "unit": "MHz"}},
    "meeting": {"weekday": "Tuesday", "time": "19:30", "place": "Old Signal Box, Farrow Lane"},
}
_COGWORKS: Final = {
    "workshop": "Cogworks",
    "openUntil": "22:00",
    "machines": [
        {"machine": "laser cutter", "state": "in use", "inductionRequired": True},
        {"machine": "lathe", "state": "free", "inductionRequired": True},
        {"machine": "band saw", "state": "free", "inductionRequired": False},
        {"machine": "vinyl plotter", "state": "out of order", "inductionRequired": False},
        {"machine": "sewing machine", "state": "free", "inductionRequired": False},
        {"machine": "kiln", "state": "in use", "inductionRequired": True},
        {"machine": "drill press", "state": "free", "inductionRequired": True},
    ],
}

SOURCES: Final[dict[str, Source]] = {
    "lift_unit": Source(
        "A passenger lift by its number, as in LF-10.",
        "unit",
        {
            "lf-28": {
                "unit": "LF-28",
                "building": "Harrow Court",
                "floors": 11,
                "rated": {"loadKg": 630, "persons": 8, "speedMPerS": 1.6},
                "inspection": {"last": "2025-11-18", "nextDue": "2026-11-18"},
                "contractorId": "CT-41",
            },
            "lf-82": {
                "unit": "LF-82",
                "building": "Sedge House",
                "floors": 5,
                "rated": {"loadKg": 1000, "persons": 13, "speedMPerS": 1.0},
                "inspection": {"last": "2026-02-03", "nextDue": "2027-02-03"},
                "contractorId": "CT-14",
            },
        },
    ),
    "upkeep_contractor": Source(
        "A maintenance contractor by its id, as in CT-10.",
        "id",
        {
            "ct-41": {
                "id": "CT-41",
                "company": "Hoistwell & Daughters",
                "phones": {"office": "0808 570 4410", "emergency24h": "0808 570 4499", "invoices": "0808 570 4433"},
                "city": "Brannock",
            },
            "ct-14": {
                "id": "CT-14",
                "company": "Polar Upkeep",
                "phones": {"office": "0808 570 1220", "emergency24h": "0808 570 1299", "invoices": None},
                "city": "Lowmere",
            },
        },
    ),
    "ham_operator": Source(
        "A radio amateur by the call sign.",
        "callsign",
        {
            "xz4qp": {
                "callSign": "XZ4QP",
                "operator": {"givenName": "Bruna", "familyName": "Castellow"},
                "licence": {"class": "Advanced", "previousClass": "Novice", "validTo": "2029-05-10"},
                "gridSquare": "JN47",
                "clubCode": "THRC",
            },
            "xz4pq": {
                "callSign": "XZ4PQ",
                "operator": {"givenName": "Emil", "familyName": "Ruud"},
                "licence": {"class": "Novice", "previousClass": None, "validTo": "2027-01-31"},
                "gridSquare": "JO21",
                "clubCode": "BVRC",
            },
        },
    ),
    "radio_society": Source(
        "A club of radio amateurs by its code, as in ABCD.",
        "code",
        {
            "thrc": _TIN_HAT,
            "bvrc": {
                "club": {"code": "BVRC", "name": "Bell Vale Radio Club"},
                "founded": 1983,
                "members": 27,
                "repeater": None,
                "meeting": {"weekday": "Friday", "time": "20:00", "place": "Bell Vale Library"},
            },
        },
    ),
    "canal_lock": Source(
        "A lock of a canal by its name.",
        "name",
        under(_TANNERS, "tanner's lock", "tanner’s lock", "tanners lock", "tanner's"),
    ),
    "escape_room": Source(
        "An escape room by its name.",
        "name",
        {
            **under(
                _CLOCKMAKER,
                *("the clockmaker's attic", "clockmaker's attic", "the clockmaker’s attic", "clockmaker’s attic"),
            ),
            "the pewter crown": {
                "room": "The Pewter Crown",
                "difficulty": {"value": 2, "outOf": 5},
                "duration": {"value": 60, "unit": "min"},
                "briefing": {"value": 5, "unit": "min"},
                "team": {"min": 3, "max": 8},
                "successRatePercent": 71,
            },
        },
    ),
    "ev_charger": Source(
        "A charging point for electric cars by its id, as in EV-100.",
        "id",
        {
            "ev-733": {
                "id": "EV-733",
                "location": "Quarry Road car park",
                "connectors": [
                    {"type": "CCS2", "maxKw": 150, "status": "occupied"},
                    {"type": "Type 2", "maxKw": 22, "status": "available"},
                ],
                "tariff": {"currency": "EUR", "startFee": 1.0, "perKwh": 0.49, "perMinuteAfter2h": 0.12},
            },
            "ev-740": FAILED,
        },
    ),
    "comet_orbit": Source(
        "A comet by its name.",
        "name",
        {**under(_HASK, "hask", "comet hask"), **under(_ORVALL, "orvall", "comet orvall")},
    ),
    "coffee_lot": Source(
        "A lot of green coffee by its number, as in KX-10.",
        "lot",
        {
            "kx-19": {
                "lot": "KX-19",
                "origin": {"country": "Peru", "farm": "La Tórtola", "altitudeM": 1780},
                "variety": "Bourbon",
                "process": "washed",
                "bags": 46,
                "bagWeight": "69 kg",
                "importerId": "IM-7",
            },
            "kx-91": {
                "lot": "KX-91",
                "origin": {"country": "Kenya", "farm": "Thuru", "altitudeM": 1640},
                "variety": "SL28",
                "process": "natural",
                "bags": 12,
                "bagWeight": "60 kg",
                "importerId": "IM-4",
            },
        },
    ),
    "coffee_importer": Source(
        "An importer of coffee by its id, as in IM-1.",
        "id",
        {
            "im-7": {
                "id": "IM-7",
                "company": "Northquay Beans",
                "contact": {"person": "Sol Vance", "phone": "+32 3 555 01 62", "fax": "+32 3 555 01 99"},
                "warehouse": "Antwerp",
            },
            "im-4": {
                "id": "IM-4",
                "company": "Baudry Imports",
                "contact": {"person": "Lise Baudry", "phone": "+33 2 555 01 26", "fax": None},
                "warehouse": "Le Havre",
            },
        },
    ),
    "instrument_job": Source(
        "The repair of an instrument by the number of the job, as in VR-100.",
        "job",
        {
            "vr-611": {
                "job": "VR-611",
                "instrument": {"type": "cello", "maker": "Hadrian Voss", "year": 1924},
                "quote": {"currency": "EUR", "parts": 64, "labour": 138},
                "depositPaid": 50,
                "receivedOn": "2026-09-11",
                "readyOn": "2026-10-02",
                "luthierId": "LU-5",
            }
        },
    ),
    "luthier_workshop": Source(
        "A maker and repairer of stringed instruments by id, as in LU-1.",
        "id",
        {
            "lu-5": {
                "id": "LU-5",
                "luthier": "Petra Mollin",
                "address": "9 Bow Street",
                "opening": {"hours": "10:00-17:30", "closedOn": ["Wednesday", "Sunday"]},
                "email": "petra@mollin.example",
            },
            "lu-6": {
                "id": "LU-6",
                "luthier": "Hadrian Voss",
                "address": "31 Peg Lane",
                "opening": {"hours": "09:00-16:00", "closedOn": ["Monday", "Saturday"]},
                "email": "office@voss.example",
            },
        },
    ),
    "toll_road": Source(
        "A toll road, bridge or tunnel by its name.",
        "name",
        {
            **under(_MERLE, "merle tunnel", "the merle tunnel", "merle"),
            **under(_DURANE, "durane bridge", "the durane bridge", "durane"),
        },
    ),
    "wall_paint": Source("A paint by its name.", "name", {"chalk fern": _CHALK_FERN, "satin plum": _SATIN_PLUM}),
    "vaccine_fridge": Source(
        "What is in a refrigerator for vaccines, by its id, as in FR-10.",
        "id",
        {
            "fr-12": {
                "id": "FR-12",
                "temperatureC": 4.6,
                "contractorId": "CT-14",
                "batches": [
                    {"vaccine": "Tetanol", "doses": 40, "expires": "2026-09-12", "openedOn": None},
                    {"vaccine": "Rubivax", "doses": 15, "expires": "2027-02-28", "openedOn": None},
                    {"vaccine": "Hepaguard", "doses": 22, "expires": "2026-08-30", "openedOn": "2026-08-01"},
                    {"vaccine": "Polioral", "doses": 60, "expires": "2026-12-15", "openedOn": "2026-07-20"},
                ],
            }
        },
    ),
    "shared_workshop": Source(
        "The machines of a shared workshop, by the name of the workshop.",
        "name",
        under(_COGWORKS, "cogworks", "the cogworks"),
    ),
}

FILES: Final[dict[str, str]] = {}

TASKS: Final = (
    # -- one thing to be looked up -----------------------------------------------------------------------------------
    Task(
        "lift-crowd",
        "How many people are allowed in lift LF-28 at once?",
        ("lift_unit", "escape_room"),
        (r"(?<![\d.,])8(?![.,]?\d)|(?i:\beight\b)",),
        (r"(?i)\b(?:630|11|13|eleven|thirteen) (?:people|persons)|^\W*(?:630|11|13)\b",),
    ),
    Task(
        "licence-level",
        "which class of radio licence does XZ4QP hold these days",
        ("ham_operator", "ev_charger"),
        (r"(?i)\badvanced\b",),
        (r"(?i)^\W*novice\b|\b(?:holds|has|is)(?: now)?(?: a| the)? novice",),
    ),
    Task(
        "beam-limit",
        "We're hiring a barge. How wide is the chamber of Tanner's Lock?",
        ("canal_lock", "toll_road"),
        (r"(?<![\d.,])4[.,]35(?!\d)|(?<![\d.,])435 ?(?i:cm|centim)",),
        (r"(?i)(?:is|wide|width|:) (?:22[.,]5|2[.,]4|1[.,][68])0? ?m?\b",),
    ),
    Task(
        "attic-minutes",
        "How long do you get to break out of The Clockmaker's Attic? My mates want to go on Friday.",
        ("escape_room", "shared_workshop"),
        (
            (
                r"(?i)(?<![\d.,])75(?![.,]?[1-9])|\bseventy[- ]five\b|\b1[.,]25 ?h|\b1 ?h(?:ours?"
                r"|r)?(?: and)? ?15\b|\bhour and (?:15|a quarter)"
            ),
        ),
        (r"(?i)\b(?:60|85|65) ?min|(?:get|is|have|:) 10 ?min",),
    ),
    Task(
        "kwh-price",
        "What do I pay per kilowatt-hour at charging point EV-733?",
        ("ev_charger", "wall_paint"),
        (r"(?<![\d.,])0?[.,]49(?!\d)|(?<![\d.,])49 ?(?i:c\b|ct|cents?)",),
        (r"(?i)(?:pay|is|costs?|:) (?:€ ?|EUR ?)?(?:1(?:[.,]00?)?|0[.,]12|0[.,]61|1[.,]49)(?![\d.,])",),
    ),
    Task(
        "comet-finder",
        "Who was it that discovered the comet Hask?",
        ("comet_orbit", "ham_operator"),
        (r"(?i)Ostrow",),
        (
            (
                r"(?i)Signe|^\W*Ignatz|Ignatz Hask (?:first )?discovered|(?:discovered by"
                r"|discoverer(?: is| was|:)) (?:Ignatz|Hask\b)"
            ),
        ),
    ),
    Task(
        "bean-altitude",
        "At what height above sea level was the coffee of lot KX-19 grown?",
        ("coffee_lot", "coffee_importer"),
        (r"(?<![\d.,])1[.,'’ ]?780(?![.,]?[1-9])|(?<![\d.,])1[.,]78 ?(?i:km|kilom)",),
        (r"1[.,'’ ]?640",),
    ),
    Task(
        "repeater-out",
        "I want to listen in: on which frequency does the repeater of the radio club with the"
        " code THRC transmit? I mean"
        " its output.",
        ("radio_society", "vaccine_fridge"),
        (r"(?<![\d.,])145[.,]6875(?!\d)|145[.,' ]?687[.,]5",),
        (r"(?i)output[^.;,\n]{0,25}145[.,]0875|^\W*145[.,]0875",),
    ),
    # -- from one thing to the next ----------------------------------------------------------------------------------
    Task(
        "bean-dealer",
        "We'd like more of coffee lot KX-19. What's the telephone number of the importer?",
        ("coffee_lot", "coffee_importer"),
        (r"555[ -]?01[ -]?62",),
        (r"01[ -]?26\b|(?i:^(?![\s\S]*\bfax)[\s\S]*01[ -]?99)",),
    ),
    Task(
        "cello-closed",
        "On what days of the week is the workshop shut that's fixing my cello? The job number is VR-611.",
        ("instrument_job", "luthier_workshop"),
        (r"(?i)\bWed", r"(?i)\bSun"),
        (r"(?i)\bMon(?:day)?s?\b(?! ?(?:to|-|–))|(?:shut|closed) on Sat",),
    ),
    Task(
        "stuck-in-lift",
        "Someone's stuck in lift LF-28!! Which emergency number do I ring for the firm that looks after it?",
        ("lift_unit", "upkeep_contractor", "radio_society"),
        (r"570[ -]?4499",),
        (r"1299|1220|(?i:emergency[^.;,\n]{0,25}(?:4410|4433))",),
    ),
    Task(
        "club-meets",
        "Where does the radio club of XZ4QP get together?",
        ("ham_operator", "radio_society"),
        (r"(?i)Signal Box|Farrow",),
        (r"(?i)Bell Vale",),
    ),
    Task(
        "warm-fridge",
        "The vaccine fridge FR-12 makes a funny noise. Which company is in charge of maintaining it?",
        ("vaccine_fridge", "upkeep_contractor"),
        (r"(?i)Polar ?Upkeep",),
        (r"(?i)Hoistwell",),
    ),
    # -- the one or the other ----------------------------------------------------------------------------------------
    Task(
        "next-comet",
        "Of the comets Hask and Orvall, which one will be at its perihelion again sooner?",
        ("comet_orbit", "canal_lock"),
        (r"(?i)Orvall",),
        _picked("(?:comet )?Hask", "Orvall", "sooner|earlier|first|soonest|earliest|before"),
    ),
    Task(
        "biker-toll",
        "I'm on my motorbike. Is the toll lower for the Merle Tunnel or for the Durane Bridge?",
        ("toll_road", "ev_charger"),
        (r"(?i)Durane|\bthe bridge",),
        _picked("Merle(?: Tunnel)?", "Durane", "lower|lowest|cheaper|cheapest|less|least"),
    ),
    Task(
        "second-coat",
        "How many hours must I wait before a second coat of Chalk Fern, and how many with Satin Plum?",
        ("wall_paint", "instrument_job"),
        (r"(?i)(?<![\d.,])4(?![.,]?[1-9])|\bfour\b", r"(?i)(?<![\d.,])6(?![.,]?[1-9])|\bsix\b"),
        (
            (
                r"(?i)Fern(?:(?!Plum|\band\b)[^.;,\n]){0,40}(?<![\d.,])(?:6|six) ?h"
                r"|Plum(?:(?!Fern|\band\b)[^.;,\n]){0,40}(?<![\d.,])(?:4|four) ?h"
                r"|(?<![\d.,])(?:6|six) ?h\w* (?:for|with|on|between)(?: \w+){0,3} Fern"
                r"|(?<![\d.,])(?:4|four) ?h\w* (?:for|with|on|between)(?: (?!Fern)\w+){0,3} Plum"
                r"|^\W*(?:6|six)\b(?:(?!Fern|Plum)[\s\S])*(?:4|four)\b(?![\s\S]*Plum[\s\S]*Fern)"
            ),
        ),
    ),
    # -- to be worked out --------------------------------------------------------------------------------------------
    Task(
        "cello-balance",
        "I'm picking up repair job VR-611. After my deposit, what do I still owe for parts and labour altogether?",
        ("instrument_job", "luthier_workshop"),
        (r"(?<![\d.,])152(?:[.,]00?)?(?![.,]?\d)",),
        (
            (
                r"(?i)(?:owe|due|balance(?: is|:)|still(?: to pay)?) (?:€ ?|EUR ?)?(?:202|252|138|88"
                r"|64|50)\b(?! ?[-+\u2212])"
            ),
        ),
    ),
    Task(
        "lock-feet",
        "What's the chamber of Tanner's Lock in length, in feet please?",
        ("canal_lock", "lift_unit"),
        (
            (
                r"(?i)(?<![\d.,])73[.,]8\d*|(?<![\d.,])74(?![.,]?[1-9])|(?<![\d.,])73 ?(?:ft|feet"
                r"|foot|['’′])[^\d]{0,6}(?:9|10)\b"
            ),
        ),
        (r"(?i)22[.,]50? ?(?:ft|feet)|\b14[.,]27",),
    ),
    Task(
        "two-tins",
        "If I buy 2 tins of Chalk Fern, how many square metres of wall can I cover with one coat?",
        ("wall_paint", "coffee_lot"),
        (r"(?<![\d.,])55(?:[.,]0+)?(?![.,]?\d)|(?i:\bfifty[- ]five\b)",),
        (r"(?i)(?:cover|is|are|total:?) (?:22|27[.,]5|11|83[.,]8)0? ?(?:m|sq)",),
    ),
    # -- not to be had -----------------------------------------------------------------------------------------------
    Task(
        "keeper-call",
        "What's the lock keeper's phone number at Tanner's Lock?",
        ("canal_lock", "upkeep_contractor"),
        ABSENT,
        (r"(?i)^(?![\s\S]*\boffice)[\s\S]*960[ -]?733|(?:Arden|keeper)[’']?s? (?:phone )?number is 0",),
    ),
    Task(
        "charger-free",
        "Is there a free connector at EV-740 right now?",
        ("ev_charger", "toll_road"),
        OUTAGE,
        (
            (
                r"(?i)\b(?:CCS2|Type 2)\b|^\W*(?:yes|no)\b(?! (?:information|data|answer|way))|not exist|no such"
                r"|\bno (?:free )?(?:connectors?\b|charg)|\bis (?:occupied|free|not free|n[’']t free)\b"
            ),
        ),
    ),
    Task(
        "pewter-swan",
        "How hard is the escape room The Pewter Swan out of 5?",
        ("escape_room", "comet_orbit"),
        ABSENT,
        (r"(?i)\b[1-5](?:[.,]0)? ?(?:/|out of|of) ?5\b|\b71\b|difficulty (?:is|of|:) ?[1-5]\b",),
    ),
    # -- out of a list -----------------------------------------------------------------------------------------------
    Task(
        "expiring-doses",
        "Which vaccines in fridge FR-12 go out of date before 1 October 2026?",
        ("vaccine_fridge", "upkeep_contractor"),
        (r"(?i)Tetanol", r"(?i)Hepaguard"),
        (r"(?i)Rubivax|Polioral",),
    ),
    Task(
        "free-machines",
        "how many machines are free at Cogworks at the moment?",
        ("shared_workshop", "instrument_job"),
        (
            (
                r"(?i)(?<![\d.,:])4(?![.,:]?\d)|\bfour\b"
                r"|^(?=[\s\S]*lathe)(?=[\s\S]*band saw)(?=[\s\S]*sewing)(?=[\s\S]*drill)"
            ),
        ),
        (
            (
                r"(?i)(?<![\d.,:])(?:2|3|5|6)(?![.,:]?\d)|\b(?:two|three|five"
                r"|six)\b(?! (?:are )?(?:in use|out of|others?|more))"
                r"|(?:^|are |have )\W*(?:7|seven)(?: machines)?(?: are)? (?:free|available)"
            ),
        ),
    ),
)
