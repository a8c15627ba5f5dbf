"""Forty goals for the agent, whose author knew neither its code nor how it checks its answers.

The worlds are a port, schools, a hospital, an airport, a hotel, a bank, farms, a factory, sport, and others. The data
come as services send them: ids to be followed, camelCase and snake_case, units in names or beside values, and nulls.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, Source, Task
from bench.agent_goals_various import ABSENT, OUTAGE, under

_ECHO: Final = (
    (
        r"(?i)<[a-z][a-z_ -]{2,}>|\{\{?[a-z][\w .-]*\}\}?|\$\{?(?:step|call|result)_?\d"
        r"|\[(?:name|phone|number|value|answer|result|insert|your)\b[^\]]*\]"
    ),
)
"""An answer with a place of a template that nobody filled in."""


def _date(year: int, month: int, day: int, name: str) -> str:
    """A day, however it is written; `name` is the first three letters of the month."""
    return (
        rf"(?i){year}[-/.]0?{month}[-/.]0?{day}(?!\d)|(?<!\d)0?{day}(?:st|nd|rd|th)?(?: of)? {name}"
        rf"|\b{name}\w*\.? (?:the )?0?{day}(?!\d)|(?<!\d)0?{day}[/.] ?0?{month}[/.]{year}"
        rf"|(?<!\d)0?{month}/0?{day}/{year}"
    )


def _chosen(loser: str, more: str) -> tuple[str, ...]:
    """What an answer has that takes the wrong one of two things: `more` is the word that it would use for it."""
    return (
        rf"(?i)^\W*{loser}\W*$",
        rf"(?i)\b{loser} (?:\([^)]*\) )?(?:is|has|was|had|comes out|used|turned away) (?:the |a )?(?:{more})",
        rf"(?i)\b(?:{more})(?: (?!than\b)\w+){{0,5}}(?: is| was| at| in|:) (?:the )?{loser}\b",
    )


# -- what several spellings lead to ------------------------------------------------------------------------------------

_NERISSA: Final = {
    "vesselName": "Nerissa Dawn",
    "callSign": "2KLF7",
    "berth": {"quay": "Q4", "from": "2026-10-02T05:30", "to": "2026-10-03T22:15"},
    "draughtMetres": 9.8,
    "shipAgent": "Holm & Co",
}
_HAZELBROOK: Final = {
    "school": "Hazelbrook High",
    "terms": [
        {"term": "spring", "first_day": "2027-01-05", "last_day": "2027-03-24"},
        {"term": "summer", "first_day": "2027-04-12", "last_day": "2027-07-21"},
    ],
    "staff_training_days": ["2027-04-09"],
}
_FRACTURE: Final = {
    "clinic": "Fracture Clinic",
    "location": {"block": "West", "level": 2, "room": "W2-14"},
    "sessions": [
        {"weekday": "Tue", "from": "09:00", "to": "12:30"},
        {"weekday": "Fri", "from": "13:00", "to": "16:00"},
    ],
    "acceptsWalkIns": False,
    "referralRequired": True,
}
_REED: Final = {
    "totalItems": 1,
    "items": [
        {
            "volumeInfo": {
                "title": "The Reed Cutter",
                "authors": ["Imre Sandor"],
                "contributors": [
                    {"role": "illustrator", "name": "Tove Birk"},
                    {"role": "translator", "name": "Liv Aasen"},
                ],
                "publishedDate": "2020-05",
                "pageCount": 284,
            }
        }
    ],
}
_LATE_CHECKOUT: Final = {
    "id": "tpl_118",
    "slug": "late-checkout",
    "channel": "email",
    "lang": "en",
    "subject": "A later goodbye at the Kingfisher",
    "body": "Dear {{guest_name}}, you may keep room {{room_no}} until {{time}}.",
    "updated_by": "m.orr",
}
_PL_5: Final = {
    "line": "PL-5",
    "product": {"sku": "HB-90", "name": "hinge bracket"},
    "shifts": {
        "early": {"supervisor": "Odalys Reyes", "output_pcs": 4180},
        "late": {"supervisor": "Bram Tuinman", "output_pcs": 3975},
        "night": {"supervisor": None, "output_pcs": 0},
    },
    "downtime_min": 37,
}
_TANNERY: Final = {
    "museum": "Tannery Museum",
    "admission": [
        {"category": "ADULT", "price_cents": 1250},
        {"category": "STUDENT", "price_cents": 650},
        {"category": "CHILD_U12", "price_cents": 400},
    ],
    "currency": "EUR",
    "closed": ["MON"],
}
_BAG: Final = {
    "tag": "0QX441827",
    "pieces": 1,
    "history": [
        {"utc": "2026-08-03T06:11Z", "station": "LIS", "event": "loaded"},
        {"utc": "2026-08-03T11:40Z", "station": "FRA", "event": "missed connection"},
        {"utc": "2026-08-04T07:25Z", "station": "OSL", "event": "arrived"},
    ],
    "weight": {"value": 17.5, "unit": "kg"},
}
_QUILLPOST: Final = {
    "page": {"id": "qp01", "name": "Quillpost", "updated_at": "2026-09-14T08:20:00Z"},
    "components": [
        {"name": "API", "status": "operational"},
        {"name": "Webhooks", "status": "partial_outage"},
        {"name": "Dashboard", "status": "operational"},
    ],
}
_TACK: Final = {
    "staffId": "H-071",
    "displayName": "Wilhelmina Tack",
    "jobTitle": "Night porter",
    "directLine": "+353 1 555 0171",
    "reportsTo": {"staffId": "H-015", "displayName": "Casimir Boyle"},
}
_BOYLE: Final = {
    "staffId": "H-015",
    "displayName": "Casimir Boyle",
    "jobTitle": "Front office manager",
    "directLine": "+353 1 555 0115",
    "reportsTo": {"staffId": "H-002", "displayName": "Ottilie Crane"},
}
_CRANE: Final = {
    "staffId": "H-002",
    "displayName": "Ottilie Crane",
    "jobTitle": "General manager",
    "directLine": "+353 1 555 0102",
    "reportsTo": None,
}
_ON_THE_WATER: Final = {
    "containerNo": "TGBU5538174",
    "isoType": "45G1",
    "status": "ON_BOARD",
    "currentLeg": {"vesselImo": 9388214, "voyage": "117W", "loadedOn": "2026-11-12"},
    "freeDays": 5,
}
_ASTRAY: Final = {
    "containerNo": "TGBU9902213",
    "isoType": "22G1",
    "status": "ON_BOARD",
    "currentLeg": {"vesselImo": 9500017, "voyage": "020E", "loadedOn": "2026-11-20"},
    "freeDays": 7,
}
_ZOLVEMAR: Final = {
    "medicine": "Zolvemar",
    "form": "tablet",
    "strengths_mg": [20, 40],
    "authorisation": {"number": "PL 55512/0031", "holder": "Pharmalind"},
    "prescription_only": True,
}
_HB_7730: Final = {
    "flightNo": "HB 7730",
    "std": "06:20",
    "destination": {"iata": "KEF", "city": "Reykjavik"},
    "stand": {"terminal": "T2S", "gate": "B14"},
}
_VIKMAR: Final = {
    "club": "Vikmar HK",
    "league": "Eliteserien",
    "home_arena_id": "AR-12",
    "colours": ["green", "white"],
    "founded": 1951,
}
_BIRCH: Final = {"name": "Fenella Birch", "phones": {"home": None, "mobile": "07700 900263"}, "has_code": True}
_ASHER: Final = {"name": "Duncan Asher", "phones": {"home": "01632 960 77", "mobile": "07700 900415"}, "has_code": True}
_KESTREL: Final = {
    "gondola": "Kestrel",
    "timetable": {"first": "08:15", "last": "17:40", "everyMin": 12},
    "topStation_m": 2260,
}
_MARMOT: Final = {
    "gondola": "Marmot",
    "timetable": {"first": "08:00", "last": "16:55", "everyMin": 15},
    "topStation_m": 1985,
}
_HADLEY: Final = {
    "building": "Hadley House",
    "electricity": {"2024": {"value": 88.1, "unit": "MWh"}, "2025": {"value": 84.6, "unit": "MWh"}},
    "floor_area_m2": 1310,
}
_CORN_HALL: Final = {
    "building": "Corn Hall",
    "electricity": {"2024": {"value": 90200, "unit": "kWh"}, "2025": {"value": 79300, "unit": "kWh"}},
    "floor_area_m2": 1275,
}
_BIRCHWOOD: Final = {
    "hostel": "Birchwood",
    "beds_total": 84,
    "rates": {"dorm": {"amount": "29.00", "currency": "EUR"}},
    "curfew": None,
}
_STONEBECK: Final = {
    "hostel": "Stonebeck",
    "beds_total": 112,
    "rates": {"dorm": {"amount": "33.50", "currency": "EUR"}},
    "curfew": "23:30",
}
_AMBER: Final = {"variety": "Amber Finch", "crop": "carrot", "days_to_harvest": 58, "sow": ["Mar", "Jul"]}
_PALE: Final = {"variety": "Pale Rider", "crop": "carrot", "days_to_harvest": 74, "sow": ["Apr", "Jun"]}
_NETS: Final = {
    "title": "Nets and Needles",
    "venue": {"hall": "East Wing", "floor": 1},
    "period": {"opens": "2026-05-22", "closes": "2026-09-13"},
    "curator": "Maud Iveson",
}
_STAGE_6: Final = {
    "stage": 6,
    "start": "Callow",
    "finish": "Pen Bryn",
    "distance": {"value": 164, "unit": "km"},
    "climbing_m": 2870,
}
_TANK: Final = {
    "tankId": "MT-2",
    "contents": {"product": "milk", "volume": 2400, "uom": "L"},
    "capacity": {"volume": 5000, "uom": "L"},
    "tempC": 3.8,
}
_ROLL: Final = {
    "school": "Marrowby Primary",
    "date": "2026-11-17",
    "roll": {"enrolled": 640, "present": 592, "absent": 48},
    "late_arrivals": 21,
}
_THORPE: Final = {
    "warehouse": "Thorpe",
    "doors": [
        {"door": "D1", "state": "OCCUPIED", "trailer": "TR-881"},
        {"door": "D2", "state": "FREE", "trailer": None},
        {"door": "D3", "state": "OCCUPIED", "trailer": "TR-307"},
        {"door": "D4", "state": "OUT_OF_ORDER", "trailer": None},
        {"door": "D5", "state": "FREE", "trailer": None},
    ],
}
_CLASS_7B: Final = {
    "class": "7B",
    "tutor": "Mr Padgett",
    "pupils": [
        {"id": 701, "first_name": "Ada", "travel": "bus"},
        {"id": 702, "first_name": "Bilal", "travel": "walk"},
        {"id": 703, "first_name": "Cerys", "travel": "bus"},
        {"id": 704, "first_name": "Dov", "travel": "bus"},
        {"id": 705, "first_name": "Esme", "travel": "bike"},
        {"id": 706, "first_name": "Femi", "travel": "bus"},
        {"id": 707, "first_name": "Greta", "travel": "walk"},
        {"id": 708, "first_name": "Hugo", "travel": "bus"},
    ],
}

SOURCES: Final[dict[str, Source]] = {
    # -- for the look-ups --------------------------------------------------------------------------------------------
    "berth_plan": Source(
        "Where a ship lies in the port, and for how long, by the name of the ship.",
        "vessel",
        under(_NERISSA, "nerissa dawn", "the nerissa dawn", "nerissa"),
    ),
    "term_calendar": Source(
        "The term dates of a school by its name.",
        "school",
        under(_HAZELBROOK, "hazelbrook high", "hazelbrook", "hazelbrook high school"),
    ),
    "outpatient_clinic": Source(
        "An outpatient clinic of the hospital, by its name.",
        "clinic",
        under(_FRACTURE, "fracture clinic", "fracture", "the fracture clinic"),
    ),
    "isbn_lookup": Source(
        "A book by its ISBN.",
        "isbn",
        under(_REED, "978-0-55512-044-1", "9780555120441", "978 0 55512 044 1"),
        {"totalItems": 0, "items": []},
    ),
    "athlete_profile": Source(
        "A track athlete by full name.",
        "name",
        {
            "keziah ampofo": {
                "athlete": {"id": 33107, "fullName": "Keziah Ampofo", "nation": "GHA"},
                "seasonBests": [{"discipline": "800m", "mark": "2:03.10"}],
                "personalBests": [
                    {"discipline": "400m", "mark": "53.88", "date": "2025-05-30"},
                    {"discipline": "800m", "mark": "2:01.47", "date": "2025-06-14"},
                    {"discipline": "1500m", "mark": "4:13.02", "date": "2024-07-02"},
                ],
            }
        },
    ),
    "message_template": Source(
        "A template of the messages that the hotel sends to guests, by its slug, as in welcome-note.",
        "slug",
        under(_LATE_CHECKOUT, "late-checkout", "late checkout", "late_checkout"),
    ),
    "press_line": Source(
        "A press line of the factory today, by its code, as in PL-1.",
        "line",
        under(_PL_5, "pl-5", "pl5", "pl 5"),
    ),
    "museum_info": Source(
        "A museum for visitors, by its name.",
        "museum",
        under(_TANNERY, "tannery museum", "tannery", "the tannery museum"),
    ),
    "baggage_trace": Source(
        "The trace of a checked bag by the number on its tag.",
        "tag",
        under(_BAG, "0qx441827", "0qx 441827", "0qx-441827"),
    ),
    "grid_mix": Source(
        "What generates the electricity in a zone of the grid now, by the code of the zone.",
        "zone",
        under(
            {
                "zone": "NORD-2",
                "interval_start": "2026-11-03T17:00Z",
                "generation": [
                    {"fuel": "hydro", "mw": 5400, "share": 0.54},
                    {"fuel": "wind", "mw": 2100, "share": 0.21},
                    {"fuel": "gas", "mw": 2500, "share": 0.25},
                ],
                "export_mw": -180,
            },
            "nord-2",
            "nord 2",
            "nord2",
        ),
    ),
    "status_page": Source(
        "The status page of an online service, by the name of the service.",
        "service",
        under(_QUILLPOST, "quillpost", "quillpost webhooks", "quillpost webhook"),
    ),
    # -- for what leads from one to the next -------------------------------------------------------------------------
    "hotel_staff": Source(
        "A member of the staff of the hotel, by full name.",
        "name",
        {
            **under(_TACK, "wilhelmina tack"),
            **under(_BOYLE, "casimir boyle"),
            **under(_CRANE, "ottilie crane"),
        },
        {"results": [], "count": 0},
    ),
    "container_track": Source(
        "Where a shipping container is, by its number.",
        "container",
        {
            **under(_ON_THE_WATER, "tgbu5538174", "tgbu 5538174", "tgbu 553817-4"),
            **under(_ASTRAY, "tgbu9902213", "tgbu 9902213", "tgbu 990221-3"),
        },
    ),
    "vessel_eta": Source(
        "The next port of a ship and its expected arrival there, by the IMO number of the ship.",
        "imo",
        {
            "9388214": {
                "imo": 9388214,
                "vessel": "Halcyon Reach",
                "nextPort": {"unlocode": "NLRTM", "name": "Rotterdam"},
                "eta": "2026-12-09T04:00:00Z",
                "speedKn": 16.4,
            },
            "9500017": FAILED,
        },
        kind="integer",
    ),
    "medicine": Source(
        "A medicine by its brand name.",
        "name",
        under(_ZOLVEMAR, "zolvemar", "zolvemar tablets"),
    ),
    "drug_maker": Source(
        "A pharmaceutical company by its name.",
        "company",
        {
            "pharmalind": {
                "company": "Pharmalind",
                "seat": {"city": "Aarhus", "country": "DK"},
                "contacts": [
                    {"dept": "sales", "email": "orders@pharmalind.example"},
                    {"dept": "pharmacovigilance", "topic": "adverse reactions", "email": "safety@pharmalind.example"},
                ],
            }
        },
    ),
    "flight_ops": Source(
        "A flight of today from this airport, by its number, as in AB 123.",
        "flight",
        under(_HB_7730, "hb 7730", "hb7730", "hb-7730"),
    ),
    "terminal_info": Source(
        "The opening times of a terminal of this airport, by its code.",
        "terminal",
        {
            "t2s": {"terminal": "T2S", "checkInOpens": "04:15", "securityOpens": "03:45", "lastBus": "00:40"},
            "t1": {"terminal": "T1", "checkInOpens": "05:00", "securityOpens": "04:30", "lastBus": "01:10"},
        },
    ),
    "deployment": Source(
        "A deployment of the web shop by its id.",
        "id",
        {
            "dep-90412": {
                "id": "dep-90412",
                "environment": "production",
                "state": "success",
                "triggered_by": "Nils Okoro",
                "commit_sha": "a41f9c2",
                "finished_at": "2026-07-08T14:02:51Z",
            }
        },
    ),
    "commit": Source(
        "A commit of the repository by its short SHA.",
        "sha",
        {
            "a41f9c2": {
                "sha": "a41f9c2",
                "author": {"login": "pvarga", "name": "Petra Varga"},
                "message": "Round VAT per line",
                "stats": {"additions": 41, "deletions": 12},
            }
        },
    ),
    "handball_club": Source(
        "A handball club by its name.",
        "club",
        under(_VIKMAR, "vikmar hk", "vikmar"),
    ),
    "arena": Source(
        "A sports arena by its id.",
        "arena_id",
        {
            "ar-12": {
                "arena_id": "AR-12",
                "name": "Fjordhallen",
                "capacity": {"seated": 3900, "standing": 950, "total": 4850},
                "opened": 1998,
            }
        },
    ),
    "card_registry": Source(
        "A payment card of the bank by its last four digits.",
        "last4",
        {
            "4471": {"last4": "4471", "scheme": "debit", "accountId": "AC-20881", "expires": "11/28", "blocked": False},
            "4417": {"last4": "4417", "scheme": "credit", "accountId": "AC-20818", "expires": "02/27", "blocked": True},
        },
    ),
    "bank_account": Source(
        "An account of the bank by its id.",
        "account_id",
        {
            "ac-20881": {"accountId": "AC-20881", "kind": "current", "adviserId": "ADV-6", "openedOn": "2015-03-19"},
            "ac-20818": {"accountId": "AC-20818", "kind": "credit", "adviserId": "ADV-9", "openedOn": "2021-10-04"},
        },
    ),
    "bank_adviser": Source(
        "An adviser of the bank by id.",
        "adviser_id",
        {
            "adv-6": {"adviserId": "ADV-6", "name": "Rosalind Achebe", "branch": "Pike Street", "languages": ["en"]},
            "adv-9": {"adviserId": "ADV-9", "name": "Toby Lund", "branch": "Corn Market", "languages": ["en"]},
        },
    ),
    "keyholder": Source(
        "A keyholder of the museum by full name.",
        "name",
        {**under(_BIRCH, "fenella birch"), **under(_ASHER, "duncan asher")},
    ),
    # -- for what is compared ----------------------------------------------------------------------------------------
    "freight_quote": Source(
        "A quote of the forwarder by its reference, as in FQ-100.",
        "reference",
        {
            "fq-301": {
                "ref": "FQ-301",
                "base": 1790.0,
                "surcharges": [{"code": "BAF", "amount": 240.0}, {"code": "THC", "amount": 115.0}],
                "grand_total": 2145.0,
                "currency": "EUR",
                "transit_days": 31,
            },
            "fq-308": {
                "ref": "FQ-308",
                "base": 1860.0,
                "surcharges": [{"code": "BAF", "amount": 200.0}],
                "grand_total": 2060.0,
                "currency": "EUR",
                "transit_days": 36,
            },
        },
    ),
    "crop_variety": Source(
        "A variety of a vegetable by the name of the variety.",
        "variety",
        {
            **under(_AMBER, "amber finch", "amber finch carrot", "amber finch carrots"),
            **under(_PALE, "pale rider", "pale rider carrot", "pale rider carrots"),
        },
    ),
    "building_energy": Source(
        "The yearly electricity of a building of the council, by its name.",
        "building",
        {**under(_HADLEY, "hadley house", "hadley"), **under(_CORN_HALL, "corn hall", "the corn hall")},
    ),
    "gondola": Source(
        "The timetable of a gondola by its name.",
        "name",
        {
            **under(_KESTREL, "kestrel", "kestrel gondola"),
            **under(_MARMOT, "marmot", "marmot gondola"),
            **under(FAILED, "ibex", "ibex gondola"),
        },
    ),
    "hostel": Source(
        "A youth hostel by its name.",
        "name",
        {
            **under(_BIRCHWOOD, "birchwood", "birchwood hostel", "birchwood youth hostel"),
            **under(_STONEBECK, "stonebeck", "stonebeck hostel", "stonebeck youth hostel"),
        },
    ),
    "locomotive": Source(
        "A steam engine of the heritage railway by its number.",
        "number",
        {
            "318": {
                "number": 318,
                "class": "B7",
                "works": {"builder": "Torvald & Sons", "completed": "1926-03"},
                "withdrawn": "1964-10",
            },
            "322": {
                "number": 322,
                "class": "B7a",
                "works": {"builder": "Lenham Works", "completed": "1926-11"},
                "withdrawn": "1961-05",
            },
        },
        kind="integer",
    ),
    # -- for what is worked out --------------------------------------------------------------------------------------
    "cnc_job": Source(
        "A job of the milling machine by its number, as in J-1000.",
        "job",
        {
            "j-5518": {
                "job": "J-5518",
                "partNo": "KR-20",
                "batchSize": 24,
                "cycleTime": {"value": 95, "unit": "s"},
                "priority": 2,
            }
        },
    ),
    "hotel_folio": Source(
        "The bill of a guest of the hotel by the number of the folio.",
        "folio",
        {
            "60217": {
                "folio": 60217,
                "charges": [
                    {"text": "Room, 2 nights", "amount": 192.0},
                    {"text": "Minibar", "amount": 13.5},
                    {"text": "Parking", "amount": 18.0},
                ],
                "payments": [{"text": "Deposit by card", "amount": 100.0}],
                "currency": "EUR",
            }
        },
        kind="integer",
    ),
    "cycle_stage": Source(
        "A stage of the cycle race by its number.",
        "stage",
        {"6": _STAGE_6},
        kind="integer",
    ),
    "exhibition": Source(
        "An exhibition by its title.",
        "title",
        under(_NETS, "nets and needles", "nets & needles"),
    ),
    "farm_tank": Source(
        "A tank of the farm by its id.",
        "tank_id",
        under(_TANK, "mt-2", "mt2", "mt 2"),
    ),
    "attendance": Source(
        "The attendance at a school today, by the name of the school.",
        "school",
        under(_ROLL, "marrowby primary", "marrowby", "marrowby primary school"),
    ),
    # -- for the lists -----------------------------------------------------------------------------------------------
    "dock_doors": Source(
        "The loading doors of a warehouse, by the name of the warehouse.",
        "warehouse",
        under(_THORPE, "thorpe", "thorpe warehouse", "the thorpe warehouse"),
    ),
    "class_register": Source(
        "The pupils of a class by its name, as in 1A.",
        "class_name",
        under(_CLASS_7B, "7b", "class 7b"),
    ),
}

FILES: Final[dict[str, str]] = {
    "keyholders.txt": """\
Loom Mill Museum: keyholders in November 2026

Friday 13 November: Duncan Asher
Saturday 14 November: Fenella Birch
Sunday 15 November: Duncan Asher

The keyholder of the day answers the alarm and lets in the engineer. Telephone numbers are in the directory only.
""",
    "marina_rules.txt": """\
Rules of Saltry Marina

A berth for a boat of up to 9 metres is 34 euros a night; longer boats pay 47 euros.
Fresh water is free. Power sockets are at every second post, and the harbour office lends adapters.
The showers close at 22:00. Dogs are kept on a lead. Boats leave their berth by noon on the day of departure.
""",
    "donor_days.csv": """\
centre,day,registered,turned_away
Harbour Hall,2026-09-05,96,11
Harbour Hall,2026-09-06,71,2
Millgate,2026-09-05,84,6
Millgate,2026-09-06,88,8
St Oakes,2026-09-05,52,4
St Oakes,2026-09-06,60,5
""",
}

TASKS: Final = (
    # -- one thing to be looked up -----------------------------------------------------------------------------------
    Task(
        "nerissa-quay",
        "Which quay is the Nerissa Dawn tied up at, and at what time on 3 October does she have to be gone?",
        ("berth_plan", "vessel_eta"),
        (r"(?i)\bQ ?-?4\b|\bquay (?:no\.? ?|number )?4\b", r"(?i)(?<!\d)22[:.h]15|(?<!\d)10[:.]15 ?p"),
        (r"(?i)(?:gone|leave|leaves|sails?|departs?)(?: by| at)*:? 0?5[:.]30", *_ECHO),
    ),
    Task(
        "after-easter",
        "On which day do the kids at Hazelbrook High go back to school after the Easter holidays in 2027?",
        ("term_calendar", "attendance"),
        (_date(2027, 4, 12, "Apr"),),
        (
            (
                r"(?i)(?:back|return\w*|starts?|begins?|resumes?|is)(?: to school)?(?: on|:)? "
                r"(?:2027-(?:01|03|07|04-09)|(?:0?5|24|0?9|21)(?:th|st)? (?:Jan|Mar|Apr|Jul)|(?:Jan|Mar|Jul)\w*\b)"
            ),
            *_ECHO,
        ),
    ),
    Task(
        "fracture-walk-in",
        "My wrist is killing me. Can I simply turn up at the fracture clinic, or does a doctor have to send me there?",
        ("outpatient_clinic", "medicine"),
        (r"(?i)\bno\b|\bnot\b|\bcannot\b|n[’']t\b|\bmust\b|\bneed|\brequire|\breferral|\bhave to\b|doctor",),
        (
            r"(?i)^\W*yes,? you can|\bcan (?:simply |just )?(?:turn up|walk in)",
            r"(?i)walk-?ins? (?:is|are) (?:allowed|accepted|welcome)",
            (
                r"(?i)no (?:need (?:of|for) a )?(?:referral|doctor)|referral is(?: not|n[’']t)"
                r"|(?:not|n[’']t) (?:need|require|have to|have a doctor)|need not|\bnot (?:required|needed|necessary)"
            ),
            r"(?i)not (?:found|known|stat|specif|given|mention)|no (?:information|data|record|such|mention)",
            r"(?i)referral ?required\W{0,4}(?:is )?(?:false|no)\b",
            *_ECHO,
        ),
    ),
    Task(
        "reed-translator",
        "Who put the book with the ISBN 978-0-55512-044-1 into English? I mean the translator.",
        ("isbn_lookup", "museum_info"),
        (r"(?i)\bAasen\b",),
        (
            r"(?i)translat\w+(?: it)?(?: by| is| was|:)+ (?:Tove|Imre)|^\W*(?:Tove|Imre)",
            r"(?i)(?:Birk|Sandor) (?:translated|is the translator|put)",
            *_ECHO,
        ),
    ),
    Task(
        "keziah-800",
        "What's the fastest that Keziah Ampofo has ever run the 800 metres?",
        ("athlete_profile", "handball_club"),
        (r"(?i)(?<![\d:])0?2 ?(?:[:.'’m]|min\w*)(?: and)? ?0?1[.,]47|(?<![\d.,])121[.,]47",),
        (r"(?i)fastest[^.;\n\d]{0,60}(?:2:03|53[.,]88|4:13)|^\W*(?:2:03|53[.,]88|4:13)", *_ECHO),
    ),
    Task(
        "goodbye-subject",
        "Our hotel mails guests something called late-checkout. What stands in the subject line of it?",
        ("message_template", "hotel_staff"),
        (r"(?i)A later goodbye at the Kingfisher",),
        (r"(?i)you may keep room", *_ECHO),
    ),
    Task(
        "late-press",
        "who's in charge of PL-5 on the late shift today",
        ("press_line", "cnc_job"),
        (r"(?i)\bTuinman\b",),
        (r"(?i)\blate\b[^.;,\n]{0,30}Reyes|^\W*Odalys|Tuinman[^.;,\n]{0,25}(?:\bearly|\bnight)", *_ECHO),
    ),
    Task(
        "tannery-student",
        "I'm at university. What would I pay in euros to get into the Tannery Museum?",
        ("museum_info", "exhibition"),
        (r"(?i)(?<![\d.,])6[.,]50?(?!\d)|(?<![\d.,])650 ?(?:¢|ct\b|(?:euro ?)?cents?)|\bsix euros? (?:and )?fifty",),
        (
            r"(?i)(?:€|EUR) ?650\b|650(?:[.,]00?)? ?(?:€|EUR\b|euros?\b(?! ?cent))",
            r"(?i)(?:pay|is|costs?|students?:?) (?:€ ?|EUR ?)?(?:12[.,]50?|1[.,]?250|4[.,]00?|400)(?!\d)",
            *_ECHO,
        ),
    ),
    Task(
        "bag-last-seen",
        "Where was my suitcase with the tag 0QX441827 seen most recently, and on what date? Please answer in the form"
        " PLACE, DATE.",
        ("baggage_trace", "flight_ops"),
        (r"(?i)\bOSL\b|\bOslo\b", _date(2026, 8, 4, "Aug")),
        (r"\b(?:PLACE|DATE)\b(?!:)|(?i:\bLIS\b|\bFRA\b|Lisbon|Frankfurt)|2026-08-03", *_ECHO),
    ),
    Task(
        "wind-share",
        "How much of the electricity in NORD-2 is wind power at the moment, as a percentage?",
        ("grid_mix", "building_energy"),
        (r"(?<![\d.,])21(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)wind[^.;,\n\d]{0,30}(?:54|25) ?%|\b0?[.,]21 ?%", *_ECHO),
    ),
    Task(
        "webhooks-up",
        "Our Quillpost webhooks are acting strangely. Does the company say everything is all right with them?",
        ("status_page", "deployment"),
        (r"(?i)partial|outage|\bno\b|\bnot\b|n[’']t\b|degraded|\bdown\b|problem",),
        (
            r"(?i)^\W*yes\b|webhooks? (?:is|are) (?:currently |fully |all )?(?:operational|working|up|fine|right)",
            (
                r"(?i)not (?:found|known|stat(?:ed|e)\b|specif|given|mention)"
                r"|no (?:information|data|record|such|mention)|no (?:partial )?(?:outage|problem)"
                r"|(?:everything|all) is (?:all right|fine|operational)"
            ),
            *_ECHO,
        ),
    ),
    # -- from one thing to the next ----------------------------------------------------------------------------------
    Task(
        "tack-boss",
        "Wilhelmina Tack from our hotel has phoned in sick. On what number do I reach the person she works under?",
        ("hotel_staff", "hotel_folio"),
        (r"555[- ]?0115",),
        (r"555[- ]?01(?:71|02)", *_ECHO),
    ),
    Task(
        "container-arrival",
        "Our container TGBU5538174 is out at sea. On what date is the ship it's on expected in port?",
        ("container_track", "vessel_eta", "berth_plan"),
        (_date(2026, 12, 9, "Dec"),),
        (r"(?i)(?:arriv\w+|reach\w*|due|expected|eta)[^.;\n\d]{0,40}(?:2026-11-12|12(?:th)? Nov|Nov\w* 12)", *_ECHO),
    ),
    Task(
        "zolvemar-rash",
        "I came out in a rash after taking Zolvemar. Which e-mail address of the firm behind it is meant for reporting"
        " side effects?",
        ("medicine", "drug_maker", "outpatient_clinic"),
        (r"(?i)safety@pharmalind\.example",),
        (r"(?i)orders@", *_ECHO),
    ),
    Task(
        "early-security",
        "I'm booked on HB 7730. From what time can I go through security in the terminal that it leaves from?",
        ("flight_ops", "terminal_info", "baggage_trace"),
        (r"(?i)(?<![\d:])0?3[:.h]45",),
        (r"(?i)security[^.;\n\d]{0,40}0?(?:4[:.]15|6[:.]20|4[:.]30|5[:.]00)", *_ECHO),
    ),
    Task(
        "deploy-author",
        "Something broke after dep-90412 went live. Who wrote the code change that was in it?",
        ("deployment", "commit", "status_page"),
        (r"(?i)\bVarga\b|\bpvarga\b",),
        (
            r"(?i)Okoro (?:wrote|authored|made|is the author)|^\W*Nils",
            r"(?i)(?:wrote|author|written|made)(?: it)?(?: by| is| was|:)+ Nils",
            *_ECHO,
        ),
    ),
    Task(
        "vikmar-hall",
        "How many spectators fit into the hall where Vikmar HK play their home matches, sitting and standing together?",
        ("handball_club", "arena", "athlete_profile"),
        (r"(?<![\d.,])4[.,'’ ]?850(?!\d)",),
        (r"(?i)(?:capacity|fits?|holds?|total|is)[^.;\n\d]{0,25}(?:3[.,'’ ]?900|950)\b(?! ?\+| seat| stand)", *_ECHO),
    ),
    Task(
        "card-adviser",
        "Which adviser looks after the account that my card ending in 4471 belongs to? I need the name.",
        ("card_registry", "bank_account", "bank_adviser"),
        (r"(?i)\bAchebe\b",),
        (r"(?i)\bLund\b", *_ECHO),
    ),
    Task(
        "alarm-saturday",
        "An engineer is coming to the museum on Saturday 14 November to test the alarm. Who has the keys on that day,"
        " and what's the mobile number?",
        ("read", "keyholder"),
        (r"(?i)\bBirch\b", r"07700[- ]?900[- ]?263|\+44[- ]?7700[- ]?900[- ]?263"),
        (r"900[- ]?415|(?i:\bAsher\b)", *_ECHO),
        files=("keyholders.txt",),
    ),
    # -- the one or the other ----------------------------------------------------------------------------------------
    Task(
        "dearer-base",
        "The forwarder has sent us two quotes, FQ-301 and FQ-308. With all the surcharges on top, which of them is"
        " cheaper?",
        ("freight_quote", "container_track"),
        (r"(?i)\bFQ-?308\b",),
        (*_chosen("FQ-?301", "cheaper|cheapest|lower|lowest|less"), *_ECHO),
    ),
    Task(
        "sooner-carrot",
        "I can't wait for my carrots. Do Amber Finch or Pale Rider get ready sooner, and how many days sooner?",
        ("crop_variety", "farm_tank"),
        (r"(?i)\bAmber Finch\b", r"(?i)(?<![\d.,])16(?![.,]?\d)|\bsixteen\b"),
        (
            r"(?i)\bPale Rider (?:\([^)]*\) )?(?:is|are|gets?|will be) (?:ready )?(?:\d+ days )?(?:soon|earl|fast)",
            r"(?i)\b(?:sooner|earlier|faster|quicker)(?: (?!than\b)\w+){0,5}(?: is|:) Pale",
            r"(?<!\d)(?<!\d )[-\u2212]16\b",
            *_ECHO,
        ),
    ),
    Task(
        "hungrier-building",
        "Which of the two got through more electricity in 2025, Hadley House or the Corn Hall?",
        ("building_energy", "grid_mix"),
        (r"(?i)\bHadley\b",),
        (
            *_chosen("Corn Hall", "more|most|higher|highest|greater|larger"),
            r"(?i)\bCorn Hall (?:\([^)]*\) )?(?:got through|consumed|uses|needed) (?:the )?(?:more|most)",
            *_ECHO,
        ),
    ),
    Task(
        "last-cabin",
        "By how many minutes does the last Kestrel gondola leave later than the last Marmot one?",
        ("gondola", "cycle_stage"),
        (r"(?i)(?<![\d.,:])45(?![.,:]?\d)|\b0?0:45\b|forty-five|three quarters of an hour",),
        (r"(?<![\d:])(?<!\d )[-\u2212]45\b|(?<![\d.,:])(?:85|105) min", *_ECHO),
    ),
    Task(
        "bigger-hostel",
        "There are a lot of us, so we'd take whichever of the hostels Birchwood and Stonebeck has more beds. Which is"
        " it, and what's a night in the dorm there?",
        ("hostel", "hotel_folio"),
        (r"(?i)\bStonebeck\b", r"(?<![\d.,])33[.,]50?(?!\d)"),
        (
            *_chosen("Birchwood", "more|most|larger|bigger|greater|largest"),
            r"(?i)Stonebeck[^.;,\n]{0,40}(?:€ ?|EUR ?)29\b",
            *_ECHO,
        ),
    ),
    Task(
        "engine-years",
        "Did the steam engines 318 and 322 leave the works in the same year?",
        ("locomotive", "exhibition"),
        (r"(?i)\byes\b|\bsame year\b|\bboth\b[^.\n]*1926",),
        (r"(?i)^\W*no\b|\bnot\b|n[’']t\b|\bdifferent years?\b|\bcannot\b", *_ECHO),
    ),
    # -- to be worked out --------------------------------------------------------------------------------------------
    Task(
        "batch-minutes",
        "How many minutes will the milling machine be busy with the whole batch of job J-5518?",
        ("cnc_job", "press_line"),
        (r"(?i)(?<![\d.,])38(?:[.,]0+)?(?![.,]?\d)|thirty-eight",),
        (r"(?i)(?<![\d.,])(?:2[.,'’ ]?280|95|24|39[.,]58\d*) min", *_ECHO),
    ),
    Task(
        "folio-owed",
        "The guest with folio 60217 is checking out. How much has he still got to pay, his deposit taken off?",
        ("hotel_folio", "message_template"),
        (r"(?<![\d.,])123[.,]50?(?!\d)",),
        (
            r"(?i)(?:owes?|due|to pay|outstanding|balance)[^.;\n\d]{0,20}(?:223|323)[.,]5",
            r"(?i)^\W*(?:EUR)?\W*223[.,]50?\W*(?:EUR|euros?)?\W*$",
            *_ECHO,
        ),
    ),
    Task(
        "stage-miles",
        "I'm writing for an American paper: how many miles is stage 6 of the race?",
        ("cycle_stage", "athlete_profile"),
        (r"(?<![\d.,])10(?:1[.,][89]\d*|2(?:[.,]0+)?)(?![.,]?\d)",),
        (
            r"(?i)(?<![\d.,])(?:164|26[34](?:[.,]\d+)?|88[.,]\d+) ?mi(?:\b|les)",
            r"(?i)(?<!\d)10[12](?:[.,]\d+)? ?(?:km|kilom)",
            *_ECHO,
        ),
    ),
    Task(
        "nets-days",
        "For how many days is the exhibition Nets and Needles on, from opening to closing?",
        ("exhibition", "museum_info"),
        (r"(?<![\d.,])11[45](?![.,]?\d)",),
        (r"(?<!\d)(?<!\d )[-\u2212]11[45]\b", *_ECHO),
    ),
    Task(
        "tank-gallons",
        "How many US gallons of milk are in tank MT-2 right now?",
        ("farm_tank", "crop_variety"),
        (r"(?<![\d.,])63(?:3[.,][6-9]\d*|4(?:\.\d+|,\d\d?)?)(?![.,]?\d)",),
        (
            r"(?i)(?<![\d.,])(?:2[.,'’ ]?400|(?:52[78]|9[.,'’ ]?08\d|1[.,'’ ]?32\d)(?:[.,]\d+)?) ?(?:US )?gal",
            *_ECHO,
        ),
    ),
    Task(
        "missing-pupils",
        "What percentage of the children at Marrowby Primary are missing today?",
        ("attendance", "class_register"),
        (r"(?<![\d.,])7[.,]50?(?!\d)",),
        (
            r"(?i)(?:absen\w+|missing|away)[^.;\n\d]{0,20}92[.,]5|^\W*92",
            r"(?<![\d.,])(?:48|8[.,]1\d*|3[.,]28\d*) ?%",
            *_ECHO,
        ),
    ),
    # -- not to be had -----------------------------------------------------------------------------------------------
    Task(
        "perpetua",
        "A Perpetua Lisle from the hotel left me a note. What's her job there?",
        ("hotel_staff", "hostel"),
        ABSENT,
        (r"(?i)porter|manager|recept|chef|\bcook|housekeep|concierge|waitress|555[- ]?\d", *_ECHO),
    ),
    Task(
        "gate-7799",
        "Quick, which gate does HB 7799 go from?",
        ("flight_ops", "terminal_info"),
        ABSENT,
        (r"(?i)\bgate (?:is |number |no\.? )?[A-F]?\d+|\b[A-F]\d{1,2}\b|\bT[12]S?\b", *_ECHO),
    ),
    Task(
        "second-container",
        "When will the ship that has container TGBU9902213 on board get to its next port?",
        ("container_track", "vessel_eta"),
        OUTAGE,
        (
            r"(?i)\bDec(?:ember)?\b|\bJan(?:uary)?\b|2026-12|\b2027\b|not exist|no such|Rotterdam|Halcyon",
            r"(?i)(?:arriv\w*|reach\w*|due|expected|eta)[^.;\n\d]{0,30}(?:2026-11|20(?:th)? Nov|Nov)",
            *_ECHO,
        ),
    ),
    Task(
        "night-press",
        "And who is supervising the night shift on press line PL-5?",
        ("press_line", "hotel_staff"),
        ABSENT,
        (
            (
                r"(?i)\bnight\b[^.;,\n]{0,40}(?:Tuinman|Reyes|Odalys|Bram)\b"
                r"|\b(?:Tuinman|Reyes)[^.;,\n]{0,30}\bnight|^\W*(?:Odalys|Bram)"
            ),
            *_ECHO,
        ),
    ),
    Task(
        "ibex-cabin",
        "What time is the last ride on the Kestrel gondola, and what time is it on the Ibex?",
        ("gondola", "locomotive"),
        (r"(?i)(?<!\d)17[:.h]40|(?<!\d)0?5[:.]40 ?p", *OUTAGE),
        (
            (
                r"(?i)\bIbex(?:['’]s)?(?: gondola| cable car)?(?: last)?(?: ride)?:? ?"
                r"(?:leaves?|departs?|is|at|runs)?(?: at)? ?\d"
            ),
            r"(?i)\bboth\b[^.;\n]{0,40}17[:.]40|(?<!\d)1[68]:\d\d|(?<!\d)17:(?!40)\d\d",
            *_ECHO,
        ),
    ),
    Task(
        "shore-power",
        "We'll plug in our boat at Saltry Marina overnight. What do they charge there for a unit of electricity?",
        ("read", "grid_mix"),
        ABSENT,
        (
            r"(?i)(?:electric\w*|power)[^.;,\n\d]{0,40}(?:€ ?|EUR ?)?\d[\d.,]* ?(?:€|EUR\b|euros?|cents?|per)",
            r"(?i)(?:electricity|power)(?: is| are)? (?:free|included)|\d (?:cents|euros) (?:per|a) (?:kWh|unit)",
            *_ECHO,
        ),
        files=("marina_rules.txt",),
    ),
    # -- out of a list -----------------------------------------------------------------------------------------------
    Task(
        "free-doors",
        "A lorry has just pulled in at the Thorpe warehouse. Which loading doors could it be sent to now?",
        ("dock_doors", "freight_quote"),
        (r"(?i)\bD ?2\b|\b2 and (?:D ?)?5\b", r"(?i)\bD ?5\b|\b2 and 5\b"),
        (r"(?i)\bD ?(?:1|3|4)\b", *_ECHO),
    ),
    Task(
        "not-by-bus",
        "How many children in class 7B don't come to school by bus?",
        ("class_register", "attendance"),
        (r"(?i)(?<![\d.,:-])3(?![.,]?\d)|\bthree\b",),
        (
            (
                r"(?i)\b(?:[1245678]|one|two|four|five|six|seven|eight)(?: of (?:them|the children))?"
                r"(?: children| pupils| kids| students)?(?: in (?:class )?7B)?(?: who)? (?:do not|don[’']t)"
            ),
            r"(?i)^\W*(?:[1245678]|one|two|four|five|six|seven|eight)\W*$",
            r"(?i)(?:answer|number|count|(?:not|n[’']t) (?:\w+ ){0,3}by bus)(?: is|:) (?:[1245678]|two|five|eight)\b",
            *_ECHO,
        ),
    ),
    Task(
        "sent-home",
        "Both days taken together, which blood donation centre sent the most people home without taking blood, and how"
        " many was it?",
        ("query", "outpatient_clinic"),
        (r"(?i)\bMillgate\b", r"(?i)(?<![\d.,])14(?![.,]?\d)|\bfourteen\b"),
        (
            r"(?i)(?:Harbour Hall|St\.? Oakes) (?:\([^)]*\) )?(?:sent|turned|has|had) (?:away |home )?(?:the )?most",
            r"(?i)\bmost(?: (?!than\b)\w+){0,6}(?: is| was|:) (?:Harbour|St\.? Oakes)",
            *_ECHO,
        ),
        files=("donor_days.csv",),
    ),
)
