"""Twenty-four goals for the agent, by somebody who had not seen how it checks its answers.

No API, file or world of `agent_goals`, `agent_goals_others` or `agent_goals_later` comes back here.
"""

from __future__ import annotations

from typing import Final

from bench.agent_goals import FAILED, FAILURE, NOT_FOUND, Json, Source, Task

ABSENT: Final = (
    NOT_FOUND[0] + r"|\bnot?\b|\bcannot\b|\bmissing\b|\bnull\b|\bempty\b|\blacks?\b|\bwithout\b|\bpending\b|\bunable\b",
)
DOWN: Final = (
    FAILURE[0] + r"|not (?:available|respond|reach)|\berror\b|\bunable\b|\bis down\b|out of (?:order|service)",
)


def _lift(name: str, kind: str, length: int, is_open: bool) -> Json:
    return {"lift": name, "kind": kind, "length_m": length, "open": is_open}


_MADDERN: Final = {
    "choir": "St Maddern Choir",
    "conductor": "Philippa Dunne",
    "rehearses": "Tuesday",
    "voices": [
        {"voice": "soprano", "singers": 17},
        {"voice": "alto", "singers": 14},
        {"voice": "tenor", "singers": 9},
        {"voice": "bass", "singers": 11},
    ],
}
_IRONFIELD: Final = {
    "gym": "Ironfield Gym",
    "town": "Aldmere",
    "opens_weekdays": "06:30",
    "opens_weekends": "08:00",
    "monthly_fee_eur": 39.5,
    "sauna": True,
}
_PULSE: Final = {
    "gym": "Pulse Corner",
    "town": "Kettleby",
    "opens_weekdays": "07:00",
    "opens_weekends": "09:00",
    "monthly_fee_eur": 27.9,
    "sauna": False,
}
_PALM: Final = {"greenhouse": "Palm House", "temperature_c": 27.5, "humidity_percent": 78, "area_m2": 640}
_FERN: Final = {"greenhouse": "Fern House", "temperature_c": 19, "humidity_percent": 86, "area_m2": 310}
_PENHALLOW: Final = {"quarry": "Penhallow", "stone": "slate", "depth_m": 62, "tonnes_per_year": 48000}
_VERRANE: Final = {
    "wine": "Côte Verrane",
    "colour": "white",
    "vintage": 2023,
    "alcohol_percent": 12.5,
    "price_eur": 9.8,
}

SOURCES: Final[dict[str, Source]] = {
    "ferry": Source(
        "The ferry to an island, by the name of the island.",
        "island",
        {
            "tolsay": {"island": "Tolsay", "from": "Kinlaw", "minutes": 55, "fare_eur": 12.6, "bicycles": True},
            "inch varra": {"island": "Inch Varra", "from": "Kinlaw", "minutes": 35, "fare_eur": 14, "bicycles": False},
            "great holm": {
                "island": "Great Holm",
                "from": "Port Ellan",
                "minutes": 80,
                "fare_eur": 9,
                "bicycles": True,
            },
        },
    ),
    "sculpture": Source(
        "A sculpture by its title: who made it, and which museum shows it.",
        "title",
        {
            "heron in slate": {
                "title": "Heron in Slate",
                "sculptor": "Odile Varga",
                "year": 1987,
                "height_cm": 210,
                "weight_kg": 320,
                "museum": "Ropewalk Gallery",
            },
            "the ploughman": {
                "title": "The Ploughman",
                "sculptor": "Anselm Rooke",
                "year": 1949,
                "height_cm": 175,
                "weight_kg": 540,
                "museum": "Tidehouse Museum",
            },
        },
    ),
    "sculptor": Source(
        "A sculptor by full name.",
        "name",
        {
            "odile varga": {"name": "Odile Varga", "born": 1951, "born_in": "Port Sorrel", "teacher": "Anselm Rooke"},
            "anselm rooke": {"name": "Anselm Rooke", "born": 1912, "born_in": "Kettleby", "teacher": "Jory Tallis"},
            "jory tallis": {"name": "Jory Tallis", "born": 1878, "born_in": "Dunmarrow", "teacher": None},
        },
        [],
    ),
    "museum": Source(
        "A museum by its name, with its admission for one person.",
        "name",
        {
            "ropewalk gallery": {
                "name": "Ropewalk Gallery",
                "town": "Aldmere",
                "admission_eur": 8.5,
                "closed_on": "Monday",
            },
            "tidehouse museum": {
                "name": "Tidehouse Museum",
                "town": "Port Sorrel",
                "admission_eur": 11,
                "closed_on": "Wednesday",
            },
        },
    ),
    "tender": Source(
        "A public tender by its number, as in T-99-123, with the bids.",
        "number",
        {
            "t-26-014": {
                "number": "T-26-014",
                "title": "New roof for the sports hall",
                "authority": "Town of Aldmere",
                "bids": [
                    {"bidder": "Crossley & Sons", "amount_eur": 184000},
                    {"bidder": "Haldane Roofing", "amount_eur": 171500},
                    {"bidder": "Pargeter Works", "amount_eur": 192300},
                    {"bidder": "Wren Build", "amount_eur": 178200},
                ],
                "awarded_to": None,
            },
            "t-26-009": {
                "number": "T-26-009",
                "title": "Winter gritting",
                "authority": "Town of Kettleby",
                "bids": [{"bidder": "Pargeter Works", "amount_eur": 38600}],
                "awarded_to": "Pargeter Works",
            },
        },
    ),
    "claim": Source(
        "An insurance claim by its number, as in CL-1234.",
        "number",
        {
            "cl-8830": {
                "number": "CL-8830",
                "policyholder": "Hester Quill",
                "kind": "water damage",
                "amount_eur": 3420,
                "reported": "2026-01-19",
                "settled": "2026-04-02",
                "adjuster": "Marit Oakes",
            },
            "cl-8841": {
                "number": "CL-8841",
                "policyholder": "Rufus Adair",
                "kind": "storm",
                "amount_eur": 1150,
                "reported": "2026-02-08",
                "settled": None,
                "adjuster": "Colin Derry",
            },
        },
    ),
    "adjuster": Source(
        "A claims adjuster of the insurer by full name.",
        "name",
        {
            "marit oakes": {"name": "Marit Oakes", "phone": "+44 1632 960731", "office": "Aldmere"},
            "colin derry": {"name": "Colin Derry", "phone": "+44 1632 960745", "office": "Kettleby"},
        },
        [],
    ),
    "choir": Source(
        "A choir by its name: its conductor, and the number of singers of each voice.",
        "name",
        {
            "st maddern choir": _MADDERN,
            "st. maddern choir": _MADDERN,
            "st maddern": _MADDERN,
            "st. maddern": _MADDERN,
        },
        [],
    ),
    "skilifts": Source(
        "The ski lifts of a ski resort, and whether they are open today.",
        "resort",
        {
            "grauhorn": {
                "results": [
                    _lift("Kammbahn", "gondola", 2310, True),
                    _lift("Felsentor", "chairlift", 1480, True),
                    _lift("Moosboden", "chairlift", 760, False),
                    _lift("Birkloh", "drag lift", 1040, True),
                    _lift("Sattelegg", "chairlift", 1215, False),
                    _lift("Hirschgrat", "drag lift", 890, False),
                    _lift("Zirbel", "drag lift", 340, True),
                ]
            }
        },
        {"results": []},
    ),
    "wine": Source(
        "A wine by its name.",
        "name",
        {
            "côte verrane": _VERRANE,
            "cote verrane": _VERRANE,
            "monte salice": {
                "wine": "Monte Salice",
                "colour": "red",
                "vintage": 2020,
                "alcohol_percent": 14.1,
                "price_eur": 13.9,
            },
        },
    ),
    "lexicon": Source(
        "The entry of a word in an etymological dictionary.",
        "word",
        {
            "fennock": {
                "word": "fennock",
                "meaning": "a shed for boats",
                "origin": "Old Frisian",
                "first_attested": 1614,
            },
            "tarnwick": {
                "word": "tarnwick",
                "meaning": "a lamp for night fishing",
                "origin": "Norn",
                "first_attested": 1789,
            },
        },
        [],
    ),
    "quarry": Source(
        "A quarry by its name.",
        "name",
        {
            "penhallow": _PENHALLOW,
            "penhallow quarry": _PENHALLOW,
            "blackdown": FAILED,
            "blackdown quarry": FAILED,
            "the blackdown quarry": FAILED,
        },
    ),
    "gym": Source(
        "A gym by its name.",
        "name",
        {
            "ironfield gym": _IRONFIELD,
            "ironfield": _IRONFIELD,
            "pulse corner": _PULSE,
            "pulse corner gym": _PULSE,
        },
    ),
    "greenhouse": Source(
        "The climate in a greenhouse of the botanical garden now, by the name of the greenhouse.",
        "name",
        {
            "palm house": _PALM,
            "the palm house": _PALM,
            "palm": _PALM,
            "fern house": _FERN,
            "the fern house": _FERN,
            "fern": _FERN,
            "orchid house": FAILED,
            "the orchid house": FAILED,
            "orchid": FAILED,
        },
    ),
}

FILES: Final = {
    "pallets.csv": """\
pallet,bay,goods,cartons,weight_kg
P01,A,tiles,32,640
P02,A,grout,20,410
P03,B,tiles,36,712
P04,C,paint,44,220
P05,B,grout,19,385
P06,C,tiles,30,598
P07,A,paint,61,305
P08,B,tiles,34,690
""",
    "library.txt": """\
Tamsworth town library: what readers should know.

A reader's card costs 18 euros a year; children read free. Books are lent for four weeks, films and music for one week.
For what comes back late the fine is 0.40 euros a day for a book, and 1.20 euros a day for a film.

The reading room is open from 10 to 19, on Saturdays to 16. The librarian is Mrs. Amery.
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task(
        "fennock",
        "Which language does the word fennock come from?",
        ("lexicon", "wine"),
        (r"(?i)Frisian",),
        (r"\bNorn\b|(?i:not (?:from|of) Old Frisian)",),
    ),
    Task(
        "gym-opens",
        "What time does Ironfield Gym open on weekdays, and what's the monthly fee?",
        ("gym", "choir", "museum"),
        (r"(?i)\b0?6[:.h]30|half past six|\b0630\b", r"(?<![\d.,])39[.,]50?(?!\d)"),
        (
            r"(?i)weekdays (?:at|from|is) 0?[78][:.]|opens at 0?[78][:.]00 on weekdays",
            r"27[.,]9|(?i:39[.,]50?[^.,]{0,12} (?:a|per) (?:year|week|day))",
        ),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "adjuster-phone",
        "I want to ring the adjuster who is handling my claim CL-8830. What's the phone number?",
        ("claim", "adjuster", "gym"),
        (r"960[- ]?731",),
        (r"960[- ]?745|Derry",),
    ),
    Task(
        "five-tickets",
        "There are 5 of us and we'd like to see Heron in Slate. What do we pay for admission to the museum it is in?",
        ("sculpture", "museum", "ferry"),
        (r"(?<![\d.,])42[.,]50?(?!\d)",),
        (r"(?i)\b55(?:[.,]00?)? ?(?:€|EUR|euro)|(?:€|EUR) ?55\b|Tidehouse",),
    ),
    Task(
        "teacher-born",
        "Where was the teacher of the sculptor who made Heron in Slate born?",
        ("sculpture", "sculptor", "lexicon"),
        (r"Kettleby",),
        (r"(?i)(?:teacher|Rooke|Tallis|\bhe|\bshe) was born in (?:Port|Dun)|Dunmarrow",),
    ),
    # -- comparisons and differences ---------------------------------------------------------------------------------
    Task(
        "stronger-wine",
        "Which is the stronger wine, Côte Verrane or Monte Salice?",
        ("wine", "quarry"),
        (r"Salice",),
        (
            r"(?i)Verrane (?:\([^)]*\) )?is (?:the )?strong|strong\w*(?: wine| one)?(?: is|:) (?:the )?C[oô]te",
            r"(?i)Salice (?:\([^)]*\) )?is (?:the )?(?:weak|less)",
        ),
    ),
    Task(
        "quickest-island",
        "Which of the islands Tolsay, Inch Varra and Great Holm is the quickest to reach by ferry?",
        ("ferry", "skilifts", "tender"),
        (r"Varra",),
        (
            r"(?i)(?:Tolsay|Holm) (?:\([^)]*\) )?(?:is|takes) (?:the )?(?:quick|fast|short|least)",
            r"(?i)(?:quickest|fastest|shortest)(?: \w+){0,4} is (?:to )?(?:Tolsay|Great)",
        ),
    ),
    Task(
        "word-age",
        "By how many years is the word fennock older than tarnwick, going by when each was first attested?",
        ("lexicon", "sculptor"),
        (r"(?<![\d.,])175(?![.,]?\d)",),
        (r"(?i)(?<!\d)(?<!\d )[-\u2212]175|tarnwick\W? is (?:\w+ )?175 years older|fennock\W? is 175 years younger",),
    ),
    Task(
        "claim-days",
        "How many days went by from the reporting of claim CL-8830 until it was settled?",
        ("claim", "adjuster"),
        (r"(?<![\d.,])73(?![.,]?\d)",),
        (r"(?i)\b(?:7[0-24-9]|104) days",),
    ),
    Task(
        "humid",
        "Is it more humid in the Palm House than in the Fern House at the moment?",
        ("greenhouse", "museum", "gym"),
        (r"(?i)\bno\b|\bnot\b|n't|less humid|Fern House is (?:the )?more humid|more humid in (?:the )?Fern",),
        (
            r"(?i)\byes\b|Palm House is (?:the )?more humid|it is more humid in (?:the )?Palm",
            r"(?i)not (?:found|known|specif|stat)|unknown|no (?:information|such|greenhouse)",
        ),
    ),
    # -- lists -------------------------------------------------------------------------------------------------------
    Task(
        "singers",
        "How many people sing in the St Maddern Choir, all voices together?",
        ("choir", "lexicon"),
        (r"(?i)(?<![\d.,])51(?![.,]?\d)|fifty-one",),
        (r"(?i)\b(?:20|31|34|37|40|42|52) (?:people|singers)",),
    ),
    Task(
        "open-lifts",
        "how many ski lifts are open in Grauhorn today?",
        ("skilifts", "ferry"),
        (r"(?i)(?<![\d.,])4(?!\d|[.,]\d)|\bfour\b",),
        (
            r"(?i)(?<!of )(?<!of the )(?<!of its )(?<!'s )\b(?:[35-7]|three|five|six|seven) (?:ski )?lifts are open",
            r"(?i)\b(?:4|four)(?: (?:ski )?lifts)?(?: are)? (?:closed|not open)",
        ),
    ),
    Task(
        "chairlifts",
        "I only like chairlifts. Which ones in Grauhorn are longer than 1000 metres?",
        ("skilifts", "greenhouse", "sculpture"),
        (r"Felsentor", r"Sattelegg"),
        (r"Kammbahn|Moosboden|Birkloh|Hirschgrat|Zirbel",),
    ),
    Task(
        "mean-bid",
        "What's the average of the bids for tender T-26-014?",
        ("tender", "claim"),
        (r"(?<![\d.,])181[.,'’\s]?500(?![.,]?[1-9])",),
        (r"(?i)181[.,'’\s]?100|average[^.]{0,30} (?:is|:) (?:€ ?|EUR ?)?726[.,'’\s]?000(?! ?[/÷:])",),
    ),
    # -- calculations ------------------------------------------------------------------------------------------------
    Task(
        "heron-pounds",
        "How many pounds does the sculpture Heron in Slate weigh?",
        ("sculpture", "quarry"),
        (r"(?<![\d.,])705(?!\d)",),
        (r"(?i)\b145[.,]|\b704\b|\b320 ?(?:lb|pounds)|705[.,]?\d* ?(?:kg|kilo)",),
    ),
    Task(
        "six-bottles",
        "What would 6 bottles of Monte Salice come to?",
        ("wine", "ferry", "adjuster"),
        (r"(?<![\d.,])83[.,]40?(?!\d)",),
        (r"(?<!\d)58[.,]8|\b84[.,]6",),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "little-skarra",
        "How long does the ferry to Little Skarra take?",
        ("ferry", "wine"),
        ABSENT,
        (r"(?i)\d ?(?:min|hours?\b)|Tolsay|Varra|Great Holm",),
    ),
    Task(
        "dornegg",
        "How many ski lifts does Dornegg have?",
        ("skilifts", "greenhouse"),
        (ABSENT[0] + r"|\b0\b|\bzero\b",),
        (r"(?i)\b(?:[1-9]\d*|one|two|three|four|seven) (?:ski )?lifts?\b|Kammbahn|Felsentor",),
    ),
    Task(
        "parking",
        "How many parking spaces are there at Ironfield Gym?",
        ("gym", "tender", "museum"),
        ABSENT,
        (
            r"(?i)\d (?:car )?(?:parking )?(?:spaces|places)|39[.,]5",
            r"(?i)(?:has|there are) (?:no|zero) (?:car )?parking spaces(?! (?:list|ment|giv|spec|rec|in the))",
        ),
    ),
    Task(
        "roof-winner",
        "Who won tender T-26-014?",
        ("tender", "adjuster"),
        (ABSENT[0] + r"|\byet\b|\bno one\b|\bundecided\b",),
        (
            r"(?i)(?:won by|awarded to|went to|winner (?:\w+ )?(?:is|was)) (?:the )?(?:Crossley|Haldane|Pargeter|Wren)",
            r"(?i)(?:Sons|Roofing|Works|Build) (?:has |have )?won",
        ),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "blackdown",
        "What kind of stone do they cut at Blackdown Quarry?",
        ("quarry", "sculpture", "claim"),
        DOWN,
        (r"(?i)\b(?:granite|slate|limestone|marble|sandstone)\b|not exist|no such|no quarry",),
    ),
    Task(
        "two-houses",
        "How warm is it in the Palm House right now? And in the Orchid House?",
        ("greenhouse", "choir"),
        (r"(?<![\d.,])27[.,]5(?!\d)", *DOWN),
        (
            r"(?i)Orchid House(?: is|:)(?: at)? (?!503)\d|both (?:green)?houses (?:are|have)",
            r"(?i)not exist|no such|no greenhouse",
        ),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "mean-tiles",
        "How many kilograms does a pallet of tiles weigh on average?",
        ("query", "quarry"),
        (r"(?<![\d.,])660(?:[.,]0+)?(?![.,]?\d)",),
        (r"\b495\b|\b665\b|\b20[.,]0\d? ?kg|(?i:average[^.]{0,30} is 2[.,'’\s]?640)",),
        files=("pallets.csv",),
    ),
    Task(
        "late-film",
        "What do I pay per day if I bring a film back late to the library?",
        ("read", "wine", "lexicon"),
        (r"(?i)(?<![\d.,])1[.,]20?(?!\d)|\b120 cents",),
        (r"(?i)\bfilms?\b[^.,]{0,40}(?<!\d)0[.,]40?(?!\d)|1[.,]20?[^.,]{0,12} (?:a|per) week",),
        files=("library.txt",),
    ),
)
