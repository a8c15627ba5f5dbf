"""What is filled in on a page: the fields of its form, and notes and stamps, which flattening makes its content."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .text import clean, one_line

MAX_FIELDS = 2_000
"""Form fields of one page, and options of one field."""
MAX_ANNOTATIONS = 20_000
"""Annotations of a page that is flattened."""

Sides = tuple[float, float, float, float]
"""Left, bottom, right and top in the page's own coordinates."""


class Mark(NamedTuple):
    """A box to check, as a character, and where it stands."""

    text: str
    sides: Sides


@dataclass
class Filled:
    """What is filled in on a page.

    `fields` have names and values, `hidden` are values that nobody sees, `places` is where values stand, `marks` are
    the boxes to check. `drawn` says whether the page has annotations that show something, and `stale` whether PDFium
    must draw a field anew, which it does when the page is loaded.
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    places: list[Sides] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    files: bool = False
    drawn: bool = False
    stale: bool = False


_ICONS = (c.FPDF_ANNOT_LINK, c.FPDF_ANNOT_POPUP, c.FPDF_ANNOT_TEXT, c.FPDF_ANNOT_FILEATTACHMENT)
"""Annotations that show no text on the page."""
_PASSWORD = c.FPDF_FORMFLAG_TEXT_PASSWORD
_BUTTONS = {c.FPDF_FORMFIELD_CHECKBOX: "☐☑", c.FPDF_FORMFIELD_RADIOBUTTON: "○◉"}
"""A box to check, without and with its mark."""
_CHOICES = (c.FPDF_FORMFIELD_COMBOBOX, c.FPDF_FORMFIELD_LISTBOX)
_NO_VALUES = (c.FPDF_FORMFIELD_PUSHBUTTON, c.FPDF_FORMFIELD_SIGNATURE)


def read(form: pdfium.PdfFormEnv | None, page: pdfium.PdfPage, visible: Callable[[Sides], bool]) -> Filled:
    """What is filled in on a page; `visible` says whether a place is on it."""
    filled = Filled()
    count = c.FPDFPage_GetAnnotCount(page)
    for index in range(min(count, MAX_FIELDS)):
        annotation = c.FPDFPage_GetAnnot(page, index)
        try:
            kind = c.FPDFAnnot_GetSubtype(annotation)
            filled.files |= kind == c.FPDF_ANNOT_FILEATTACHMENT
            filled.drawn |= kind not in _ICONS
            if (flags := c.FPDFAnnot_GetFlags(annotation)) & c.FPDF_ANNOT_FLAG_NOVIEW:  # flattening knows only "hidden"
                c.FPDFAnnot_SetFlags(annotation, flags | c.FPDF_ANNOT_FLAG_HIDDEN)
            if form is not None and kind == c.FPDF_ANNOT_WIDGET:
                _Field(form, annotation).read(filled, visible)
        finally:
            c.FPDFPage_CloseAnnot(annotation)
    filled.drawn &= count <= MAX_ANNOTATIONS
    return filled


def utf16(read: Callable[[Any, int], int]) -> str:
    """The text that a PDFium function writes into a buffer, with two NUL bytes at its end."""
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "surrogatepass")


def wide(function: Callable[..., int], *arguments: Any) -> str:
    """The text that a PDFium function writes as wide characters behind these arguments."""
    return utf16(lambda buffer, size: function(*arguments, ctypes.cast(buffer, ctypes.POINTER(c.FPDF_WCHAR)), size))


class _Field:
    """One field of a form, as it stands on a page."""

    def __init__(self, form: pdfium.PdfFormEnv, annotation: Any) -> None:
        self._form = form
        self._annotation = annotation
        self._kind = c.FPDFAnnot_GetFormFieldType(form, annotation)

    def read(self, filled: Filled, visible: Callable[[Sides], bool]) -> None:
        """Adds what the field says."""
        name = one_line(self._text(c.FPDFAnnot_GetFormFieldAlternateName) or self._text(c.FPDFAnnot_GetFormFieldName))
        value, sides = self._value(), self._sides()
        if (flags := c.FPDFAnnot_GetFlags(self._annotation)) & c.FPDF_ANNOT_FLAG_HIDDEN or not visible(sides):
            c.FPDFAnnot_SetFlags(self._annotation, flags | c.FPDF_ANNOT_FLAG_HIDDEN)
            filled.hidden += [value] if value and self._kind not in _BUTTONS else []
            return
        if self._kind in _BUTTONS:
            filled.marks.append(Mark(_BUTTONS[self._kind][self._checked], sides))
        elif value:
            filled.places.append(sides)
        if self._is_password and value:  # some programs draw it
            c.FPDFAnnot_SetAP(self._annotation, c.FPDF_ANNOT_APPEARANCEMODE_NORMAL, None)
            filled.stale = True
        if name and value:
            filled.fields.append((name, value))

    def _value(self) -> str:
        """The value as it is shown; that of a check box is "yes" or "no", of a radio button only what is chosen."""
        if self._kind in _NO_VALUES or (self._kind == c.FPDF_FORMFIELD_RADIOBUTTON and not self._checked):
            return ""
        if self._kind == c.FPDF_FORMFIELD_CHECKBOX:
            return "yes" if self._checked else "no"
        value = clean(self._text(c.FPDFAnnot_GetFormFieldValue)).strip()
        if self._kind in _CHOICES:
            return ", ".join(self._labels()) or value
        return "*" * len(value) if self._is_password else value

    def _labels(self) -> Iterator[str]:
        """The labels of the options that are chosen."""
        count = c.FPDFAnnot_GetOptionCount(self._form, self._annotation)
        for index in range(min(count, MAX_FIELDS)):
            if c.FPDFAnnot_IsOptionSelected(self._form, self._annotation, index):
                yield one_line(wide(c.FPDFAnnot_GetOptionLabel, self._form, self._annotation, index))

    @property
    def _checked(self) -> bool:
        return bool(c.FPDFAnnot_IsChecked(self._form, self._annotation))

    @property
    def _is_password(self) -> bool:
        flags = c.FPDFAnnot_GetFormFieldFlags(self._form, self._annotation)
        return bool(self._kind == c.FPDF_FORMFIELD_TEXTFIELD and flags & _PASSWORD)

    def _sides(self) -> Sides:
        box = c.FS_RECTF()
        c.FPDFAnnot_GetRect(self._annotation, box)
        return box.left, box.bottom, box.right, box.top

    def _text(self, function: Callable[..., int]) -> str:
        return wide(function, self._form, self._annotation)
