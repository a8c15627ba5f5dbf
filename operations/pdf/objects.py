"""What a page draws: ruled lines and pictures."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .geometry import Frame, Matrix
from .layout import Box, Rule, around

MAX_OBJECTS = 20_000
"""Objects and path segments of one page that are searched for rules; a page with more is a drawing."""

_THIN = 3.0
"""Points of a filled rectangle that counts as a line, at most."""
_SLANT = 0.7
"""Points by which the ends of a straight line may differ."""
_WHITE = 250
"""Red, green and blue of colours that are invisible on paper, at least."""
_RECTANGLE = 6
"""Segments of a clip path that may be a rectangle."""
_MAX_DEPTH = 5
"""Levels of form objects inside form objects."""


GRID = 32
"""Columns and rows of the squares in which it is counted how much of a page is covered."""


class Coverage:
    """How much of a page boxes cover together, to a `GRID`th of its width and height."""

    def __init__(self, width: float, height: float) -> None:
        self._cell = max(width, 1.0) / GRID, max(height, 1.0) / GRID
        self._rows = [0] * GRID

    def add(self, box: Box) -> None:
        """Covers the squares whose middle the box holds."""
        width, height = self._cell
        left, right = _within(box.x0 / width), _within(box.x1 / width)
        for row in range(_within(box.top / height), _within(box.bottom / height)):
            self._rows[row] |= (1 << right) - (1 << left)

    def share(self) -> float:
        """From 0 to 1."""
        return sum(row.bit_count() for row in self._rows) / GRID**2


def _within(place: float) -> int:
    return round(min(max(place, 0.0), GRID))


Colour = tuple[int, int, int, int]
"""Red, green, blue and alpha, to 255."""


class Cover(NamedTuple):
    """A shape or picture that may hide text which is drawn before it, or have the colour of text that follows."""

    order: int
    box: Box
    colour: Colour | None


class DrawnText(NamedTuple):
    """Text as a page draws it in one piece. `order` counts what the page draws; `item` is PDFium's object."""

    order: int
    item: Any
    box: Box
    colour: Colour | None
    mode: int
    layered: bool
    clipped: bool


class Objects:
    """What a page draws, in its order: ruled lines, pictures, and text with what may hide it."""

    def __init__(self, page: pdfium.PdfPage, frame: Frame, *, layers: bool = False) -> None:
        self.images = 0
        self.pixels = 0
        self.drawn = 0
        self.pictured = Coverage(frame.width, frame.height)
        self.rules: list[Rule] = []
        self.texts: list[DrawnText] = []
        self.covers: list[Cover] = []
        self._layers = layers
        self._frame = frame
        self._budget = MAX_OBJECTS
        self._floats = tuple(ctypes.c_float() for _ in range(4))
        self._colours = tuple(ctypes.c_uint() for _ in range(4))
        objects = (c.FPDFPage_GetObject(page, index) for index in range(c.FPDFPage_CountObjects(page)))
        self._walk(objects, frame.matrix, 1)
        if self._budget <= 0:
            self.rules = []

    @property
    def complete(self) -> bool:
        """Whether `texts` and `covers` have all that is drawn, or the page is too large for that."""
        return self._budget > 0

    def _walk(self, objects: Iterator[Any], matrix: Matrix, depth: int) -> None:
        for item in objects:
            self._budget -= 1
            if self._budget <= 0:
                return
            self.drawn += 1
            kind = c.FPDFPageObj_GetType(item)
            if kind == c.FPDF_PAGEOBJ_TEXT:
                self._text(item, matrix, inside=depth > 1)
            elif kind == c.FPDF_PAGEOBJ_PATH:
                self._path(item, _matrix(item).then(matrix))
                self._cover(item, matrix)
            elif kind == c.FPDF_PAGEOBJ_IMAGE:
                self.images += 1
                box = self._bounds(item, matrix)
                self.pictured.add(box)
                self.pixels += self._pixels(item)
                self.covers.append(Cover(self.drawn, box, None))
            elif kind == c.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                inner = (c.FPDFFormObj_GetObject(item, index) for index in range(c.FPDFFormObj_CountObjects(item)))
                self._walk(inner, _matrix(item).then(matrix), depth + 1)
            else:  # a shading, or a form that is too deep
                self.covers.append(Cover(self.drawn, self._bounds(item, matrix), None))

    def _pixels(self, image: Any) -> int:
        width, height = self._colours[:2]
        known = c.FPDFImageObj_GetImagePixelSize(image, width, height)
        return int(width.value * height.value) if known else 0

    def _text(self, item: Any, matrix: Matrix, *, inside: bool) -> None:
        mode = c.FPDFTextObj_GetTextRenderMode(item)
        layered = self._layers and (inside or c.FPDFPageObj_CountMarks(item) > 0)
        clip = c.FPDFPageObj_GetClipPath(item)
        clipped = c.FPDFClipPath_CountPaths(clip) > 0 and self._is_clipped(item, clip)
        self.texts.append(
            DrawnText(self.drawn, item, self._bounds(item, matrix), self._fill(item), mode, layered, clipped)
        )

    def _fill(self, item: Any) -> Colour | None:
        """Red, green, blue and alpha, `None` for a pattern."""
        if not c.FPDFPageObj_GetFillColor(item, *self._colours):
            return None
        red, green, blue, alpha = self._colours
        return red.value, green.value, blue.value, alpha.value

    def _is_clipped(self, item: Any, clip: Any) -> bool:
        """Whether a part of the text may be outside of its clip path."""
        c.FPDFPageObj_GetBounds(item, *self._floats)
        left, bottom, right, top = (side.value for side in self._floats)
        x, y = self._floats[:2]
        for path in range(c.FPDFClipPath_CountPaths(clip)):
            count = c.FPDFClipPath_CountPathSegments(clip, path)
            if count > _RECTANGLE:
                return True
            points = []
            for index in range(count):
                c.FPDFPathSegment_GetPoint(c.FPDFClipPath_GetPathSegment(clip, path, index), x, y)
                points.append((x.value, y.value))
            xs, ys = [point[0] for point in points], [point[1] for point in points]
            if not points or left < min(xs) - 1 or right > max(xs) + 1 or bottom < min(ys) - 1 or top > max(ys) + 1:
                return True
        return False

    def _bounds(self, item: Any, matrix: Matrix) -> Box:
        """The box around an object, in the coordinates of `matrix`."""
        c.FPDFPageObj_GetBounds(item, *self._floats)
        left, bottom, right, top = [side.value for side in self._floats]
        if matrix is self._frame.matrix:
            return self._frame.box(left, bottom, right, top)
        corners = [matrix.at(x, y) for x in (left, right) for y in (bottom, top)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return Box(min(xs), min(ys), max(xs), max(ys))

    def _cover(self, path: Any, matrix: Matrix) -> None:
        """Adds a path that is filled, or stroked broadly, to what may cover text."""
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        c.FPDFPath_GetDrawMode(path, fill, stroke)
        if not fill.value:
            width = self._floats[0]
            if not (stroke.value and c.FPDFPageObj_GetStrokeWidth(path, width) and width.value > _THIN):
                return
        self.covers.append(Cover(self.drawn, self._bounds(path, matrix), self._fill(path) if fill.value else None))

    def _path(self, path: Any, matrix: Matrix) -> None:
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        c.FPDFPath_GetDrawMode(path, fill, stroke)
        stroked = stroke.value and _is_visible(path, c.FPDFPageObj_GetStrokeColor)
        filled = fill.value and _is_visible(path, c.FPDFPageObj_GetFillColor)
        if not (stroked or filled):
            return
        self._budget -= c.FPDFPath_CountSegments(path)
        if self._budget > 0:
            for outline in _outlines(path, matrix):
                self.rules.extend(_strokes(outline) if stroked else self._sides(outline))

    def _sides(self, outline: list[tuple[float, float]]) -> Iterator[Rule]:
        """A filled rectangle: a line if it is thin, else its four sides, unless it is the background of the page."""
        box = around(Box(x, y, x, y) for x, y in outline)
        width, height = box.x1 - box.x0, box.bottom - box.top
        if height <= _THIN < width:
            yield Rule(True, (box.top + box.bottom) / 2, box.x0, box.x1)
        elif width <= _THIN < height:
            yield Rule(False, (box.x0 + box.x1) / 2, box.top, box.bottom)
        elif width * height < 0.8 * self._frame.width * self._frame.height:
            yield from _strokes([*outline, outline[0]])


def _matrix(item: Any) -> Matrix:
    matrix = c.FS_MATRIX()
    c.FPDFPageObj_GetMatrix(item, matrix)
    return Matrix(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _is_visible(path: Any, colour: Callable[..., int]) -> bool:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not colour(path, red, green, blue, alpha):
        return True
    return alpha.value > 0 and min(red.value, green.value, blue.value) < _WHITE


def _outlines(path: Any, matrix: Matrix) -> Iterator[list[tuple[float, float]]]:
    """The outlines of a path without curves, as points in the coordinates of the matrix."""
    points: list[tuple[float, float]] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(c.FPDFPath_CountSegments(path)):
        segment = c.FPDFPath_GetPathSegment(path, index)
        kind = c.FPDFPathSegment_GetType(segment)
        c.FPDFPathSegment_GetPoint(segment, x, y)
        if kind != c.FPDF_SEGMENT_LINETO:
            if kind == c.FPDF_SEGMENT_MOVETO and len(points) > 1:
                yield points
            points = []
        points.append(matrix.at(x.value, y.value))
        if c.FPDFPathSegment_GetClose(segment):
            points.append(points[0])
    if len(points) > 1:
        yield points


def _strokes(points: list[tuple[float, float]]) -> Iterator[Rule]:
    """The horizontal and vertical parts of an outline."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y1 - y0) <= _SLANT and abs(x1 - x0) > _SLANT:
            yield Rule(True, (y0 + y1) / 2, min(x0, x1), max(x0, x1))
        elif abs(x1 - x0) <= _SLANT and abs(y1 - y0) > _SLANT:
            yield Rule(False, (x0 + x1) / 2, min(y0, y1), max(y0, y1))
