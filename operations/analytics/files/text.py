"""Bytes as UTF-8: by the byte order mark, then UTF-8, then Shift-JIS where it is plain, then cp1252.

A guesser of charsets is not asked. charset-normalizer 3.5 was measured on short files, of 1 to 10 lines of WTForms'
translations: it read 444 of 901 files in cp1252 as they were written, and 82 of 90 in Shift-JIS; these rules read all.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import FileError
from .notes import Notes, Rows
from .unpack import Budget

CHUNK: Final = 1 << 20
LINE: Final = 1 << 26
HEAD: Final = 1 << 18
"""Bytes by which an encoding is guessed."""

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_CP1252: Final = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""Windows-1252 as browsers have it (WHATWG Encoding, section 9): the five free bytes are C1 controls, as in Latin-1."""

_DOUBLE: Final = re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]")
_JAPANESE: Final = re.compile(rb"[\x81-\x9f][\x40-\x7e\x80-\xfc]")
_RUN: Final = re.compile(rb"(?:[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]){2,}")
_HIGH: Final = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True)
class Text:
    """A file in UTF-8 without NULs."""

    path: Path
    bom: int
    """Bytes before the text."""
    regular: bool
    """Whether all lines end alike, and none is blank."""
    lines: int
    quotes: bool
    longest: int
    """Bytes of the longest line, at most, counted in whole chunks."""


def read_text(path: Path, notes: Notes, budget: Budget) -> Text:
    """The file in UTF-8: itself, or a copy in the folder of the process."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    bom, encoding = _by_mark(head)
    if encoding is None:
        encoding = utf16_without_mark(head) or ("utf-8" if is_utf8(path) else legacy(path))
        if encoding in LABELS:
            notes.add("encoding_guessed", f"It is not UTF-8, and was read as {LABELS[encoding]}.")
    if encoding == "utf-8":
        scan = Scan()
        with path.open("rb") as file:
            file.seek(bom)
            for chunk in iter(lambda: file.read(CHUNK), b""):
                scan.add(chunk)
        if not scan.nuls:
            return Text(path, bom, scan.regular, scan.lines, scan.quotes, scan.longest)
    return _convert(path, bom, encoding, notes, budget)


LABELS: Final = {"utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp932": "Shift-JIS", "cp1252": "cp1252"}


def _by_mark(head: bytes) -> tuple[int, str | None]:
    return next(((len(mark), name) for mark, name in MARKS if head.startswith(mark)), (0, None))


def utf16_without_mark(head: bytes) -> str | None:
    """UTF-16 by its NULs: the delimiters, digits and line ends of any language have one, always on the same side."""
    head = head[: len(head) & ~1]
    if b"\0" not in head:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) <= 0.05 * len(head) or min(even, odd) > 0.05 * max(even, odd):
        return None
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return None
    # A stray NUL in other text: as UTF-16, its line ends and delimiters would be parts of other characters.
    return name if 2 * sum(map(text.count, "\n,;\t")) >= sum(map(head.count, (b"\n", b",", b";", b"\t"))) else None


def is_utf8(path: Path) -> bool:
    """Whether the file is UTF-8, to its end."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def legacy(path: Path) -> str:
    """The encoding of a file that is not UTF-8: `cp932` (Shift-JIS), `cp1252`, or `mixed` with UTF-8, line by line."""
    utf8 = other = 0
    sample: list[bytes] = []
    size = 0
    for line in _lines(path):
        if line.isascii():
            continue
        if _decodes(line, "utf-8"):
            utf8 += 1
        else:
            other += 1
            if size < HEAD:
                sample.append(line)
                size += len(line)
    if utf8 > other:
        return "mixed"
    return "cp932" if is_shift_jis(b"".join(sample)) else "cp1252"


def is_shift_jis(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 are Shift-JIS.

    Its characters are pairs of bytes that stand beside each other. Kana and the common kanji begin with a byte between
    0x81 and 0x9F, where cp1252 has quotes, dashes and rare letters, which make single pairs with a letter behind them.
    """
    if not _decodes(data, "cp932"):
        return False
    rest = _DOUBLE.sub(b"", data)
    singles = len(_HIGH.findall(rest))
    pairs = len(_DOUBLE.findall(data))
    japanese = len(_JAPANESE.findall(data))
    beside = sum(len(run) // 2 for run in _RUN.findall(data))
    return 2 * beside > pairs and 2 * japanese >= pairs >= singles


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.readline(LINE), b"")


def _convert(path: Path, bom: int, encoding: str, notes: Notes, budget: Budget) -> Text:
    """The file as UTF-8 without NULs."""
    scan, nuls = Scan(), 0
    target = budget.new_file()
    try:
        with target.open("wb") as out:
            for text in _decoded(path, bom, encoding, notes):
                nuls += text.count("\0")
                chunk = text.replace("\0", "").encode()
                budget.spend(len(chunk), notes.name)
                scan.add(chunk)
                out.write(chunk)
    except UnicodeDecodeError as error:
        what = LABELS.get(encoding, encoding)
        raise FileError("unreadable_file", f"{notes.name} is not {what} to its end.") from error
    if nuls:
        notes.add("nul_removed", f"{nuls:,} NUL characters were removed.")
    return Text(target, 0, scan.regular, scan.lines, scan.quotes, scan.longest)


def _decoded(path: Path, bom: int, encoding: str, notes: Notes) -> Iterator[str]:
    if encoding == "mixed":
        yield from _mixed(path, notes)
        return
    decoder = None if encoding == "cp1252" else codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        file.seek(bom)
        for chunk in iter(lambda: file.read(CHUNK), b""):
            yield decode_cp1252(chunk) if decoder is None else decoder.decode(chunk)
    if decoder is not None:
        yield decoder.decode(b"", final=True)


def decode_cp1252(data: bytes) -> str:
    """Windows-1252, in which every byte is a character."""
    return codecs.charmap_decode(data, "strict", _CP1252)[0]


def _mixed(path: Path, notes: Notes) -> Iterator[str]:
    """Lines in UTF-8, and others in cp1252."""
    others = Rows()
    for number, line in enumerate(_lines(path), 1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = decode_cp1252(line)
            others.add(number)
        yield text
    lines = ", ".join(map(str, others.first))
    notes.add("encoding_guessed", f"Of its lines, {others.count:,} are not UTF-8, and were read as cp1252: {lines}.")


class Scan:
    """What the bytes of a text tell of its lines; `add` gets them in chunks."""

    def __init__(self) -> None:
        self.nuls = self.quotes = False
        self.longest = 2 * CHUNK
        self._line = 2 * CHUNK
        self._blank = False
        self._cr = self._lf = self._crlf = 0
        self._last = b"\n"  # the first line may be blank

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        joined = self._last + chunk
        self.nuls = self.nuls or b"\0" in chunk
        self.quotes = self.quotes or b'"' in chunk
        self._cr += chunk.count(b"\r")
        self._lf += chunk.count(b"\n")
        self._crlf += joined.count(b"\r\n") - self._last.count(b"\r\n")
        self._blank = self._blank or b"\n\n" in joined or b"\n\r\n" in joined
        self._line = 2 * CHUNK if b"\n" in chunk else self._line + CHUNK
        self.longest = max(self.longest, self._line)
        self._last = joined[-2:]

    @property
    def lines(self) -> int:
        """Lines of a regular text."""
        return self._lf + (not self._last.endswith(b"\n"))

    @property
    def regular(self) -> bool:
        """Whether all lines end alike, and none is blank."""
        return not self._blank and (self._cr == 0 or self._cr == self._crlf == self._lf)
