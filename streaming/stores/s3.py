"""Files in an object store that speaks S3: `HEADWAY_FILES=s3://BUCKET/PREFIX`.

obstore, in Rust, speaks to it: its sockets are its own, so that a call may be made in any thread, under gevent's
patching too, whose sockets belong to the hub of one thread. Endpoint, region and credentials are AWS's variables.

What the server answers may name a key of the account or what was signed. So nothing of it leaves this module but the
status and S3's code.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

from gevent.threadpool import ThreadPool
from obstore.exceptions import BaseError
from obstore.store import S3Store

from ..errors import StoreAway
from ..runtime.hub import in_pool
from .files import OWN, RUN, FileInfo, OwnPart, file_of, pieces_of

T = TypeVar("T")

PART: Final = 8 * 1024 * 1024
"""Bytes that are sent at once; a larger file is sent in several requests, as a multipart upload."""

AT_ONCE: Final = 2
"""How many parts of a file are sent at once."""

READ: Final = 1024 * 1024
"""Bytes that are read at once."""

PAGE: Final = 1000
"""Objects that are listed at once: what S3 gives in one answer."""

THREADS: Final = 8
"""How many calls a worker makes at once; further ones wait. Others of the hub's threads stay free."""

IDLE: Final = 10
"""Seconds after which a thread without a call ends."""

ALIVE: Final = "alive"
"""The folder of the signs of life: one object for each process."""

CLIENT: Final[Any] = {
    "allow_http": True,  # the URL of the endpoint says whether
    "connect_timeout": timedelta(seconds=5),
    "timeout": timedelta(seconds=20),
}
RETRY: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}

STATUS: Final = re.compile(r"status code: (\d{3})")
CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")


def open_bucket(url: str) -> S3Store:
    """The bucket of a URL. Raises `ValueError` or another error of obstore where AWS's variables cannot be read."""
    parts = urlsplit(url)
    return S3Store(parts.netloc, prefix=parts.path.strip("/") or None, client_options=CLIENT, retry_config=RETRY)


class S3Files(OwnPart):
    """A prefix in a bucket: each file is an object, named by the part of its store, its run, and its digest."""

    remote = True

    def __init__(self, url: str) -> None:
        super().__init__()
        self._bucket = open_bucket(url)
        self._pool: ThreadPool | None = None
        self._after: str | None = None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        if self._pool is None:
            self._pool = ThreadPool(THREADS, idle_task_timeout=IDLE)
        return in_pool(self._pool, function, *args)

    def write(self, run: str, name: str, type: str, source: bytes | Path, most: int) -> tuple[FileInfo, bytes]:
        digest, size = hashlib.sha256(), 0
        for piece in pieces_of(name, source, most):
            digest.update(piece)
            size += len(piece)
        info = FileInfo(name, type, size, digest.hexdigest())
        with translated():
            self._put(self._of(run) + file_of(info), _Again(info, source))
        return info, b""

    def _put(self, path: str, source: _Again) -> None:
        if source.info.size <= PART:
            self._bucket.put(path, b"".join(source), use_multipart=False)
        else:
            self._bucket.put(path, source, use_multipart=True, chunk_size=PART, max_concurrency=AT_ONCE)

    def open(self, run: str, info: FileInfo, body: bytes) -> BinaryIO:
        path = self._of(run) + file_of(info)
        file = io.BufferedReader(_Object(self._bucket, path, info.size), READ)
        if not file.peek():  # tells whether it is there, and reads a small one whole
            with translated():
                self._bucket.head(path)
        return file

    def drop(self, run: str, info: FileInfo) -> None:
        with translated():
            self._bucket.delete([self._of(run) + file_of(info)])

    def runs(self) -> set[str]:
        part = self.part or self.own()
        with translated():
            objects = next(iter(self._bucket.list(part, offset=self._after, chunk_size=PAGE)), [])
        self._after = objects[-1]["path"] if len(objects) == PAGE else None
        names = {each["path"].removeprefix(f"{part}/").partition("/")[0] for each in objects}
        return {unquote(name.removeprefix(RUN)) for name in names if name.startswith(RUN)}

    @property
    def more(self) -> bool:
        return self._after is not None

    def erase(self, runs: Iterable[str]) -> None:
        for run in runs:
            self._delete_all(self._of(run))

    def sign(self, part: str) -> None:
        with translated():
            self._bucket.put(f"{ALIVE}/{part}", b"", use_multipart=False)

    def signs(self) -> dict[str, float]:
        with translated():
            objects = chain.from_iterable(self._bucket.list(ALIVE, chunk_size=PAGE))
            signed = {each["path"].rpartition("/")[2]: each["last_modified"].timestamp() for each in objects}
        return {part: when for part, when in signed.items() if part.startswith(OWN)}

    def delete_part(self, part: str) -> None:
        self._delete_all(f"{part}/")
        with translated():
            self._bucket.delete([f"{ALIVE}/{part}"])

    def _delete_all(self, folder: str) -> None:
        with translated():
            for objects in self._bucket.list(folder, chunk_size=PAGE):
                self._bucket.delete([each["path"] for each in objects])

    def _of(self, run: str) -> str:
        return f"{self.part or self.own()}/{RUN}{quote(run, safe='')}/"


class _Again:
    """The bytes of a file that was read once, in parts. Raises `OSError` where they are others now."""

    def __init__(self, info: FileInfo, source: bytes | Path) -> None:
        self.info = info
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        digest, part = hashlib.sha256(), bytearray()
        for piece in pieces_of(self.info.name, self._source, self.info.size):
            digest.update(piece)
            part += piece
            if len(part) >= PART:
                yield bytes(part)
                part.clear()
        if digest.hexdigest() != self.info.sha256:
            raise OSError(f"{self.info.name!r} was changed while it was kept")
        yield bytes(part)


class _Object(io.RawIOBase):
    """An object as a file that is read in ranges."""

    def __init__(self, bucket: S3Store, path: str, size: int) -> None:
        self._bucket = bucket
        self._path = path
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        with translated():
            data = bytes(self._bucket.get_range(self._path, start=self._position, length=length))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@contextmanager
def translated() -> Iterator[None]:
    """Raises `FileNotFoundError` for an object that is not there, and `StoreAway` for all else that the server says."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        status, code = STATUS.search(str(error)), CODE.search(str(error))
        if isinstance(error, FileNotFoundError) and (code is None or code[1] != "NoSuchBucket"):
            raise FileNotFoundError("there is no such object") from None
        if status is None:
            raise StoreAway("the object store does not answer") from None
        raise StoreAway(f"the object store answers {status[1]}{f' {code[1]}' if code else ''}") from None
