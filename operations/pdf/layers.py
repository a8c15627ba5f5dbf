"""Whether a document has layers that can be switched off (ISO 32000-1, 8.11), which PDFium does not say."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Final

from .envelope import mapped

MAX_UNPACKED: Final = 1 << 26
"""Bytes of object streams that are searched, in all; a document with more counts as one with layers."""


def _name(name: str) -> bytes:
    """A pattern for a name, each of whose characters may be written in hexadecimal (7.3.5)."""
    return "".join(f"(?:{letter}|#(?i:{ord(letter):02x}))" for letter in name).encode()


_LAYERS: Final = re.compile(b"/" + _name("OCProperties"))
_OBJECTS: Final = re.compile(b"/" + _name("ObjStm") + rb"\b[^\x00]{0,400}?\bstream\r?\n")


def has_layers(source: Path | bytes, *, encrypted: bool) -> bool:
    """Whether there may be layers: in doubt, as in encrypted object streams, there are."""
    with mapped(source) as data:
        if _LAYERS.search(data):
            return True
        left = MAX_UNPACKED
        for found in _OBJECTS.finditer(data):
            if encrypted or left <= 0:
                return True
            objects = _unpacked(data[found.end() : found.end() + MAX_UNPACKED], left)
            left -= len(objects)
            if _LAYERS.search(objects):
                return True
    return False


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""
