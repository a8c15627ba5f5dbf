"""What a file is, by its first bytes. What is no table is refused by its name, and never read as CSV."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import FileError
from .text import utf16_without_mark

HEAD: Final = 1 << 16
"""Bytes that are looked at."""

SIGNATURES: Final[dict[bytes, str]] = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow stream",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "compound",
}
"""What is read. A compound file (MS-CFB) may be an .xls, a .doc or a protected .xlsx."""

REFUSED: Final[dict[bytes, str]] = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"8BPS": "a Photoshop image",
    b"\x00\x00\x01\x00": "an icon",
    b"{\\rtf": "an RTF document",
    b"%!PS": "a PostScript document",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"OggS": "an audio or video file",
    b"ID3": "an audio file",
    b"fLaC": "an audio file",
    b"\x1aE\xdf\xa3": "a video",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
}

ENDINGS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".geojson": "json",
}

BINARY_ENDINGS: Final = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".xlsx": "a spreadsheet",
    ".xlsm": "a spreadsheet",
    ".xlsb": "a spreadsheet",
    ".ods": "a spreadsheet",
    ".bz2": "bzip2",
    ".zst": "Zstandard",
    ".zip": "ZIP",
    ".arrow": "Arrow",
    ".feather": "Arrow",
}
"""Names that promise a signature. Some programs write text into a file called .xls, and servers unpack .gz: these are
what they hold."""

TAG: Final = re.compile(rb"<(?:\?xml\b|!doctype\b|!--|([a-z][\w.:-]*)(?:\s[^<>]*)?/?>)", re.IGNORECASE)
HTML: Final = re.compile(
    rb"<(?:!doctype html|html|head|body|table|div|script|meta|title|p|br|span|center|h[1-6])\b", re.IGNORECASE
)
DECLARED: Final = re.compile(rb"<(?:\?xml\b|!doctype\b|!--)", re.IGNORECASE)
ODD: Final = 0.02
NULS: Final = 0.3
"""The shares of control characters, and of NULs, that a text may have, at most."""
CONTROLS: Final = bytes(set(range(32)) - set(b"\0\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f\x01"))
FIRST: Final = 256
"""Bytes by which a text is told from a signature of letters."""


def kind_of(path: Path, name: str) -> str:
    """The kind of a file: a value of `SIGNATURES`, `csv`, `json`, or a format of `zip_kind`.

    Raises `FileError` with `empty_file`, `not_a_table` or `unreadable_file`.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise FileError("empty_file", f"{name} is empty.")
    kind = next((kind for start, kind in SIGNATURES.items() if _has_signature(head, start)), None)
    if kind == "zip":
        return zip_kind(path, name)
    if kind == "compound":
        return compound_kind(head, path, name)
    if kind is not None:
        return kind
    check_known(head, name)
    text = _as_ascii(head).lstrip()
    check_markup(text, name)
    ending = PurePosixPath(name.lower()).suffix
    if ending in BINARY_ENDINGS:
        raise FileError("unreadable_file", f"{name} is not {BINARY_ENDINGS[ending]}, as its name says.")
    if _is_binary(head):
        raise not_a_table(name, "a binary file of no kind that is known here")
    return ENDINGS.get(ending) or ("json" if text[:1] in (b"[", b"{") else "csv")


def check_known(head: bytes, name: str) -> None:
    """Raises `FileError` with `not_a_table` for what has the signature of something else."""
    what = next((what for start, what in REFUSED.items() if _has_signature(head, start)), None)
    if b"%PDF-" in head[:1024]:
        what = "a PDF document"
    elif _has_signature(head, b"RIFF"):
        what = "a WebP image" if head[8:12] == b"WEBP" else "an audio or video file"
    elif head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        what = "a BMP image"
    elif _has_signature(head, b"ftyp", 4):
        what = "a video or a HEIF image"
    elif head[257:262] == b"ustar":
        what = "a tar archive"
    if what is not None:
        raise not_a_table(name, what)


def _has_signature(head: bytes, signature: bytes, at: int = 0) -> bool:
    """Whether a signature stands there. Of letters, it may begin a text: the first column of a table may be `ORCID`."""
    return head.startswith(signature, at) and not (signature.isalnum() and _is_words(head[:FIRST]))


def _is_words(first: bytes) -> bool:
    """Whether bytes are mostly ASCII, without control characters: what follows a signature is not."""
    ascii_only = first.decode("ascii", "ignore")
    return len(ascii_only) > 0.75 * len(first) and first.translate(None, CONTROLS + b"\0") == first


def not_a_table(name: str, what: str) -> FileError:
    """The refusal of a file that is something else."""
    return FileError("not_a_table", f"{name} is {what}, and no table.")


def _is_binary(head: bytes) -> bool:
    """Whether the bytes are no text; those of UTF-16 may be any."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or utf16_without_mark(head):
        return False
    odd = len(head) - len(head.translate(None, CONTROLS))
    return odd > ODD * len(head) or head.count(0) > NULS * len(head)


def _as_ascii(head: bytes) -> bytes:
    """The ASCII of a text without its byte order mark; UTF-16 and UTF-32 lose their NULs."""
    if head.startswith(b"\xef\xbb\xbf"):
        return head[3:]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[2:].replace(b"\0", b"")
    return head.replace(b"\0", b"") if utf16_without_mark(head) else head


def check_markup(text: bytes, name: str) -> None:
    """Refuses HTML, XML and SVG. A CSV may have a header like `<DATE>,<OPEN>`: it closes no tag."""
    match = TAG.match(text)
    if match is None:
        return
    if HTML.search(text[:4096]) and (b"</" in text or DECLARED.match(text) or HTML.match(text)):
        raise not_a_table(name, "an HTML page")
    if DECLARED.match(text) or b"</" in text or b"/>" in match[0]:
        raise not_a_table(name, "an SVG image" if b"<svg" in text[:4096] else "an XML document")


def zip_kind(path: Path, name: str) -> str:
    """`sheets` for a spreadsheet, `zip` for an archive; other documents in a ZIP are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            mimetype = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, KeyError, ValueError) as error:
        raise FileError("unreadable_file", f"{name} is a damaged ZIP file.") from error
    if b"opendocument.spreadsheet" in mimetype or any(part.startswith("xl/workbook.") for part in names):
        return "sheets"
    for part, what in (("word/document.xml", "a Word document"), ("ppt/presentation.xml", "a presentation")):
        if part in names:
            raise not_a_table(name, what)
    if mimetype:
        what = "an e-book" if b"epub" in mimetype else "an OpenDocument file, though no spreadsheet"
        raise not_a_table(name, what)
    return "zip"


def compound_kind(head: bytes, path: Path, name: str) -> str:
    """`sheets` for an .xls; the names of a compound file's streams are in UTF-16 (MS-CFB, section 2.6)."""
    with path.open("rb") as file:
        content = head if len(head) < HEAD else file.read(64 << 20)
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise FileError("unreadable_file", f"{name} is protected with a password.")
    if "WordDocument".encode("utf-16-le") in content:
        raise not_a_table(name, "a Word document")
    if "PowerPoint Document".encode("utf-16-le") in content:
        raise not_a_table(name, "a presentation")
    return "sheets"
