"""Opens documents and reads pages with PDFium, through the raw functions of pypdfium2.

PDFium is not thread-safe, keeps state for the whole process and aborts it when memory runs out, so only a child process
imports this module. It is the only one that turns PDFium's errors into `Unreadable`.

It uses the raw functions because pypdfium2's helpers would cost an object for each character.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pypdfium2 as pdfium
import pypdfium2.raw as c

from . import forms
from .characters import Characters
from .envelope import document_in
from .errors import Unreadable
from .geometry import Frame, turns
from .layout import Box, Hidden, Page, Word
from .objects import Objects
from .order import in_order
from .placing import place
from .raw import RawPage
from .recogniser import Pixels, scale_of
from .survey import survey
from .text import one_line
from .visibility import Clock, Visibility

MAX_ATTACHMENTS = 10
"""Attached files that are named."""
MAX_OUTLINE = 10_000
"""Entries of an outline."""
MARK = 12.0
"""The type size of a box to check, at most."""
PICTURE = 1000
"""Pixels of the longer side of a page's picture, whatever the size of the page: its text can be read."""
RAW_SECONDS = 30.0
"""Of all pages together, to look at their objects."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the outline; `level` and `page` count from 1, `page` is `None` if its target is no page."""

    title: str
    level: int
    page: int | None


class Notices(NamedTuple):
    """What is to be known of a document: whether it is a dynamic form of XFA or a portfolio, and what files it has."""

    is_dynamic: bool
    is_portfolio: bool
    attachments: int
    names: list[str]
    pages_with_files: list[int]


class Document:
    """An open PDF. Use it in a `with` block; pages count from 1.

    Raises `Unreadable` with `empty_file`, `not_a_pdf`, `truncated_pdf`, `damaged_pdf`, `password_required`,
    `wrong_password` or `unsupported_encryption`.
    """

    def __init__(self, source: Path | bytes, password: str | None = None) -> None:
        part = document_in(source)
        try:
            self._pdf = pdfium.PdfDocument(part, password=password, autoclose=True)
        except pdfium.PdfiumError as error:
            raise _refusal(error.err_code, password) from error
        except UnicodeEncodeError as error:  # a password of lone surrogates
            raise _refusal(c.FPDF_ERR_PASSWORD, password) from error
        with contextlib.suppress(pdfium.PdfiumError):  # the text can be read even if the form is damaged
            self._pdf.init_forms()
        self._survey = survey(source, encrypted=c.FPDF_GetSecurityHandlerRevision(self._pdf) != -1)
        self._glyphs: dict[str, dict[int, str]] = {}
        self._raw_seconds = RAW_SECONDS
        self._clock = Clock()
        self._filled: dict[int, forms.Filled] = {}
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

    def notices(self) -> Notices:
        """What is to be known of the whole document."""
        count = max(0, c.FPDFDoc_GetAttachmentCount(self._pdf))
        names = [
            one_line(forms.wide(c.FPDFAttachment_GetName, c.FPDFDoc_GetAttachment(self._pdf, index)))
            for index in range(min(count, MAX_ATTACHMENTS))
        ]
        with_files = sorted(number for number, filled in self._filled.items() if filled.files)
        is_dynamic = c.FPDF_GetFormType(self._pdf) == c.FORMTYPE_XFA_FULL
        return Notices(is_dynamic, self._survey.portfolio and count > 0, count, names, with_files)

    def _meta(self, key: str) -> str | None:
        return one_line(forms.utf16(partial(c.FPDF_GetMetaText, self._pdf, key.encode()))) or None

    def outline(self) -> list[Entry]:
        """The entries of the outline in the order of the document, at most `MAX_OUTLINE`."""
        entries: list[Entry] = []
        for mark in self._pdf.get_toc():
            title = one_line(forms.utf16(partial(c.FPDFBookmark_GetTitle, mark)))
            target = mark.get_dest()
            index = target.get_index() if target else None
            if title:
                entries.append(Entry(title, mark.level + 1, None if index is None else index + 1))
            if len(entries) == MAX_OUTLINE:
                break
        return entries

    def read(self, number: int) -> Page:
        """The page with this number, or `Unreadable` with `damaged_page` or `too_large`."""
        page, filled = self._flat(number)
        rotation = c.FPDFPage_GetRotation(page)
        try:
            text = page.get_textpage()
            upright = turns(text)
            if upright != rotation:  # PDFium orders the words of a line by the rotation of the page
                c.FPDFPage_SetRotation(page, upright)
                text = page.get_textpage()
            return self._content(number, page, text, Frame.of(page, upright), filled)
        except pdfium.PdfiumError as error:
            raise Unreadable("damaged_page", f"Page {number} cannot be read.") from error
        finally:
            c.FPDFPage_SetRotation(page, rotation)
            page.close()

    def _flat(self, number: int) -> tuple[pdfium.PdfPage, forms.Filled]:
        """The page with its form, notes and stamps as a part of its content, and what was filled in.

        Flattening removes the annotations, so what was filled in is kept for the next time.
        """
        page = self._page(number)
        if number in self._filled:
            return page, self._filled[number]
        filled = self._filled[number] = forms.read(self._pdf.formenv, page, partial(_is_on, page))
        if filled.stale:
            page.close()
            page = self._page(number)
        if filled.drawn and c.FPDFPage_Flatten(page, c.FLAT_NORMALDISPLAY) == c.FLATTEN_SUCCESS:
            page.close()
            page = self._page(number)
        return page, filled

    def _content(
        self, number: int, page: pdfium.PdfPage, text: pdfium.PdfTextPage, frame: Frame, filled: forms.Filled
    ) -> Page:
        objects = Objects(page, frame, layers=self._survey.layers)
        visibility = Visibility(page, text, frame, objects, self._clock)
        characters = Characters(text, frame, visibility.hidden, partial(self._glyph_names, number))
        lines = in_order(list(characters.lines()))
        marks = [_word(mark.text, frame.box(*mark.sides)) for mark in filled.marks]
        return Page(
            number=number,
            width=round(frame.width, 1),
            height=round(frame.height, 1),
            lines=place(lines, [frame.box(*sides) for sides in filled.places], marks),
            rules=tuple(objects.rules),
            fields=tuple(filled.fields),
            images=objects.images,
            drawn=objects.drawn,
            pictured=objects.pictured.share(),
            hidden=(*characters.hidden(), *(Hidden(value, "invisible") for value in filled.hidden)),
            recognised=visibility.recognised,
            checked=visibility.checked,
            unknown=characters.unknown,
            damaged=self._is_damaged(number, objects),
        )

    def _glyph_names(self, number: int, font: str) -> dict[int, str]:
        """The names of a font's glyphs, by their codes, if the file has them."""
        if font not in self._glyphs:
            raw = self._raw_page(number)
            self._glyphs |= {font: {}, **(raw.glyph_names() if raw else {})}
        return self._glyphs[font]

    def _is_damaged(self, number: int, objects: Objects) -> bool:
        """Whether something that the page draws cannot be unpacked: PDFium draws the rest, or nothing."""
        if objects.drawn and not self._survey.damaged:
            return False
        raw = self._raw_page(number)
        return raw is not None and raw.is_damaged()

    def _raw_page(self, number: int) -> RawPage | None:
        """The page's objects, as long as there is time for that."""
        start = time.monotonic()
        raw = RawPage.of(self._pdf, number) if self._raw_seconds > 0 else None
        self._raw_seconds -= time.monotonic() - start
        return raw

    def pixels(self, number: int) -> Pixels:
        """The page, upright as it is shown, for the recognition of its text."""
        page = self._page(number)
        try:
            scale = scale_of(*page.get_size())
            shown = page.render(scale=scale, prefer_bgrx=False, rev_byteorder=True).to_pil().convert("RGB")
        finally:
            page.close()
        return Pixels(shown.width, shown.height, shown.tobytes(), scale)

    def picture(self, number: int) -> bytes:
        """The page as a JPEG, whose longer side is `PICTURE` pixels."""
        page = self._page(number)
        try:
            width, height = page.get_size()
            picture = page.render(scale=PICTURE / max(width, height, 1.0)).to_pil().convert("RGB")
        finally:
            page.close()
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=70, optimize=True)
        return file.getvalue()

    def _page(self, number: int) -> pdfium.PdfPage:
        try:
            return self._pdf[number - 1]
        except pdfium.PdfiumError as error:
            raise Unreadable("damaged_page", f"Page {number} cannot be read.") from error


def _word(mark: str, box: Box) -> Word:
    return Word(mark, box, min(box.height, MARK))


def _is_on(page: pdfium.PdfPage, sides: forms.Sides) -> bool:
    """Whether a place is on the page, inside of its visible box."""
    box = c.FS_RECTF()
    c.FPDF_GetPageBoundingBox(page, box)
    left, bottom, right, top = sides
    return bool(left < min(right, box.right) and right > box.left and bottom < min(top, box.top) and top > box.bottom)


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
