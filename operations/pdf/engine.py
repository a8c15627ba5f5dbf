"""Opens documents and reads pages with PDFium, through the raw functions of pypdfium2.

PDFium is not thread-safe, keeps state for the whole process and aborts it when memory runs out, so only a child process
imports this module. It is the only one that turns PDFium's errors into `Unreadable`.

It uses the raw functions because pypdfium2's helpers would cost an object for each character.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .errors import Unreadable
from .layout import Box, Line, Page, Rule, Word, around
from .text import clean, one_line

MAX_CHARACTERS = 300_000
"""Characters of a page: a hundred times those of a dense one."""
MAX_OBJECTS = 20_000
"""Objects and path segments of one page that are searched for rules; a page with more is a drawing."""
MAX_FIELDS = 2_000
"""Form fields of one page."""
MAX_OUTLINE = 10_000
"""Entries of an outline."""
THUMBNAIL = 320
"""Pixels of a thumbnail's longer side, whatever the size of the page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the outline; `level` and `page` count from 1, `page` is `None` if its target is no page."""

    title: str
    level: int
    page: int | None


# --- the file, before PDFium sees it ---------------------------------------------------------------------------------


def check_envelope(head: bytes, tail: bytes, size: int) -> None:
    """Refuses a file that is empty, not a PDF, or truncated. `head` and `tail` are the first and last 4 KB.

    PDFium repairs a truncated file and returns the remaining pages without an error, so the check is made here: a PDF
    ends with `startxref` (ISO 32000-1, 7.5.5), and a linearized one contains its own length (annex F, table F.1). The
    header may be anywhere in the first kilobyte (annex H, note 13).
    """
    if size == 0:
        raise Unreadable("empty_file", "The file is empty.")
    if b"%PDF-" not in head[:1024]:
        raise Unreadable("not_a_pdf", "The file is not a PDF: it has no %PDF header.")
    linearized = re.search(rb"/Linearized\b[^>]{0,400}?/L\s+(\d{1,15})\b", head[:2048])
    if b"startxref" not in tail or (linearized and size < int(linearized[1])):
        raise Unreadable("truncated_pdf", "The file ends too early: a part of the PDF is missing.")


def envelope(source: Path | bytes) -> tuple[bytes, bytes, int]:
    """The first and the last 4 KB of `source`, and its size in bytes."""
    if isinstance(source, bytes):
        return source[:4096], source[-4096:], len(source)
    with source.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 4096))
        tail = file.read()
        file.seek(0)
        return file.read(4096), tail, size


# --- the document ----------------------------------------------------------------------------------------------------


class Document:
    """An open PDF. Use it in a `with` block; pages count from 1.

    Raises `Unreadable` with `empty_file`, `not_a_pdf`, `truncated_pdf`, `damaged_pdf`, `password_required`,
    `wrong_password` or `unsupported_encryption`.
    """

    def __init__(self, source: Path | bytes, password: str | None = None) -> None:
        check_envelope(*envelope(source))
        try:
            self._pdf = pdfium.PdfDocument(source, password=password)
        except pdfium.PdfiumError as error:
            raise _refusal(error.err_code, password) from error
        except UnicodeEncodeError as error:  # a password of lone surrogates
            raise _refusal(c.FPDF_ERR_PASSWORD, password) from error
        with contextlib.suppress(pdfium.PdfiumError):  # the text can be read even if the form is damaged
            self._pdf.init_forms()
        self.page_count = len(self._pdf)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pdf.close()

    def metadata(self) -> dict[str, Any]:
        """Title, author, subject, keywords, creator, producer; created and modified as RFC 3339; version, encrypted.

        Missing entries are `None`.
        """
        entries = {key: self._meta(key) for key in pdfium.PdfDocument.METADATA_KEYS}
        version = self._pdf.get_version()
        return {
            "title": entries["Title"],
            "author": entries["Author"],
            "subject": entries["Subject"],
            "keywords": entries["Keywords"],
            "creator": entries["Creator"],
            "producer": entries["Producer"],
            "created": date(entries["CreationDate"] or ""),
            "modified": date(entries["ModDate"] or ""),
            "version": f"{version // 10}.{version % 10}" if version else None,
            "encrypted": c.FPDF_GetSecurityHandlerRevision(self._pdf) != -1,
            "tagged": bool(self._pdf.is_tagged()),
        }

    def _meta(self, key: str) -> str | None:
        return one_line(_utf16(partial(c.FPDF_GetMetaText, self._pdf, key.encode()))) or None

    def outline(self) -> list[Entry]:
        """The entries of the outline in the order of the document, at most `MAX_OUTLINE`."""
        entries: list[Entry] = []
        for mark in self._pdf.get_toc():
            title = one_line(_utf16(partial(c.FPDFBookmark_GetTitle, mark)))
            target = mark.get_dest()
            index = target.get_index() if target else None
            if title:
                entries.append(Entry(title, mark.level + 1, None if index is None else index + 1))
            if len(entries) == MAX_OUTLINE:
                break
        return entries

    def read(self, number: int) -> Page:
        """The page with this number, or `Unreadable` with `damaged_page` or `too_large`."""
        page = self._page(number)
        rotation = c.FPDFPage_GetRotation(page)
        try:
            text = page.get_textpage()
            turns = _turns(text)
            if turns != rotation:  # PDFium orders the words of a line by the rotation of the page
                c.FPDFPage_SetRotation(page, turns)
                text = page.get_textpage()
            return self._content(number, page, text, Frame.of(page, turns))
        except pdfium.PdfiumError as error:
            raise Unreadable("damaged_page", f"Page {number} cannot be read.") from error
        finally:
            c.FPDFPage_SetRotation(page, rotation)
            page.close()

    def _content(self, number: int, page: pdfium.PdfPage, text: pdfium.PdfTextPage, frame: Frame) -> Page:
        objects = _Objects(page, frame)
        return Page(
            number=number,
            width=round(frame.width, 1),
            height=round(frame.height, 1),
            lines=tuple(_Characters(text, frame).lines()),
            rules=tuple(objects.rules),
            fields=tuple(self._fields(page)),
            images=objects.images,
        )

    def thumbnail(self, number: int) -> str:
        """The page as a small JPEG in a data URL: its longer side is `THUMBNAIL` pixels."""
        page = self._page(number)
        try:
            width, height = page.get_size()
            picture = page.render(scale=THUMBNAIL / max(width, height, 1.0)).to_pil().convert("RGB")
        finally:
            page.close()
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=70, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()

    def _page(self, number: int) -> pdfium.PdfPage:
        try:
            return self._pdf[number - 1]
        except pdfium.PdfiumError as error:
            raise Unreadable("damaged_page", f"Page {number} cannot be read.") from error

    def _fields(self, page: pdfium.PdfPage) -> Iterator[tuple[str, str]]:
        if self._pdf.formenv is None:
            return
        for index in range(min(c.FPDFPage_GetAnnotCount(page), MAX_FIELDS)):
            annotation = c.FPDFPage_GetAnnot(page, index)
            try:
                if c.FPDFAnnot_GetSubtype(annotation) == c.FPDF_ANNOT_WIDGET:
                    yield from _field(self._pdf.formenv, annotation)
            finally:
                c.FPDFPage_CloseAnnot(annotation)


def _refusal(code: int | None, password: str | None) -> Unreadable:
    if code == c.FPDF_ERR_PASSWORD:
        if password:
            return Unreadable("wrong_password", "The password does not open this PDF.")
        return Unreadable("password_required", "This PDF is encrypted: it needs its password.")
    if code == c.FPDF_ERR_SECURITY:
        return Unreadable("unsupported_encryption", "This PDF is encrypted in a way that cannot be read here.")
    return Unreadable("damaged_pdf", "The PDF is damaged: it has no pages that can be read.")


def date(text: str) -> str | None:
    """A PDF date (ISO 32000-1, 7.9.4: `D:20150518143719-06'00'`) as RFC 3339, or `None` if it is not a date.

    A date without a zone is in UTC.
    """
    match = re.match(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?)?", text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(part or lowest) for part, lowest in zip(match.groups()[:6], _LOWEST, strict=True)
    )
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).isoformat().replace("+00:00", "Z")
    except ValueError:
        return None


_LOWEST = ("1", "1", "1", "0", "0", "0")


def _utf16(read: Callable[[Any, int], int]) -> str:
    """The text that a PDFium function writes into a buffer, with two NUL bytes at its end."""
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "surrogatepass")


_BUTTONS = (c.FPDF_FORMFIELD_RADIOBUTTON, c.FPDF_FORMFIELD_PUSHBUTTON, c.FPDF_FORMFIELD_SIGNATURE)


def _field(forms: pdfium.PdfFormEnv, annotation: Any) -> Iterator[tuple[str, str]]:
    """The name and the value of a form field that is filled in; those of a checkbox are "yes" and "no"."""

    def wide(function: Callable[..., int]) -> str:
        buffer_of = ctypes.POINTER(c.FPDF_WCHAR)
        return _utf16(lambda buffer, size: function(forms, annotation, ctypes.cast(buffer, buffer_of), size))

    name = one_line(wide(c.FPDFAnnot_GetFormFieldAlternateName) or wide(c.FPDFAnnot_GetFormFieldName))
    kind = c.FPDFAnnot_GetFormFieldType(forms, annotation)
    value = clean(wide(c.FPDFAnnot_GetFormFieldValue)).strip()
    checked = c.FPDFAnnot_IsChecked(forms, annotation)
    if kind == c.FPDF_FORMFIELD_CHECKBOX:
        value = "yes" if checked else "no"
    elif kind in _BUTTONS and not (kind == c.FPDF_FORMFIELD_RADIOBUTTON and checked):
        value = ""
    if name and value:
        yield name, value


# --- where things stand ----------------------------------------------------------------------------------------------


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


def _turns(text: pdfium.PdfTextPage) -> int:
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


# --- characters ------------------------------------------------------------------------------------------------------

_BLANKS = frozenset({9, 11, 12, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000})
_LINE_ENDS = frozenset({10, 13, 0x2028, 0x2029})
_HYPHEN = 2
"""PDFium's code for the hyphen of a word that continues in the next line."""
_BOLD = re.compile(r"bold|black|heavy|semi|demi(?!a)|[-,]bd\b|cmb|bx\d", re.IGNORECASE)
_FORCE_BOLD = 1 << 18
"""The flag of a font descriptor (ISO 32000-1, table 123)."""


class _Characters:
    """The characters of one page, and the words and lines that they make."""

    def __init__(self, text: pdfium.PdfTextPage, frame: Frame) -> None:
        count = c.FPDFText_CountChars(text)
        if count > MAX_CHARACTERS:
            raise Unreadable("too_large", f"A page has {count:,} characters, more than {MAX_CHARACTERS:,}.")
        self._text = text
        self._frame = frame
        self._fonts: dict[int, bool] = {}  # by address, which may be reused once the page is closed
        self._codes = [c.FPDFText_GetUnicode(self._text, index) for index in range(count)]
        self._rectangles = c.FS_RECTF(), c.FS_RECTF()
        self._matrix = c.FS_MATRIX()

    def lines(self) -> Iterator[Line]:
        """The lines in PDFium's order; a word that continues in the next line belongs to the first line."""
        words: list[Word] = []
        hyphenated = False
        for start, end, last in self._spans():
            word = self._word(start, end)
            if word and hyphenated:
                words[-1] = _join(words[-1], word)
                word = None
            if word:
                words.append(word)
            before, hyphenated = hyphenated, bool(words) and self._codes[end : end + 1] == [_HYPHEN]
            if words and not hyphenated and (last or before):
                yield Line(tuple(words))
                words = []
        if words:
            yield Line(tuple(words))

    def _spans(self) -> Iterator[tuple[int, int, bool]]:
        """Start and end of each run without white space, and whether the line ends there."""
        start = 0
        for index, code in enumerate(self._codes):
            if code in _BLANKS or code in _LINE_ENDS or code == _HYPHEN:
                if index > start or code in _LINE_ENDS:
                    yield start, index, code in _LINE_ENDS
                start = index + 1
        if start < len(self._codes):
            yield start, len(self._codes), True

    def _word(self, start: int, end: int) -> Word | None:
        text = clean("".join(map(chr, self._codes[start:end])))
        if not text:
            return None
        box = self._box(start, end - 1)
        c.FPDFText_GetMatrix(self._text, start, self._matrix)
        matrix = self._matrix
        across, down = self._frame.matrix.direction(matrix.a, matrix.b)
        return Word(
            text,
            box,
            size=c.FPDFText_GetFontSize(self._text, start) * math.hypot(matrix.c, matrix.d),
            bold=self._bold(start),
            upright=across > 0 and abs(down) < 0.1 * across,
        )

    def _box(self, first: int, last: int) -> Box:
        """The box around the first and the last character of a word."""
        one, other = self._rectangles
        c.FPDFText_GetLooseCharBox(self._text, first, one)
        c.FPDFText_GetLooseCharBox(self._text, last, other)
        return self._frame.box(
            min(one.left, other.left),
            min(one.bottom, other.bottom),
            max(one.right, other.right),
            max(one.top, other.top),
        )

    def _bold(self, index: int) -> bool:
        drawn = c.FPDFText_GetTextObject(self._text, index)
        font = c.FPDFTextObj_GetFont(drawn) if drawn else None
        if not font:
            return False
        address = ctypes.addressof(font.contents)
        if address not in self._fonts:
            self._fonts[address] = _is_bold(font)
        return self._fonts[address]


def _is_bold(font: Any) -> bool:
    size = c.FPDFFont_GetBaseFontName(font, None, 0)
    buffer = ctypes.create_string_buffer(max(size, 1))
    c.FPDFFont_GetBaseFontName(font, buffer, size)
    name = buffer.value.decode("utf-8", "replace").rpartition("+")[2]
    return bool(_BOLD.search(name)) or c.FPDFFont_GetFlags(font) & _FORCE_BOLD != 0


def _join(first: Word, second: Word) -> Word:
    """Both parts of a hyphenated word; the hyphen stays if it may belong to the word itself."""
    plain = first.text[-1:].isalpha() and second.text[:1].islower()
    text = first.text + ("" if plain else "-") + second.text
    return Word(text, first.box, first.size, first.bold, first.upright)


# --- rules -----------------------------------------------------------------------------------------------------------

_THIN = 3.0
"""Points of a filled rectangle that counts as a line, at most."""
_SLANT = 0.7
"""Points by which the ends of a straight line may differ."""
_WHITE = 250
"""Red, green and blue of colours that are invisible on paper, at least."""
_MAX_DEPTH = 5
"""Levels of form objects inside form objects."""


class _Objects:
    """The ruled lines of a page, and the number of its pictures."""

    def __init__(self, page: pdfium.PdfPage, frame: Frame) -> None:
        self.images = 0
        self.rules: list[Rule] = []
        self._frame = frame
        self._budget = MAX_OBJECTS
        objects = (c.FPDFPage_GetObject(page, index) for index in range(c.FPDFPage_CountObjects(page)))
        self._walk(objects, frame.matrix, 1)
        if self._budget <= 0:
            self.rules = []

    def _walk(self, objects: Iterator[Any], matrix: Matrix, depth: int) -> None:
        for item in objects:
            self._budget -= 1
            if self._budget <= 0:
                return
            kind = c.FPDFPageObj_GetType(item)
            if kind == c.FPDF_PAGEOBJ_PATH:
                self._path(item, _matrix(item).then(matrix))
            elif kind == c.FPDF_PAGEOBJ_IMAGE:
                self.images += 1
            elif kind == c.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                inner = (c.FPDFFormObj_GetObject(item, index) for index in range(c.FPDFFormObj_CountObjects(item)))
                self._walk(inner, _matrix(item).then(matrix), depth + 1)

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
