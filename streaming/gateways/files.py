"""The files of an upstream run, fetched when its events name them, and handed over here as files of the run.

So a viewer of a gateway gets them where it gets the events, and for as long as the run here is kept. What cannot be
fetched, or not be kept here, is a `warning` in place of the event, and the run goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar, cast

import gevent

from ..errors import EncodeError
from ..protocol.events import Event, make_event
from ..runs.context import run_context
from ..runs.files import check_name, file
from ..runtime.hub import in_thread
from .formats import UpstreamFailed, truncated

if TYPE_CHECKING:
    from .upstream import UpstreamStream

T = TypeVar("T")

log: Final = logging.getLogger("headway")

IN_MEMORY: Final = 1 << 20
"""Bytes up to which a file is not written to a temporary one first."""

PAUSES: Final = (0.5, 2.0, 4.0)
"""Seconds before another try, where the upstream may answer later: it restarts, say."""

FIELDS: Final = {"name": str, "type": str, "size": int, "sha256": str}
"""The data of a `file` of Headway; another one is data of a service behind the upstream."""

NO_ROOM: Final = "This service has no room for it."


def handed_over(event: Event, stream: UpstreamStream) -> Generator[Event, Any, None]:
    """Hands over the file that an event of the upstream run names, or yields a warning; any other event passes."""
    context = run_context.get()
    files = None if context is None else context.files
    if context is None or context.run is None or files is None or not _names_file(event, stream):
        yield event
        return
    data = event.data
    try:
        check_name(data["name"])
        if data["size"] > files.most:
            raise UpstreamFailed("too_large", f"It has more than {files.most:,} bytes.")
        with contextlib.ExitStack() as open_files:
            if data["size"] <= IN_MEMORY:
                content: Any = _in_memory(stream, data)
            else:
                out = open_files.enter_context(_temporary(files.folder))
                _to(out, stream, data)
                content = f"/dev/fd/{out.fileno()}"
            handed = file(data["name"], content, data["type"])
            handed.otherwise = _warning(data["name"], NO_ROOM)
            yield handed
    except UpstreamFailed as failure:
        yield _warning(data["name"], failure.message)
    except OSError as error:
        log.warning("a file of the upstream cannot be kept: %s", error)
        yield _warning(data["name"], NO_ROOM)
    except EncodeError:
        yield _warning(data["name"], "It has a name or a media type that no file has here.")


def _names_file(event: Event, stream: UpstreamStream) -> bool:
    if not stream.from_headway or event.__class__ is not Event or event.text:
        return False
    return all(type(event.data.get(name)) is kind for name, kind in FIELDS.items())


def _warning(name: str, why: str) -> Event:
    return make_event("warning", {"code": "file_missing", "message": f"The file {name!r} is left out. {why}"})


def _temporary(folder: Path | None) -> BinaryIO:
    """A file without a name, of which a crash leaves nothing; it lies where the files of runs do."""
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cast("BinaryIO", tempfile.TemporaryFile(dir=folder))


def _in_memory(stream: UpstreamStream, data: dict[str, Any]) -> bytes:
    return b"".join(_tried(stream, data, list))


def _to(out: BinaryIO, stream: UpstreamStream, data: dict[str, Any]) -> None:
    def write(pieces: Iterator[bytes]) -> None:
        out.seek(0)
        out.truncate()
        for piece in pieces:
            in_thread(out.write, piece)
        in_thread(out.seek, 0)  # which writes what is buffered

    _tried(stream, data, write)


def _tried(stream: UpstreamStream, data: dict[str, Any], take: Callable[[Iterator[bytes]], T]) -> T:
    """What `take` makes of the pieces, after some tries. Raises `UpstreamFailed`."""
    for seconds in (*PAUSES, None):
        try:
            return take(_checked(stream.file(data["name"]), data))
        except UpstreamFailed as failure:
            if seconds is None or not failure.retryable:
                raise
            gevent.sleep(seconds)
    raise AssertionError("the last try returns or raises")


def _checked(pieces: Iterator[bytes], data: dict[str, Any]) -> Iterator[bytes]:
    """The pieces of a file. Raises `UpstreamFailed` unless they are the file that the event names."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        if size > data["size"]:
            break
        digest.update(piece)
        yield piece
    if size < data["size"]:
        raise truncated("The upstream's file was cut.")
    if size > data["size"] or digest.hexdigest() != data["sha256"].lower():
        # Another one of its name may have replaced it by now: that has an event of its own.
        raise UpstreamFailed("upstream_failed", "The upstream has another one of its name.")
