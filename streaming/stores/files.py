"""Where the bytes of files lie: those that runs have handed over, and beside them those of requests.

A store has a row for each file of a run: its name, media type, size and digest. The bytes are here. `Folder` has them
in a folder that all workers of a store see, `TemporaryFolder` in one of this process, and `InStore` leaves them to the
row, up to a bound. Another place, such as an object store, derives from `Files`.

All methods may block: the stores call them in threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import quote, unquote

import orjson

from ..errors import OperationError
from .folders import LockedFolder, sweep_folders

MAX_FILES: Final = 10_000
"""How many files a run may hand over."""

MAX_BYTES: Final = 256 * 1024 * 1024
"""Bytes of one file."""

IN_STORE_BYTES: Final = 1024 * 1024
"""Bytes of one file that lies in the store itself."""

PIECE: Final = 1024 * 1024
"""Bytes that are copied at once."""

UPLOADS: Final = "/uploads"
"""The name of the row that counts a request's files, and what those of kept ones begin with: no file that a run hands
over has a name with a slash.
"""

LINE_END: Final = b"\n"
"""What begins and ends the head of a kept input (`runs.kept`)."""

TEMPORARY: Final = "headway-files-"
RUN: Final = "run-"
"""What the names of folders begin with: that of a process, and that of a run."""


class FileInfo(NamedTuple):
    """What a store has of a file in its row: `size` is in bytes, `sha256` in hexadecimal digits."""

    name: str
    type: str
    size: int
    sha256: str


def upload_row(digest: str) -> str:
    """The name of the row of a request's file that is kept, by the digest of its content."""
    return f"{UPLOADS}/{digest}"


def is_handed_over(name: str) -> bool:
    """Whether a row is that of a file that the run has handed over, and not of its request."""
    return not name.startswith(UPLOADS)


def handed_over(files: Iterable[FileInfo]) -> list[FileInfo]:
    """The files that a run has handed over."""
    return [file for file in files if is_handed_over(file.name)]


def head_of(kept: bytes | None) -> tuple[dict[str, Any], bytes]:
    """The head of a kept input, and the input itself (`runs.kept`)."""
    if not kept or not kept.startswith(LINE_END):
        return {}, kept or b"{}"
    _, head, body = kept.split(LINE_END, 2)
    return orjson.loads(head), body


def uploads_of(kept: bytes | None) -> list[str]:
    """The digests of the files that a kept input refers to, in its order."""
    digests: list[str] = head_of(kept)[0].get(UPLOADS, [])
    return digests


class Files(ABC):
    """A place for files. `most` is how many bytes one may have; uploads lie in `folder`, `None` for the temporary one.

    Where it is `shared`, the runs of several stores may lie in it: each has a part of its own, whose name is `part`.
    """

    most: int = MAX_BYTES
    folder: Path | None = None
    shared: bool = False
    part: str = ""

    @abstractmethod
    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        """Writes a file of at most `most` bytes; gives what belongs into its row, and the bytes that do.

        Raises `OperationError` where it is larger, or cannot be read, and `OSError`.
        """

    @abstractmethod
    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        """Opens a file; `body` is what its row has. Raises `FileNotFoundError`."""

    def drop(self, run: str, info: FileInfo) -> None:
        """Deletes a file whose row is gone."""

    def runs(self) -> set[str]:
        """The runs that have files here, also those that are gone."""
        return set()

    def erase(self, runs: Iterable[str]) -> None:
        """Deletes the files of runs that are gone."""

    def close(self) -> None:
        """Deletes what is only of this process."""


class InStore(Files):
    """The rows have the bytes, too: for a store that all workers reach, and that is fast and large enough for it."""

    most = IN_STORE_BYTES

    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        digest, pieces, size = hashlib.sha256(), [], 0
        for piece in _pieces(name, source, most):
            digest.update(piece)
            pieces.append(piece)
            size += len(piece)
        return FileInfo(name, type, size, digest.hexdigest()), b"".join(pieces)

    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        return io.BytesIO(body)


class Folder(Files):
    """A folder with a folder for each run. It is made with the first file, for its user alone."""

    def __init__(self, path: Path | None, *, shared: bool = False) -> None:
        self.folder = path
        self.shared = shared

    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        folder = self._of(run)
        for parent in (self.folder, self._runs, folder):  # `parents=True` would make those with the usual mode
            if parent is not None:
                parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with open(descriptor, "wb") as out:
                for piece in _pieces(name, source, most):
                    digest.update(piece)
                    out.write(piece)
                    size += len(piece)
            info = FileInfo(name, type, size, digest.hexdigest())
            Path(temporary).replace(folder / _file_of(info))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        return info, b""

    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        return (self._of(run) / _file_of(info)).open("rb")

    def drop(self, run: str, info: FileInfo) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._of(run) / _file_of(info)).unlink()

    def runs(self) -> set[str]:
        try:
            names = [entry.name for entry in os.scandir(self._runs)]
        except FileNotFoundError:
            return set()
        return {unquote(name.removeprefix(RUN)) for name in names if name.startswith(RUN)}

    def erase(self, runs: Iterable[str]) -> None:
        for run in runs:
            shutil.rmtree(self._of(run), ignore_errors=True)

    @property
    def _runs(self) -> Path:
        assert self.folder is not None
        return self.folder / self.part if self.part else self.folder

    def _of(self, run: str) -> Path:
        return self._runs / f"{RUN}{quote(run, safe='')}"


class TemporaryFolder(Folder):
    """A folder of this process in `base`, for a store whose runs end with it."""

    def __init__(self, base: Path | None = None) -> None:
        super().__init__(base)
        self._locked: LockedFolder | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    def erase(self, runs: Iterable[str]) -> None:
        if self._locked is not None:
            super().erase(runs)

    def close(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
            self._locked = self._finalizer = None

    @property
    def _runs(self) -> Path:
        if self._locked is None:
            sweep_folders(TEMPORARY, self.folder)
            self._locked = LockedFolder(TEMPORARY, self.folder)
            self._finalizer = weakref.finalize(self, self._locked.delete)
        return self._locked.path


def _file_of(info: FileInfo) -> str:
    """The name of a file on disk: no name of a run's file can do harm there, and a reader of one that is replaced
    keeps what it has opened.
    """
    return f"{hashlib.sha256(info.name.encode()).hexdigest()[:16]}-{info.sha256}"


def _pieces(name: str, source: bytes | Path, most: int) -> Iterator[bytes]:
    """The bytes of a file, piece by piece. Raises `OperationError` once there are more than `most`."""
    too_large = OperationError("too_large", f"The file {name!r} has more than {most:,} bytes.")
    if isinstance(source, bytes):
        if len(source) > most:
            raise too_large
        yield from (source[start : start + PIECE] for start in range(0, len(source), PIECE))
        return
    # Not a device or a pipe in its place, which would never end, or block.
    with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        left = most
        while piece := file.read(min(PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                raise too_large
            yield piece
