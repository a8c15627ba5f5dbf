"""Compressed files and archives, unpacked into the folder of the process and within its limits.

`Budget` counts what all files of a run unpack to, whatever their headers say.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from ..errors import FileError
from .notes import Notes, listed, short

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNPACKED: Final = 512 << 20
"""Bytes that the files of a run may unpack to, at most, all together."""
MEMBERS: Final = 1_000
"""Of an archive, at most."""
DEPTH: Final = 3
"""Compressions inside each other, as in a ZIP of `.csv.gz` files."""
CHUNK: Final = 1 << 20

OPENERS: Final[dict[str, Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "zstd": zstd.open}
DAMAGED: Final = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # a password, to zipfile
    NotImplementedError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zstd.ZstdError,
)

IGNORED: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db")
"""What systems put into archives beside the files."""


class Budget:
    """The bytes that a run's files may still unpack to."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self._limit = self._left = limit

    def spend(self, size: int, name: str) -> None:
        """Counts bytes. Raises `FileError` with `too_large`."""
        self._left -= size
        if self._left < 0:
            raise FileError("too_large", f"{name} unpacks to more than {self._limit >> 20} MB.")

    def new_file(self) -> Path:
        """A new file in the folder of the process."""
        descriptor, path = tempfile.mkstemp(dir=self.folder)
        os.close(descriptor)
        self.files.append(Path(path))
        return Path(path)

    def copy(self, source: IO[bytes], name: str) -> Path:
        """The rest of a stream as a file, counted."""
        path = self.new_file()
        with path.open("wb") as target:
            while chunk := source.read(CHUNK):
                self.spend(len(chunk), name)
                target.write(chunk)
        return path


def decompress(path: Path, kind: str, name: str, budget: Budget) -> Path:
    """A gzip, bzip2 or Zstandard file, unpacked. Raises `FileError` with `too_large` or `unreadable_file`."""
    try:
        with OPENERS[kind](path, "rb") as source:
            return budget.copy(source, name)
    except DAMAGED as error:
        raise FileError("unreadable_file", f"{name} is damaged, or cut off: it cannot be unpacked.") from error


def members(path: Path, name: str, budget: Budget, notes: Notes) -> Iterator[tuple[Path, str]]:
    """The files of a ZIP archive with their names, one at a time; each is deleted when the next one is asked for."""
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and not _is_ignored(info.filename)]
        if len(infos) > MEMBERS:
            raise FileError("too_large", f"{name} has {len(infos):,} files, more than {MEMBERS:,}.")
        if not infos:
            raise FileError("empty_file", f"{name} has no files.")
        if empty := [info.filename for info in infos if not info.file_size]:
            notes.add("file_skipped", f"Empty files were left out: {listed(empty)}.")
        for info in infos:
            if info.file_size:
                unpacked = _member(archive, info, name, budget)
                yield unpacked, info.filename
                unpacked.unlink(missing_ok=True)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget) -> Path:
    if info.flag_bits & 1:
        raise FileError("unreadable_file", f"{name} is protected with a password.")
    try:
        with archive.open(info) as source:
            return budget.copy(source, name)
    except DAMAGED as error:
        raise FileError("unreadable_file", f"{short(info.filename)} in {name} is damaged.") from error


def _is_ignored(name: str) -> bool:
    return name.startswith(IGNORED[0]) or PurePosixPath(name).name in IGNORED[1:]


def check_archive(path: Path, name: str, budget: Budget) -> None:
    """Reads a spreadsheet's archive once, counted, before a library unpacks it in memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as source:
                    while chunk := source.read(CHUNK):
                        budget.spend(len(chunk), name)
    except DAMAGED as error:
        raise FileError("unreadable_file", f"{name} is damaged, or protected with a password.") from error
