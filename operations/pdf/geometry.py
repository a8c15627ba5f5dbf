"""Where things stand on a page: the coordinates of PDF, and those of the upright page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .layout import Box


class Matrix(NamedTuple):
    """A transformation as PDF writes it (ISO 32000-1, 8.3.3): x' = ax + cy + e, y' = bx + dy + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The transformed point."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def then(self, other: Matrix) -> Matrix:
        """This transformation, followed by the other one."""
        (a, b), (c, d) = other.direction(self.a, self.b), other.direction(self.c, self.d)
        return Matrix(a, b, c, d, *other.at(self.e, self.f))

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """The transformed direction, without the translation."""
        return self.a * x + self.c * y, self.b * x + self.d * y


@dataclass(frozen=True, slots=True)
class Frame:
    """The way from a page's own coordinates to points from the top left corner of the page with its text upright."""

    matrix: Matrix
    width: float
    height: float

    @classmethod
    def of(cls, page: pdfium.PdfPage, turns: int) -> Frame:
        """The frame of a page: its visible box, turned clockwise by `turns` right angles."""
        box = c.FS_RECTF()
        c.FPDF_GetPageBoundingBox(page, box)
        width, height = box.right - box.left, box.top - box.bottom
        match turns:
            case 1:
                return cls(Matrix(0, 1, 1, 0, -box.bottom, -box.left), height, width)
            case 2:
                return cls(Matrix(-1, 0, 0, 1, box.right, -box.bottom), width, height)
            case 3:
                return cls(Matrix(0, -1, -1, 0, box.top, box.right), height, width)
            case _:
                return cls(Matrix(1, 0, 0, -1, -box.left, box.top), width, height)

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A rectangle in the coordinates of the frame."""
        x0, y0 = self.matrix.at(left, top)
        x1, y1 = self.matrix.at(right, bottom)
        return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def turns(text: pdfium.PdfTextPage) -> int:
    """Right angles, clockwise, after which most of a page's text reads from left to right; 0 without text.

    The page's own rotation does not help: scanners and plotters set it for the paper and not for the text.
    """
    directions: Counter[int] = Counter()
    matrix, count = c.FS_MATRIX(), c.FPDFText_CountChars(text)
    for index in range(0, count, max(1, count // 200)):
        if c.FPDFText_GetUnicode(text, index) > ord(" ") and c.FPDFText_GetMatrix(text, index, matrix):
            level = abs(matrix.a) >= abs(matrix.b)
            directions[(0 if matrix.a > 0 else 2) if level else (1 if matrix.b > 0 else 3)] += 1
    return directions.most_common(1)[0][0] if directions else 0
