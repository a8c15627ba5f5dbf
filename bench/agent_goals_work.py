"""Forty more goals for the agent, whose author did not know how it checks its answers.

They are of work: machines, projects, bills, vendors, hosts, tickets, a laboratory, fields, shipments and sites.
"""

from __future__ import annotations

from typing import Any, Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Json, Source, Task

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_T: Final = "[.,'’ \u202f\u00a0]?"
"""What may stand between thousands and hundreds."""


def _as(record: Any, *keys: str) -> Json:
    return dict.fromkeys(keys, record)


def _num(pattern: str) -> str:
    return rf"(?i)(?<![\d.,])(?:{pattern})(?:[.,]0+)?(?![.,]?\d)"


def _day(iso: str) -> str:
    year, month, day = iso.split("-")
    name, d, m = _MONTHS[int(month) - 1], f"0?{int(day)}", f"0?{int(month)}"
    return (
        rf"(?i){year}[-/.]{m}[-/.]{d}(?!\d)|(?<!\d){d}(?:st|nd|rd|th)?(?: of)?[ -]{name}"
        rf"|\b{name}\w*\.? (?:the )?{d}(?!\d)"
        rf"|(?<![\d-]){d}[-/.] ?{m}(?!\d)|(?<![\d-]){m}/{d}(?!\d)"
    )


def _entry(day: str, project: str, hours: float) -> Json:
    return {"day": day, "project": project, "hours": hours}


def _bin(code: str, article: str | None, boxes: int) -> Json:
    return {"bin": code, "article": article, "boxes": boxes}


def _analyte(name: str, value: float, limit: float, unit: str) -> Json:
    return {"analyte": name, "value": value, "limit": limit, "unit": unit}


_CURLEW: Final = {
    "project": "Curlew",
    "customer": "Pellworm Foods",
    "lead": "Jantje Rohde",
    "started": "2026-01-19",
    "deadline": "2026-10-30",
    "money": {"budget_eur": 184000, "spent_eur": 131650},
    "milestones": [
        {"name": "site survey", "done": True},
        {"name": "conveyor order", "done": True},
        {"name": "commissioning", "done": False},
    ],
}
_OSPREY: Final = {
    "project": "Osprey",
    "customer": "Hartmoor Ceramics",
    "lead": "Fenna Kruse",
    "started": "2026-03-02",
    "deadline": "2027-02-26",
    "money": {"budget_eur": 76500, "spent_eur": 20900},
    "milestones": [
        {"name": "tooling", "done": True},
        {"name": "pilot run", "done": True},
        {"name": "safety audit", "done": False},
        {"name": "handover", "done": False},
    ],
}
_PELLWORM: Final = {
    "customer": "Pellworm Foods",
    "contact": "Silke Jansen-Roy",
    "phone": "+49 461 552 017",
    "address": {"street": "Werftkai 28", "town": "Flensburg"},
    "payment_term_days": 45,
}
_HARTMOOR: Final = {
    "customer": "Hartmoor Ceramics",
    "contact": "Aled Prosser",
    "phone": "+44 1782 550 164",
    "address": {"street": "Kiln Lane 5", "town": "Stoke"},
    "payment_term_days": 30,
}
_LONG_ACRE: Final = {
    "field": "Long Acre",
    "area_ha": 12.5,
    "soil": "loam",
    "crops": [
        {"year": 2025, "crop": "rapeseed"},
        {"year": 2026, "crop": "spring barley"},
        {"year": 2027, "crop": "field beans"},
    ],
    "drained": True,
}
_ROOKERY: Final = {
    "field": "Rookery",
    "area_ha": 8.2,
    "soil": "clay",
    "crops": [{"year": 2025, "crop": "winter wheat"}, {"year": 2026, "crop": "rye"}],
    "drained": False,
}
_GALVANOR: Final = {
    "vendor": "Galvanor",
    "country": "Portugal",
    "lead_time_days": 12,
    "minimum_order_eur": 400,
    "email": {"orders": "orders@galvanor.example", "accounts": "accounts@galvanor.example"},
}
_STEENBECK: Final = {
    "vendor": "Steenbeck Metals",
    "country": "Belgium",
    "lead_time_days": 8,
    "minimum_order_eur": 250,
    "email": {"orders": "sales@steenbeck.example", "accounts": "ledger@steenbeck.example"},
}
_OVALTA: Final = {
    "vendor": "Ovalta",
    "country": "Estonia",
    "lead_time_days": 15,
    "minimum_order_eur": 0,
    "email": {"orders": "hello@ovalta.example", "accounts": "hello@ovalta.example"},
}
_MILLRACE: Final = {
    "site": "Millrace Lofts",
    "architect": "Pia Morandi",
    "foreman": "Desmond Oke",
    "storeys": 7,
    "cranes": 2,
    "deliveries": {"gate": "east", "until": "15:30"},
}
_POLARLINE: Final = {
    "carrier": "Polarline Freight",
    "seat": "Aarhus",
    "hotline": "+45 70 21 88 34",
    "office": "+45 70 21 88 10",
    "fleet": 64,
}
_TANYARD: Final = {
    "stockroom": "Tanyard",
    "bins": [
        _bin("T-01", "A-7702", 61),
        _bin("T-02", None, 0),
        _bin("T-03", "A-7715", 18),
        _bin("T-04", "A-7702", 40),
        _bin("T-05", None, 0),
        _bin("T-06", "A-7740", 9),
        _bin("T-07", None, 0),
        _bin("T-08", "A-7715", 25),
    ],
}
_ACETONITRILE: Final = {
    "reagent": "acetonitrile",
    "kept_in": "cabinet F3",
    "bottle_ml": 2500,
    "bottles": 4,
    "hazards": ["flammable", "harmful"],
    "use_by": "2027-01-31",
}
_ON_CALL: Final = {
    "day": "2026-11-14",
    "on_call": "Wanda Pirie",
    "backup": "Leif Hagen",
    "from": "18:00",
    "to": "06:00",
}

SOURCES: Final[dict[str, Source]] = {
    "machine": Source(
        "A machine of the workshop by its code, as in M-100.",
        "code",
        {
            "m-204": {
                "code": "M-204",
                "type": "CNC lathe",
                "hall": 2,
                "power_kw": 18.5,
                "rate_eur_per_hour": 64,
                "technician": "Wiebke Thiel",
                "service": {"last": "2026-03-17", "interval_days": 180},
            },
            "m-219": {
                "code": "M-219",
                "type": "hydraulic press",
                "hall": 1,
                "power_kw": 30,
                "rate_eur_per_hour": 88,
                "technician": "Bogdan Ilie",
                "service": {"last": "2026-05-04", "interval_days": 120},
            },
            "m-231": {
                "code": "M-231",
                "type": "milling machine",
                "hall": 3,
                "power_kw": 11,
                "rate_eur_per_hour": 51.5,
                "technician": "Wiebke Thiel",
                "service": {"last": "2026-02-09", "interval_days": 180},
            },
        },
    ),
    "technician": Source(
        "A technician of the workshop by full name.",
        "name",
        {
            "wiebke thiel": {
                "name": "Wiebke Thiel",
                "mobile": "0151 880 2263",
                "shift": "late",
                "certificates": [
                    {"kind": "welding", "valid_until": "2027-01-15"},
                    {"kind": "forklift", "valid_until": "2028-05-31"},
                ],
            },
            "bogdan ilie": {
                "name": "Bogdan Ilie",
                "mobile": "0151 880 2247",
                "shift": "early",
                "certificates": [{"kind": "high voltage", "valid_until": "2026-12-20"}],
            },
        },
    ),
    "project": Source(
        "A project of the firm by its name.",
        "name",
        {**_as(_CURLEW, "curlew", "project curlew"), **_as(_OSPREY, "osprey", "project osprey")},
    ),
    "customer": Source(
        "A customer of the firm by name: contact, address and terms.",
        "name",
        {**_as(_PELLWORM, "pellworm foods", "pellworm"), **_as(_HARTMOOR, "hartmoor ceramics", "hartmoor")},
    ),
    "colleague": Source(
        "The extension and desk of a colleague by full name.",
        "name",
        {
            "jantje rohde": [{"name": "Jantje Rohde", "extension": 4417, "desk": "2.31"}],
            "tunde balogun": [{"name": "Tunde Balogun", "extension": 4429, "desk": "1.06"}],
        },
        [],
    ),
    "timesheet": Source(
        "The hours that a colleague has booked this week, by full name.",
        "name",
        {
            "jantje rohde": [
                _entry("Monday", "Curlew", 6.5),
                _entry("Tuesday", "Osprey", 7),
                _entry("Wednesday", "Curlew", 4.25),
                _entry("Wednesday", "Osprey", 3),
                _entry("Thursday", "Curlew", 8),
                _entry("Friday", "training", 2),
            ]
        },
        [],
    ),
    "bill": Source(
        "A bill that the firm received, by its number, as in R-1000.",
        "number",
        {
            "r-2091": {
                "number": "R-2091",
                "from": "Ovalta",
                "issued": "2026-08-12",
                "due": "2026-09-11",
                "paid_on": "2026-09-08",
                "net_eur": 1840,
                "vat_percent": 19,
            },
            "r-2097": {
                "number": "R-2097",
                "from": "Galvanor",
                "issued": "2026-09-01",
                "due": "2026-10-01",
                "paid_on": None,
                "net_eur": 622.4,
                "vat_percent": 19,
            },
        },
    ),
    "vendor": Source(
        "A vendor that the firm buys from, by name.",
        "name",
        {
            "galvanor": _GALVANOR,
            **_as(_STEENBECK, "steenbeck metals", "steenbeck"),
            "ovalta": _OVALTA,
        },
    ),
    "purchase": Source(
        "A purchase order of the firm by its number, as in PO-1000.",
        "number",
        {
            "po-3318": {
                "number": "PO-3318",
                "vendor": "Galvanor",
                "placed": "2026-09-22",
                "promised": "2026-10-05",
                "lines": [{"article": "zinc sheet", "quantity": 60, "unit_price_eur": 14.2}],
            },
            "po-3325": {
                "number": "PO-3325",
                "vendor": "Steenbeck Metals",
                "placed": "2026-10-01",
                "promised": "2026-10-09",
                "lines": [
                    {"article": "steel beam", "quantity": 40, "unit_price_eur": 86.5},
                    {"article": "base plate", "quantity": 12, "unit_price_eur": 118},
                ],
            },
        },
    ),
    "article": Source(
        "An article of the catalogue by its number, as in A-1000.",
        "number",
        {
            "a-7702": {
                "number": "A-7702",
                "name": "hex bolt M8",
                "pieces_per_box": 200,
                "eur_per_box": 12.4,
                "vendor": "Steenbeck Metals",
            },
            "a-7715": {
                "number": "A-7715",
                "name": "wing nut M6",
                "pieces_per_box": 500,
                "eur_per_box": 21.75,
                "vendor": "Ovalta",
            },
        },
    ),
    "stockroom": Source(
        "The bins of a stockroom by its name, and what is in them.",
        "name",
        {
            **_as(_TANYARD, "tanyard", "tanyard stockroom", "stockroom tanyard"),
            **_as({"stockroom": "Saltpan", "bins": []}, "saltpan", "saltpan stockroom", "stockroom saltpan"),
        },
    ),
    "host": Source(
        "A server of the data centre by its host name.",
        "host",
        {
            "lynx-02": {
                "host": "lynx-02",
                "system": "Debian 12",
                "memory_gb": 128,
                "rack": "R09",
                "serves": ["mail", "calendar"],
                "booted": "2026-07-03",
            },
            "lynx-07": {
                "host": "lynx-07",
                "system": "Rocky Linux 9",
                "memory_gb": 512,
                "rack": "R14",
                "serves": ["warehouse database"],
                "booted": "2026-09-29",
            },
        },
    ),
    "rack": Source(
        "A rack of the data centre by its code, as in R01.",
        "code",
        {
            "r09": {"rack": "R09", "room": "cellar 3", "height_units": 42, "max_load_kw": 4.8},
            "r14": {"rack": "R14", "room": "annex 1", "height_units": 47, "max_load_kw": 6.4},
        },
    ),
    "ticket": Source(
        "A ticket of the help desk by its number.",
        "number",
        {
            "88397": {
                "number": 88397,
                "subject": "VPN drops every hour",
                "host": None,
                "priority": "high",
                "assigned_to": "Tunde Balogun",
                "opened": "2026-08-27",
                "closed": "2026-09-15",
            },
            "88412": {
                "number": 88412,
                "subject": "shared calendar is empty",
                "host": "lynx-02",
                "priority": "low",
                "assigned_to": "Sabine Attwell",
                "opened": "2026-09-30",
                "closed": None,
            },
            "88420": {
                "number": 88420,
                "subject": "stock queries time out",
                "host": "lynx-07",
                "priority": "urgent",
                "assigned_to": "Tunde Balogun",
                "opened": "2026-10-06",
                "closed": None,
            },
        },
        kind="integer",
    ),
    "roster": Source(
        "Who is on call on a day, as in 2026-01-31.",
        "day",
        _as(_ON_CALL, "2026-11-14", "14 november 2026", "november 14, 2026", "14.11.2026"),
    ),
    "sample": Source(
        "A water sample of the laboratory by its code, as in L-1000.",
        "code",
        {
            "l-5093": {
                "code": "L-5093",
                "taken": "2026-06-11",
                "place": "well 4",
                "results": [
                    _analyte("lead", 7.2, 10, "µg/l"),
                    _analyte("nitrate", 58, 50, "mg/l"),
                    _analyte("arsenic", 3.1, 10, "µg/l"),
                    _analyte("chloride", 120, 250, "mg/l"),
                ],
            }
        },
    ),
    "reagent": Source(
        "A reagent of the laboratory by its name.",
        "name",
        {
            "acetonitrile": _ACETONITRILE,
            "the acetonitrile": _ACETONITRILE,
            "toluene": {
                "reagent": "toluene",
                "kept_in": "cabinet F1",
                "bottle_ml": 1000,
                "bottles": 2,
                "hazards": ["flammable"],
                "use_by": "2026-12-15",
            },
        },
    ),
    "field": Source(
        "A field of the farm by its name.",
        "name",
        {**_as(_LONG_ACRE, "long acre", "long acre field"), **_as(_ROOKERY, "rookery", "the rookery", "rookery field")},
    ),
    "shipment": Source(
        "A shipment by its number, as in SH-1000.",
        "number",
        {
            "sh-7736": {
                "number": "SH-7736",
                "from": "Izmir",
                "to": "Gdynia",
                "carrier": "Bluefin Lines",
                "sailed": "2026-11-02",
                "expected": "2026-11-23",
                "containers": 3,
            },
            "sh-7741": {
                "number": "SH-7741",
                "from": "Halifax",
                "to": "Esbjerg",
                "carrier": "Polarline Freight",
                "sailed": "2026-11-19",
                "expected": "2026-12-09",
                "containers": 1,
            },
            "sh-7750": FAILED,
        },
    ),
    "carrier": Source(
        "A carrier by its name.",
        "name",
        _as(_POLARLINE, "polarline freight", "polarline"),
    ),
    "site": Source(
        "A building site by its name.",
        "name",
        {
            **_as(_MILLRACE, "millrace lofts", "millrace"),
            **_as(FAILED, "ferris yard", "ferris yard site"),
        },
    ),
}

FILES: Final[dict[str, str]] = {
    "workshop.csv": """\
date,machine,fault,hours,cost_eur
2026-01-14,M-204,chuck worn,3,410.00
2026-02-02,M-219,seal leaking,2,340.50
2026-02-27,M-231,spindle noise,5,920.00
2026-04-19,M-219,pump replaced,9,1280.00
2026-05-08,M-204,coolant hose,1,62.30
2026-07-21,M-219,gauge broken,1,95.00
""",
    "yields.csv": """\
field,year,crop,tonnes
Long Acre,2023,wheat,61
Long Acre,2024,wheat,55
Long Acre,2025,rapeseed,72
Rookery,2023,rye,80
Rookery,2024,wheat,40
Rookery,2025,wheat,58
Mill Piece,2023,barley,49
Mill Piece,2024,rye,66
Mill Piece,2025,wheat,70
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task("lathe-power", "how many kw does M-204 draw", ("machine", "technician"), (_num(r"18[.,]50?"),)),
    Task(
        "host-system",
        "Which operating system is lynx-02 running?",
        ("host", "ticket"),
        (r"(?i)Debian(?: GNU/Linux)? 12\b",),
        (r"Rocky",),
    ),
    Task(
        "curlew-due",
        "Quick one before my call at ten: by what date does the project Curlew have to be finished?",
        ("project", "customer", "roster"),
        (_day("2026-10-30"),),
        (r"2027-02-26",),
    ),
    Task(
        "reagent-place",
        "Where do we keep the acetonitrile, and when does it go off?",
        ("reagent", "sample"),
        (r"(?i)\bF ?3\b", _day("2027-01-31")),
    ),
    Task(
        "who-has-it",
        "who's dealing with ticket 88412",
        ("ticket", "colleague"),
        (r"Attwell",),
        (r"Balogun",),
    ),
    Task(
        "in-charge",
        "I need the name of the person in charge of the works on the building site Millrace Lofts.",
        ("site", "project"),
        (r"(?i)Desmond|\bOke\b",),
        (r"(?i)in charge[^.,;\n]{0,50}Morandi|Morandi is (?:in charge|the (?:person|foreman))",),
    ),
    Task(
        "arrival",
        "When is shipment SH-7736 expected, and at which port?",
        ("shipment", "carrier"),
        (_day("2026-11-23"), r"(?i)Gdynia"),
        (r"(?i)(?:arriv\w+|expected)(?: \w+){0,2} (?:at|in) Izmir",),
    ),
    Task(
        "pay-term",
        "How long does Pellworm Foods normally get to pay what it owes us?",
        ("customer", "bill"),
        (_num("45") + "|forty-five",),
    ),
    Task(
        "barley",
        "What was sown on the field Long Acre for 2026?",
        ("field", "shipment", "article"),
        (r"(?i)\bbarley",),
        (r"(?i)\b(?:in|for) 2026[^.,;\n]{0,25}(?:rapeseed|beans)",),
    ),
    Task(
        "forklift",
        "Is Wiebke Thiel certified to drive a forklift? If she is, until when is that valid?",
        ("technician", "machine"),
        (_day("2028-05-31"),),
        (r"(?i)^\W*no\b|forklift[^.;\n]{0,40}2027-01-15|not certified",),
    ),
    Task(
        "on-call",
        "Could you kindly tell me who is on call on 14 November 2026? I am swapping shifts with them.",
        ("roster", "timesheet"),
        (r"(?i)Wanda|Pirie",),
        (r"(?i)Hagen (?:is|will be) on[- ]call|on[- ]call[^.,;\n]{0,40}(?:is|:) Leif",),
    ),
    Task(
        "over-limit",
        "Which of the substances in the water sample L-5093 is above its limit?",
        ("sample", "reagent"),
        (r"(?i)nitrate",),
        (
            (
                r"(?i)(?<!not )(?:above|over|exceeds?)(?: \w+){0,3}(?: is|:) (?:lead|arsenic|chloride)"
                r"|(?:lead|arsenic|chloride) (?:is|are) (?:above|over)|\b(?:lead|arsenic|chloride),? and nitrate"
                r"|nitrate and (?:lead|arsenic|chloride)(?! (?:is|are) (?:not|below|under))"
            ),
        ),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "oil-leak",
        "There's oil all over the floor under M-219. What's the mobile number of the technician who looks after it?",
        ("machine", "technician", "site"),
        (r"880[- ]?2247",),
        (r"880[- ]?2263",),
    ),
    Task(
        "customer-town",
        "In which town does the customer we're doing project Curlew for have its address?",
        ("project", "customer", "vendor"),
        (r"(?i)Flensburg",),
        (r"Stoke",),
    ),
    Task(
        "mail-room",
        "Somebody has to pull a cable out of lynx-02 by hand. Find out which room the rack it sits in is in.",
        ("host", "rack", "stockroom"),
        (r"(?i)cellar\W{0,3}(?:3|three)\b",),
        (r"(?i)annex",),
    ),
    Task(
        "chase-up",
        "PO-3318 should have been here ages ago. Which e-mail address do I chase the vendor at about the order?",
        ("purchase", "vendor", "bill"),
        (r"(?i)orders@galvanor\.example",),
        (r"(?i)(?:sales@|hello@)|address[^.;\n]{0,40} is:? accounts@",),
    ),
    Task(
        "hotline",
        "pls give me the hotline of whoever is carrying SH-7741",
        ("shipment", "carrier", "customer"),
        (r"70[ -]?21[ -]?88[ -]?34",),
        (r"70[ -]?21[ -]?88[ -]?10",),
    ),
    Task(
        "rack-load",
        "Ticket 88420 concerns one of our servers. What load in kW is the rack of that server allowed to take?",
        ("ticket", "host", "rack"),
        (_num(r"6[.,]40?"),),
        (r"(?<![\d.,])4[.,]8",),
    ),
    # -- comparisons, sums, lists and calculations -------------------------------------------------------------------
    Task(
        "dearer-hour",
        "Is an hour on M-204 dearer than one on M-231, and if so by how much?",
        ("machine", "article"),
        (_num(r"12[.,]50?"),),
        (r"(?i)^\W*no\b|M-231 (?:is|costs) (?:\S+ ){0,3}(?:dearer|more)\b",),
    ),
    Task(
        "with-vat",
        "Bill R-2091 is given net. What does it come to once VAT has been added?",
        ("bill", "purchase"),
        (_num(rf"2{_T}189[.,]60?"),),
    ),
    Task(
        "ticket-days",
        "How many days was ticket 88397 open before it was closed?",
        ("ticket", "timesheet"),
        (_num("19") + "|nineteen",),
        (r"(?i)\b(?:18|20) days",),
    ),
    Task(
        "acres",
        "My cousin from Ohio asks how big Long Acre is - the field, I mean. Please give it to me in acres.",
        ("field", "site"),
        (r"(?<![\d.,])30[.,](?:8[89]|9)\d*|(?<![\d.,])31(?![.,]?\d)",),
        (r"(?i)12[.,]5 acres",),
    ),
    Task(
        "budget-left",
        "how much of curlews budget is still unspent?",
        ("project", "bill"),
        (_num(rf"52{_T}350"),),
        (r"(?i)(?:left|unspent|remain\w*)(?: is|:) (?:€|EUR )?(?:184|131)",),
    ),
    Task(
        "curlew-hours",
        "Add up the hours Jantje Rohde has booked on Curlew this week.",
        ("timesheet", "colleague"),
        (_num(r"18[.,]75") + r"|\b18 ?(?:h|hours?)(?: and)? 45",),
        (r"(?i)Curlew[^.;\n]{0,30}(?: is|:) 30[.,]75",),
    ),
    Task(
        "empty-bins",
        "We've a delivery coming. How many bins in the stockroom Tanyard have nothing in them?",
        ("stockroom", "article", "shipment"),
        (_num("3") + r"|\bthree\b",),
        (r"(?i)(?<!of )(?<!of the )\b(?:[124-8]|one|two|four|five|six|eight) (?:empty bins|bins (?:are|have no)\b)",),
    ),
    Task(
        "quickest",
        "Galvanor, Steenbeck Metals or Ovalta: with which of them does it take the least time until goods arrive?",
        ("vendor", "shipment"),
        (r"(?i)Steenbeck",),
        (
            r"(?i)(?:Galvanor|Ovalta) (?:\([^)]*\) )?(?:is|has|takes|delivers) (?:the )?(?:quick|fast|short|least|low)",
            r"(?i)(?:quickest|fastest|shortest|least|lowest)(?: \w+){0,3}(?: is|:) (?:Galvanor|Ovalta)",
        ),
    ),
    Task(
        "bolt-boxes",
        "What would 35 boxes of article A-7702 cost us?",
        ("article", "stockroom"),
        (_num("434"),),
        (r"(?i)434 ?(?:pieces|c\b|cents)",),
    ),
    Task(
        "still-open",
        "List the milestones of the project Osprey that haven't been reached yet.",
        ("project", "ticket"),
        (r"(?i)safety audit", r"(?i)hand-?over"),
        (r"(?i)tooling|pilot run",),
    ),
    Task(
        "next-service",
        "If you go by the last service and the interval, on what date does M-204 have to be serviced again?",
        ("machine", "roster"),
        (_day("2026-09-13"),),
    ),
    Task(
        "signature",
        "Anything over 5,000 euros requires a second signature here. Add up the lines of PO-3325 and tell me what"
        " they come to, please.",
        ("purchase", "vendor", "article"),
        (_num(rf"4{_T}876"),),
        (r"(?i)^\W*yes\b|\bexceeds\b|\byou do need|(?<!no second )signature is (?:required|needed)\W*$",),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "no-ticket",
        "Who has ticket 99120 been assigned to?",
        ("ticket", "colleague"),
        NOT_FOUND,
        (r"Balogun|Attwell",),
    ),
    Task(
        "too-heavy",
        "The new floor bears 5 tonnes at most, so: how heavy is M-231?",
        ("machine", "site"),
        NOT_FOUND,
        (r"(?i)(?<![\d.,])(?!5\b)\d[\d.,]* ?(?:kg|tonnes?|tons?|t)\b",),
    ),
    Task(
        "no-hours",
        "how many hrs did corwin daly put down for this week",
        ("timesheet", "project"),
        NOT_FOUND,
        (r"(?i)\b[1-9][\d.,]* ?(?:h|hrs?|hours)\b",),
    ),
    Task(
        "unpaid",
        "The auditors would like to know on which day bill R-2097 was paid.",
        ("bill", "vendor"),
        NOT_FOUND,
        (r"(?i)(?<!not )paid on (?:the )?(?:2026|\d|Sep|Oct)",),
    ),
    Task(
        "fax",
        "Old school, I know, but what's the fax number of Hartmoor Ceramics?",
        ("customer", "vendor"),
        NOT_FOUND,
        (r"(?i)fax(?: number)?(?: (?:of|for) [\w ]+?)?(?: is|:) \+?\d",),
    ),
    Task(
        "fullest-bin",
        "Please check the stockroom Saltpan and tell me which of its bins is the fullest.",
        ("stockroom", "machine"),
        NOT_FOUND,
        (r"(?i)\b[TS]-0\d|\bA-77\d\d|fullest(?: bin)? is (?!not\b|un|none)\w",),
    ),
    Task(
        "osprey-lead",
        "I have to ring whoever leads the project Osprey. Which extension is that?",
        ("project", "colleague", "host"),
        NOT_FOUND,
        (r"\b4\d{3}\b",),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "two-shipments",
        "I need the expected dates of both SH-7741 and SH-7750.",
        ("shipment", "carrier"),
        (_day("2026-12-09"), *FAILURE),
        (r"(?i)SH-7750(?: \w+){0,3}(?: is|:| on) (?:expected )?(?:on )?(?:2026|\d)",),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "press-repairs",
        "How much money has gone into repairing M-219 so far, according to the file?",
        ("query", "bill"),
        (_num(rf"1{_T}715[.,]50?"),),
        files=("workshop.csv",),
    ),
    Task(
        "best-field",
        "Which field has brought in the most tonnes if all the years in the table are taken together, and how many?",
        ("query", "field"),
        (r"(?i)Long Acre", _num("188")),
        files=("yields.csv",),
    ),
)
