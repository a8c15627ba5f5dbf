"""Twenty-four goals for the agent, by somebody else who had not seen how it checks its answers.

Their worlds are others than those of `agent_goals` and `agent_goals_others`. A chain of calls may ask one tool twice.
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


def _bread(name: str, price: float, vegan: bool) -> Json:
    return {"bread": name, "price_eur": price, "vegan": vegan}


_PETTIGREW: Final = [
    _bread("rye loaf", 4.2, True),
    _bread("brioche", 5.1, False),
    _bread("spelt loaf", 4.7, True),
    _bread("milk roll", 1.1, False),
    _bread("baguette", 2.4, True),
    _bread("walnut ring", 5.3, True),
]
_HALCYON: Final = {
    "station": "Radio Halcyon",
    "frequency_mhz": 97.3,
    "town": "Wexcombe",
    "genre": "jazz",
    "on_air_since": 1988,
}

SOURCES: Final[dict[str, Source]] = {
    "hotel": Source(
        "A hotel by its name, with its prices.",
        "name",
        {
            "lantern house": {
                "name": "Lantern House",
                "town": "Brindle Bay",
                "rooms": 58,
                "double_room_eur_per_night": 118,
                "breakfast_eur": 14.5,
                "check_in_from": "15:00",
                "dogs_allowed": False,
            },
            "hotel almadine": {
                "name": "Hotel Almadine",
                "town": "Osterley Cross",
                "rooms": 34,
                "double_room_eur_per_night": 142.5,
                "breakfast_eur": 18,
                "check_in_from": "14:00",
                "dogs_allowed": True,
            },
        },
    ),
    "species": Source(
        "A species of bird by its common name.",
        "name",
        {
            "marbled tern": {
                "name": "marbled tern",
                "latin_name": "Thalassea marmorea",
                "wingspan_cm": 74,
                "weight_g": 140,
                "eggs_per_clutch": 3,
            },
            "dusk plover": {
                "name": "dusk plover",
                "latin_name": "Vesperina pallida",
                "wingspan_cm": 46,
                "weight_g": 95,
                "eggs_per_clutch": 4,
            },
        },
        [],
    ),
    "patent": Source(
        "A patent by its number, as in EP-1234567.",
        "number",
        {
            "ep-2214087": {
                "number": "EP-2214087",
                "title": "Self-sealing valve",
                "inventor": "Greta Solheim",
                "holder": "Vexley Controls",
                "filed": "2021-03-15",
                "granted": "2023-06-07",
            },
            "ep-2230561": {
                "number": "EP-2230561",
                "title": "Foldable keel",
                "inventor": "Owen Achterberg",
                "holder": "Tidewright",
                "filed": "2024-09-02",
                "granted": None,
            },
        },
    ),
    "firm": Source(
        "A firm by its name: its seat, its head, and the firm that owns it.",
        "name",
        {
            "vexley controls": {
                "name": "Vexley Controls",
                "town": "Hamble Green",
                "employees": 310,
                "chief_executive": "Noor Aldridge",
                "parent": "Brockhurst Group",
            },
            "brockhurst group": {
                "name": "Brockhurst Group",
                "town": "Ravensholt",
                "employees": 5200,
                "chief_executive": "Felix Torrance",
                "parent": None,
            },
            "tidewright": {
                "name": "Tidewright",
                "town": "Selmouth",
                "employees": 24,
                "chief_executive": "Imke Barlow",
                "parent": None,
            },
        },
    ),
    "election": Source(
        "The candidates for mayor in the last election of a town, with their votes.",
        "town",
        {
            "ashgrove": [
                {"candidate": "Lena Whitcombe", "party": "Civic List", "votes": 4120},
                {"candidate": "Dario Penn", "party": "Harvest", "votes": 3875},
                {"candidate": "Hugh Marlowe", "party": "Independent", "votes": 1290},
                {"candidate": "Sunniva Rao", "party": "Green Mile", "votes": 764},
            ],
        },
        [],
    ),
    "play": Source(
        "A play by its title, and the theatre that stages it.",
        "title",
        {
            "nine windows": {
                "title": "Nine Windows",
                "playwright": "Theo Brandreth",
                "theatre": "Corvid Playhouse",
                "minutes": 95,
                "sequel": "Ten Doors",
            },
            "ten doors": {
                "title": "Ten Doors",
                "playwright": "Theo Brandreth",
                "theatre": "Malthouse Theatre",
                "minutes": 110,
                "sequel": None,
            },
            "salt and saffron": {
                "title": "Salt and Saffron",
                "playwright": "Miriam Castellan",
                "theatre": "Corvid Playhouse",
                "minutes": 135,
                "sequel": None,
            },
        },
    ),
    "theatre": Source(
        "A theatre by its name.",
        "name",
        {
            "corvid playhouse": {
                "name": "Corvid Playhouse",
                "town": "Brindle Bay",
                "seats": 420,
                "partner_hotel": "Lantern House",
            },
            "malthouse theatre": {
                "name": "Malthouse Theatre",
                "town": "Osterley Cross",
                "seats": 185,
                "partner_hotel": "Hotel Almadine",
            },
        },
    ),
    "car": Source(
        "The data of a car by its model.",
        "model",
        {
            "vanta lido": {"model": "Vanta Lido", "fuel": "electric", "weight_kg": 1385, "range_km": 285, "doors": 3},
            "orbis trek": {"model": "Orbis Trek", "fuel": "electric", "weight_kg": 1920, "range_km": 430, "doors": 5},
            "pellar duo": {"model": "Pellar Duo", "fuel": "petrol", "weight_kg": 1090, "range_km": 640, "doors": 3},
        },
    ),
    "bridge": Source(
        "A bridge by its name.",
        "name",
        {
            "kestle span": {"name": "Kestle Span", "river": "Orme", "length_m": 812, "opened": "1934-05-26"},
            "hollin bridge": {"name": "Hollin Bridge", "river": "Tavel", "length_m": 488, "opened": "1866-10-03"},
            "marrow viaduct": {"name": "Marrow Viaduct", "river": "Orme", "length_m": 745, "opened": "1902-08-14"},
        },
    ),
    "schools": Source(
        "The schools of a town.",
        "town",
        {
            "larkbridge": {
                "results": [
                    {"name": "Aldersey Primary", "pupils": 268, "sports_hall": True},
                    {"name": "Tollgate", "pupils": 412, "sports_hall": True},
                    {"name": "Finch Lane", "pupils": 95, "sports_hall": False},
                    {"name": "St Orlan", "pupils": 290, "sports_hall": True},
                    {"name": "Brackley Road", "pupils": 240, "sports_hall": False},
                ]
            }
        },
        {"results": []},
    ),
    "bakery": Source(
        "The breads of a bakery, by the name of the bakery.",
        "name",
        {"pettigrew": _PETTIGREW, "pettigrew bakery": _PETTIGREW, "pettigrew's": _PETTIGREW},
    ),
    "radio": Source(
        "A radio station by its name.",
        "station",
        {
            "radio halcyon": _HALCYON,
            "halcyon": _HALCYON,
            "tidal fm": {
                "station": "Tidal FM",
                "frequency_mhz": 103.8,
                "town": "Selmouth",
                "genre": "pop",
                "on_air_since": 2004,
            },
        },
    ),
    "powerplant": Source(
        "A power plant by its name.",
        "name",
        {
            "cotter weir": {"name": "Cotter Weir", "kind": "hydro", "output_mw": 64, "started": 1957},
            "sandmere": {"name": "Sandmere", "kind": "wind", "output_mw": 118, "started": 2016},
            "grimsdale": FAILED,
            "grimsdale power station": FAILED,
            "grimsdale power plant": FAILED,
        },
    ),
    "account": Source(
        "A bank account by its number, as in 1234-56.",
        "number",
        {
            "4410-77": {
                "number": "4410-77",
                "holder": "Petra Lund",
                "balance_eur": 2318.4,
                "branch": "Selmouth",
                "opened": "2017-02-01",
            },
            "4410-92": FAILED,
        },
    ),
}

FILES: Final = {
    "screenings.csv": """\
film,hall,day,tickets,takings
Amber Coast,1,2026-07-03,88,968
Low Lanterns,2,2026-07-03,131,1441
The Quiet Signal,3,2026-07-03,45,495
Amber Coast,1,2026-07-04,71,781
The Quiet Signal,3,2026-07-04,52,572
Low Lanterns,2,2026-07-05,60,660
Amber Coast,2,2026-07-05,94,1034
The Quiet Signal,3,2026-07-05,39,429
""",
    "trip.txt": """\
To the parents of class 6b.

Our trip to the salt mine is on Thursday, 11 June 2026. The coach leaves at 7:40 from the car park in Tanner Street,
and is back at about 18:30. Each child needs a packed lunch and a warm jacket.

The trip costs 34 euros. Please pay Mr. Abara in the school office by 29 May.
Tell Mrs. Quist by 5 June of any allergies.
""",
}

TASKS: Final = (
    # -- look-ups ----------------------------------------------------------------------------------------------------
    Task(
        "frequency",
        "what frequency is Radio Halcyon on?",
        ("radio", "bakery", "election"),
        (r"97[.,]3",),
        (r"103[.,]8|(?i:97[.,]3\d* ?(?:kHz|kilo))",),
    ),
    Task(
        "tern",
        "What's the Latin name of the marbled tern and how many eggs does it lay?",
        ("species", "car"),
        (r"(?i)Thalassea marmorea", r"(?i)\b3\b|\bthree\b"),
        (r"(?i)Vesperina|\b(?:4|four|74|140) eggs",),
    ),
    Task(
        "dog",
        "Can I bring my dog to Lantern House?",
        ("hotel", "theatre", "species"),
        (r"(?i)\bnot?\b|n't|\bcannot\b|\bforbid|\bprohibit",),
        (
            r"(?i)\byes\b|you can bring|\bdogs are (?:allowed|welcome|permitted)|\ballows dogs",
            r"(?i)not (?:found|known|specif|stat)|unknown|no (?:information|such|hotel)",
        ),
    ),
    # -- chains ------------------------------------------------------------------------------------------------------
    Task(
        "check-in",
        "From what time can I check in at the partner hotel of Malthouse Theatre?",
        ("theatre", "hotel", "radio"),
        (r"(?i)\b14[:.h]00|\b0?2(?:[:.]00)? ?p\.? ?m|\b(?:14|2|two) o.clock|\b1400\b",),
        (r"(?i)\b15[:.h]00|\b0?3(?:[:.]00)? ?p\.? ?m|\b(?:15|3|three) o.clock|Lantern",),
    ),
    Task(
        "parent-town",
        "Which town is the parent company of the firm that holds patent EP-2214087 based in?",
        ("patent", "firm", "hotel"),
        (r"Ravensholt",),
        (r"Selmouth|(?i:\b(?:group|company) is (?:based |located |seated |headquartered )?in Hamble)",),
    ),
    Task(
        "sequel-seats",
        "Nine Windows has a sequel. How many people can sit in the theatre that stages it, the sequel I mean?",
        ("play", "theatre", "firm"),
        (r"(?<![\d.,])185(?![.,]?\d)",),
        (r"\b420\b|\b605\b",),
    ),
    # -- comparisons and differences ---------------------------------------------------------------------------------
    Task(
        "oldest-bridge",
        "Which is the oldest of these three bridges: Kestle Span, Hollin Bridge, Marrow Viaduct?",
        ("bridge", "powerplant"),
        (r"Hollin",),
        (
            r"(?i)oldest(?: of \w+(?: \w+)?| bridge| one)? is (?:the )?(?:Kestle|Marrow)",
            r"(?i)(?:Span|Viaduct) is (?:the )?old",
        ),
    ),
    Task(
        "lighter-car",
        "I'm torn between the Vanta Lido and the Orbis Trek. Which car is lighter?",
        ("car", "bridge", "patent"),
        (r"Vanta|Lido",),
        (
            r"(?i)Trek (?:\([^)]*\) )?(?:is|weighs) (?:the )?(?:light|less)",
            r"(?i)lighter(?: car| one)? is (?:the )?Orbis|Lido is (?:the )?heav",
        ),
    ),
    Task(
        "more-seats",
        "How many more seats does Corvid Playhouse have than Malthouse Theatre?",
        ("theatre", "play", "schools"),
        (r"(?<![\d.,])235(?![.,]?\d)",),
        (r"(?i)\b605\b|[-\u2212]235|Theatre has 235 (?:seats )?more|Playhouse has 235 (?:seats )?(?:few|less)",),
    ),
    Task(
        "grant-days",
        "How many days did it take from the filing of patent EP-2214087 until it was granted?",
        ("patent", "firm"),
        (r"(?<![\d.,])814(?![.,]?\d)",),
        (r"\b(?:81[0-35-9]|[78]\d[0-35-9]|84|449) days",),
    ),
    # -- lists -------------------------------------------------------------------------------------------------------
    Task(
        "all-votes",
        "How many votes were cast for mayor in Ashgrove, all candidates added up?",
        ("election", "account"),
        (r"(?<![\d.,])10[.,'’\s]?049(?![.,]?\d)",),
        (r"(?i)\b9[.,'’\s]?285\b|\b7[.,'’\s]?995\b|\b4[.,'’\s]?120 votes (?:in (?:all|total)|were cast)",),
    ),
    Task(
        "vegan-breads",
        "how many of the breads at the Pettigrew bakery are vegan",
        ("bakery", "hotel"),
        (r"(?i)(?<![\d.,])4(?!\d|[.,]\d)|\bfour\b",),
        (
            r"(?i)(?<!of )(?<!of the )(?<!of its )\b(?:[2356]|two|three|five|six) (?:of (?:the|its) )?breads are vegan",
            r"(?i)(?<![.,])\b(?:[2356]|two|three|five|six) (?:(?:are|is) )?vegan",
            r"(?i)\b(?:4|four) (?:\w+ )?(?:breads )?(?:are )?(?:not|non-?|n't) ?vegan",
        ),
    ),
    Task(
        "mean-bread",
        "What does a bread at the Pettigrew bakery cost on average?",
        ("bakery", "species", "account"),
        (r"(?<![\d.,])3[.,]80?(?!\d)",),
        (r"(?<!\d)4[.,](?:15|45|56)(?!\d)|(?i:average[^.]{0,30} is (?:€ ?|EUR ?)?22[.,]80?(?! ?[\d/÷:]))",),
    ),
    Task(
        "small-schools",
        "We're moving to Larkbridge. Which schools there have a sports hall and fewer than 300 pupils?",
        ("schools", "election", "firm"),
        (r"Aldersey", r"Orlan"),
        (r"Tollgate|Finch Lane|Brackley",),
    ),
    # -- calculations ------------------------------------------------------------------------------------------------
    Task(
        "trek-miles",
        "How many miles is the range of the Orbis Trek?",
        ("car", "radio"),
        (r"(?<![\d.,])267(?!\d)",),
        (r"(?i)\b692\b|\b430 ?mi|\b268\b|\b177[.,]?\d* ?mi|\b267[.,]?\d* ?(?:km|kilom)",),
    ),
    Task(
        "seven-nights",
        "We want to spend 7 nights in a double room at Lantern House. What will the room cost, without breakfast?",
        ("hotel", "bridge"),
        (r"(?<![\d.,])826(?:[.,]0+)?(?![.,]?\d)",),
        (r"(?<!\d)(?:927[.,]5|1[.,'’\s]?029|997[.,]5|724[.,]5)",),
    ),
    # -- what is not there -------------------------------------------------------------------------------------------
    Task(
        "paper-orchard",
        "Who is the playwright of The Paper Orchard?",
        ("play", "theatre"),
        ABSENT,
        (r"Castellan|Brandreth|[Ww]ritten by (?!The )[A-Z]|[A-Z][a-z]+ [A-Z][a-z]+ wrote (?:the play )?The Paper",),
    ),
    Task(
        "no-schools",
        "What's the biggest school in Quillfield, and how many pupils go there?",
        ("schools", "election"),
        ABSENT,
        (r"(?i)\b[1-9]\d* pupils|Aldersey|Tollgate|Orlan|Brackley|Finch Lane",),
    ),
    Task(
        "top-speed",
        "Could you tell me the top speed of the Pellar Duo?",
        ("car", "powerplant", "radio"),
        ABSENT,
        (r"(?i)\d ?(?:km/h|kph|kmh|mph|kilometres)|speed (?:of the Pellar Duo )?is (?:about |around )?\d",),
    ),
    Task(
        "ungranted",
        "When was patent EP-2230561 granted?",
        ("patent", "account"),
        ABSENT,
        (
            r"(?i)(?<!not )(?<!not been )(?<!n't )(?<!n't been )\bgranted (?:on|in) (?:the )?(?:\d|[JFMASOND]\w+ \d)",
            r"(?i)2023-06-07|7 June|June 7|grant(?:ed)?(?: date)?(?: is|:) (?:the )?\d",
        ),
    ),
    # -- what fails --------------------------------------------------------------------------------------------------
    Task(
        "plant-down",
        "How many megawatts does the Grimsdale power station put out?",
        ("powerplant", "bridge"),
        DOWN,
        (r"(?i)\d ?(?:MW|megawatt)|not exist|no such|no power (?:plant|station)",),
    ),
    Task(
        "two-accounts",
        "Please give me the balance of account 4410-77 and also that of account 4410-92.",
        ("account", "hotel", "patent"),
        (r"2[.,'’\s]?318[.,]40?(?!\d)", *DOWN),
        (
            r"(?i)4410-92(?:'s balance)?(?: is|:| has| holds)[^.\d]{0,20}\d[\d.,'’ ]* ?(?:€|EUR\b|euro)",
            r"(?i)not exist|no such|no account|4410-92 (?:is|was) not found|both accounts (?:have|hold)",
        ),
    ),
    # -- files -------------------------------------------------------------------------------------------------------
    Task(
        "top-film",
        "Which film sold the most tickets over all its screenings, and how many was that?",
        ("query", "play"),
        (r"Amber Coast", r"(?<![\d.,])253(?![.,]?\d)"),
        (r"(?i)most[^.]{0,30} (?:was|is) (?:Low|The Quiet)|Lanterns sold the most|\b131\b|\b580\b",),
        files=("screenings.csv",),
    ),
    Task(
        "trip-money",
        "By when do I have to pay for the class trip, and who gets the money?",
        ("read", "account", "schools"),
        (
            r"(?i)\b29(?:th)?(?: of)? May|May (?:the )?29|2026-05-29|\b29\. ?0?5\b|\b29/0?5\b|\b0?5/29\b",
            r"Abara",
        ),
        (r"(?i)Quist (?:gets|receives)|pay (?:to )?Mrs|(?:pay|paid)[^.]{0,25} by (?:the )?(?:5|11)(?:th)? June",),
        files=("trip.txt",),
    ),
)
