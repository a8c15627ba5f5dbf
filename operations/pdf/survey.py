"""What the bytes of a file say of the whole document, which PDFium's functions do not: layers, portfolios, damage."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .envelope import mapped
from .raw import inflates

MAX_UNPACKED: Final = 1 << 27
"""Bytes that are unpacked, in all; a document with more counts as one with layers."""


def _name(name: str) -> bytes:
    """A pattern for a name, each of whose characters may be written in hexadecimal (ISO 32000-1, 7.3.5)."""
    return "".join(f"(?:{letter}|#(?i:{ord(letter):02x}))" for letter in name).encode()


_NAMES: Final = re.compile(b"/(?:(%b)|(%b))\\b" % (_name("OCProperties"), _name("Collection")))
_STREAM: Final = re.compile(rb"(?<!end)stream\r?\n")
_OBJECTS: Final = re.compile(b"/" + _name("ObjStm") + b"\\b")
_PACKED: Final = re.compile(rb"/(?:Filter|F)\s*\[?\s*/(?:FlateDecode|Fl)\b")
_DATA: Final = re.compile(
    rb"/Subtype\s*/(?:Image|Type1C|CIDFontType0C|OpenType|XML)\b|/Length1\b|/Type\s*/(?:XRef|Metadata)"
)
"""Entries of pictures, fonts and the like: they may be large, and no text is missing if they are damaged."""
_ENTRIES: Final = 1_000
"""Bytes before a stream in which its entries are looked for."""


@dataclass
class Survey:
    """`layers` (8.11) may be switched off, a `portfolio` is a folder of files (7.11.6), `damaged` may be some page."""

    layers: bool = False
    portfolio: bool = False
    damaged: bool = False


def survey(source: Path | bytes, *, encrypted: bool) -> Survey:
    """Looks through the file. In doubt, as in encrypted object streams, there are layers, and no damage."""
    found = Survey()
    with mapped(source) as data:
        _note_names(found, data)
        left = MAX_UNPACKED
        for entries, packed in _streams(data):
            is_objects = _OBJECTS.search(entries)
            if (encrypted or left <= 0) and is_objects:
                found.layers = True
            if encrypted or left <= 0:
                break
            if is_objects:
                objects = _unpacked(packed, left)
                left -= len(objects)
                _note_names(found, objects)
            elif not found.damaged:
                left -= 4 * len(packed)
                found.damaged = not inflates(packed)
    return found


def _note_names(found: Survey, data: Any) -> None:
    for name in _NAMES.finditer(data):
        found.layers |= bool(name[1])
        found.portfolio |= bool(name[2])


def _streams(data: Any) -> Iterator[tuple[bytes, bytes]]:
    """The entries and the bytes of each stream that is packed and may be contents or objects."""
    for start in _STREAM.finditer(data):
        entries = data[max(0, start.start() - _ENTRIES) : start.start()]
        entries = entries[max(entries.rfind(b" obj"), 0) :]
        if _PACKED.search(entries) and not _DATA.search(entries):
            yield entries, data[start.end() : data.find(b"endstream", start.end())]


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""
