"""Where each word of a page's text stands, packed into 8 bytes a word: the reader hands it over beside the text."""

from __future__ import annotations

import base64
import re
from array import array
from typing import Final, NamedTuple

from .layout import Box, Page

BETWEEN: Final = re.compile("[ \n]")
"""What separates the words of a page's text."""
_MOST: Final = 0xFFFF
"""The longer side of the page, in the units of the packed sides."""


class WordBoxes(NamedTuple):
    """The boxes of the words between `BETWEEN`, packed, of a page whose longer side has so many points."""

    packed: str
    side: float

    @classmethod
    def of(cls, page: Page) -> WordBoxes:
        """Those of a page as the engine reads it. A word with spaces, as a recogniser may give, counts as several."""
        side = max(page.width, page.height, 1.0)
        scale = _MOST / side
        sides = array("H")
        for line in page.lines:
            for word in line.words:
                box = [min(max(int(each * scale + 0.5), 0), _MOST) for each in word.box]
                sides.extend(box * len(BETWEEN.split(word.text)))
        return cls(base64.b64encode(sides.tobytes()).decode(), side)

    def unpacked(self) -> list[Box]:
        """The boxes of all words, in the order of the text."""
        sides = array("H", base64.b64decode(self.packed))
        scale = self.side / _MOST
        points = [each * scale for each in sides]
        return [Box(*points[at : at + 4]) for at in range(0, len(points), 4)]
