"""The table competition of ICDAR 2013: its documents, their truth, and the score of what a reader finds in them.

The 67 documents of European and American authorities and their truth (M. Göbel, T. Hassan, E. Oro, G. Orsi, "ICDAR
2013 table competition") come with the tests of tabula-java. A table is scored by its adjacency relations, as there:
each cell with text and the next one with text to its right and below it, by their texts. A relation counts on its page.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

SOURCE = "https://github.com/tabulapdf/tabula-java"
FOLDER = "src/test/resources/technology/tabula/icdar2013-dataset"

Grid = Sequence[Sequence[str]]
"""The texts of a table, row by row; a blank cell is empty."""
Relations = Counter[tuple[int, str, str, bool]]
"""Page, text, text of the next cell, and whether that is to the right."""


@dataclass(frozen=True)
class Truth:
    """A document of the competition; where its truth is disputed, it has two, and the better one counts."""

    path: Path
    relations: Sequence[Relations]


class Score(NamedTuple):
    """Relations that were right, that were found and that are true."""

    right: int
    found: int
    true: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


@dataclass
class Scores:
    """The scores of one reader, by document."""

    by_document: dict[str, Score] = field(default_factory=dict)

    @property
    def pooled(self) -> float:
        """F1 over the relations of all documents."""
        return Score(*map(sum, zip(*self.by_document.values(), strict=True))).f1

    @property
    def mean(self) -> float:
        """F1 of the mean precision and the mean recall of the documents."""
        scores = self.by_document.values()
        precision = sum(score.right / score.found if score.found else 0.0 for score in scores) / len(scores)
        recall = sum(score.right / score.true for score in scores) / len(scores)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def documents(folder: Path) -> Iterator[Truth]:
    """The documents in a folder that holds those of the competition."""
    truths: dict[str, list[Relations]] = defaultdict(list)
    for path in sorted(folder.rglob("*-str.xml")):
        truths[path.name[:6]].append(_truth(path))
    for path in sorted(folder.rglob("*.pdf")):
        if re.fullmatch(r"(eu|us)-\d{3}a?", path.stem):
            yield Truth(path, truths[path.name[:6]])


def score(truth: Truth, tables: Iterable[tuple[int, Grid]]) -> Score:
    """The score of these tables, each with its page from 1."""
    found: Relations = Counter()
    for page, grid in tables:
        found += relations(page, grid)
    scores = [Score((found & true).total(), found.total(), true.total()) for true in truth.relations]
    return max(scores, key=lambda score: score.f1)


def relations(page: int, grid: Grid) -> Relations:
    """The adjacency relations of a table without merged cells."""
    width = max(map(len, grid), default=0)
    cells = {
        (row, column): (row * width + column, plain(text))
        for row, texts in enumerate(grid)
        for column, text in enumerate(texts)
        if plain(text)
    }
    return _relations(page, cells)


def _relations(page: int, cells: dict[tuple[int, int], tuple[int, str]]) -> Relations:
    """The relations of cells by their place; those that cover several places have one number there."""
    pairs = set()
    for right in (True, False):
        lines: dict[int, list[tuple[int, tuple[int, str]]]] = defaultdict(list)
        for (row, column), cell in cells.items():
            lines[row if right else column].append((column if right else row, cell))
        for line in lines.values():
            ordered = [cell for _, cell in sorted(line)]
            pairs |= {(one, other, right) for one, other in pairwise(ordered) if one != other}
    return Counter((page, one[1], other[1], right) for one, other, right in pairs)


def _truth(path: Path) -> Relations:
    found: Relations = Counter()
    for region in ET.parse(path).iter("region"):
        cells: dict[tuple[int, int], tuple[int, str]] = {}
        for number, cell in enumerate(region.iter("cell")):
            text = plain("".join(content.text or "" for content in cell.iter("content")))
            for row in _span(cell, "row") if text else ():
                for column in _span(cell, "col"):
                    cells[row, column] = number, text
        found += _relations(int(region.attrib["page"]), cells)
    return found


def _span(cell: ET.Element, axis: str) -> range:
    start = int(cell.attrib[f"start-{axis}"])
    return range(start, int(cell.attrib.get(f"end-{axis}", start)) + 1)


def plain(text: str) -> str:
    """A cell's text as the competition compares it: without white space; hyphens and quotes are one of each."""
    text = unicodedata.normalize("NFKC", text).translate(_ALIKE)
    return re.sub(r"\s", "", text)


_ALIKE = str.maketrans({**dict.fromkeys("‐‑‒–—−\u00ad", "-"), **dict.fromkeys("‘’`´", "'"), **dict.fromkeys("“”", '"')})
