"""Thirty goals for the agent, whose author knew neither its code nor how it checks its answers.

The worlds are tides, telephone plans, games, cheese, wind power, an auction, a film festival, a kiln, and others. The
data come as services send them: ids to be followed, nested records, units in names or in values, and near namesakes.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, Source, Task
from bench.agent_goals_various import ABSENT, OUTAGE, under


def _chosen(loser: str, more: str) -> tuple[str, ...]:
    """What an answer has that takes the wrong one of two things: `more` is the word that it would use for it."""
    return (
        rf"(?i)^\W*{loser}\W*$",
        rf"(?i)\b{loser} (?:\([^)]*\) )?(?:is|has|was|had|contains|sells|ran|offers) (?:the |a )?(?:{more})",
        rf"(?i)\b(?:{more})(?: (?!than\b)\w+){{0,5}}(?: is| was| at| in|:) (?:the )?{loser}\b",
    )


# -- what several spellings lead to ------------------------------------------------------------------------------------

_SALLOW: Final = {
    "port": "Port Sallow",
    "zone": "UTC+1",
    "tides": [
        {"type": "low", "time": "01:14", "height_m": 0.9},
        {"type": "high", "time": "07:31", "height_m": 5.2},
        {"type": "low", "time": "13:40", "height_m": 1.1},
        {"type": "high", "time": "19:52", "height_m": 5.0},
    ],
}
_PELAGO: Final = {
    "plan": "Pelago",
    "price_eur_per_month": 24.0,
    "allowances": {"home": {"data_gb": 40, "minutes": None}, "roaming": {"data_gb": 6, "minutes": 120}},
    "contract_months": 12,
}
_LANTERN: Final = {
    "title": "Lantern Market",
    "designer": "Ilka Strom",
    "publisher": "Two Herons Games",
    "players": {"min": 2, "max": 5},
    "min_age": 8,
    "playing_time_min": 45,
    "year": 2021,
}
_SALT_ENGINE: Final = {
    "title": "The Salt Engine",
    "year": 2018,
    "crew": {
        "director": "Marek Dunhill",
        "writer": "Aoife Lanz",
        "composer": "Pia Korvald",
        "cinematographer": "Jun Tessaro",
    },
    "runtime_min": 118,
}
_ST_ODO: Final = {
    "hospital": "St Odo",
    "updated": "2026-06-03T06:00:00Z",
    "stock": [
        {"group": "O+", "units": 42},
        {"group": "O-", "units": 6},
        {"group": "A+", "units": 35},
        {"group": "A-", "units": 14},
        {"group": "B+", "units": 11},
        {"group": "AB-", "units": 3},
    ],
    "next_delivery": None,
}
_FENWOOL: Final = {
    "yarn": "Fenwool",
    "fibre": "80% wool, 20% linen",
    "ball": {"weight_g": 50, "length_m": 120, "price": "5.45 EUR"},
    "needles_mm": 4,
    "colours": 18,
}

SOURCES: Final[dict[str, Source]] = {
    # -- for the look-ups --------------------------------------------------------------------------------------------
    "tide_table": Source(
        "Today's tides at a port, by the name of the port.", "port", under(_SALLOW, "port sallow", "sallow")
    ),
    "phone_plan": Source(
        "A mobile telephone plan by its name.",
        "plan",
        {
            **under(_PELAGO, "pelago", "pelago plan"),
            "pelago mini": {
                "plan": "Pelago Mini",
                "price_eur_per_month": 11.0,
                "allowances": {"home": {"data_gb": 8, "minutes": 200}, "roaming": {"data_gb": 1, "minutes": 30}},
                "contract_months": 1,
            },
            **under(FAILED, "orbit", "orbit plan"),
        },
    ),
    "board_game": Source(
        "A board game by its title.",
        "title",
        {
            "lantern market": _LANTERN,
            "lantern makers": {
                "title": "Lantern Makers",
                "designer": "Bo Falk",
                "publisher": "Pinbox",
                "players": {"min": 1, "max": 4},
                "min_age": 12,
                "playing_time_min": 90,
                "year": 2015,
            },
        },
    ),
    "domain_record": Source(
        "The registration of an internet domain, by its name.",
        "domain",
        {
            "larkmoss.example": {
                "domain": "larkmoss.example",
                "registrar": "Namewell Ltd",
                "created": "2014-03-22",
                "updated": "2026-01-09",
                "expires": "2027-03-22",
                "nameservers": ["ns1.namewell.example", "ns2.namewell.example"],
            }
        },
    ),
    "warranty": Source(
        "The guarantee of an appliance by its serial number, as in AB-10000.",
        "serial",
        {
            "kd-55120": {
                "serial": "KD-55120",
                "appliance": "vacuum cleaner",
                "purchased": "2024-08-05",
                "coverage": {"parts_until": "2029-08-05", "labour_until": "2026-08-05", "accidental_damage": False},
            }
        },
    ),
    "cave": Source(
        "A cave by its name.",
        "name",
        {
            "brackle hole": {
                "cave": "Brackle Hole",
                "rock": "limestone",
                "surveyed_length_m": 2340,
                "depth_m": 187,
                "entrance_elevation_m": 612,
                "air_temperature_c": 8.5,
            }
        },
    ),
    "film_credits": Source(
        "The credits of a film by its title.", "title", under(_SALT_ENGINE, "the salt engine", "salt engine")
    ),
    "scholarship": Source(
        "A scholarship by its name.",
        "name",
        under(
            {
                "name": "Hollis Fellowship",
                "awards_per_year": 3,
                "amount_gbp": 9500,
                "opens": "2026-09-01",
                "deadline": "2026-11-15",
                "interviews": "2027-01-20",
                "decision": "2027-02-28",
            },
            "hollis fellowship",
            "the hollis fellowship",
            "hollis",
        ),
    ),
    # -- for the chains ----------------------------------------------------------------------------------------------
    "cheese": Source(
        "A cheese by its name, with the id of the dairy that makes it.",
        "name",
        {
            "tolland blue": {"cheese": "Tolland Blue", "milk": "sheep", "aged_weeks": 14, "dairy_id": "D-308"},
            "tolland white": {"cheese": "Tolland White", "milk": "cow", "aged_weeks": 3, "dairy_id": "D-380"},
        },
    ),
    "dairy": Source(
        "A dairy by its id, as in D-100.",
        "id",
        {
            "d-308": {"id": "D-308", "name": "Ravenscar Dairy", "phone": "01632 960 418", "visitors": True},
            "d-380": {"id": "D-380", "name": "Tolland Creamery", "phone": "01632 960 184", "visitors": False},
        },
    ),
    "podcast": Source(
        "A podcast by its title, with the ids of its first and latest episodes.",
        "title",
        {
            "slow static": {
                "title": "Slow Static",
                "host": "Bernadette Oyelu",
                "episodes": 64,
                "first_episode_id": "ep-7001",
                "latest_episode_id": "ep-7064",
            }
        },
    ),
    "podcast_episode": Source(
        "An episode of a podcast by its id, as in ep-1000.",
        "id",
        {
            "ep-7064": {
                "id": "ep-7064",
                "title": "The Quiet Band",
                "guest": "Hamish Torvo",
                "producer": "Lena Quist",
                "duration": "47:10",
            },
            "ep-7001": {
                "id": "ep-7001",
                "title": "Hello Out There",
                "guest": "Ruth Adeyo",
                "producer": "Lena Quist",
                "duration": "31:55",
            },
        },
    ),
    "auction_lot": Source(
        "A lot of the auction house by its number, with the id of the sale that it is in.",
        "lot",
        {
            "2207": {"lot": 2207, "title": "Walnut writing desk", "estimate_gbp": [400, 600], "sale_id": "S-31"},
            "2270": {"lot": 2270, "title": "Oak settle", "estimate_gbp": [250, 350], "sale_id": "S-33"},
        },
        kind="integer",
    ),
    "auction_sale": Source(
        "A sale of the auction house by its id, as in S-10, with the code of its saleroom.",
        "id",
        {
            "s-31": {"id": "S-31", "title": "Country Furniture", "date": "2026-05-21", "saleroom": "NTH"},
            "s-33": {"id": "S-33", "title": "Oak and Elm", "date": "2026-06-04", "saleroom": "QUA"},
        },
    ),
    "saleroom": Source(
        "A saleroom of the auction house by its code, as in ABC.",
        "code",
        {
            "nth": {"code": "NTH", "name": "North Room", "street": "14 Cooper's Row", "town": "Melbury", "seats": 90},
            "qua": {"code": "QUA", "name": "Quay Room", "street": "2 Rope Walk", "town": "Stanmouth", "seats": 150},
        },
    ),
    "turbine": Source(
        "A wind turbine by its id, as in WT-10, with the id of the wind farm that it belongs to.",
        "id",
        {
            "wt-17": {"id": "WT-17", "status": "stopped", "fault": "pitch motor", "rated_kw": 3200, "farm_id": "WF-4"},
            "wt-71": {"id": "WT-71", "status": "running", "fault": None, "rated_kw": 4100, "farm_id": "WF-9"},
        },
    ),
    "wind_farm": Source(
        "A wind farm by its id, as in WF-1.",
        "id",
        {
            "wf-4": {
                "id": "WF-4",
                "name": "Garrow Ridge",
                "turbines": 22,
                "owner": "Northlight Energy",
                "site_manager": {"name": "Delphine Ask", "email": "d.ask@garrow.example"},
            },
            "wf-9": {
                "id": "WF-9",
                "name": "Sandle Flats",
                "turbines": 36,
                "owner": "Northlight Energy",
                "site_manager": {"name": "Rolf Penner", "email": "r.penner@sandle.example"},
            },
        },
    ),
    "pull_request": Source(
        "A pull request by its number, with the logins of its author and reviewer.",
        "number",
        {
            "918": {
                "number": 918,
                "title": "Retry on timeout",
                "state": "open",
                "author_login": "tkw",
                "reviewer_login": "mirano",
                "lines_added": 112,
            }
        },
        kind="integer",
    ),
    "developer": Source(
        "A developer by login.",
        "login",
        {
            "tkw": {"login": "tkw", "name": "Tamsin Kerrow", "time_zone": "Europe/Lisbon", "commits": 404},
            "mirano": {"login": "mirano", "name": "Yusuf Mirano", "time_zone": "Asia/Tokyo", "commits": 1290},
        },
    ),
    # -- for the comparisons -----------------------------------------------------------------------------------------
    "tea": Source(
        "A tea by its name.",
        "name",
        {
            "mistral green": {
                "tea": "Mistral Green",
                "brew": {"water_c": 75, "minutes": 2},
                "caffeine_mg_per_cup": 28,
                "price_eur_per_100g": 12.9,
            },
            "ember oolong": {
                "tea": "Ember Oolong",
                "brew": {"water_c": 90, "minutes": 4},
                "caffeine_mg_per_cup": 41,
                "price_eur_per_100g": 9.8,
            },
        },
    ),
    "dive_site": Source(
        "A dive site by its name.",
        "name",
        {
            "anchor wall": {
                "site": "Anchor Wall",
                "max_depth": "38 m",
                "visibility": "12 m",
                "water": {"surface_c": 19, "bottom_c": 13},
            },
            "monk's arch": {
                "site": "Monk's Arch",
                "max_depth": "24 m",
                "visibility": "18 m",
                "water": {"surface_c": 17, "bottom_c": 14},
            },
        },
    ),
    "fuel_station": Source(
        "A filling station by its name, with its prices now in euros a litre.",
        "name",
        {
            "hilltop": {
                "station": "Hilltop",
                "prices": {"petrol": 1.789, "diesel": 1.654, "lpg": None},
                "open": "24 h",
            },
            "bridge street": {
                "station": "Bridge Street",
                "prices": {"petrol": 1.749, "diesel": 1.694, "lpg": 0.989},
                "open": "06:00-22:00",
            },
        },
    ),
    "race_result": Source(
        "The result of a runner in the Aldermoor Marathon, by the bib number.",
        "bib",
        {
            "4410": {
                "bib": 4410,
                "runner": "Greta Winslade",
                "club": None,
                "times": {"half": "1:46:20", "finish": "3:41:08"},
            },
            "4417": {
                "bib": 4417,
                "runner": "Odile Faber",
                "club": "Fen Harriers",
                "times": {"half": "1:49:02", "finish": "3:38:55"},
            },
        },
        kind="integer",
    ),
    # -- for the lists -----------------------------------------------------------------------------------------------
    "blood_stock": Source(
        "The blood that a hospital has in stock, by the name of the hospital.",
        "hospital",
        under(_ST_ODO, "st odo", "st. odo", "st odo hospital", "st odo's"),
    ),
    "game_server": Source(
        "The players who are online on a game server, by the name of the server.",
        "server",
        {
            "gravelpit": {
                "server": "Gravelpit",
                "max_players": 32,
                "online": [
                    {"player": "Moth99", "level": 57, "guild": "Iron Owls"},
                    {"player": "Quillon", "level": 48, "guild": None},
                    {"player": "Babs", "level": 22, "guild": None},
                    {"player": "Zeffer", "level": 63, "guild": None},
                    {"player": "Tintack", "level": 35, "guild": "Iron Owls"},
                ],
            }
        },
    ),
    "festival_day": Source(
        "The programme of the Corvane Film Festival on a day, by the name of the day, as in Monday.",
        "day",
        {
            "saturday": {
                "day": "Saturday",
                "screenings": [
                    {"film": "Paper Rivers", "starts": "11:00", "subtitles": "English", "sold_out": False},
                    {"film": "Old Tin", "starts": "13:30", "subtitles": "French", "sold_out": False},
                    {"film": "Heartwood", "starts": "16:00", "subtitles": "English", "sold_out": True},
                    {"film": "Night Bakery", "starts": "18:45", "subtitles": "English", "sold_out": False},
                    {"film": "The Ninth Gull", "starts": "21:15", "subtitles": None, "sold_out": False},
                ],
            },
            "sunday": {"day": "Sunday", "screenings": []},
        },
    ),
    "language_courses": Source(
        "The courses of the language school in a language, by the name of the language.",
        "language",
        {
            "portuguese": {
                "language": "Portuguese",
                "courses": [
                    {"course": "PT-1A", "level": "A1", "when": "evening", "places_left": 0, "fee_eur": 210},
                    {"course": "PT-1B", "level": "A1", "when": "morning", "places_left": 5, "fee_eur": 190},
                    {"course": "PT-1C", "level": "A1", "when": "evening", "places_left": 3, "fee_eur": 225},
                    {"course": "PT-2A", "level": "A2", "when": "evening", "places_left": 7, "fee_eur": 240},
                ],
            }
        },
    ),
    # -- for the arithmetic ------------------------------------------------------------------------------------------
    "power_meter": Source(
        "The readings of an electricity meter by the number of the meter, as in M-100.",
        "meter",
        {
            "m-642": {
                "meter": "M-642",
                "unit": "kWh",
                "readings": [
                    {"date": "2025-12-31", "value": 18004.0},
                    {"date": "2026-01-31", "value": 18420.5},
                    {"date": "2026-02-28", "value": 18733.0},
                ],
            }
        },
    ),
    "yarn": Source("A knitting yarn by its name.", "name", {"fenwool": _FENWOOL}),
    "glaze": Source(
        "A pottery glaze by its name.",
        "name",
        {
            "kelp green": {
                "glaze": "Kelp Green",
                "finish": "matt",
                "firing": {"peak_c": 1060, "hold_min": 20},
                "food_safe": True,
            }
        },
    ),
    "taxi_ride": Source(
        "A taxi ride by its number, as in R-10000.",
        "number",
        {
            "r-90318": {
                "ride": "R-90318",
                "distance_km": 9.6,
                "minutes": 23,
                "charges_eur": {"fare": 14.8, "waiting": 2.1, "toll": 3.5, "tip": 2.0},
                "paid_by": "card",
            }
        },
    ),
    # -- for what is not to be had -----------------------------------------------------------------------------------
    "consulate": Source(
        "The consulate in a city, by the name of the city.",
        "city",
        {
            "melkov": {
                "city": "Melkov",
                "consul": "Ines Haverford",
                "phone": {"office": "+99 41 555 0132", "emergency": None},
                "hours": "Mon-Thu 09:00-12:30",
            },
            "melk": {
                "city": "Melk",
                "consul": "Otto Rane",
                "phone": {"office": "+99 17 555 0177", "emergency": "+99 17 555 0199"},
                "hours": "Mon-Fri 10:00-13:00",
            },
        },
    ),
}

FILES: Final[dict[str, str]] = {}

TASKS: Final = (
    # -- one thing to be looked up -----------------------------------------------------------------------------------
    Task(
        "evening-tide",
        "When's high water at Port Sallow this evening?",
        ("tide_table", "dive_site"),
        (r"(?i)19[:.h]52|\b0?7[:.]52 ?p",),
        (r"(?i)\bis (?:at )?0?(?:7:31|1:14)|13:40",),
    ),
    Task(
        "data-abroad",
        "I'm on the Pelago plan and off on holiday abroad. How many gigabytes of data do I get there?",
        ("phone_plan", "consulate"),
        (r"(?<![\d.,])6(?![.,]?\d)|(?i:\bsix\b)",),
        (r"(?i)(?:get|have|is|are|:) (?:40|8|1) ?(?:GB|giga)|^\W*(?:40|8|1)\b",),
    ),
    Task(
        "youngest-player",
        "From what age is the game Lantern Market suitable, please?",
        ("board_game", "tea"),
        (r"(?<![\d.,])8(?![.,]?\d)|(?i:\beight\b)",),
        (r"(?i)\b(?:12|45|twelve)\b",),
    ),
    Task(
        "domain-lapse",
        "on what date does our domain larkmoss.example lapse if nobody renews it",
        ("domain_record", "developer"),
        (r"(?i)2027[-/.]0?3[-/.]22|\b22(?:nd)?(?: of)? Mar\w* 2027|Mar\w*\.? (?:the )?22(?:nd)?,? 2027",),
        (r"(?i)(?:lapses?|expires?|is)(?: on)?:? (?:2014|2026)",),
    ),
    Task(
        "spare-parts-cover",
        "Could you tell me until when replacement parts are covered for the appliance with the serial number KD-55120?",
        ("warranty", "power_meter"),
        (r"(?i)2029[-/.]0?8[-/.]0?5|\b0?5(?:th)?(?: of)? Aug\w* 2029|Aug\w*\.? (?:the )?0?5(?:th)?,? 2029",),
        (r"(?i)parts[^.;,\n]{0,40}(?:2026|2024)",),
    ),
    Task(
        "how-deep",
        "How deep does Brackle Hole go?",
        ("cave", "dive_site"),
        (r"(?<![\d.,])187(?![.,]?[1-9])",),
        (r"(?i)(?:is|goes|to|depth of|:) (?:2[.,'’ ]?340|612)\b",),
    ),
    Task(
        "film-music",
        "Loved the music in The Salt Engine! Who wrote it?",
        ("film_credits", "podcast"),
        (r"(?i)Korvald",),
        (r"(?i)(?:wr\w+|compos\w+|music)(?: by| is| was|:)+ (?:Aoife|Marek|Jun)|^\W*(?:Aoife|Marek|Jun)\b",),
    ),
    Task(
        "apply-by",
        "By what day do I have to send in my application for the Hollis Fellowship?",
        ("scholarship", "language_courses"),
        (r"(?i)2026[-/.]11[-/.]15|\b15(?:th)?(?: of)? Nov|Nov\w*\.? (?:the )?15",),
        (r"(?i)(?:by|is|before|deadline:) (?:2027|2026-09|1 Sep|Sep|20 Jan|Jan|28 Feb|Feb)",),
    ),
    # -- from one thing to the next ----------------------------------------------------------------------------------
    Task(
        "blue-maker",
        "I want to ring the people who make Tolland Blue. What's their phone number?",
        ("cheese", "dairy"),
        (r"960[ -]?418",),
        (r"960[ -]?184",),
    ),
    Task(
        "latest-guest",
        "Who was the guest on the most recent episode of Slow Static?",
        ("podcast", "podcast_episode", "film_credits"),
        (r"(?i)Torvo",),
        (r"(?i)Adeyo|guest[^.;,\n]{0,30}(?:Oyelu|Quist)",),
    ),
    Task(
        "view-the-desk",
        "I'd like to bid in person on lot 2207. At what address is the saleroom where it'll be sold? Street and town.",
        ("auction_lot", "auction_sale", "saleroom"),
        (r"(?i)14 Cooper", r"(?i)Melbury"),
        (r"(?i)Rope Walk|Stanmouth",),
    ),
    Task(
        "stopped-turbine",
        "Turbine WT-17 has stopped. Give me the e-mail address of the site manager of its wind farm.",
        ("turbine", "wind_farm", "power_meter"),
        (r"(?i)d\.ask@garrow\.example",),
        (r"(?i)r\.penner",),
    ),
    Task(
        "reviewer-zone",
        "What time zone is the reviewer of pull request 918 in?",
        ("pull_request", "developer"),
        (r"(?i)Tokyo",),
        (r"(?i)Lisbon",),
    ),
    # -- the one or the other ----------------------------------------------------------------------------------------
    Task(
        "gentler-tea",
        "I sleep badly. Mistral Green or Ember Oolong - which one's got less caffeine?",
        ("tea", "cheese"),
        (r"(?i)Mistral",),
        _chosen("Ember Oolong", "less|least|lower|lowest|fewer|lesser"),
    ),
    Task(
        "clearer-water",
        "At which of the two dive sites can you see further under water, Anchor Wall or Monk's Arch?",
        ("dive_site", "cave"),
        (r"(?i)Monk",),
        _chosen("Anchor Wall", "further|farther|better|best|more|greater|higher|furthest|greatest"),
    ),
    Task(
        "cheap-diesel",
        "Need diesel. Hilltop or Bridge Street, where is it cheaper?",
        ("fuel_station", "taxi_ride"),
        (r"(?i)Hilltop",),
        _chosen("Bridge Street", "cheaper|cheapest|lower|lowest|less"),
    ),
    Task(
        "first-home",
        "Two friends of mine ran the Aldermoor Marathon with the bib numbers 4410 and 4417. What is the name of the one"
        " who finished in the shorter time?",
        ("race_result", "game_server"),
        (r"(?i)Odile|Faber",),
        _chosen("(?:Greta Winslade|Greta|Winslade)", "faster|quicker|shorter|shortest|better|first"),
    ),
    # -- out of a list -----------------------------------------------------------------------------------------------
    Task(
        "scarce-blood",
        "Which blood groups are down to fewer than 10 units at St Odo hospital?",
        ("blood_stock", "consulate"),
        (r"(?i)\bO ?(?:[-\u2212\u2013]|neg)", r"(?i)\bAB ?(?:[-\u2212\u2013]|neg)"),
        (r"(?i)\b[OAB] ?(?:\+|pos)|\bA ?(?:[-\u2212\u2013](?!\w)|neg)",),
    ),
    Task(
        "guildless",
        "Our guild needs people. Which players online on Gravelpit are above level 40 and don't have a guild yet?",
        ("game_server", "board_game"),
        (r"(?i)Quillon", r"(?i)Zeffer"),
        (r"(?i)Moth99|Babs|Tintack",),
    ),
    Task(
        "saturday-films",
        "Which films at the Corvane festival on Saturday have English subtitles and aren't sold out?",
        ("festival_day", "film_credits"),
        (r"(?i)Paper Rivers", r"(?i)Night Bakery"),
        (r"(?i)Old Tin|Heartwood|Ninth Gull",),
    ),
    Task(
        "evening-a1",
        "I work all day, and I'm a complete beginner in Portuguese. Which A1 evening course still has places left?",
        ("language_courses", "scholarship"),
        (r"(?i)PT-?1C",),
        (r"(?i)PT-?(?:1A|1B|2A)",),
    ),
    # -- to be worked out --------------------------------------------------------------------------------------------
    Task(
        "february-power",
        "How many kWh went through meter M-642 between 31 January and 28 February 2026?",
        ("power_meter", "turbine"),
        (r"(?<![\d.,])312[.,]50?(?!\d)",),
        (r"(?i)\b(?:416[.,]5|729)\b|(?<!\d)(?<!\d )[-\u2212]312",),
    ),
    Task(
        "nine-balls",
        "What would 9 balls of Fenwool set me back?",
        ("yarn", "fuel_station"),
        (r"(?<![\d.,])49[.,]05(?!\d)",),
        (r"(?i)(?:is|cost|back|total):? (?:€ ?|EUR ?)?(?:5[.,]45|450|1[.,]?080)\b(?! ?[×x*])",),
    ),
    Task(
        "kiln-fahrenheit",
        "My kiln only shows Fahrenheit. What peak temperature should I set for the glaze Kelp Green?",
        ("glaze", "warranty"),
        (r"(?<![\d.,])1[.,'’ ]?940(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)1[.,'’ ]?060 ?°? ?F|(?:set|is|to) 1[.,'’ ]?(?:908|092)\b",),
    ),
    Task(
        "whole-ride",
        "Add up everything I was charged for the taxi ride R-90318, tip included.",
        ("taxi_ride", "auction_lot"),
        (r"(?<![\d.,])22[.,]40?(?!\d)",),
        (r"(?i)(?:total|is|was|sum):? (?:€ ?|EUR ?)?(?:14[.,]80?|20[.,]40?|18[.,]90?)\b(?! ?\+)",),
    ),
    # -- not to be had -----------------------------------------------------------------------------------------------
    Task(
        "night-number",
        "My passport's been stolen in Melkov! What's the consulate's emergency number?",
        ("consulate", "phone_plan"),
        ABSENT,
        (r"(?i)^(?![\s\S]*\boffice)[\s\S]*0132|0199|0177",),
    ),
    Task(
        "game-artist",
        "Who did the illustrations for the board game Lantern Market?",
        ("board_game", "film_credits"),
        ABSENT,
        (r"(?i)^(?![\s\S]*\bdesign)[\s\S]*Strom|^(?![\s\S]*\bpublish)[\s\S]*Two Herons|Bo Falk",),
    ),
    Task(
        "brackle-pot",
        "What's the length of the cave Brackle Pot in metres?",
        ("cave", "tide_table"),
        ABSENT,
        (r"2[.,'’ ]?340|\b187\b|\b612\b",),
    ),
    Task(
        "sunday-films",
        "what's showing first at the corvane film festival on sunday?",
        ("festival_day", "podcast"),
        ABSENT,
        (r"(?i)Paper Rivers|Old Tin|Heartwood|Night Bakery|Ninth Gull|11:00",),
    ),
    Task(
        "orbit-price",
        "How much is the Orbit plan a month, please?",
        ("phone_plan", "yarn"),
        OUTAGE,
        (r"(?i)(?:€|EUR) ?\d|\d ?(?:€|EUR\b|euros?)|not exist|no such|no plan",),
    ),
)
