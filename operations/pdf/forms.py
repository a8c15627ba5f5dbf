"""The fields of a page's form."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as c

from .text import clean, one_line

MAX_FIELDS = 2_000
"""Form fields of one page."""


def fields(form: pdfium.PdfFormEnv | None, page: pdfium.PdfPage) -> Iterator[tuple[str, str]]:
    """The names and values of the fields of a page that are filled in, at most `MAX_FIELDS`."""
    if form is None:
        return
    for index in range(min(c.FPDFPage_GetAnnotCount(page), MAX_FIELDS)):
        annotation = c.FPDFPage_GetAnnot(page, index)
        try:
            if c.FPDFAnnot_GetSubtype(annotation) == c.FPDF_ANNOT_WIDGET:
                yield from _field(form, annotation)
        finally:
            c.FPDFPage_CloseAnnot(annotation)


def utf16(read: Callable[[Any, int], int]) -> str:
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
        return utf16(lambda buffer, size: function(forms, annotation, ctypes.cast(buffer, buffer_of), size))

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
