"""Forty goals for the agent, whose author knew neither its code nor how it checks its answers.

The worlds are timetables, a hospital, the sky, a laboratory, a rota of servers, a town in figures, and others. The data
come as services send them: ids to be followed, maps with keys, pages, units in names or in values, and near namesakes.
"""

from __future__ import annotations

from typing import Any, Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Json, Source, Task

ABSENT: Final = (
    NOT_FOUND[0]
    + r"|\bnot?\b|n[’']t\b|\bcannot\b|\bmissing\b|\bnull\b|\bempty\b|\black(?:s|ing)?\b|\bunable\b|\bvacant\b"
    + r"|\bunassigned\b|\bunavailable\b|\bunspecified\b",
)
"""An answer that says that the thing is not there."""

OUTAGE: Final = (FAILURE[0] + r"|\bnot\b|n[’']t\b|\bcannot\b|\bunable\b|\berror\b|\bis down\b|\bunknown\b",)
"""An answer that says that it could not be looked up."""


def under(record: Any, *keys: str) -> Json:
    """The same answer for each of several spellings."""
    return dict.fromkeys(keys, record)


# -- what several spellings lead to ------------------------------------------------------------------------------------

_SEPTEMBER: Final = {
    "month": "2026-09",
    "date_format": "DD/MM/YYYY",
    "moon": {
        "last_quarter": "04/09/2026",
        "new": "11/09/2026",
        "first_quarter": "18/09/2026",
        "full": "26/09/2026",
    },
    "meteor_showers": [],
}
_PHONOLOGY: Final = {
    "code": "LIN-240",
    "title": "Phonology II",
    "credits": 10,
    "lecturer": "Dr Petronel Wyse",
    "written_exam": False,
    "coursework": [{"kind": "essay", "share": "60%"}, {"kind": "talk", "share": "40%"}],
    "requires": ["LIN-110"],
}
_OSSEL: Final = {
    "river": "Ossel",
    "source": "Mount Dray",
    "mouth": "Bay of Lorne",
    "length_km": 412,
    "basin_km2": 10300,
    "tributaries": ["Little Ossel", "Tarn Water"],
}
_WEND: Final = {
    "river": "Wend",
    "source": "Hags Moor",
    "mouth": "Lake Idris",
    "length_km": 388.5,
    "basin_km2": 14900,
    "tributaries": [],
}
_CASTLE: Final = {
    "lender": "Castle & Keys",
    "loan_eur": 10000,
    "months": 48,
    "apr_percent": 5.2,
    "monthly_eur": 231.2,
    "arrangement_fee_eur": 0,
    "total_repayable_eur": 11097.6,
}
_BRINMOOR: Final = {
    "lender": "Brinmoor Bank",
    "loan_eur": 10000,
    "months": 48,
    "apr_percent": 4.9,
    "monthly_eur": 229.8,
    "arrangement_fee_eur": 150,
    "total_repayable_eur": 11180.4,
}
_VESPER: Final = {
    "concert": "Vesper Concert",
    "venue": "Chapel of St Anselm",
    "programme": [
        {"work": "Lament for Strings", "composer": "A. Voll", "lasts": "12 min"},
        {"work": "River Psalms", "composer": "J. Haldimand", "lasts": "27 min"},
        {"work": "Toccata in Grey", "composer": "A. Voll", "lasts": "8 min"},
        {"work": "Symphony No. 2", "composer": "R. Teschner", "lasts": "34 min"},
    ],
    "interval": "20 min",
    "doors_open": "18:45",
}
_CARDAMOM: Final = {
    "bake": "Cardamom Ring",
    "serves": 6,
    "oven": "180 °C",
    "needs": {"flour": "360 g", "butter": "150 g", "milk": "240 ml", "sugar": "90 g", "cardamom": "2 tsp"},
}
_BASHIR: Final = {
    "animal": "Bashir",
    "species": "Tarsian tiger",
    "sex": "male",
    "weight": "184 kg",
    "diet": {"meat_per_day": "6500 g", "fasting_days": None},
    "keeper": "Lorna Petch",
}
_CORMORANT: Final = {
    "trail": "Cormorant Way",
    "length_km": 58.4,
    "ascent_m": 1240,
    "stages": 4,
    "waymark": "blue bird",
}
_DROWNED_BELL: Final = {
    "opera": "The Drowned Bell",
    "house": "Varnholt Opera",
    "sung_in": "Czech",
    "conductor": "Benedikta Sorge",
    "cast": {
        "Miller's daughter": "Lucia Amsel",
        "Miller": "Oskar Venn",
        "Bell-founder": "Tadeus Krol",
        "Ferryman": "Ismay Holroyd",
    },
}
_VX_2206: Final = {"flight": "VX 2206", "from": "TLM", "to": "RSB", "departs": "2026-08-30T09:15", "tail": "G-OQTR"}
_VX_2208: Final = {"flight": "VX 2208", "from": "RSB", "to": "TLM", "departs": "2026-08-30T12:40", "tail": "G-OQTP"}
_SKARN: Final = {
    "region": "Skarn",
    "count": 6,
    "next_page": None,
    "quakes": [
        {"at": "2026-04-02T03:11Z", "mag": 4.6, "depth_km": 12},
        {"at": "2026-04-02T19:40Z", "mag": 3.9, "depth_km": 8},
        {"at": "2026-04-03T06:02Z", "mag": 4.2, "depth_km": 35},
        {"at": "2026-04-05T11:27Z", "mag": 5.1, "depth_km": 18.5},
        {"at": "2026-04-06T00:55Z", "mag": 2.8, "depth_km": 6},
        {"at": "2026-04-07T14:18Z", "mag": 4.4, "depth_km": 10},
    ],
}
_HERON: Final = {
    "cluster": "heron",
    "alerts": [
        {"host": "heron-a1", "check": "disk", "severity": "critical", "acknowledged_by": "svea"},
        {"host": "heron-a3", "check": "memory", "severity": "critical", "acknowledged_by": None},
        {"host": "heron-b1", "check": "clock", "severity": "warning", "acknowledged_by": None},
        {"host": "heron-b2", "check": "replication", "severity": "critical", "acknowledged_by": None},
        {"host": "heron-b4", "check": "disk", "severity": "info", "acknowledged_by": None},
    ],
}

SOURCES: Final[dict[str, Source]] = {
    # -- trains and aeroplanes ---------------------------------------------------------------------------------------
    "departure_board": Source(
        "The departure board of a railway station, by the name of the station.",
        "station",
        under(
            {
                "station": "Gantry Cross",
                "as_of": "17:05",
                "services": [
                    {"due": "17:24", "to": "Ruddlecombe Road", "platform": "2", "expected": "on time"},
                    {"due": "17:42", "to": "Ruddlecombe", "platform": "7b", "expected": "17:55"},
                    {"due": "17:58", "to": "Marlow Sands", "platform": "4", "expected": "cancelled"},
                    {"due": "18:10", "to": "Pellowmouth", "platform": None, "expected": "on time"},
                ],
            },
            "gantry cross",
            "gantry cross station",
        ),
    ),
    "flight_leg": Source(
        "A flight by its number, as in AB 1234, and the tail number of the aircraft that flies it.",
        "flight",
        {
            **under(_VX_2206, "vx 2206", "vx2206", "vx-2206"),
            **under(_VX_2208, "vx 2208", "vx2208", "vx-2208"),
        },
    ),
    "airframe": Source(
        "An aircraft by its tail number, as in G-ABCD.",
        "tail",
        {
            "g-oqtr": {
                "tail": "G-OQTR",
                "model": "Marten 190",
                "seats": {"business": 12, "economy": 88},
                "delivered": "2017-03",
                "range_nm": 2150,
            },
            "g-oqtp": {
                "tail": "G-OQTP",
                "model": "Heron 320",
                "seats": {"business": 20, "economy": 144},
                "delivered": "2021-10",
                "range_nm": 3080,
            },
        },
    ),
    "fares": Source(
        "Today's air fares on a route, by the code of the route, as in AAA-BBB.",
        "route",
        {
            "tlm-rsb": [
                {"airline": "Nimbair", "stops": 1, "fare_gbp": 98, "departs": "11:05"},
                {"airline": "Auklet", "stops": 0, "fare_gbp": 143, "departs": "08:20"},
                {"airline": "Polarjet", "stops": 2, "fare_gbp": 91, "departs": "05:30"},
                {"airline": "Kestrel Wings", "stops": 0, "fare_gbp": 129, "departs": "06:50"},
                {"airline": "Sandpiper Air", "stops": 0, "fare_gbp": 156, "departs": "17:15"},
            ],
            "tlm-grv": [],
        },
    ),
    # -- people ------------------------------------------------------------------------------------------------------
    "people_search": Source(
        "Searches the staff directory by surname only, and gives the ids of the employees.",
        "surname",
        under(
            {
                "hits": 2,
                "people": [
                    {"id": "E-2014", "name": "Ottilie Frayne", "department": "Payroll"},
                    {"id": "E-2041", "name": "Ottoline Frayne", "department": "Procurement"},
                ],
            },
            "frayne",
            "ottoline frayne",
        ),
        {"hits": 0, "people": []},
    ),
    "employee": Source(
        "The record of an employee by id, as in E-1000, with the id of the person they report to.",
        "id",
        {
            "e-2041": {
                "id": "E-2041",
                "name": "Ottoline Frayne",
                "title": "buyer",
                "reports_to": "E-1310",
                "contact": {"desk_extension": "6624", "mobile": "07700 901 377"},
            },
            "e-2014": {
                "id": "E-2014",
                "name": "Ottilie Frayne",
                "title": "payroll clerk",
                "reports_to": "E-1377",
                "contact": {"desk_extension": "6642", "mobile": "07700 901 512"},
            },
            "e-1310": {
                "id": "E-1310",
                "name": "Basil Quenby",
                "title": "head of procurement",
                "reports_to": "E-1002",
                "contact": {"desk_extension": "6100", "mobile": None},
            },
            "e-1377": {
                "id": "E-1377",
                "name": "Dagny Roscoe",
                "title": "head of payroll",
                "reports_to": "E-1001",
                "contact": {"desk_extension": "6170", "mobile": "07700 901 208"},
            },
            "e-1001": {
                "id": "E-1001",
                "name": "Gareth Ilves",
                "title": "chief financial officer",
                "reports_to": "E-0001",
                "contact": {"desk_extension": "6001", "mobile": None},
            },
            "e-1002": {
                "id": "E-1002",
                "name": "Sunita Brandvold",
                "title": "chief operating officer",
                "reports_to": "E-0001",
                "contact": {"desk_extension": "6002", "mobile": None},
            },
            "e-0001": {
                "id": "E-0001",
                "name": "Cornelis Hay",
                "title": "chief executive",
                "reports_to": None,
                "contact": {"desk_extension": "6000", "mobile": None},
            },
        },
    ),
    "module": Source(
        "A module of the university by its code, as in ABC-100.",
        "code",
        {
            **under(_PHONOLOGY, "lin-240", "lin 240", "lin240"),
            "lin-204": {
                "code": "LIN-204",
                "title": "Syntax I",
                "credits": 5,
                "lecturer": "Dr Amadou Crewe",
                "written_exam": True,
                "coursework": [],
                "requires": [],
            },
        },
    ),
    # -- the hospital ------------------------------------------------------------------------------------------------
    "inpatient": Source(
        "Where a patient of the hospital lies, by the record number, as in 10-1000.",
        "record",
        {
            "40-1187": {
                "record": "40-1187",
                "name": "Eluned Sparrow",
                "admitted": "2 Oct 2026",
                "ward": "C4",
                "bed": 11,
            },
            "40-1203": {
                "record": "40-1203",
                "name": "Wilf Anstruther",
                "admitted": "5 Oct 2026",
                "ward": "D1",
                "bed": 3,
            },
        },
    ),
    "ward": Source(
        "A ward of the hospital by its code, as in A1.",
        "code",
        {
            **under(
                {
                    "ward": "C4",
                    "speciality": "cardiology",
                    "beds": {"total": 28, "taken": 25},
                    "consultant": {"name": "Dr Ansel Brightwater", "pager": "3391"},
                    "nurse_in_charge": {"name": "Tove Marling", "pager": "3306"},
                },
                "c4",
                "ward c4",
            ),
            **under(
                {
                    "ward": "D1",
                    "speciality": "orthopaedics",
                    "beds": {"total": 22, "taken": 22},
                    "consultant": {"name": "Dr Ruth Mabry", "pager": "3174"},
                    "nurse_in_charge": None,
                },
                "d1",
                "ward d1",
            ),
        },
    ),
    # -- the sky -----------------------------------------------------------------------------------------------------
    "almanac": Source(
        "The sky in a month: the phases of the moon, and meteor showers. The month is given as in 2026-01.",
        "month",
        under(_SEPTEMBER, "2026-09", "2026-9", "september 2026", "09/2026", "september"),
    ),
    "exoplanet": Source(
        "A planet of another star by its name.",
        "planet",
        {
            "halcyra c": {
                "planet": "Halcyra c",
                "host_star": "HX-2214",
                "year_in_days": 19.6,
                "mass_in_earths": 4.1,
                "found": 2019,
            },
            "halcyra b": {
                "planet": "Halcyra b",
                "host_star": "HX-2214",
                "year_in_days": 6.2,
                "mass_in_earths": 1.3,
                "found": 2017,
            },
        },
    ),
    "star": Source(
        "A star by its catalogue number, as in AB-1000.",
        "number",
        {
            "hx-2214": {
                "star": "HX-2214",
                "class": "K4",
                "surface_kelvin": 4310,
                "distance_ly": 128.5,
                "age": "5.2 Gyr",
            },
            "hx-2241": {"star": "HX-2241", "class": "M1", "surface_kelvin": 3620, "distance_ly": 71.9, "age": None},
        },
    ),
    "moon": Source(
        "A moon of a planet by its name.",
        "name",
        {
            "pell": {"moon": "Pell", "planet": "Oro", "diameter_km": 1180, "orbit": {"value": 31, "unit": "hours"}},
            "sabra": {"moon": "Sabra", "planet": "Oro", "diameter_km": 940, "orbit": {"value": 2.5, "unit": "days"}},
        },
    ),
    # -- chemistry ---------------------------------------------------------------------------------------------------
    "compound": Source(
        "A chemical compound by its name, with the number of its safety sheet.",
        "name",
        {
            "velorin": {
                "compound": "velorin",
                "formula": "C7H9NO2",
                "molar_mass_g_per_mol": 139.2,
                "boils_at": "214 °C",
                "safety_sheet": "SDS-0488",
            },
            "velorane": {
                "compound": "velorane",
                "formula": "C7H12",
                "molar_mass_g_per_mol": 96.2,
                "boils_at": "118 °C",
                "safety_sheet": "SDS-0484",
            },
        },
    ),
    "safety_sheet": Source(
        "A safety sheet by its number, as in SDS-1000.",
        "number",
        {
            "sds-0488": {
                "sheet": "SDS-0488",
                "flash_point": "91 °C",
                "gloves": "nitrile",
                "extinguish_fire_with": "dry powder",
                "store_at": "2-8 °C",
            },
            "sds-0484": {
                "sheet": "SDS-0484",
                "flash_point": "12 °C",
                "gloves": "butyl rubber",
                "extinguish_fire_with": "foam",
                "store_at": "15-25 °C",
            },
        },
    ),
    # -- servers, software and support -------------------------------------------------------------------------------
    "incident": Source(
        "An incident of the monitoring by its number, as in INC-10000.",
        "number",
        {
            "inc-30417": {
                "number": "INC-30417",
                "summary": "payments take over 20 s",
                "service": "checkout-api",
                "severity": 2,
                "opened_at": "2026-05-11T22:14:00Z",
                "resolved_at": None,
            },
        },
    ),
    "service_catalog": Source(
        "A service of the platform by its name, with the id of the team that owns it.",
        "service",
        {
            "checkout-api": {"service": "checkout-api", "language": "Go", "owner_team": "T-09", "replicas": 6},
            "checkout-web": {"service": "checkout-web", "language": "TypeScript", "owner_team": "T-12", "replicas": 3},
        },
    ),
    "squad": Source(
        "A team of engineers by its id, as in T-01.",
        "id",
        {
            "t-09": {"team": "T-09", "name": "Ledger", "lead": "Noor Vasanth", "chat_channel": "#ledger-help"},
            "t-12": {"team": "T-12", "name": "Storefront", "lead": "Piet Loman", "chat_channel": "#storefront-talk"},
        },
    ),
    "alerts": Source(
        "The alerts of a cluster of servers that are open now, by the name of the cluster.",
        "cluster",
        under(_HERON, "heron", "heron cluster", "cluster heron"),
    ),
    "package_index": Source(
        "A software package by its name.",
        "package",
        {
            "tidewire": {
                "package": "tidewire",
                "license": "MPL-2.0",
                "releases": {"preview": "4.0.0-rc2", "stable": "3.8.1", "long_term": "2.14.9"},
                "maintainers": ["h.okonjo", "rlind"],
                "stars": 1820,
            },
            "tidewire-lite": {
                "package": "tidewire-lite",
                "license": "MIT",
                "releases": {"preview": None, "stable": "0.9.4", "long_term": None},
                "maintainers": ["rlind"],
                "stars": 77,
            },
        },
    ),
    "support_queue": Source(
        "The open cases of customer support, three to a page, by the number of the page: 1 is the first.",
        "page",
        {
            "1": {
                "page": 1,
                "pages": 2,
                "cases": [
                    {"case": "S-811", "customer": "Alder Print", "plan": "premium", "waiting": "31 h"},
                    {"case": "S-814", "customer": "Moxon Foods", "plan": "basic", "waiting": "52 h"},
                    {"case": "S-820", "customer": "Tarrant & Co", "plan": "premium", "waiting": "6 h"},
                ],
            },
            "2": {
                "page": 2,
                "pages": 2,
                "cases": [
                    {"case": "S-826", "customer": "Lisle Optics", "plan": "premium", "waiting": "27 h"},
                    {"case": "S-829", "customer": "Bower Tiles", "plan": "basic", "waiting": "3 h"},
                    {"case": "S-833", "customer": "Orme Marine", "plan": "premium", "waiting": "19 h"},
                ],
            },
        },
        kind="integer",
    ),
    # -- museum, library, stage --------------------------------------------------------------------------------------
    "artefact": Source(
        "An object of the museum by its inventory number, as in 1900.100, and the code of the gallery that shows it.",
        "inventory_number",
        {
            "1984.117": {
                "inventory_number": "1984.117",
                "object": "bronze mirror",
                "dated": "c. 320 BC",
                "found_at": "Tell Amrun",
                "gallery": "G14",
            },
            "1948.117": {
                "inventory_number": "1948.117",
                "object": "clay lamp",
                "dated": "c. AD 90",
                "found_at": "Ostrava Hill",
                "gallery": "G6",
            },
        },
    ),
    "gallery": Source(
        "A gallery of the museum by its code, as in G1.",
        "code",
        {
            "g14": {"gallery": "G14", "title": "Everyday Beauty", "floor": 2, "open": {"from": "10:30", "to": "16:45"}},
            "g6": {"gallery": "G6", "title": "Light and Fire", "floor": 0, "open": {"from": "09:00", "to": "17:30"}},
        },
    ),
    "catalogue": Source(
        "The copies of a book in the libraries of the county, by its title.",
        "title",
        {
            "the salt road": {
                "ok": True,
                "title": "The Salt Road",
                "writer": "I. Markey",
                "copies": [
                    {"library": "Upper Mere", "status": "on shelf"},
                    {"library": "Foundry Lane", "status": "on loan", "due_back": "2026-09-14"},
                    {"library": "Old Mint", "status": "on shelf"},
                    {"library": "Saint Clare", "status": "in repair"},
                ],
            },
            "the salt roads": {
                "ok": True,
                "title": "The Salt Roads",
                "writer": "E. Dufay",
                "copies": [{"library": "Saint Clare", "status": "on shelf"}],
            },
            "the grass orchard": {
                "ok": True,
                "title": "The Grass Orchard",
                "writer": "N. Pryce",
                "copies": [{"library": "Foundry Lane", "status": "on shelf"}],
            },
            "the glass orchard": {
                "ok": False,
                "error": {"code": "NO_MATCH", "message": "no title matches"},
                "did_you_mean": ["The Grass Orchard"],
            },
        },
        {"ok": False, "error": {"code": "NO_MATCH", "message": "no title matches"}, "did_you_mean": []},
    ),
    "opera_cast": Source(
        "Who sings and conducts an opera this season, by the title of the opera.",
        "title",
        under(_DROWNED_BELL, "the drowned bell", "drowned bell"),
    ),
    "concert_programme": Source(
        "The programme of a concert by its name.",
        "concert",
        under(_VESPER, "vesper concert", "the vesper concert", "vesper"),
    ),
    # -- land, weather and towns -------------------------------------------------------------------------------------
    "river": Source(
        "A river by its name.",
        "name",
        {
            **under(_OSSEL, "ossel", "the ossel", "river ossel", "ossel river"),
            **under(_WEND, "wend", "the wend", "river wend", "wend river"),
            "little ossel": {
                "river": "Little Ossel",
                "source": "Dray Fell",
                "mouth": "Ossel",
                "length_km": 61,
                "basin_km2": 540,
                "tributaries": [],
            },
        },
    ),
    "trail": Source(
        "A long-distance footpath by its name.",
        "name",
        under(_CORMORANT, "cormorant way", "the cormorant way"),
    ),
    "census": Source(
        "The population of a town at each census, by the name of the town.",
        "town",
        {
            "ashmarl": {
                "town": "Ashmarl",
                "population": {"1991": 38450, "2001": 39800, "2011": 41200, "2021": 44950},
            },
            "dunbeck": {
                "town": "Dunbeck",
                "population": {"1991": 58720, "2001": 61050, "2011": 63100, "2021": 65300},
            },
        },
    ),
    "air_monitor": Source(
        "What a station that measures the quality of the air reads now, by the name of the station.",
        "station",
        {
            "loxley park": {
                "station": "Loxley Park",
                "pm2_5": {"value": 9.4, "unit": "µg/m³"},
                "pm10": {"value": 31, "unit": "µg/m³"},
            },
            "quay street": {
                "station": "Quay Street",
                "pm2_5": {"value": 17.8, "unit": "µg/m³"},
                "pm10": {"value": 26, "unit": "µg/m³"},
            },
            "tannery gate": {
                "station": "Tannery Gate",
                "pm2_5": {"value": 14.1, "unit": "µg/m³"},
                "pm10": {"value": 38, "unit": "µg/m³"},
            },
        },
    ),
    "forecast": Source(
        "The weather forecast of a place for this week.",
        "place",
        {
            "vintry head": {
                "place": "Vintry Head",
                "units": {"high": "°C", "rain": "mm"},
                "days": [
                    {"day": "Monday", "high": 19, "rain": 0},
                    {"day": "Tuesday", "high": 22, "rain": 3.5},
                    {"day": "Wednesday", "high": 23, "rain": 0},
                    {"day": "Thursday", "high": 18, "rain": 0.8},
                    {"day": "Friday", "high": 25, "rain": 0},
                    {"day": "Saturday", "high": 21, "rain": 1.2},
                    {"day": "Sunday", "high": 17, "rain": 0},
                ],
            },
        },
    ),
    "rainfall": Source(
        "How much rain fell at a place in each month of last year.",
        "place",
        {
            "vintry head": {
                "place": "Vintry Head",
                "year": 2025,
                "rain_mm": {
                    "Jan": 98,
                    "Feb": 81,
                    "Mar": 71,
                    "Apr": 44,
                    "May": 53,
                    "Jun": 38,
                    "Jul": 29,
                    "Aug": 47,
                    "Sep": 66,
                    "Oct": 90,
                    "Nov": 112,
                    "Dec": 105,
                },
            },
        },
    ),
    "quake_feed": Source(
        "The earthquakes that were recorded in a region last week.",
        "region",
        under(_SKARN, "skarn", "near skarn"),
    ),
    # -- money, goods and papers -------------------------------------------------------------------------------------
    "loan_offer": Source(
        "What a lender asks for a loan of 10,000 euros over four years, by the name of the lender.",
        "lender",
        {
            **under(_BRINMOOR, "brinmoor bank", "brinmoor"),
            **under(_CASTLE, "castle & keys", "castle and keys"),
        },
    ),
    "permit": Source(
        "A fishing permit by its number, as in W-100.",
        "number",
        {
            "w-118": {
                "permit": "W-118",
                "holder": "Jorun Faske",
                "water": "Lake Idris",
                "valid": {"from": "14 Mar 2025", "to": "13 Mar 2027"},
            },
            "w-126": {
                "permit": "W-126",
                "holder": "Jorun Faske",
                "water": "Upper Wend",
                "valid": {"from": "3 Nov 2025", "to": "2 Nov 2026"},
            },
            "w-140": FAILED,
        },
    ),
    "sku_stock": Source(
        "How much of an article there is at each warehouse, by the number of the article, as in AB-1000.",
        "article",
        {
            "ln-7731": {
                "article": "LN-7731",
                "name": "storm lantern",
                "unit_weight": "850 g",
                "warehouses": {
                    "Goole": {"on_hand": 62, "reserved": 60},
                    "Hessle": {"on_hand": 140, "reserved": 35},
                    "Thorne": {"on_hand": 0, "reserved": 0},
                },
            },
        },
    ),
    "zoo_animal": Source(
        "An animal of the zoo by its name.",
        "name",
        under(_BASHIR, "bashir", "bashir the tiger", "the tiger bashir"),
    ),
    "baking_card": Source(
        "The card of a bake by its name: the number of people that it serves, and what it needs.",
        "bake",
        under(_CARDAMOM, "cardamom ring", "the cardamom ring"),
    ),
}

FILES: Final[dict[str, str]] = {
    "referendum.csv": """\
district,registered,yes,no,spoiled
Harbour,8120,2410,1985,31
Old Town,5340,1502,1688,19
Westfield,9475,2877,2790,46
Kilnside,6210,1344,1920,27
Airfield,3080,905,611,12
""",
    "hut.txt": """\
Sternjoch hut, summer of 2026.

A bed in the dormitory is 38 euros a night, and 24 euros for members of a mountain club. A bed in a small room is
52 euros a night, and 36 euros for members. Blankets are there; bring a liner.

There is a warden from 19 June to 27 September: Korbinian Egle. From Untertal it takes four hours to walk up, and from
Lauen two and a half. Dinner is at half past six. Cards are not taken.
""",
}

TASKS: Final = (
    # -- one thing to be looked up -----------------------------------------------------------------------------------
    Task(
        "ruddlecombe-1742",
        "I'm on the 17:42 to Ruddlecombe from Gantry Cross tonight. What platform do I need, and is it running to"
        " time?",
        ("departure_board", "flight_leg"),
        (r"(?i)\b7 ?-?b\b", r"(?i)17[:.]55|\b13 min|\blate\b|\bdelay|\bbehind\b|(?:\bnot|n[’']t) (?:running |on |to )"),
        (
            r"(?i)\bis (?:running )?(?:on|to) (?:time|schedule)|^\W*yes\b",
            r"(?i)platform (?:2|4)\b|cancel",
        ),
    ),
    Task(
        "tidewire-licence",
        "Two things about the package tidewire: which licence is it under, and what's the latest stable version?",
        ("package_index", "service_catalog"),
        (r"(?i)\bMPL\b|Mozilla Public", r"(?<![\d.])3\.8\.1(?!\d)"),
        (r"(?i)stable[^.,;\n]{0,25}(?:4\.0|2\.14|0\.9)|\bMIT\b",),
    ),
    Task(
        "full-moon",
        "when is it full moon in september 2026? thinking of taking the kids out to look at it",
        ("almanac", "moon", "forecast"),
        (r"(?i)\b26(?:th)?(?: of)? Sep|\bSep\w*\.? (?:the )?26|2026[-/.]0?9[-/.]26|(?<!\d)26[-/.] ?0?9\b|\b0?9/26\b",),
        (r"(?i)full moon[^.;\n]{0,30}(?:\b0?4|\b11|\b18)(?:th)?(?:[-/.]0?9\b| Sep)",),
    ),
    Task(
        "phonology-exam",
        "Is there a final exam to sit in LIN-240?",
        ("module", "employee"),
        (r"(?i)\bno\b|\bnot\b|n[’']t\b|\bwithout\b|\bfalse\b",),
        (
            r"(?i)\byes\b|there is an? (?:final |written )?exam|not (?:found|known|stat|specif|given|mention)",
            r"(?i)no (?:information|data|record|such|mention)",
        ),
    ),
    Task(
        "hut-night",
        "I belong to a mountain club and the dormitory is fine with me. What will a night at the Sternjoch hut set me"
        " back?",
        ("read", "trail"),
        (r"(?i)(?<![\d.,])24(?:[.,]00?)?(?![.,]?\d)|twenty-four",),
        (r"(?i)(?:costs?|pay|is|be|back)(?: you)?:? (?:€ ?|EUR ?)?(?:38|36|52)\b",),
        files=("hut.txt",),
    ),
    Task(
        "miller",
        "Who takes the part of the Miller in The Drowned Bell, and who's conducting?",
        ("opera_cast", "concert_programme"),
        (r"Venn\b", r"Sorge\b"),
        (
            r"Krol|Holroyd",
            r"(?i)Miller(?!['’]s)[^.;,\n]{0,30}Amsel",
        ),
    ),
    # -- from one thing to the next ----------------------------------------------------------------------------------
    Task(
        "frayne-extension",
        "Could you dig out the desk extension of Ottoline Frayne for me?",
        ("people_search", "employee"),
        (r"\b6624\b",),
        (r"\b6642\b",),
    ),
    Task(
        "two-up",
        "Employee E-2014 isn't happy with her manager and wants to go one level higher. What's the name of her"
        " manager's manager?",
        ("employee", "squad"),
        (r"Ilves\b|\bGareth\b",),
        (r"Brandvold|Quenby|Cornelis|(?i:manager['’]s manager is (?:Dagny|Roscoe))",),
    ),
    Task(
        "ward-pager",
        "Patient 40-1187 has a visitor at the front desk. Which pager do I call to get the nurse in charge on the ward"
        " where the patient is?",
        ("inpatient", "ward", "people_search"),
        (r"\b3306\b",),
        (r"\b3174\b|(?i:nurse[^.,;\n]{0,40}3391)",),
    ),
    Task(
        "halcyra-distance",
        "How far off, in light-years, is the star that the planet Halcyra c goes round?",
        ("exoplanet", "star", "moon"),
        (r"(?<![\d.,])128[.,]50?(?!\d)",),
        (r"\b71[.,]9|(?<![\d.,])19[.,]6 ?(?i:ly|light)",),
    ),
    Task(
        "plane-model",
        "What sort of plane will I be on with VX 2206, and how many economy seats does it have?",
        ("flight_leg", "airframe", "fares"),
        (r"(?i)Marten(?: |-)?190", r"(?<![\d.,])88(?![.,]?\d)"),
        (r"(?i)Heron|\b144\b|\b(?:12|100) economy",),
    ),
    Task(
        "velorin-fire",
        "HELP - a beaker of velorin has caught fire. What am I supposed to put it out with?",
        ("compound", "safety_sheet", "zoo_animal"),
        (r"(?i)\bpowder\b",),
        (r"(?i)\bfoam\b|\b(?:use|with) water\b|\bnitrile\b",),
    ),
    Task(
        "incident-channel",
        "INC-30417 has just landed on me. In which chat channel do I find the team that owns the service it's about?",
        ("incident", "service_catalog", "squad"),
        (r"(?i)ledger[-_ ]help",),
        (r"(?i)storefront",),
    ),
    Task(
        "mirror-closing",
        "I'd love to see the bronze mirror, inventory number 1984.117. Until what time can I get into the gallery it's"
        " in?",
        ("artefact", "gallery", "catalogue"),
        (r"(?i)\b16[:.h]45|\b0?4[:.]45 ?p|quarter to (?:5|five)",),
        (r"(?i)17[:.]30|5[:.]30 ?p|(?:until|till|at|closes) 10[:.]30",),
    ),
    # -- the one or the other ----------------------------------------------------------------------------------------
    Task(
        "ossel-or-wend",
        "Which is the longer river, the Ossel or the Wend, and what's the difference in kilometres?",
        ("river", "trail"),
        (r"(?i)\bOssel\b", r"(?<![\d.,])23[.,]50?(?!\d)"),
        (
            r"(?i)\bWend (?:\([^)]*\) )?is (?:the )?long|longer(?: river| one)?(?: is|:) (?:the )?(?:river )?Wend",
            r"(?i)(?<!\d)(?<!\d )[-\u2212]23[.,]5|Ossel (?:\([^)]*\) )?is (?:\S+ (?:km|kilometres) )?shorter",
        ),
    ),
    Task(
        "cheaper-loan",
        "I'm after 10,000 euros over four years. With whom do I hand back less money in total, Brinmoor Bank or Castle"
        " & Keys?",
        ("loan_offer", "fares"),
        (r"(?i)Castle",),
        (
            r"(?i)Brinmoor(?: Bank)? (?:\([^)]*\) )?(?:is|costs) (?:the )?(?:cheap|less|low)",
            r"(?i)(?:less|lower|cheaper)(?: (?!than\b)\w+){0,6}(?: with| is| at| from|:) (?:the )?Brinmoor",
            r"(?i)^\W*Brinmoor(?: Bank)?\W*$",
        ),
    ),
    Task(
        "slower-moon",
        "Of the two moons Pell and Sabra, which one needs longer to go once round its planet?",
        ("moon", "exoplanet"),
        (r"(?i)\bSabra\b",),
        (
            r"(?i)\bPell (?:\([^)]*\) )?(?:needs|takes|has|is) (?:the |a )?(?:long|slow|more)",
            r"(?i)(?:longer|slower|longest)(?: (?!than\b)\w+){0,4}(?: is|:) Pell",
            r"(?i)\bSabra (?:\([^)]*\) )?(?:needs|takes) less",
        ),
    ),
    Task(
        "growing-town",
        "From the 2011 census to the one in 2021, which of the two gained more inhabitants, Ashmarl or Dunbeck?",
        ("census", "river"),
        (r"(?i)\bAshmarl\b",),
        (
            r"(?i)\bDunbeck (?:\([^)]*\) )?(?:gained|grew|added|saw) (?:by |the )?(?:more|most|larg|bigg|great)",
            r"(?i)(?:more|most|larger|bigger)(?: (?!than\b)\w+){0,5}(?: is| was| in|:) Dunbeck|^\W*Dunbeck\W*$",
            r"(?i)\bAshmarl (?:\([^)]*\) )?(?:gained|grew|had) (?:by )?(?:fewer|less)",
        ),
    ),
    Task(
        "worst-air",
        "My daughter has asthma. Where is the PM2.5 highest at the moment: Loxley Park, Quay Street or Tannery Gate?",
        ("air_monitor", "forecast"),
        (r"(?i)Quay Street",),
        (
            r"(?i)(?:Park|Gate) (?:\([^)]*\) )?(?:has|is|with|shows|reads) (?:the )?(?:high|worst)",
            r"(?i)(?:highest|worst)(?: [\w.]+){0,6}(?: is| at| in|:) (?:Loxley|Tannery)|^\W*(?:Tannery|Loxley) \w+\W*$",
        ),
    ),
    Task(
        "permit-first",
        "Jorun holds two fishing permits, W-118 and W-126. Which will run out first?",
        ("permit", "almanac"),
        (r"(?i)\bW-126\b",),
        (
            r"(?i)\bW-118 (?:\([^)]*\) )?(?:will |is )?(?:runs?|expires?|ends?|the) (?:out |one )?(?:first|earl|soon)",
            r"(?i)(?:first|earlier|sooner)(?: \w+){0,4}(?: is|:) W-118|^\W*W-118\W*$",
        ),
    ),
    # -- out of a list -----------------------------------------------------------------------------------------------
    Task(
        "beach-days",
        "We want a day on the beach at Vintry Head this week: no rain at all, and warmer than 20 degrees. Which days"
        " qualify?",
        ("forecast", "rainfall"),
        (r"(?i)Wednesday", r"(?i)Friday"),
        (r"(?i)Monday|Tuesday|Thursday|Saturday|Sunday",),
    ),
    Task(
        "unacked",
        "Which hosts in the cluster heron have a critical alert that nobody has acknowledged?",
        ("alerts", "incident"),
        (r"(?i)heron-a3|\ba3\b", r"(?i)heron-b2|\bb2\b"),
        (r"(?i)\b(?:heron-)?(?:a1|b1|b4)\b",),
    ),
    Task(
        "salt-road",
        "Where could I walk in today and take The Salt Road home with me? Name every library that has it in.",
        ("catalogue", "gallery"),
        (r"(?i)Upper Mere", r"(?i)Old Mint"),
        (r"(?i)Foundry|Saint Clare|St\.? Clare",),
    ),
    Task(
        "skarn-quakes",
        "how many of last week's quakes around Skarn were stronger than magnitude 4 and less than 20 km down?",
        ("quake_feed", "river"),
        (r"(?i)(?<![\d.,:-])3(?!\d|[.,:]\d|-)|\bthree\b",),
        (r"(?i)\b(?:answer|count|number|total)(?: of \w+)?(?: is|:) (?:[124-6]|one|two|four|five|six)\b(?![.,]\d)",),
    ),
    Task(
        "premium-waiting",
        "Please go through both pages of the support queue, 1 and 2. Which customers on the premium plan have been"
        " waiting for more than 24 hours?",
        ("support_queue", "employee"),
        (r"(?i)Alder|S-811", r"(?i)Lisle|S-826"),
        (r"(?i)Moxon|Tarrant|Bower|Orme|S-8(?:14|20|29|33)",),
    ),
    Task(
        "nonstop-fare",
        "Cheapest non-stop on TLM-RSB - who flies it, and for how much?",
        ("fares", "departure_board"),
        (r"(?i)Kestrel", r"(?<![\d.,])129(?![.,]?[1-9])"),
        (
            r"(?i)cheapest[^.;,\n]{0,40}(?: is|:| by| with) (?:Auklet|Sandpiper|Polarjet|Nimbair)",
            r"(?i)(?:Auklet|Sandpiper(?: Air)?|Polarjet|Nimbair) (?:is|flies it|has the|offers the)",
        ),
    ),
    # -- to be worked out --------------------------------------------------------------------------------------------
    Task(
        "vesper-minutes",
        "How many minutes of music does the Vesper Concert add up to, if you leave out the interval?",
        ("concert_programme", "opera_cast"),
        (r"(?i)(?<![\d.,])81(?![.,]?\d)|\b1 ?h(?:ours?|r)?(?: and)? 21|eighty-one",),
        (r"(?i)(?:is|total|totals|:|up to|of) 101\b|^\W*101\b",),
    ),
    Task(
        "free-lanterns",
        "A shop would like some of article LN-7731. How many of those we have at Hessle are not reserved for anybody?",
        ("sku_stock", "baking_card"),
        (r"(?<![\d.,])105(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)\b107\b|\b175\b|(?:are|is) (?:140|35|2) (?:not|un|free|avail|lantern)",),
    ),
    Task(
        "tiger-meat",
        "How many kilograms of meat does Bashir the tiger get through in two weeks?",
        ("zoo_animal", "sku_stock"),
        (r"(?i)(?<![\d.,])91(?:[.,]0+)?(?![.,]?\d)|ninety-one",),
        (r"(?i)(?<![\d.,])(?:91[,'’ ]?000|13|45[.,]5|184|195)(?:[.,]0+)? ?(?:kg|kilo)",),
    ),
    Task(
        "ring-for-nine",
        "There'll be nine of us, and the card for the Cardamom Ring is written for fewer people than that. How many"
        " grams of flour should I weigh out?",
        ("baking_card", "concert_programme"),
        (r"(?<![\d.,])540(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)(?<![\d.,])(?:3[.,'’]?240|225|240) ?g|(?:need|out) 360 ?g",),
    ),
    Task(
        "cormorant-miles",
        "My American friends think in miles. How long is the Cormorant Way for them?",
        ("trail", "river", "airframe"),
        (r"(?<![\d.,])36(?:[.,](?:2[5-9]|3)\d*)?(?![.,]?\d)",),
        (r"(?i)\b(?:58[.,]4|9[34](?:[.,]\d+)?|31[.,]5\d*) ?mi|(?<![\d.,])36[.,]?\d* ?(?:km|kilom)",),
    ),
    Task(
        "spring-rain",
        "What was the average monthly rain at Vintry Head last year from March to May?",
        ("rainfall", "forecast", "air_monitor"),
        (r"(?<![\d.,])56(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)average[^.;\n\d]{0,60}(?: is| was|:) (?:168|69[.,]\d+|42)(?! ?[/÷+])",),
    ),
    Task(
        "yes-majority",
        "All districts taken together, how many more people voted yes than no in the referendum?",
        ("query", "census"),
        (r"(?i)(?<![\d.,])44(?:[.,]0+)?(?![.,]?\d)|forty-four",),
        (r"(?i)(?<!\d)(?<!\d )[-\u2212]44\b|\bby 425\b|more (?:people )?voted no\b",),
        files=("referendum.csv",),
    ),
    # -- not to be had -----------------------------------------------------------------------------------------------
    Task(
        "pellowmouth-platform",
        "what platform for the 18:10 to pellowmouth, gantry cross",
        ("departure_board", "fares"),
        (ABSENT[0] + r"|\byet\b|to be announced|\bTBA\b",),
        (r"(?i)\b(?:2|4|7b)\b",),
    ),
    Task(
        "tamsel",
        "I can't find anything in my atlas on the moon Tamsel. How many kilometres across is it?",
        ("moon", "star"),
        ABSENT,
        (r"(?i)(?<![\d.])\d[\d.,]* ?(?:km|kilomet)|1[.,'’]?180\b|\b940\b|\bPell\b|\bSabra\b",),
    ),
    Task(
        "groven-fare",
        "I have to get to Groven somehow. What's the lowest air fare today on the route TLM-GRV?",
        ("fares", "flight_leg"),
        ABSENT,
        (
            r"(?i)(?:£|GBP) ?\d|\d ?(?:£|GBP\b|pounds)|Nimbair|Auklet|Polarjet|Kestrel|Sandpiper",
            r"(?i)fare[^.;\n]{0,30}(?: is|:) \d",
        ),
    ),
    Task(
        "permit-down",
        "Until what day can I fish with permit W-140?",
        ("permit", "loan_offer"),
        OUTAGE,
        (r"(?i)\b(?:Mar|Nov)\w*\b|\b202\d\b|not exist|no such|no permit",),
    ),
    Task(
        "early-repayment",
        "What would Brinmoor Bank charge for paying a loan back ahead of time? I might come into some money.",
        ("loan_offer", "permit"),
        ABSENT,
        (
            r"(?i)^(?![\s\S]*\barrangement)[\s\S]*(?<![\d.,])150\b|229[.,]8|11[.,'’]?180",
            r"(?i)free of charge|(?:charges|asks|costs) (?:no (?:fee|charge|penalty)|nothing)",
            r"(?i)would(?: not|n[’']t) charge",
        ),
    ),
    Task(
        "no-nurse",
        "Pager number of the nurse in charge on the ward where patient 40-1203 lies, please.",
        ("inpatient", "ward", "employee"),
        ABSENT,
        (r"(?i)^(?![\s\S]*\bconsultant)[\s\S]*\b3174\b|\b3306\b|\b3391\b|Marling",),
    ),
    Task(
        "glass-orchard",
        "Does any library in the county have The Glass Orchard, and which one? Somebody at work won't stop talking"
        " about it.",
        ("catalogue", "artefact"),
        ABSENT,
        (
            r"(?i)^\W*yes\b|Glass Orchard[^.;\n]{0,60}(?:Foundry|Upper Mere|Old Mint|Saint Clare)",
            r"(?i)(?:Foundry Lane|Upper Mere|Old Mint|Saint Clare)(?: library)? (?:has|holds) (?:a copy|it|The Glass)",
        ),
    ),
)
