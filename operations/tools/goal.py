"""What a goal says that an answer has to take into account: names, numbers, dates, a unit, a comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

from ..form.currency import code_of
from ..form.dates import dates_in
from ..form.months import months_of
from ..form.words import normalize
from .observed import words, words_of
from .units import Unit, unit_of, units_in

_ENGLISH: Final = re.compile(
    r"\b(?:the|of|what|which|how|who|when|where|is|are|does|do|has|have|would|could|you|your|my|"
    r"this|that|with|from|they|their|them|did|than|by|for)\b",
    re.IGNORECASE,
)
_AFTER_SMALL_WORD: Final = re.compile(
    r"\b(?:in|von|nach|aus|bei|und|oder|à|en|de|et|ou|di|a|e|o|y)\s+([A-ZÀ-Þ][\w.-]*(?: [A-ZÀ-Þ][\w.-]*)*)"
)
_WORD: Final = re.compile(r"[^\W\d_][\w'’-]*(?:\.\d+)?|\d+(?![\w.,:]*\d)|\S")
_NUMBER: Final = re.compile(r"(?<![\w.,])(?:\d{1,2}:[0-5]\d|\d[\d.,]*)")
"""A number, or a time of the day, that is no part of a name."""
STARTS: Final = words("""
    a about actually add all also am an and any anybody anyone are as at because besides between both build but by
    calculate can check compare compute consider convert could count create did do does each either every everybody
    everyone express find first for from get give go had has have he help her here hers him his how i if in is it its
    just let list look may maybe me might my name need no nobody not now of okay on one or our ours over per perhaps
    please provide read report say search see she should show so somebody someone sorry sum tell that the their them
    then there these they this those to today tomorrow total under until up urgent use using was we well were what when
    where which who whom whose why will with work would write yes yesterday you your
""")
"""Words with which a sentence begins, and that are no names."""
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RELATIVE: Final = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1, "heute": 0, "morgen": 1, "gestern": -1}
_THRESHOLD: Final = re.compile(
    r"\b(?:more|less|\w+er|cost\w* (?:more|less)) than (?=[€$£]?\d)|\b(?:at (?:most|least|the latest)|more or less|"
    r"(?:level|step|floor|rank|grade)s? (?:higher|lower)|no later than|"
    r"more (?:of|about)|sooner or later|most recent|"
    r"(?:latest|last)(?: \w+)? (?:rate|news|version|release|reading|status|value|price))\b",
    re.IGNORECASE,
)
"""Comparisons with a number, or with nothing."""
_HIGH: Final = words("""
    bigger biggest dearer dearest fuller greater greatest heavier heaviest higher highest hotter hottest larger
    largest longer longest more most costliest costlier priciest pricier richer richest taller tallest warmer
    warmest wider widest windier windiest deeper deepest further furthest farther farthest louder loudest
    wärmer höher größer teurer länger
    schwerer maximum
""")
_LOW: Final = words("""
    cheaper cheapest colder coldest cooler coolest fewer fewest less least lighter lightest lower lowest
    narrower narrowest nearer nearest closer closest shallower shallowest shorter shortest smaller smallest
    kälter niedriger kleiner billiger günstiger kürzer leichter minimum
""")
_LATE: Final = words("""
    later latest newer newest younger youngest
""")
_EARLY: Final = words("""
    earlier earliest older oldest sooner soonest
""")
_UNCLEAR: Final = words("faster fastest slower slowest better best worse worst")
_EITHER: Final = re.compile(
    r"\b(?:which|who|what|whose)\b.*\b(?:or|faster|fastest|slower|slowest|better|best|worse|worst|than)\b|"
    r"\bor\b.{0,60}\bwhich\b|"
    r"\b(?:compare|ranked?|versus|vs)\b",
    re.IGNORECASE | re.DOTALL,
)
_FIRST: Final = re.compile(r"\b(?:which|who)\b[^.?!]*\b(?:first|last)\b", re.IGNORECASE)
TOTALS: Final = words("total sum average mean")
"""Words that the name of a field has that is a total itself."""
_TOTAL: Final = re.compile(
    r"\b(?:worth|together|counted|altogether|in all|total|sum|combined|add(?:s|ed|ing)? up|average|mean|zusammen|"
    r"insgesamt)\b",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(
    r"\bof (?:the )?(?:[A-Z0-9][\w.-]* ?)+['’]s? ([^\W\d_]+)(?!['’\w])|['’]s ([^\W\d_]+)['’]s?\b|"
    r"\bof the ([a-z][^\W\d_]*(?: (?!instead)[a-z][^\W\d_]*)?) (?:of|for|that|which|who|whose)\b|"
    r"\b(?:his|her|their|my|our|whose) ([a-z]+)['’]s\b|"
    r"\b(?:[Ww]here|[Ww]hen|(?:[Ww]hich|[Ww]hat|[Hh]ow) [^\W\d_]+) (?:is|was|are|were|do|does|did) the ([^\W\d_]+) of\b"
)
"""`the number of Jane Doe's manager`, `Jane Doe's manager's number`, `the number of the manager of Jane Doe`,
`where was the manager of Jane Doe born`."""
_TWICE: Final = re.compile(r"\b([a-z]+)['’]s \1\b")
_BEGINS: Final = re.compile(r"\s+(?!(?:is|was|has|had|does|did|or|and|vs|versus|than|to|in)\b)[a-z]")
"""After the first word of a sentence that has its capital for that reason: `Size of`, and not `Oslo is`."""
_COMPUTED: Final = re.compile(
    r"\b(?:together|altogether|in all|average|mean|sum|difference|between|per|each|every|all|still|left|"
    r"remain\w*|spare|more|fewer|less|than|un(?:sold|used|paid|spent|booked|read|taken))\b",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"\b(?:and|und|et)\b", re.IGNORECASE)
_KINDS: Final = words("""
    account article bill booking bus case claim course customer employee flight gate hall incident invoice item job
    line machine member number order parcel part patent patient permit platform purchase room route sample shipment
    site tender ticket track train tram
""")
"""Words that say what the number or the code after them belongs to, also with the capital of a sentence's beginning."""
_NUMBERED: Final = re.compile(r" (?:[A-Z]{1,4}-?)?\d")
_MODEL: Final = re.compile(r"['’]s\b|\s*(?:[,;:.!?)]|$|(?:and|or|is|has|uses?|makes?|than|costs?)\b)")
"""After a number that belongs to a name: of a machine, and not of the days in a town."""
_CAPITAL: Final = re.compile(r" [A-Z]")
_CODE: Final = re.compile(r"(?<![\w-])[a-z]+-\d[\w-]*")
"""The name of a machine or an order in small letters: `lynx-02`."""
_COURTESY: Final = re.compile(
    r"^\s*(?:hi|hiya|hello|hey|dear|good (?:morning|afternoon|evening|day))(?:\s+\w+){0,2}\s*[,.!:\n]|"
    r"(?<=[,.!?\n])\s*\b(?:many thanks|thanks|thank you|thx|cheers|(?:kind |best )?regards|best wishes)\b[,.!]?"
    r"(?:\s*\w+){0,2}[\s.!]*$",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(r"(?:and |so |but )?(?:what|which|who|whose|how|when|where)\b", re.IGNORECASE)
_CONTRACTED: Final = re.compile(r"\b(what|where|when|how)['’]?s\b|\b(who|that|it)['’]s\b", re.IGNORECASE)
_YES_NO: Final = re.compile(
    r"(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|may)\b(?! .*\bor\b)"
    r"(?! (?:i|you)\b.{0,30}\b(?:what|which|who|whose|when|where|how|the|me|for)\b)",
    re.IGNORECASE,
)
"""And not `could you tell me when ...`."""


_TIME: Final = re.compile(r"\d{1,2}[:.]\d\d")
LONG_ID: Final = 3
"""Digits of a number that is that of something."""
LONG_UNIT: Final = 3
"""Letters of a unit that is written as a word."""


def without_courtesies(text: str) -> str:
    """A goal without a greeting before it, and thanks or a name after it."""
    return _COURTESY.sub("", text).strip() or text


@dataclass(frozen=True)
class Goal:
    """A goal and the day on which it is asked.

    `row_texts` are the short texts in the tables that came with it, `fields` the names of those that it asks for
    without a word of theirs, as the model says (`fields`).
    """

    text: str
    today: date
    row_texts: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()

    @cached_property
    def plain(self) -> str:
        """The text without differences that do not matter."""
        return normalize(self.text)

    @cached_property
    def spelled(self) -> str:
        """The text without contractions: what's the fee."""
        return _CONTRACTED.sub(lambda found: f"{found[1] or found[2]} is", self.text)

    @cached_property
    def question(self) -> str:
        """Its last sentence that asks something; all of it where none does."""
        return next(reversed(self.questions), self.text)

    @cached_property
    def questions(self) -> list[str]:
        """Its sentences that ask something."""
        sentences = re.split(r"(?<=[.!?])\s+|\.\.+\s*", self.spelled.strip())
        return [each for each in sentences if each.endswith("?") or _ASKS.match(each)]

    @cached_property
    def is_english(self) -> bool:
        """Whether it has one of the small words of English."""
        return _ENGLISH.search(self.text) is not None

    @cached_property
    def words(self) -> list[str]:
        """Its words without endings, in order."""
        return words_of(self.text)

    @cached_property
    def names(self) -> list[str]:
        """Names, by their capitals; in other languages than English, which have more of those, after a small word."""
        if not self.is_english:
            found = _AFTER_SMALL_WORD.findall(self.text)
            return [name for name in found if not _is_other(name) and code_of(name) is None]
        names: list[str] = []
        begins, joins, ampersand = True, False, ""
        for match in _WORD.finditer(self.text):
            if joins and match[0] == "&":
                ampersand = "& "
                continue
            word = re.sub(r"['’]s?$", "", match[0])
            start = re.split("['’]", word)[0].casefold()  # We're, What's
            is_name = word[:1].isupper() and start != "i"
            if begins and is_name:
                is_kind = start in _KINDS and _NUMBERED.match(self.text, match.end())
                is_word = _BEGINS.match(self.text, match.end()) and not re.search(r"\d", start)
                is_name = start not in STARTS and not is_word and not is_kind
            between = self.text[match.start() - 1 : match.start()]
            if joins and between == " " and word.isdigit() and _MODEL.match(self.text, match.end()):
                names[-1] += f" {word}"
            is_part = bool(joins and names and between == " " and re.fullmatch("[b-hj-z]", word))
            is_name = is_name or is_part
            follows, goes_on = joins and between == " ", _CAPITAL.match(self.text, match.end()) is not None
            is_other = not is_part and _is_other(word) and not _is_of_name(word, follows=follows, goes_on=goes_on)
            if is_name and not is_other:
                names[-1:] = [f"{names[-1]} {ampersand}{word}"] if follows else [*names[-1:], word]
            joins, ampersand = is_name and match[0] == word and not is_other, ""
            begins = match[0] in ".!?:;\n"
        names += [code for code in _CODE.findall(self.text) if not any(code in name for name in names)]
        return [name for name in names if code_of(name) is None and not name.isdigit()]

    @cached_property
    def titles(self) -> list[str]:
        """Names with small words, or an owner's s, between them that may be one: `Heron in Slate`, `Monk's Arch`."""
        names = "|".join(map(re.escape, sorted(self.names, key=len, reverse=True)))
        between = "(?: (?:of|in|on|at|under|with|for|and the|by)(?: the)?|['’]s?)"
        return re.findall(rf"\b(?:{names})(?:{between} (?:{names}))+\b", self.text) if names else []

    @cached_property
    def forms(self) -> list[str]:
        """What its names may be called: also several as one, and a code of two words alone."""
        codes = [code for name in self.names for code in re.findall(r"(?<= )[A-Z]+[-/]?\d[\w/-]*$", name)]
        return [*self.titles, *codes, *self.names]

    @cached_property
    def numbers(self) -> list[str]:
        """Its numbers, without those of its dates."""
        rest = self.plain
        for name in self.names:
            if re.search(r" \d+$|[^\W\d_]-?\d", name):
                rest = rest.replace(normalize(name), " " * len(normalize(name)))
        for found in sorted(self._dates, key=lambda found: -found[1]):
            rest = rest[: found[1]] + " " + rest[found[2] :]
        return [number.rstrip(".,") for number in _NUMBER.findall(rest)]

    @cached_property
    def ids(self) -> list[str]:
        """Those of its numbers that may be that of something: long ones, that are no time or amount of anything."""
        return [
            number
            for number in self.numbers
            if len(re.sub(r"\D", "", number)) >= LONG_ID and not _TIME.fullmatch(number) and not self._is_amount(number)
        ]

    def _is_amount(self, number: str) -> bool:
        """Whether a number has a unit or a currency beside it."""
        beside = re.search(rf"([€$£]?) ?(?<![\w.,]){re.escape(number)}(?!\d) ?([^\W\d_]*)", self.plain)
        return bool(beside and (beside[1] or unit_of(beside[2]) or code_of(beside[2])))

    @cached_property
    def _dates(self) -> list[tuple[date, int, int]]:
        return [(found.day, found.start, found.end) for found in dates_in(self.plain)]

    @cached_property
    def days(self) -> set[date]:
        """Its dates, also those that are relative to today."""
        days = {day for day, _, _ in self._dates}
        for word in self.plain.split():
            bare = re.sub(r"\W|'s$", "", word)
            if bare in _RELATIVE:
                days.add(self.today + timedelta(days=_RELATIVE[bare]))
            if bare in _WEEKDAYS:
                days.add(self.today + timedelta(days=(_WEEKDAYS.index(bare) - self.today.weekday()) % 7))
        return days

    @cached_property
    def unit(self) -> Unit | None:
        """The unit that it names, if it is one."""
        found = set(self.units)
        return found.pop() if len(found) == 1 else None

    @cached_property
    def units(self) -> list[Unit]:
        """All units that it names."""
        text = self.text
        for name in self.names:
            text = text.replace(name, " ")
        return units_in(text)

    @cached_property
    def _compared(self) -> set[str]:
        return set(re.findall(r"[^\W\d_]+", _THRESHOLD.sub(" ", self.text.casefold())))

    def direction(self, *, dates: bool) -> int:
        """1 where the highest is asked for, -1 for the lowest, 0 for neither or both. `dates`: of dates."""
        high, low = (_HIGH | _LATE | {"last"}, _LOW | _EARLY | {"first"}) if dates else (_HIGH, _LOW)
        if not dates:
            high, low = high | {"older", "oldest"}, low | {"younger", "youngest"}
        return bool(self._compared & high) - bool(self._compared & low)

    @cached_property
    def compares(self) -> bool:
        """Whether it asks which of several comes first in some order."""
        words = _HIGH | _LOW | _LATE | _EARLY
        is_first = len(self.names) > 1 and _FIRST.search(self.text) is not None
        return bool(self._compared & words or is_first or _EITHER.search(_THRESHOLD.sub(" ", self.text)))

    @cached_property
    def degrees(self) -> set[str]:
        """Adjectives that it compares by: `more humid`, `the most populous`."""
        return set(re.findall(r"\b(?:more|less|most|least) ([^\W\d_]{4,})", self.plain))

    @property
    def by_time(self) -> bool:
        """Whether it asks for the earlier or the later, of dates or of years."""
        return bool(self._compared & (_LATE | _EARLY)) and not self._compared & (_HIGH | _LOW)

    @property
    def is_unclear(self) -> bool:
        """Whether it asks for one end of an order in words that do not tell which end that is."""
        return bool(self._compared & _UNCLEAR)

    @cached_property
    def between(self) -> list[str]:
        """Words for what stands between the thing that is named and what is asked for: the manager of somebody."""
        own = {word for name in self.names for word in name.split()}  # the attic of `The Clockmaker's Attic`
        found = (word for match in _BETWEEN.finditer(self.spelled) for word in match.groups())
        return [word.casefold() for word in found if word and word not in own]

    @cached_property
    def twice(self) -> str:
        """What it follows twice: the manager's manager."""
        found = _TWICE.search(self.spelled.casefold())
        return found[1] if found else ""

    @property
    def asks_for_total(self) -> bool:
        """Whether it asks for what is computed of several numbers."""
        return _TOTAL.search(self.text) is not None

    @property
    def may_be_computed(self) -> bool:
        """Whether it may ask for what several fields say together: seats that are still unsold."""
        return _COMPUTED.search(self.text) is not None

    @property
    def may_ask_for_more(self) -> bool:
        """Whether it may ask for more than one field, or for what is computed."""
        return self.may_be_computed or self.may_ask_for_several

    @property
    def may_ask_for_several(self) -> bool:
        """Whether it may ask for more than one field."""
        return _AND.search(" ".join(self.questions) or self.text) is not None

    @property
    def is_yes_or_no(self) -> bool:
        """Whether it is a question to be answered by yes or no."""
        asked = [each for each in self.questions if each.endswith("?")]
        return bool(asked) and all(map(_YES_NO.match, asked))


def _is_of_name(word: str, *, follows: bool, goes_on: bool) -> bool:
    """Whether a word is a part of a name, though it may be a unit or a month: `Inch Varra`, `Long Acre`, `Ida Marsh`.

    It follows another word of one, or the name goes on after it. Celsius has its own capital.
    """
    unit = unit_of(word)
    is_measure = unit is not None and unit.dimension != "temperature" and len(word) > LONG_UNIT
    return (is_measure and (follows or goes_on)) or (follows and bool(months_of(word.casefold())))


def _is_other(word: str) -> bool:
    """Whether a word has a capital for another reason than that it is a name."""
    plain = word.casefold()
    return (
        plain.removesuffix("s") in _WEEKDAYS
        or bool(list(months_of(plain)))
        or unit_of(plain) is not None
        or len(word) == 1
    )
