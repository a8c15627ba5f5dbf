"""Which characters of a page a person does not see, and why.

Text that is drawn and not seen is a way to give a model instructions, and a bar over a name does not remove the name. A
look at what the page draws finds the text that something may hide. Only for such a page PDFium then renders the page
twice, with this text and without it: where no pixel differs nobody sees the text, whatever hides it.

The invisible text over a scan is another matter: scanners write what they have recognised there. It counts as text
where most of the page is picture and there is something to see in the picture under the word.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as c
from PIL import Image, ImageChops

from .geometry import Frame
from .layout import Box
from .objects import Colour, Cover, DrawnText, Objects
from .pictures import MOSTLY

SIDE: Final = 1000
"""Pixels of the longer side of a page that is rendered, at four for a point or fewer."""
SECONDS: Final = 3.0
DOCUMENT_SECONDS: Final = 60.0
"""For one rendering, and for all of a document."""
MAX_PIXELS: Final = 100_000_000
"""Pixels of all pictures of a page that is rendered."""
SEEN: Final = 12
"""The difference of red, green or blue from which on a pixel shows something; the lightest readable grey makes 20."""
INK: Final = 40
"""The same for a word in a scan."""
LIKE: Final = 48
"""The difference of two colours that may look the same, at most."""
WHITE: Final = 255 - LIKE
THIN: Final = 3.0
"""Points of a shape that hides no text by itself."""
STACKED: Final = 4
"""Thin shapes that may hide text together."""
BANDS: Final = 64
MAX_ENTRIES: Final = 50_000
"""Comparisons of shapes with bands of the page, after which all text counts as perhaps covered."""

UNKNOWN: Final = "unknown"
"""The reason why text may be hidden on a page that draws too much to tell."""
INVISIBLE: Final = c.FPDF_TEXTRENDERMODE_INVISIBLE
_FILLED: Final = (c.FPDF_TEXTRENDERMODE_FILL, INVISIBLE)


class Visibility:
    """The characters of a page that nobody sees: `hidden` says why, by index.

    The reasons are `off_page`, `invisible`, `layer`, `covered`, `clipped` and `colour`. `recognised` says whether the
    page has what a scanner has recognised in it, and `checked` whether it could be rendered where that was needed.
    """

    def __init__(
        self, page: pdfium.PdfPage, text: pdfium.PdfTextPage, frame: Frame, objects: Objects, clock: Clock
    ) -> None:
        self.hidden: dict[int, str] = {}
        self.recognised = False
        self.checked = True
        self._clock = clock
        self._page, self._text, self._frame, self._objects = page, text, frame, objects
        self._suspects = {_address(drawn.item): reason for drawn, reason in self._suspected()}
        self._known = {_address(drawn.item) for drawn in objects.texts}
        if self._suspects or not objects.complete:
            self._decide()

    # --- what may be hidden ---

    def _suspected(self) -> Iterator[tuple[DrawnText, str]]:
        bands = _Bands(self._objects, self._frame.height)
        for drawn in self._objects.texts:
            if reason := self._suspicion(drawn, bands):
                yield drawn, reason

    def _suspicion(self, drawn: DrawnText, bands: _Bands) -> str | None:
        box, colour = drawn.box, drawn.colour
        if drawn.mode == INVISIBLE or (colour and colour[3] == 0):
            return "invisible"
        if drawn.layered:
            return "layer"
        suspicion = bands.suspicion(drawn)
        if drawn.clipped and suspicion != "covered":
            return "clipped"
        if suspicion:
            return suspicion
        if (colour and min(colour[:3]) >= WHITE) or drawn.mode not in _FILLED:
            return "colour"
        inside = box.x0 >= 0 and box.top >= 0 and box.x1 <= self._frame.width and box.bottom <= self._frame.height
        return None if inside else "off_page"

    # --- what is hidden ---

    def _decide(self) -> None:
        doubtful: dict[int, tuple[str, Box]] = {}
        for index, reason, box in self._characters():
            x, y = (box.x0 + box.x1) / 2, (box.top + box.bottom) / 2
            if not (0 <= x <= self._frame.width and 0 <= y <= self._frame.height):
                self.hidden[index] = "off_page"
            elif reason != "off_page":
                doubtful[index] = reason, box
        if doubtful:
            self._look(doubtful)

    def _characters(self) -> Iterator[tuple[int, str, Box]]:
        """The index of each character that may be hidden, why, and where it stands."""
        sides = c.FS_RECTF()
        for index in range(c.FPDFText_CountChars(self._text)):
            drawn = c.FPDFText_GetTextObject(self._text, index)
            if not drawn:
                continue
            address = _address(drawn)
            if address not in self._known:
                self._known.add(address)
                self._suspects[address] = UNKNOWN
                self._objects.texts.append(DrawnText(0, drawn, Box(0, 0, 0, 0), None, 0, False, False))
            if address in self._suspects:
                c.FPDFText_GetLooseCharBox(self._text, index, sides)
                box = self._frame.box(sides.left, sides.bottom, sides.right, sides.top)
                yield index, self._suspects[address], box

    def _look(self, doubtful: dict[int, tuple[str, Box]]) -> None:
        scan = self._objects.pictured.share() >= MOSTLY
        unseen = {index for index, (reason, _) in doubtful.items() if reason == "invisible"}
        shown = len(unseen) < len(doubtful)
        page = self._render() if shown or scan else None
        if shown:
            for drawn in self._objects.texts:
                if _address(drawn.item) in self._suspects:
                    c.FPDFTextObj_SetTextRenderMode(drawn.item, INVISIBLE)
            unseen |= self._without_difference(doubtful, page)
        layer = self._layer(doubtful, unseen, page) if scan else set()
        self.recognised = bool(layer)
        reasons = {index: doubtful[index][0] for index in unseen - layer}
        self.hidden |= {index: "covered" if reason == UNKNOWN else reason for index, reason in reasons.items()}

    def _without_difference(self, doubtful: dict[int, tuple[str, Box]], page: Picture | None) -> set[int]:
        """The characters that change no pixel of the page; where it cannot be rendered, all with a reason."""
        without = self._render() if page else None
        if page is None or without is None:
            self.checked = False
            return {index for index, (reason, _) in doubtful.items() if reason != UNKNOWN}
        bands = ImageChops.difference(page.image, without.image).split()
        difference = Picture(ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2]), page.scale)
        unseen = {index for index, (_, box) in doubtful.items() if difference.extremes(box)[1] < SEEN}
        return unseen - self._readable(doubtful, unseen)

    def _readable(self, doubtful: dict[int, tuple[str, Box]], unseen: set[int]) -> set[int]:
        """The letters of words of which no more than half are lost in a spot of the background."""
        coloured = [index for index, (reason, _) in doubtful.items() if reason == "colour"]
        return {
            index for word in self._words(coloured) if len(unseen.intersection(word)) * 2 <= len(word) for index in word
        }

    def _layer(self, doubtful: dict[int, tuple[str, Box]], unseen: set[int], page: Picture | None) -> set[int]:
        """Those of the unseen characters that stand where the picture of the page shows something."""
        if page is None:
            return {index for index in unseen if doubtful[index][0] in ("invisible", "covered")}
        grey = Picture(page.image.convert("L"), page.scale)
        layer: set[int] = set()
        candidates = sorted(index for index in unseen if doubtful[index][0] in ("invisible", "covered"))
        for word in self._words(candidates):
            boxes = [doubtful[index][1] for index in word]
            low, high = grey.extremes(
                Box(boxes[0].x0, min(b.top for b in boxes), boxes[-1].x1, max(b.bottom for b in boxes))
            )
            if high - low >= INK:
                layer.update(word)
        return layer

    def _words(self, indexes: Sequence[int]) -> Iterator[list[int]]:
        """Those of these characters, in order, that follow each other without a blank."""
        for _, group in groupby(enumerate(indexes), lambda entry: entry[1] - entry[0]):
            run = (index for _, index in group)
            for blank, word in groupby(run, lambda index: c.FPDFText_GetUnicode(self._text, index) <= ord(" ")):
                if not blank:
                    yield list(word)

    def _render(self) -> Picture | None:
        """The page as it looks now, `None` if that takes too long."""
        return render(self._page, self._frame, self._clock) if self._objects.pixels <= MAX_PIXELS else None


class Picture:
    """A picture of a page, or of what differs between two; `scale` is its pixels for a point."""

    def __init__(self, image: Image.Image, scale: float) -> None:
        self.image, self.scale = image, scale

    def extremes(self, box: Box) -> tuple[int, int]:
        """The darkest and the lightest pixel of a grey picture in the box."""
        left, top = int(max(box.x0 * self.scale, 0)), int(max(box.top * self.scale, 0))
        right, bottom = int(box.x1 * self.scale) + 1, int(box.bottom * self.scale) + 1
        part = self.image.crop((left, top, min(right, self.image.width), min(bottom, self.image.height)))
        if not (part.width and part.height):
            return 0, 0
        low, high = part.getextrema()
        return int(low), int(high)  # type: ignore[arg-type]  # of one band


class Clock:
    """The time that is left for rendering."""

    def __init__(self) -> None:
        self._left = DOCUMENT_SECONDS

    @contextlib.contextmanager
    def running(self) -> Iterator[Callable[[], bool]]:
        """Whether the time of one rendering is over, for the block."""
        start = time.monotonic()
        deadline = start + min(SECONDS, self._left)
        try:
            yield lambda: time.monotonic() > deadline
        finally:
            self._left -= time.monotonic() - start


def render(page: pdfium.PdfPage, frame: Frame, clock: Clock) -> Picture | None:
    """The page in colour, or `None` if it takes too long."""
    scale = min(SIDE / max(frame.width, frame.height, 1.0), 4.0)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    bitmap = pdfium.PdfBitmap.new_native(width, height, c.FPDFBitmap_BGR)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    try:
        with clock.running() as late:
            pause = c.IFSDK_PAUSE(version=1)
            callback = type(pause.NeedToPauseNow)(lambda _: late())  # ctypes keeps it only as long as this name does
            pause.NeedToPauseNow = callback
            status = c.FPDF_RenderPageBitmap_Start(bitmap, page, 0, 0, width, height, 0, 0, ctypes.byref(pause))
            c.FPDF_RenderPage_Close(page)
        return Picture(bitmap.to_pil(), scale) if status == c.FPDF_RENDER_DONE else None
    finally:
        bitmap.close()


class _Bands:
    """Shapes and pictures by the part of the page's height that they reach."""

    def __init__(self, objects: Objects, height: float) -> None:
        self._step = BANDS / max(height, 1.0)
        self._bands: list[list[Cover]] = [[] for _ in range(BANDS)]
        self._empty = not objects.covers
        self._crowded = not objects.complete
        entries = 0
        for cover in objects.covers:
            reach = self._reach(cover.box)
            entries += len(reach)
            if entries > MAX_ENTRIES:
                self._crowded = True
                return
            for band in reach:
                self._bands[band].append(cover)

    def _reach(self, box: Box) -> range:
        last = BANDS - 1
        return range(min(max(int(box.top * self._step), 0), last), min(max(int(box.bottom * self._step), 0), last) + 1)

    def suspicion(self, drawn: DrawnText) -> str | None:
        """Why the text may not be seen: `covered` by what is drawn later, in the `colour` of what is under it.

        `UNKNOWN` if the page draws too much to tell.
        """
        if self._crowded:
            return UNKNOWN
        if self._empty:
            return None
        thin, alike = 0, False
        for cover in self._over(drawn.box):
            if cover.order < drawn.order:
                alike = alike or _alike(cover.colour, drawn.colour)
            elif not (cover.colour and cover.colour[3] == 0):
                box = cover.box
                if box.height >= THIN and box.x1 - box.x0 >= THIN:
                    return "covered"
                thin += 1
        return "covered" if thin >= STACKED else "colour" if alike else None

    def _over(self, box: Box) -> Iterator[Cover]:
        for band in self._reach(box):
            for cover in self._bands[band]:
                other = cover.box
                if other.x0 < box.x1 and other.x1 > box.x0 and other.top < box.bottom and other.bottom > box.top:
                    yield cover


def _alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether two colours may look the same; `None` is one that is not known."""
    return one is None or other is None or all(abs(a - b) <= LIKE for a, b in zip(one[:3], other[:3], strict=True))


def _address(item: Any) -> int:
    return ctypes.addressof(item.contents)
