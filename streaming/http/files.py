"""`GET /runs/ID/files/NAME`: a file that a run has handed over.

Operations write such files from what strangers have sent, and they come from the origin of the service. So a browser
saves one and does not show it: it is an attachment, its media type is not guessed again, and where it is shown all the
same, it is in a sandbox and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from flask import Response, request
from werkzeug.http import parse_range_header

from ..errors import NotFound
from ..runtime.worker import Worker
from ..stores.files import FileInfo, Files
from .answers import Answer
from .tokens import may

if TYPE_CHECKING:
    from .extension import Headway

SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}

PIECE: Final = 131_072
"""Bytes that are read at once."""

TRIES: Final = 3
"""How often a file is looked for that is replaced at this moment."""


def send_file(headway: Headway, run: str, name: str) -> Response:
    """The file, or the part of it that the request's `Range` names (RFC 9110, section 14). Raises `NotFound`.

    A run token that permits to watch the run opens its files too.
    """
    info, file = _open(headway, run, name)
    try:
        response = _response(info, file, headway.runner.store.files)
    except BaseException:
        file.close()
        raise
    response.send_timeout = headway.settings.send_timeout
    return response


def _open(headway: Headway, run: str, name: str) -> tuple[FileInfo, BinaryIO]:
    runner = headway.runner
    runner.worker.call(runner.find, run, may("watch"))
    for _ in range(TRIES):
        found = runner.worker.call(runner.store.find_file, run, name)
        if found is None:
            break
        info, body = found
        try:
            return info, runner.worker.call(runner.store.in_place, runner.store.files.open, run, info, body)
        except FileNotFoundError:
            continue  # it was replaced meanwhile, or is lost
    raise NotFound("this run has no such file", code="file_not_found")


def _response(info: FileInfo, file: BinaryIO, files: Files) -> Answer:
    tag = f'"{info.sha256}"'
    headers = {**SAFE, "ETag": tag, "Content-Disposition": disposition(info.name)}
    if request.if_none_match.contains_weak(info.sha256):
        file.close()
        return Answer(status=304, headers=headers)
    headers["Content-Type"] = info.type
    start, end, status = 0, info.size, 200
    if asked := _range(info):
        start, end = asked
        if start >= end:
            file.close()
            return Answer(status=416, headers={**SAFE, "Content-Range": f"bytes */{info.size}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{info.size}"
        status = 206
    answer = Answer(_Pieces(files, file, start, end), status, headers=headers)
    answer.content_length = end - start
    answer.call_on_close(file.close)  # a client that has gone early reads nothing
    if request.method == "HEAD":
        file.close()
    return answer


def _range(info: FileInfo) -> tuple[int, int] | None:
    """The first byte and the one after the last that are asked for; both are the size where there is none of them.

    `None` asks for the whole file: so does a header that cannot be read, is about another version of the file, or names
    several ranges, which a server may ignore (section 14.2).
    """
    asked = parse_range_header(request.headers.get("Range"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or request.method not in ("GET", "HEAD"):
        return None
    if request.headers.get("If-Range") not in (None, f'"{info.sha256}"'):  # a date is that of no version, too
        return None
    ((start, end),) = asked.ranges
    if start < 0:
        return max(info.size + start, 0), info.size
    return min(start, info.size), info.size if end is None else min(end, info.size)


def disposition(name: str) -> str:
    """The header for an attachment of this name (RFC 6266, section 4.3; RFC 8187, section 3.2).

    Readers that know no other get the name in ASCII, without what some of them take for an escape.
    """
    plain = "".join(each if " " <= each <= "~" and each not in '"\\%' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class _Pieces:
    """The bytes of a file from `start` to `end`, read in threads, piece by piece."""

    def __init__(self, files: Files, file: BinaryIO, start: int, end: int) -> None:
        self._call = files.call
        self._file = file
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        left = self._end - self._start
        read = self._file.read
        if Worker.current().here:
            read = partial(self._call, self._file.read)
        try:
            self._file.seek(self._start)
            while left > 0 and (piece := read(min(PIECE, left))):
                left -= len(piece)
                yield piece
        finally:
            self._file.close()

    def close(self) -> None:
        self._file.close()
