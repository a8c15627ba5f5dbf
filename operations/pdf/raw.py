"""The objects of one page as a file has them, which PDFium's functions do not show.

PDFium writes a document of this page alone, decrypted and with a plain table of objects, however the file was written.
So little of the syntax of PDF is enough to read it. This takes milliseconds: only pages with a doubt are looked at.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as c

MAX_BYTES: Final = 1 << 26
"""Bytes of a page with its fonts and pictures; a larger one is not looked at."""
MAX_UNPACKED: Final = 1 << 26
"""Bytes of what its contents unpack to, each."""
MAX_OBJECTS: Final = 20_000

_FILTERS: Final = re.compile(rb"/(?:Filter|F)\s*(?:\[([^\]]*)\]|(/[^\s/<>\[\]()]+))")
_NAME: Final = re.compile(rb"/([^\s/<>\[\]()]+)")
_REFERENCE: Final = re.compile(rb"(\d+) 0 R")
_READ: Final = {b"FlateDecode", b"Fl", b"LZWDecode", b"LZW", b"ASCII85Decode", b"A85", b"ASCIIHexDecode", b"AHx",
                b"RunLengthDecode", b"RL", b"Crypt"}  # fmt: skip
"""The filters of contents (ISO 32000-1, 7.4); the others are those of pictures."""


class RawPage:
    """The objects of one page, by number."""

    def __init__(self, objects: dict[int, bytes]) -> None:
        self._objects = objects

    @classmethod
    def of(cls, document: pdfium.PdfDocument, number: int) -> RawPage | None:
        """The page with this number, from 1; `None` if PDFium cannot write it, or it is too large."""
        single = c.FPDF_CreateNewDocument()
        try:
            index = (ctypes.c_int * 1)(number - 1)
            if not c.FPDF_ImportPagesByIndex(single, document, index, 1, 0):
                return None
            data = _saved(single)
        finally:
            c.FPDF_CloseDocument(single)
        return None if data is None else cls(_objects(data))

    def is_damaged(self) -> bool:
        """Whether something that the page draws cannot be unpacked."""
        return any(_is_damaged(stream) for stream in self._contents())

    def glyph_names(self) -> dict[str, dict[int, str]]:
        """The names that fonts give to character codes (`/Differences`; 9.6.6), by the name of the font."""
        found: dict[str, dict[int, str]] = {}
        for item in self._objects.values():
            font = re.search(rb"/BaseFont/([^\s/<>\[\]()]+)", item[:65536])
            encoding = re.search(rb"/Encoding\s*(?:(\d+) 0 R|<<)", item[:65536])
            if font and encoding:
                place = self._objects.get(int(encoding[1]), b"") if encoding[1] else item
                names = found.setdefault(_decoded(font[1]), {})
                for code, name in _differences(place).items():
                    names[code] = (
                        name if names.get(code, name) == name else ""
                    )  # which of both fonts it is nobody knows
        return found

    def _contents(self) -> Iterator[bytes]:
        """The streams of the page's contents and of the form objects that it may draw."""
        for item in self._objects.values():
            entries = item.partition(b"stream")[0]
            if re.search(rb"/Type\s*/Page\b", entries) and (contents := re.search(rb"/Contents\s*([^/>]+)", entries)):
                for reference in _REFERENCE.findall(self._resolved(contents[1])):
                    yield self._objects.get(int(reference), b"")
            elif re.search(rb"/Subtype\s*/Form\b", entries):
                yield item

    def _resolved(self, value: bytes) -> bytes:
        """An array that stands in an object of its own, or the value as it is."""
        reference = _REFERENCE.match(value.strip())
        item = self._objects.get(int(reference[1]), b"") if reference else b""
        return item if item.lstrip().startswith(b"[") else value


def _saved(document: Any) -> bytes | None:
    out = bytearray()

    def write(_: Any, data: Any, size: int) -> int:
        out.extend(ctypes.string_at(data, size))
        return int(len(out) <= MAX_BYTES)

    file = c.FPDF_FILEWRITE(version=1)
    callback = type(file.WriteBlock)(write)  # ctypes keeps it only as long as this name does
    file.WriteBlock = callback
    return bytes(out) if c.FPDF_SaveAsCopy(document, file, c.FPDF_NO_INCREMENTAL) else None


def _objects(data: bytes) -> dict[int, bytes]:
    """The objects of a file that PDFium wrote, by its table."""
    table = data[data.rfind(b"\nxref") :]
    offsets = sorted(int(entry) for entry in re.findall(rb"(\d{10}) \d{5} n", table)[:MAX_OBJECTS])
    found: dict[int, bytes] = {}
    for start, end in zip(offsets, [*offsets[1:], data.rfind(b"\nxref")], strict=True):
        if head := re.compile(rb"(\d+) 0 obj\s*").match(data, start):
            found[int(head[1])] = data[head.end() : end]
    return found


def _is_damaged(item: bytes) -> bool:
    entries, _, rest = item.partition(b"stream")
    if not rest:
        return False
    filters = _filters(entries)
    if not set(filters) <= _READ:
        return True
    length = re.search(rb"/Length\s+(\d+)", entries)
    data = rest.lstrip(b"\r\n")[: int(length[1])] if length else rest
    try:
        for name in filters:
            if name in (b"FlateDecode", b"Fl"):
                return not inflates(data)
            if name in (b"ASCII85Decode", b"A85"):
                data = base64.a85decode(data.split(b"~")[0], ignorechars=b" \t\n\r\v\0\f")
            elif name in (b"ASCIIHexDecode", b"AHx"):
                data = binascii.unhexlify(b"".join(data.split(b">")[0].split()))
            else:
                return False
    except ValueError:
        return True
    return False


def _filters(entries: bytes) -> list[bytes]:
    found = _FILTERS.search(entries)
    return _NAME.findall(found[1] or found[2] or b"") if found else []


def inflates(data: bytes) -> bool:
    """Whether all of the data can be unpacked (RFC 1950); a missing or wrong checksum does not matter."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    total, left = 0, data[2:]
    try:
        while left and not unpacker.eof and total < MAX_UNPACKED:
            total += len(unpacker.decompress(left, 1 << 20))
            left = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof or total >= MAX_UNPACKED


def _differences(item: bytes) -> dict[int, str]:
    found = re.search(rb"/Differences\s*\[([^\]]*)\]", item)
    names: dict[int, str] = {}
    code = 0
    for entry in re.findall(rb"/[^\s/<>\[\]()]+|\d{1,3}", found[1] if found else b""):
        if entry.startswith(b"/"):
            names[code] = _decoded(entry[1:])
            code += 1
        else:
            code = int(entry)
    return names


def _decoded(name: bytes) -> str:
    """A name without the hexadecimal notation of its characters."""
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), name).decode("latin-1")
