"""The file around a PDF, before PDFium sees it: where the document begins and ends, and whether it is whole."""

from __future__ import annotations

import contextlib
import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import Unreadable

MAX_JUNK: int = 1 << 20
"""Bytes ahead of the header, at most: the head of a message, or what a driver sends to a printer."""
NEAR = 1024
"""Bytes at both ends in which PDFium looks for the header and for `startxref` by itself, at least."""

_HEADER = b"%PDF-"
_END = b"%%EOF"
_OBJECT = re.compile(rb"\d\s+\d+\s+obj\b|\bendobj\b|\bendstream\b")


def document_in(source: Path | bytes) -> Path | bytes | Part:
    """The document in `source`, for PDFium: without what stands before and after it, if that is too much for PDFium.

    Raises `Unreadable` with `empty_file`, `not_a_pdf` or `truncated_pdf`.
    """
    with mapped(source) as data:
        start, end, size = *bounds(data), len(data)
    if start < NEAR and size - end < NEAR:
        return source
    return source[start:end] if isinstance(source, bytes) else Part(source, start, end)


def has_header(path: Path) -> bool:
    """Whether the file is a PDF, perhaps with something before it."""
    with path.open("rb") as file:
        return _HEADER in file.read(MAX_JUNK)


def bounds(data: Any) -> tuple[int, int]:
    """Where the document begins and ends in `data`, bytes or a map of a file. Raises `Unreadable`, as `document_in`.

    PDFium repairs a truncated file and returns the remaining pages without an error, so the check is made here: a PDF
    ends with `startxref` and `%%EOF` (ISO 32000-1, 7.5.5), after which no object follows, and a linearized one contains
    its own length (annex F, table F.1).
    """
    if not data:
        raise Unreadable("empty_file", "The file is empty.")
    start = data.find(_HEADER, 0, MAX_JUNK)
    if start < 0:
        raise Unreadable("not_a_pdf", "The file is not a PDF: it has no %PDF header.")
    end, size = _end(data), len(data)
    linearized = re.search(rb"/Linearized\b[^>]{0,400}?/L\s+(\d{1,15})\b", data[start : start + 2048])
    if end <= start or (linearized and size - start < int(linearized[1])):
        raise Unreadable("truncated_pdf", "The file ends too early: a part of the PDF is missing.")
    return start, end


def _end(data: Any) -> int:
    """The end of the document, 0 if it is missing: objects after the last `%%EOF` are an update, perhaps a cut one."""
    last = data.rfind(_END)
    if last >= 0 and not _OBJECT.search(data, last):
        return int(last) + len(_END)
    return len(data) if data.rfind(b"startxref", max(0, last, len(data) - 4096)) >= 0 else 0


@contextlib.contextmanager
def mapped(source: Path | bytes) -> Iterator[Any]:
    """The bytes of a document, those of a file without reading it."""
    if isinstance(source, bytes):
        yield source
    elif source.stat().st_size == 0:
        yield b""  # nothing can be mapped
    else:
        with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


class Part(io.RawIOBase):
    """The bytes of a file from `start` to `end`, as a file of their own."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, end - start, 0

    def readinto(self, buffer: Any, /) -> int:
        """Fills the buffer from the current place."""
        self._file.seek(self._start + self._at)
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        count = self._file.readinto(view)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to a place, from the start or from the end."""
        self._at = offset + (self._size if whence == io.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """The current place."""
        return self._at

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()
