"""Where the bytes of files lie: those that runs have handed over, and beside them those of requests.

A store has a row for each file of a run: its name, media type, size and digest. The bytes are here. `Folder` has them
in a folder that all workers of a store see, `TemporaryFolder` in one of this process, and `InStore` leaves them to the
row, up to a bound. `SharedFolder`, and `s3` for an object store, have a part for each of several stores, and one for
each process with files that nobody else reads: it shows a sign of life, since a lock may not reach other machines.

All methods may block: they are called in threads (`Files.call`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, unquote

import orjson

from ..errors import OperationError
from ..runtime.hub import in_thread
from .folders import LockedFolder, sweep_folders
from .uploads import Uploads

T = TypeVar("T")

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
OWN: Final = "own-"
"""What the names of folders begin with: that of a process, that of a run, and that of a process in a shared place."""

SIGN: Final = "alive"
"""The file whose time is the last sign of life of the process."""

SIGN_EVERY: Final = 60.0
"""Seconds between two signs of life."""

DEAD_AFTER: Final = 3600.0
"""Seconds without a sign of life after which a process is dead."""


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
    """A place for files. `most` is how many bytes one may have; `folder` is where it is, if it is one.

    Where it is `shared`, the runs of several stores may lie in it: each has a part of its own, whose name is `part`.
    One that is `remote` may take long to answer, or raise `StoreAway`.
    """

    most: int = MAX_BYTES
    folder: Path | None = None
    shared: bool = False
    remote: bool = False
    part: str = ""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """What `function(*args)` returns, or raises, in a thread: a method of this place, or of a file that is open."""
        return in_thread(function, *args)

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
        """Runs that have files here, also those that are gone: all, or, while there are `more`, the next ones."""
        return set()

    @property
    def more(self) -> bool:
        """Whether `runs` has yet to come to the last ones."""
        return False

    def erase(self, runs: Iterable[str]) -> None:
        """Deletes the files of runs that are gone."""

    def new_folder(self) -> UploadFolder:
        """A new folder for the files of one request; without another place a temporary one."""
        return Uploads(self.folder)

    def show_life(self) -> None:
        """Says that this process lives, and deletes what others have left that do not; called about once a second."""

    def close(self) -> None:
        """Deletes what is only of this process."""


class UploadFolder(Protocol):
    """A folder for the files of a request."""

    path: Path

    def delete(self) -> None:
        """Deletes it with its files; again, it does nothing."""


class InStore(Files):
    """The rows have the bytes, too: for a store that all workers reach, and that is fast and large enough for it."""

    most = IN_STORE_BYTES

    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        digest, pieces, size = hashlib.sha256(), [], 0
        for piece in pieces_of(name, source, most):
            digest.update(piece)
            pieces.append(piece)
            size += len(piece)
        return FileInfo(name, type, size, digest.hexdigest()), b"".join(pieces)

    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        return io.BytesIO(body)


class Folder(Files):
    """A folder with a folder for each run. It is made with the first file, for its user alone."""

    def __init__(self, path: Path | None) -> None:
        self.folder = path

    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        folder = self._of(run)
        for parent in (self.folder, self._runs, folder):  # `parents=True` would make those with the usual mode
            if parent is not None:
                parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with open(descriptor, "wb") as out:
                for piece in pieces_of(name, source, most):
                    digest.update(piece)
                    out.write(piece)
                    size += len(piece)
            info = FileInfo(name, type, size, digest.hexdigest())
            Path(temporary).replace(folder / file_of(info))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        return info, b""

    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        return (self._of(run) / file_of(info)).open("rb")

    def drop(self, run: str, info: FileInfo) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._of(run) / file_of(info)).unlink()

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
        return self.folder

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


class OwnPart(Files):
    """A place where a process has a part of its own, for the files of a request, or for runs that nobody else sees.

    It is there from the first need on, and goes with the process. One that is killed leaves it: without a sign of life
    for `DEAD_AFTER` the next process that looks deletes it. Clocks may differ by less than that.
    """

    shared = True

    def __init__(self) -> None:
        self._own = ""
        self._looked_at = float("-inf")

    def own(self) -> str:
        """The name of the part of this process."""
        if not self._own:
            name = f"{OWN}{secrets.token_hex(8)}"
            self.sign(name)
            self._own = name
        return self._own

    def show_life(self) -> None:
        if time.monotonic() - self._looked_at < SIGN_EVERY:
            return
        self._looked_at = time.monotonic()
        if self._own:
            self.sign(self._own)
        for part, signed in self.signs().items():
            if signed < time.time() - DEAD_AFTER:
                self.delete_part(part)

    def close(self) -> None:
        part, self._own = self._own, ""
        if part:
            self.delete_part(part)

    @abstractmethod
    def sign(self, part: str) -> None:
        """Gives a part a sign of life; makes it where there is none."""

    @abstractmethod
    def signs(self) -> dict[str, float]:
        """The parts of processes, and when their last sign of life was (seconds since 1970)."""

    @abstractmethod
    def delete_part(self, part: str) -> None:
        """Deletes a part, and with the last step its sign of life."""


class SharedFolder(OwnPart, Folder):
    """A folder of several stores, also on a file system of several machines, where locks may hold on one alone."""

    def __init__(self, path: Path) -> None:
        OwnPart.__init__(self)
        Folder.__init__(self, path)
        self._path = path

    def new_folder(self) -> UploadFolder:
        return _PlainFolder(Path(tempfile.mkdtemp(prefix="uploads-", dir=self._path / self.own())))

    def sign(self, part: str) -> None:
        (folder := self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / SIGN).touch()

    def signs(self) -> dict[str, float]:
        signs = {}
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._path):
                if entry.name.startswith(OWN):
                    with contextlib.suppress(FileNotFoundError):
                        signs[entry.name] = (Path(entry.path) / SIGN).stat().st_mtime
        return signs

    def delete_part(self, part: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            for entry in list(os.scandir(self._path / part)):
                if entry.name != SIGN:
                    shutil.rmtree(entry.path, ignore_errors=True)
        shutil.rmtree(self._path / part, ignore_errors=True)

    @property
    def _runs(self) -> Path:
        return self._path / (self.part or self.own())


class _PlainFolder:
    """A folder that goes with the part that it lies in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def delete(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def file_of(info: FileInfo) -> str:
    """The name of a file on disk: no name of a run's file can do harm there, and a reader of one that is replaced
    keeps what it has opened.
    """
    return f"{hashlib.sha256(info.name.encode()).hexdigest()[:16]}-{info.sha256}"


def pieces_of(name: str, source: bytes | Path, most: int) -> Iterator[bytes]:
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
