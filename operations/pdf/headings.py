"""Headings, from the outline and from the type.

If the document has an outline, a line with the text of an entry for its page is a heading of the entry's level. Other
lines are headings by their type: larger than the body text, or bold if the body text is not. `learn` reads the type of
the body, the types of headings and the running titles from some pages before the first page is returned, so that all
pages are judged alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .layout import Box, Line, Page, Words, cells

LARGER = 1.12
"""How many times larger than the body a heading is that is not bold."""
MAX_WORDS = 24
"""Words of a heading; more than that is a paragraph in large type."""
MAX_LEVEL = 6
"""Deeper headings have this level too."""
MARGIN = 0.1
"""Share of the page's height, at its top and at its bottom, where running titles are."""

Type = tuple[float, bool]
"""Size, rounded to half a point, and whether it is bold."""

_NUMBER = re.compile(r"(?:\d+(?:\.\d+)*|[A-Z](?:\.\d+)*|[IVXLC]+)[.:)]?")
_PREFIX = re.compile(rf"^(?:(?:(?:chapter|section|part|appendix)\s+|{_NUMBER.pattern}\s+))+", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, its level from 1, and its place on the page."""

    text: str
    level: int
    box: Box


@dataclass(frozen=True)
class Profile:
    """How the headings of a document look.

    `levels` are the levels of the types of headings. `running` are running titles, by place (thirds of an inch from
    the top) and by text. `entries` are, by page, the outline's titles as `plain` returns them, with their levels.
    """

    body: Type = (0.0, False)
    levels: dict[Type, int] = field(default_factory=dict)
    running: frozenset[int | str] = frozenset()
    entries: dict[int, dict[str, int]] = field(default_factory=dict)


def learn(samples: Sequence[Page], outline: Iterable[tuple[str, int, int | None]]) -> Profile:
    """The profile of a document from some of its pages and its outline (title, level, page)."""
    entries: dict[int, dict[str, int]] = defaultdict(dict)
    for title, level, page in outline:
        if page is not None:
            entries[page].setdefault(plain(title), min(level, MAX_LEVEL))
    profile = Profile(_body(samples), {}, _running(samples), dict(entries))
    return replace(profile, levels=_levels(samples, profile))


def find(page: Page, profile: Profile, tables: Iterable[Box] = ()) -> list[Heading]:
    """The headings of a page in reading order, except lines inside `tables`."""
    boxes = list(tables)
    lines = [line for line in page.lines if not any(box.holds(*line.middle) for box in boxes)]
    headings = []
    for block in _blocks(lines):
        text = " ".join(line.text for line in block)
        level = _level_in_outline(text, block[0], page, profile) or _level_of_type(text, block, page, profile)
        if level:
            headings.append(Heading(text, level, block[0].box))
    return headings


def plain(text: str) -> str:
    """A title without number, case and punctuation, for comparison with another."""
    return " ".join(re.findall(r"\w+", _PREFIX.sub("", text.strip()).casefold())) or text


def _level_in_outline(text: str, line: Line, page: Page, profile: Profile) -> int | None:
    """The level of this text in the outline."""
    if _is_running_title(line, page, profile):
        return None
    return profile.entries.get(page.number, {}).get(plain(text))


def _level_of_type(text: str, block: list[Line], page: Page, profile: Profile) -> int | None:
    """The level of these lines by their type."""
    if not all(_stands_out(line, page, profile) for line in block) or not _reads_as_heading(text):
        return None
    own = _type(block[0])
    if text.endswith(":") and own[0] < LARGER * profile.body[0]:
        return None  # a label
    larger = (level for type_, level in profile.levels.items() if type_ > own)
    return profile.levels.get(own) or min(1 + max(larger, default=0), MAX_LEVEL)


def _stands_out(line: Line, page: Page, profile: Profile) -> bool:
    """Whether the line looks like a heading: upright, alone in its row, larger or bolder than the body."""
    size, bold = profile.body
    emphasised = line.size >= LARGER * size or (line.bold and not bold and line.size >= 0.95 * size)
    return emphasised and line.upright and _is_one_cell(line) and not _is_running_title(line, page, profile)


def _is_one_cell(line: Line) -> bool:
    """Whether the line has no gap, except after the number of a heading."""
    first, *others = cells(line.words)
    return not others or (len(others) == 1 and _NUMBER.fullmatch(first.text) is not None)


def _reads_as_heading(text: str) -> bool:
    words = len(text.split())
    ends_as_sentence = text.endswith((",", ";")) or (text.endswith(".") and words > 8)
    return words <= MAX_WORDS and not ends_as_sentence and _LETTERS.search(text) is not None


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Groups of lines that would be one heading: of the same type, and close below each other."""
    block: list[Line] = []
    for line in lines:
        if block and not _continues(block[-1], line):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _continues(above: Line, below: Line) -> bool:
    gap = below.box.top - above.box.bottom
    numbered = _NUMBER.fullmatch(below.words[0].text) is not None
    return _type(above) == _type(below) and -0.5 * above.size < gap < 0.45 * above.size and not numbered


# --- what the pages have in common -----------------------------------------------------------------------------------


def _type(words: Words) -> Type:
    return round(words.size * 2) / 2, words.bold


def _body(samples: Sequence[Page]) -> Type:
    """The type of most characters."""
    types: Counter[Type] = Counter()
    for page in samples:
        for line in page.lines:
            types[_type(line)] += len(line.text)
    return types.most_common(1)[0][0] if types else (0.0, False)


def _levels(samples: Sequence[Page], profile: Profile) -> dict[Type, int]:
    """Levels of the types of headings, largest first: those of the outline, else one below the type before."""
    counts: dict[Type, Counter[int]] = defaultdict(Counter)
    for page in samples:
        for block in _blocks(page.lines):
            text = " ".join(line.text for line in block)
            if _level_of_type(text, block, page, profile):
                counts[_type(block[0])][_level_in_outline(text, block[0], page, profile) or 0] += 1
    levels: dict[Type, int] = {}
    last = 0
    for type_ in sorted(counts, reverse=True):
        counts[type_].pop(0, None)  # headings that are not in the outline
        last = counts[type_].most_common(1)[0][0] if counts[type_] else min(last + 1, MAX_LEVEL)
        levels[type_] = last
    return levels


def _running(samples: Sequence[Page]) -> frozenset[int | str]:
    """Places and texts in the margins that most of the pages share."""
    shared: Counter[int | str] = Counter()
    for page in samples:
        in_margin = [line for line in page.lines if _in_margin(line, page)]
        shared.update({key for line in in_margin for key in (_place(line), _wording(line))})
    return frozenset(key for key, count in shared.items() if count >= max(3, 0.6 * len(samples)))


def _is_running_title(line: Line, page: Page, profile: Profile) -> bool:
    """Whether this is a running title. In large type only its text decides: the titles of slides share a place."""
    if not _in_margin(line, page):
        return False
    larger = line.size >= LARGER * profile.body[0]
    return _wording(line) in profile.running or (not larger and _place(line) in profile.running)


def _in_margin(line: Line, page: Page) -> bool:
    return not MARGIN * page.height < line.middle[1] < (1 - MARGIN) * page.height


def _place(line: Line) -> int:
    return round(line.middle[1] / 24)


def _wording(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text)
