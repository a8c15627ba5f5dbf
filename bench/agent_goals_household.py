"""Twenty-four more goals for the agent, whose author did not know how it checks its answers.

They are of a household, a farm and an office, and of no API, file or world of the other modules of goals.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Json, Source, Task

ABSENT: Final = (
    NOT_FOUND[0]
    + r"|\bnot?\b|n’t|\bcannot\b|\bno[- ]one\b|\bmissing\b|\bnull\b|\bempty\b|\blacks?\b|\bwithout\b|\bunable\b"
    + r"|\bunassigned\b|\bvacant\b",
)
DOWN: Final = (
    FAILURE[0]
    + r"|not (?:available|respond|reach|answer|work)|n['’]t (?:available|respond|reach|answer|work|get|look)"
    + r"|could ?n['’]t|\berror\b|\bunable\b|\bis (?:currently |temporarily )?down\b|out of (?:order|service)"
    + r"|no (?:answer|response|reply) from",
)


def _track(title: str, seconds: int, instrumental: bool) -> Json:
    return {"title": title, "seconds": seconds, "instrumental": instrumental}


def _finisher(runner: str, minutes: float, age: int) -> Json:
    return {"runner": runner, "minutes": minutes, "age": age}


def _cow(name: str, age: int, litres: float) -> Json:
    return {"cow": name, "age_years": age, "litres_per_day": litres}


def _expense(day: str, what: str, amount: float) -> Json:
    return {"day": day, "what": what, "amount_eur": amount}


_GANNET: Final = {
    "lighthouse": "Gannet Rock",
    "tower_m": 34,
    "flash_interval_s": 15,
    "range_nautical_miles": 21,
    "first_lit": 1869,
}
_ORLOW: Final = {
    "lighthouse": "Cape Orlow",
    "tower_m": 27,
    "flash_interval_s": 8,
    "range_nautical_miles": 18,
    "first_lit": 1902,
}
_VAN_71: Final = {
    "plate": "KD-4471",
    "model": "Torrin Cargo",
    "payload_kg": 1150,
    "usual_driver": "Mabel Szabo",
    "inspection_due": "2027-02-18",
    "insured_until": "2026-12-31",
}
_VAN_80: Final = {
    "plate": "KD-4480",
    "model": "Torrin Maxi",
    "payload_kg": 1420,
    "usual_driver": None,
    "inspection_due": "2027-05-06",
    "insured_until": "2027-03-31",
}
_MARLPIT: Final = {
    "pool": "Marlpit Baths",
    "lanes": 6,
    "length_m": 25,
    "adult_eur": 6.4,
    "child_eur": 3.1,
    "paddling_pool": True,
    "closes": "20:45",
}
_CRANE: Final = {
    "pool": "Crane Street Pool",
    "lanes": 8,
    "length_m": 50,
    "adult_eur": 7.9,
    "child_eur": 4.2,
    "paddling_pool": False,
    "closes": "21:15",
}
_WILLOW: Final = {"practice": "Willow Vets", "address": "41 Cutler Street", "open_until": "18:20"}
_CLOVERDENE: Final = {"practice": "Cloverdene Vets", "address": "9 Saddler Row", "open_until": "19:00"}
_MILL_BANK: Final = {"apiary": "Mill Bank", "village": "Nether Yarrow", "altitude_m": 385, "hives": 9}
_LONG_MEADOW: Final = {"apiary": "Long Meadow", "village": "Upper Yarrow", "altitude_m": 640, "hives": 16}
_AVERIL: Final = {"lake": "Lake Averil", "area_km2": 11.2, "max_depth_m": 84.5, "elevation_m": 412, "fish": "perch"}
_TESSEL: Final = {"lake": "Lake Tessel", "area_km2": 3.45, "max_depth_m": 61, "elevation_m": 690, "fish": "trout"}
_NORDAL: Final = {
    "model": "Nordal 60",
    "place_settings": 14,
    "noise_db": 44,
    "kwh_per_100_cycles": 74,
    "width_cm": 60,
    "price_eur": 649,
}
_HOBBIN: Final = [
    _cow("Clementine", 5, 24),
    _cow("Buttons", 4, 31),
    _cow("Juniper", 6, 27.5),
    _cow("Old Peg", 11, 19),
    _cow("Treacle", 4, 28.5),
]
_HEATHER: Final = {
    "race": "Heather Dash",
    "distance_km": 8,
    "finishers": [
        _finisher("Ivo Kessler", 34.2, 29),
        _finisher("Priya Wainwright", 36.9, 35),
        _finisher("Stellan Boyce", 38.5, 47),
        _finisher("Maud Ferrars", 41.7, 63),
        _finisher("Hank Duffield", 49.3, 58),
    ],
}
_FRETWORK: Final = {
    "magazine": "Fretwork Monthly",
    "issues_per_year": 12,
    "yearly_eur": 65,
    "single_issue_eur": 6.9,
    "editor": "Cleo Hartnell",
}

SOURCES: Final[dict[str, Source]] = {
    "lighthouse": Source(
        "A lighthouse by its name.",
        "name",
        {
            "gannet rock": _GANNET,
            "gannet rock lighthouse": _GANNET,
            "cape orlow": _ORLOW,
            "cape orlow lighthouse": _ORLOW,
        },
    ),
    "van": Source(
        "A van of the company by its plate, as in AB-1234.",
        "plate",
        {
            "kd-4471": _VAN_71,
            "kd 4471": _VAN_71,
            "kd4471": _VAN_71,
            "kd-4480": _VAN_80,
            "kd 4480": _VAN_80,
            "kd4480": _VAN_80,
        },
    ),
    "course": Source(
        "An evening course by its number.",
        "number",
        {
            "318": {
                "number": 318,
                "title": "Bookbinding for Beginners",
                "tutor": "Rahel Oduya",
                "evening": "Wednesday",
                "weeks": 6,
                "fee_eur": 84,
                "please_bring": "a steel ruler and a bone folder",
                "studio": 4,
            },
            "325": {
                "number": 325,
                "title": "Watercolours",
                "tutor": "Emil Tranter",
                "evening": "Monday",
                "weeks": 8,
                "fee_eur": 96,
                "please_bring": "two brushes",
                "studio": 1,
            },
        },
        kind="integer",
    ),
    "pool": Source(
        "A public swimming pool by its name.",
        "name",
        {
            "marlpit baths": _MARLPIT,
            "the marlpit baths": _MARLPIT,
            "marlpit": _MARLPIT,
            "crane street pool": _CRANE,
            "the crane street pool": _CRANE,
            "crane street": _CRANE,
        },
    ),
    "flat": Source(
        "A flat of the housing association by its code, as in AB-10.",
        "code",
        {
            "qc-12": {"flat": "QC-12", "floor": 3, "rooms": 4, "area_m2": 88, "caretaker": "Bertil Moss"},
            "qc-31": {"flat": "QC-31", "floor": 6, "rooms": 2, "area_m2": 51, "caretaker": "Ilse Cobbold"},
        },
    ),
    "caretaker": Source(
        "A caretaker of the housing association by full name, and who stands in for them.",
        "name",
        {
            "bertil moss": {
                "name": "Bertil Moss",
                "phone": "0117 496 0708",
                "at_work": "07:00-11:00",
                "stand_in": "Ilse Cobbold",
            },
            "ilse cobbold": {
                "name": "Ilse Cobbold",
                "phone": "0117 496 0733",
                "at_work": "13:00-17:00",
                "stand_in": "Osric Plume",
            },
        },
        [],
    ),
    "pet": Source(
        "A pet by the number of its chip, as in 1234-567.",
        "chip",
        {
            "5520-814": {
                "chip": "5520-814",
                "name": "Biscuit",
                "animal": "cat",
                "born": "2021-05-03",
                "owner": "Delia Frome",
                "vet": "Willow Vets",
            },
            "5520-839": {
                "chip": "5520-839",
                "name": "Major",
                "animal": "dog",
                "born": "2018-10-22",
                "owner": "Ned Salter",
                "vet": "Cloverdene Vets",
            },
        },
    ),
    "vets": Source(
        "A practice of vets by its name.",
        "practice",
        {
            "willow vets": _WILLOW,
            "willow": _WILLOW,
            "cloverdene vets": _CLOVERDENE,
            "cloverdene": _CLOVERDENE,
        },
    ),
    "hive": Source(
        "A hive of bees by its code, as in H-99.",
        "code",
        {
            "h-07": {"hive": "H-07", "queen_marked": "blue", "split_from": "H-02", "apiary": "Mill Bank"},
            "h-02": {"hive": "H-02", "queen_marked": "white", "split_from": None, "apiary": "Long Meadow"},
        },
    ),
    "apiary": Source(
        "An apiary, which is where hives stand, by its name.",
        "name",
        {
            "mill bank": _MILL_BANK,
            "mill bank apiary": _MILL_BANK,
            "long meadow": _LONG_MEADOW,
            "long meadow apiary": _LONG_MEADOW,
        },
    ),
    "printer": Source(
        "A printer of the office by its name.",
        "name",
        {
            "otter": {"printer": "Otter", "floor": 2, "cartridge": "TX-88", "prints_colour": False},
            "badger": {"printer": "Badger", "floor": 4, "cartridge": "TX-91", "prints_colour": True},
        },
    ),
    "cartridge": Source(
        "A toner cartridge by its code, as in AB-10.",
        "code",
        {
            "tx-88": {
                "cartridge": "TX-88",
                "lasts_pages": 2600,
                "price_eur": 58.9,
                "stored_in": "cupboard C, shelf 5",
                "in_stock": 3,
            },
            "tx-91": {
                "cartridge": "TX-91",
                "lasts_pages": 1800,
                "price_eur": 71.2,
                "stored_in": "cupboard F, shelf 2",
                "in_stock": 0,
            },
        },
    ),
    "lake": Source(
        "A lake by its name.",
        "name",
        {"lake averil": _AVERIL, "averil": _AVERIL, "lake tessel": _TESSEL, "tessel": _TESSEL},
    ),
    "dishwasher": Source(
        "The data of a dishwasher by its model.",
        "model",
        {
            "nordal 60": _NORDAL,
            "nordal60": _NORDAL,
            "nordal-60": _NORDAL,
            "brevia s4": {
                "model": "Brevia S4",
                "place_settings": 10,
                "noise_db": 39,
                "kwh_per_100_cycles": 63,
                "width_cm": 45,
                "price_eur": 729,
            },
            "camberly eco": {
                "model": "Camberly Eco",
                "place_settings": 13,
                "noise_db": 47,
                "kwh_per_100_cycles": 54,
                "width_cm": 60,
                "price_eur": 579,
            },
        },
    ),
    "sun": Source(
        "When the sun rises and sets in a town today.",
        "town",
        {
            "fallowmere": {"town": "Fallowmere", "sunrise": "04:58", "sunset": "20:33"},
            "eastwater": {"town": "Eastwater", "sunrise": "05:06", "sunset": "20:19"},
        },
    ),
    "album": Source(
        "The tracks of an album of music, by the title of the album.",
        "title",
        {
            "gravel hymns": {
                "album": "Gravel Hymns",
                "band": "The Ossuary Club",
                "tracks": [
                    _track("Kerbstone", 214, False),
                    _track("Slow Weather", 305, True),
                    _track("Tin Roof", 188, False),
                    _track("Ferrous", 247, False),
                    _track("Lull", 96, True),
                    _track("Undertow", 331, False),
                    _track("Moth Season", 262, True),
                    _track("Last Orders", 229, False),
                ],
            }
        },
    ),
    "expenses": Source(
        "The expenses that an employee has claimed this month, by full name.",
        "name",
        {
            "gwen astbury": {
                "results": [
                    _expense("2026-04-08", "rail ticket", 46.8),
                    _expense("2026-04-08", "taxi", 19.35),
                    _expense("2026-04-09", "guest house", 128),
                    _expense("2026-04-09", "dinner", 62.5),
                ]
            },
            "lorcan pitt": {"results": [_expense("2026-04-15", "stationery", 23.1)]},
        },
        {"results": []},
    ),
    "race": Source(
        "A running race by its name, with all who finished it.",
        "name",
        {"heather dash": _HEATHER, "the heather dash": _HEATHER},
    ),
    "herd": Source(
        "The dairy cows of a farm, by the name of the farm.",
        "farm",
        {"hobbin farm": _HOBBIN, "hobbin": _HOBBIN},
        [],
    ),
    "seed": Source(
        "A lawn seed by its name.",
        "name",
        {
            "velvet court": {
                "seed": "Velvet Court",
                "grams_per_m2": 35,
                "price_eur_per_kg": 11.4,
                "sow_from": "April",
                "days_to_sprout": 12,
            },
            "rugged green": {
                "seed": "Rugged Green",
                "grams_per_m2": 25,
                "price_eur_per_kg": 8.9,
                "sow_from": "March",
                "days_to_sprout": 9,
            },
        },
    ),
    "magazine": Source(
        "A magazine by its title, with its prices.",
        "title",
        {
            "fretwork monthly": _FRETWORK,
            "fretwork": _FRETWORK,
            "dovetail": {
                "magazine": "Dovetail",
                "issues_per_year": 6,
                "yearly_eur": 39,
                "single_issue_eur": 7.5,
                "editor": "Abel Munro",
            },
        },
    ),
    "rubbish": Source(
        "The days on which rubbish is collected in a street.",
        "street",
        {
            "loom street": {
                "street": "Loom Street",
                "household": "Monday",
                "paper": "every other Thursday",
                "glass": "the first Friday of the month",
            },
            "tanager row": FAILED,
        },
    ),
}

FILES: Final = {
    "canteen.csv": """\
day,dish,meatless,portions
Monday,lasagne,no,64
Monday,pea curry,yes,41
Tuesday,goulash,no,38
Tuesday,potato bake,yes,52
Wednesday,fish pie,no,47
Wednesday,risotto,yes,33
Thursday,meatballs,no,71
Thursday,bean stew,yes,29
Friday,fish cakes,no,58
Friday,stuffed peppers,yes,44
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task(
        "light-flash",
        "How often does the light on Gannet Rock flash?",
        ("lighthouse", "lake"),
        (r"(?i)(?<![\d.,])15(?![.,]?\d)|\bfifteen\b|\b(?:4|four) (?:times|flashes) (?:a|per|every|each|in a) minute",),
        (r"(?i)\b15 (?:times|minutes|hours|flashes)|\bevery (?:8|eight|21|34) ?s",),
    ),
    Task(
        "van-inspection",
        "hiya, when does the van KD-4471 have to go in for its next inspection? thx",
        ("van", "printer", "flat"),
        (r"(?i)2027[-/.]0?2[-/.]18|\b18(?:th)?(?: of)? Feb|\bFeb\w*\.? (?:the )?18|\b18[-/.] ?0?2\b|\b0?2/18\b",),
        (r"(?i)inspection[^\d\n]{0,40}(?:2026-12-31|2027-05-06|2027-03-31|31|6 May|May 6)",),
    ),
    Task(
        "bookbinding",
        "Hello! I've enrolled in evening course 318. Could you please let me know who the teacher is, and what I need"
        " to have with me? Many thanks, Joan",
        ("course", "album"),
        (r"(?i)Oduya", r"(?i)\bruler\b", r"(?i)\bfolder\b"),
        (r"Tranter|\bbrushes\b",),
    ),
    Task(
        "toddler",
        "We'd be coming with a toddler who can't swim yet. Is there a paddling pool at Marlpit Baths?",
        ("pool", "lake", "course"),
        (r"(?i)\byes\b|\btrue\b|pool (?:is|exists)\b|(?:here is|['’]s|has|got|with|offers|includes) (?:a|one|its)\b",),
        (
            r"(?i)^\W*no(?:[,.;:!]|$)|(?:is|has|have|got|with) no paddling|without a paddling",
            r"(?i)(?:not|n['’]t) \w+ whether",
            r"(?i)(?:\bis|\bhas|\bdoes)(?:n['’]t| not)(?: have)?(?: got)?(?: any| an?)? (?:paddling|one\b)",
            r"(?i)paddling[_ ]pool\W{0,4}(?:is |: ?)?(?:not|false|unavailable|unknown)",
        ),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "stand-in",
        "The boiler in my flat, QC-12, is making funny noises and our caretaker is on leave. Which number do I ring to"
        " get the person who stands in for the caretaker?",
        ("flat", "caretaker", "dishwasher"),
        (r"496[- ]?0[- ]?733",),
        (r"(?i)(?:stand[-_ ]?in|Cobbold)[^.,;\n\d]{0,40}0117[- ]?496[- ]?0708",),
    ),
    Task(
        "cat-vet",
        "my cats chip number is 5520-814, cant remember which vet shes registered with.. whats their address",
        ("pet", "vets", "herd"),
        (r"(?i)\b41\W{0,3}Cutler|Cutler St\w*\.?,? ?(?:no\.? ?|number )?41\b",),
        (r"Saddler",),
    ),
    Task(
        "split-hive",
        "Hive H-07 was split off from an older hive. How high up is the apiary where that older one is kept?",
        ("hive", "apiary", "seed"),
        (r"(?<![\d.,])640(?![.,]?\d)",),
        (r"(?i)(?:older (?:one|hive)|H-02|Long Meadow)[^.,;\n\d]{0,40}(?<!\d)385|\b1[.,]?025\b",),
    ),
    Task(
        "otter-toner",
        "The printer they call Otter is blinking at me, it wants toner. Which cartridge goes into it, and where do we"
        " keep those?",
        ("printer", "cartridge", "magazine"),
        (
            r"(?i)TX[- ]?88",
            r"(?i)cupboard\W{0,3}C\b",
            r"(?i)shel(?:f|ves)\W{0,3}(?:no\.? |number )?(?:5|five)\b|\b(?:5th|fifth) shelf",
        ),
        (r"(?i)cupboard\W{0,3}F\b|(?:Otter|it) (?:takes|uses|needs) (?:the )?(?:cartridge )?TX[- ]?91",),
    ),
    # -- comparisons and differences ---------------------------------------------------------------------------------
    Task(
        "deeper-lake",
        "Lake Averil or Lake Tessel: which one goes down further, and what's the difference?",
        ("lake", "lighthouse"),
        (r"Averil", r"(?<![\d.,])23[.,]50?(?!\d)"),
        (
            r"(?i)Tessel (?:\([^)]*\) )?(?:is|goes|reaches)(?: down)? (?:the )?(?:deep|further|farther)",
            r"(?i)deeper(?: lake| one)?(?: is|:) (?:the )?(?:Lake )?Tessel",
        ),
    ),
    Task(
        "least-noise",
        "We eat right beside the kitchen, so noise matters to us. Out of Nordal 60, Brevia S4 and Camberly Eco, which"
        " dishwasher makes the least of it?",
        ("dishwasher", "printer", "pool"),
        (r"(?i)Brevia",),
        (
            r"(?i)(?:Nordal 60|Camberly Eco) (?:\([^)]*\) )?(?:is|makes|has|produces) (?:the )?(?:quiet|least|lowest)",
            r"(?i)(?:quietest|least noisy|least noise|lowest noise)(?: \w+){0,3}(?: is|:) (?:the )?(?:Nordal|Camb)",
        ),
    ),
    Task(
        "tessel-hectares",
        "Size of Lake Tessel in hectares, please.",
        ("lake", "apiary", "flat"),
        (r"(?<![\d.,])345(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?i)(?<!\d)(?:34[.,]5|3[.,]?450|3[.,]45) ?(?:ha\b|hect)|(?<!\d)345 ?(?:km|sq|square|acre|m2|m²)",),
    ),
    Task(
        "daylight",
        "how long have we got between sunrise and sunset in Fallowmere today",
        ("sun", "race"),
        (r"(?i)\b15[*\s]{0,4}(?:hrs?\b|hours?\b|[:h])\D{0,10}35\b|(?<![\d.,])935(?![.,]?\d)|\b15[.,](?:58|6)",),
        (r"(?i)\b1[46] ?(?:h|hrs?|hours?),?(?: and)? ?(?:25|35)\b|(?<![\d.,])(?:875|995)(?![.,]?\d) ?min",),
    ),
    Task(
        "grown-ups",
        "What's the price difference between a grown-up's ticket at Marlpit Baths and one at Crane Street Pool?",
        ("pool", "magazine"),
        (r"(?i)(?<![\d.,])1[.,]50?(?!\d)|(?<![\d.,])150 ?(?:c\b|ct\b|cents?)",),
        (
            r"(?<![\d.,])(?:1[.,]10?|14[.,]30?)(?!\d)",
            r"(?i)Marlpit(?: Baths)? is (?:the )?(?:\w+[.,]?\d* )?(?:€ |euros? |EUR )?(?:more expensive|dearer)",
            r"(?i)Crane Street(?: Pool)? is (?:the )?(?:\w+[.,]?\d* )?(?:€ |euros? |EUR )?cheaper",
        ),
    ),
    # -- lists -------------------------------------------------------------------------------------------------------
    Task(
        "no-vocals",
        "How many songs on the album Gravel Hymns don't have any singing in them?",
        ("album", "course", "race"),
        (r"(?i)(?<![\d.,])3(?!\d|[.,]\d)|\bthree\b",),
        (
            (
                r"(?i)(?<!of )(?<!of the )(?<!of its )(?<!'s )\b(?:[124-8]|two|four|five|eight) (?:such )?"
                r"(?:song|track)s(?: on [^.\n]{0,30})? (?:have no|do not|don['’]t|are instr|(?:are )?without)"
            ),
            r"(?i)(?<!track )(?<!number )(?<![.,])\b(?:[124-8]|two|four|five|eight) (?:are )?instrumental(?! ?[:=])",
        ),
    ),
    Task(
        "gwen-expenses",
        "Gwen Astbury has handed in her expenses for this month. Would you mind adding them up for me?",
        ("expenses", "caretaker"),
        (r"(?<![\d.,])256[.,]65(?!\d)",),
        (r"(?<![\d.,])(?:237[.,]30?|209[.,]85|128[.,]65|279[.,]75)(?!\d)",),
    ),
    Task(
        "oldest-runner",
        "Who was the oldest person to finish the Heather Dash? I'd love to hear the age as well.",
        ("race", "pet"),
        (r"(?i)Ferrars", r"(?i)(?<![\d.,])63(?![.,]?\d)|sixty-three"),
        (
            r"(?i)oldest(?: \w+){0,6} (?:is|was) (?:Ivo|Stellan|Priya|Hank)",
            r"(?i)(?:Kessler|Boyce|Wainwright|Duffield) (?:\([^)]*\) )?(?:is|was) (?:the )?oldest",
        ),
    ),
    Task(
        "mean-milk",
        "Taking all of them at Hobbin Farm, how much milk does a cow give there per day on average?",
        ("herd", "hive", "rubbish"),
        (r"(?i)(?<![\d.,])26(?:[.,]0+)?(?![.,]?\d)|twenty-six",),
        (r"(?i)average[^.\n\d]{0,40}(?: is|:) (?:130|27[.,]5|25[.,]4)(?! ?[\d/÷:,+])",),
    ),
    # -- calculations ------------------------------------------------------------------------------------------------
    Task(
        "lawn-seed",
        "I'm about to sow a new lawn, 180 square metres of it, with Velvet Court. How many kilos of seed should I get?",
        ("seed", "vets"),
        (r"(?<![\d.,])6[.,]30?(?!\d)",),
        (
            r"(?i)(?<!\d)6[,'’\s]?300[.,]?0* ?(?:kg|kilo)|\b5[.,]14\d* ?(?:kg|kilo)",
            r"(?i)(?<![\d.,])6[.,]30? ?(?:g\b|grams?\b|t\b|tons?\b|tonnes?\b)",
        ),
    ),
    Task(
        "eight-percent",
        "They'd give me 8% off the yearly price of Fretwork Monthly. So what would I end up paying?",
        ("magazine", "expenses", "cartridge"),
        (r"(?<![\d.,])59[.,]80?(?!\d)",),
        (r"(?<![\d.,])(?:76[.,]18?|57(?:[.,]00?)?|70[.,]20?|56[.,]52)(?![.,]?\d)",),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "stray-dog",
        "A stray dog has turned up in our yard. The scanner says its chip is 7719-036. Whose is it?",
        ("pet", "vets"),
        ABSENT,
        (r"Frome|Salter|\bBiscuit\b|\bMajor\b",),
    ),
    Task(
        "wash-water",
        "do you know how much water the nordal 60 uses for one wash?",
        ("dishwasher", "seed"),
        ABSENT,
        (r"(?i)(?<!Nordal )(?<![\d.,])\b\d[\d.,]* ?(?:l|lit(?:er|re)s?|gal\w*)\b|uses (?:no|zero|0) water",),
    ),
    Task(
        "van-driver",
        "Somebody has left the van KD-4480 in front of our gate. Who's its usual driver?",
        ("van", "caretaker", "sun"),
        ABSENT,
        (r"Szabo|(?:driven by|driver(?: is|:)) (?!No|Nul|Un|Emp|Vac|Mis|Th|Torrin)[A-Z][a-z]+ [A-Z]",),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "paper-pickup",
        "I keep missing it: on what day do they pick up the old paper in Tanager Row?",
        ("rubbish", "sun", "van"),
        DOWN,
        (
            r"(?i)\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b",
            r"(?i)not exist|no such|no street|no (?:paper )?collection|not (?:collected|picked)",
        ),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "fewest-portions",
        "On which weekday did the canteen hand out the fewest portions, with both of the day's dishes counted?",
        ("query", "expenses"),
        (r"(?i)Wednesday",),
        (
            r"(?i)(?:fewest|least|lowest|smallest|minimum)(?: \w+){0,5}(?: is| was|:)(?: on)? (?:Mon|Tue|Thu|Fri)",
            (
                r"(?i)(?:Mon|Tues|Thurs|Fri)day(?: \([^)]*\))? (?:has|had|is|was|saw) (?:the )?(?:day with )?"
                r"(?:the )?(?:fewest|least|lowest)"
            ),
        ),
        files=("canteen.csv",),
    ),
)
