"""The file around a PDF, before PDFium sees it."""

from __future__ import annotations

import io
import re
from pathlib import Path

from .errors import Unreadable


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
