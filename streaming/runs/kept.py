"""What a store keeps of a run for the worker that begins it later or again: its input, and the headers of its request.

The input is JSON on one line. Its head, where it needs one, is JSON too, and comes first, between two line ends: the
headers, and the digests of the request's files. No other input begins with a line end, so one that was kept without a
head reads as it always did. The files are kept where those of the run lie (`HEADWAY_FILES`), each once for its content.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gevent
import orjson
from pydantic import BaseModel, ValidationError

from ..errors import BadRequest, InvalidInput, OperationError, StoreAway, TooLarge
from ..runtime.hub import in_thread
from ..stores.base import RunInfo, Store, store_full
from ..stores.files import LINE_END, PIECE, UPLOADS, FileInfo, UploadFolder, head_of, uploads_of
from .context import Headers
from .operation import Operation
from .upload import Upload, at_paths, by_digest, uploads_in

FILE_TRIES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries to keep a file, or to fetch one, while the store is away."""

LOST: Final = "A file of this run's request is lost."
AWAY: Final = "The store could not be reached for too long to fetch a file of this run's request."


class KeptInput:
    """An input as `body`, bytes for a store, with the files that it refers to, each with its digest."""

    def __init__(self, body: bytes, files: Mapping[str, Path]) -> None:
        self.body = body
        self._files = files

    def keep_files(self, store: Store, run: str) -> None:
        """Keeps the files of a run of this worker. Raises `Unavailable`, and as `Store.keep_upload` does."""
        for digest, path in self._files.items():
            try:
                store.keep_upload(run, digest, path)
            except OperationError:  # what may be kept at all was checked before
                raise store_full() from None

    @property
    def has_files(self) -> bool:
        """Whether it refers to files."""
        return bool(self._files)


def queued_input(operation: Operation, checked: BaseModel, headers: Mapping[str, str], most: int) -> KeptInput:
    """An input for the worker that takes the run from the queue; its files may have `most` bytes each.

    Raises `TooLarge` for a larger one, which no other worker would reach, `InvalidInput` for an input that would not be
    the same there, and `BadRequest` for an operation that needs the request.
    """
    if operation.request_context:
        raise BadRequest(f"{operation.name} works in the context of a request: start it from a process that serves")
    if fields := _too_large(checked, most):
        raise TooLarge(
            f"a file of a run that another worker takes has at most {most} bytes: "
            "HEADWAY_FILES names a place for larger ones",
            errors=[{"loc": [name], "msg": f"has more than {most} bytes"} for name in fields],
        )
    kept, uploads = _to_keep(operation, checked, headers)
    paths = defaultdict[str, list[Path]](list)
    for digest, upload in zip(uploads_of(kept.body), uploads, strict=True):
        paths[digest].append(upload.path)
    try:
        same = _read(operation, kept.body, paths)[0] == checked
    except ValidationError:
        same = False
    if not same:
        raise InvalidInput("JSON cannot hold this input of a run that another worker takes as it is")
    return kept


def retried_input(operation: Operation, checked: BaseModel, headers: Mapping[str, str], most: int) -> KeptInput | None:
    """An input for the worker that starts the run again; `None` where no other worker would reach a file of it."""
    return None if _too_large(checked, most) else _to_keep(operation, checked, headers)[0]


def _too_large(checked: BaseModel, most: int) -> list[str]:
    """The fields with a file of more than `most` bytes."""
    return list(dict.fromkeys(name for name, upload in uploads_in(checked) if upload.size > most))


def _to_keep(
    operation: Operation, checked: BaseModel, headers: Mapping[str, str]
) -> tuple[KeptInput, Sequence[Upload]]:
    uploads = [upload for _, upload in uploads_in(checked)]
    digests = {upload.path: upload.sha256 or in_thread(_digest, upload.path) for upload in uploads}
    with by_digest(digests):
        body = checked.model_dump_json(by_alias=True, round_trip=True).encode()
    head: dict[str, Any] = dict(headers)
    if uploads:
        head[UPLOADS] = [digests[upload.path] for upload in uploads]  # no header has a slash (RFC 9110, section 5.1)
    if head:
        # WSGI's texts stand for bytes (PEP 3333), so any of them is UTF-8 here.
        body = LINE_END + orjson.dumps(head) + LINE_END + body
    return KeptInput(body, {digest: path for path, digest in digests.items()}), uploads


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Reopened:
    """The checked input of a run as another worker has kept it, and its headers; `folder` has its files, if any."""

    def __init__(self, operation: Operation, store: Store, info: RunInfo) -> None:
        """Fetches the files, and tries again while the store is away for a moment.

        Raises `pydantic.ValidationError`, `OperationError` where a file is lost or the store stays away, and `OSError`.
        """
        digests = uploads_of(info.input)
        self.folder: UploadFolder | None = store.in_place(store.files.new_folder) if digests else None
        try:
            paths = {} if self.folder is None else _fetch_all(store, info.id, digests, self.folder.path)
            self.checked, self.headers = _read(operation, info.input, paths)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Deletes the files."""
        if self.folder is not None:
            self.folder.delete()


def _read(operation: Operation, kept: bytes | None, paths: Mapping[str, list[Path]]) -> tuple[BaseModel, Headers]:
    head, body = head_of(kept)
    head.pop(UPLOADS, None)
    with at_paths(paths):
        return operation.input.model_validate_json(body), Headers(head)


def _fetch_all(store: Store, run: str, digests: Sequence[str], folder: Path) -> dict[str, list[Path]]:
    """Copies the files of a run's request into `folder`. Raises `OperationError`."""
    paths = defaultdict[str, list[Path]](list)
    for number, digest in enumerate(digests):
        paths[digest].append(path := folder / str(number))
        for seconds in (*FILE_TRIES, None):
            try:
                if not _fetch(store, run, digest, path):
                    raise OperationError("operation_failed", LOST, retryable=True)
                break
            except StoreAway:
                if seconds is None:
                    raise OperationError("operation_failed", AWAY, retryable=True) from None
                gevent.sleep(seconds)
    return paths


def _fetch(store: Store, run: str, digest: str, path: Path) -> bool:
    """Copies a file of a run's request to `path`; false where it is lost. Raises `StoreAway`."""
    found = store.find_upload(run, digest)

    def copy(info: FileInfo, body: bytes) -> str:
        with store.files.open(run, info, body) as source, path.open("wb") as out:
            shutil.copyfileobj(source, out, PIECE)
        return _digest(path)

    try:
        return found is not None and store.in_place(copy, *found) == digest
    except FileNotFoundError:
        return False
