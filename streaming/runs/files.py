"""`file`: how an operation hands over a file of its run."""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from pathlib import Path
from typing import Any, Final
from unicodedata import category

from ..errors import EncodeError
from ..protocol.events import Awaited, Event, short_repr

NAME_BYTES: Final = 255
"""Bytes of a name in UTF-8: what the file systems of those who download it take."""

UNSAFE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that no name has: controls, lone surrogates, and line ends."""

DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of a text, and so could show another extension than a name has."""

TYPE: Final = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}(; ?[\w-]+=[\w.-]+)?", re.ASCII)
"""A media type (RFC 6838, section 4.2), with a parameter such as `charset=utf-8`."""

OTHER: Final = "application/octet-stream"


class FileEvent(Awaited):
    """A file that an operation hands over: its yield returns once the store has kept it.

    What viewers get is an event `file` with its name, media type, size and digest.
    """

    __slots__ = ("filename", "otherwise", "source", "type")

    def __init__(self, filename: str, source: bytes | Path, type: str) -> None:
        super().__init__("file", b"{}")
        self.filename: str = filename
        self.source: bytes | Path = source
        self.type: str = type
        self.otherwise: Event | None = None
        """The event in its place where the store does not take it, instead of an error."""

    def __repr__(self) -> str:
        return f"<FileEvent {self.filename!r}>"


Content = bytes | bytearray | memoryview | os.PathLike[str] | str
"""What `file` takes: bytes, or a path."""


def file(name: str, content: Content, type: str | None = None) -> FileEvent:
    """A file of the run, as bytes or as a path: `yield file("page-1.png", pixels, type="image/png")`.

    Once the yield has returned, the file is kept as long as its run, and what is at the path may be deleted. Another
    one of the same name replaces it. Without a media type that of the name's extension counts. Clients get it at
    `GET /runs/ID/files/NAME`.

    A run may have 10,000 files, each of 256 MiB, or less where `HEADWAY_FILES` says so; with more it fails as
    `too_large`. Raises `EncodeError` for a name that is empty, has more than 255 bytes, a separator or a control
    character, for a malformed media type, and for a path where no file is.
    """
    source = _source(name, content)
    media_type = type or mimetypes.guess_type(check_name(name))[0] or OTHER
    if not isinstance(media_type, str) or not TYPE.fullmatch(media_type):
        raise EncodeError(f"file: a media type is such as 'image/png', not {short_repr(type)}")
    return FileEvent(check_name(name), source, media_type)


def check_name(name: Any) -> str:
    """Returns `name`; raises `EncodeError` where a file cannot have it."""
    if not isinstance(name, str) or not name:
        raise EncodeError(f"file: a name is a text that is not empty, not {short_repr(name)}")
    if name in (".", "..") or "/" in name or "\\" in name:
        raise EncodeError(f"file: a name has no separator, and is no folder: {short_repr(name)}")
    if any(category(character) in UNSAFE for character in name) or DIRECTIONS.search(name):
        raise EncodeError(f"file: a name has no control character: {short_repr(name)}")
    if len(name.encode()) > NAME_BYTES:
        raise EncodeError(f"file: a name has at most {NAME_BYTES} bytes: {short_repr(name)}")
    return name


def _source(name: str, content: Any) -> bytes | Path:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if not isinstance(content, str | os.PathLike):
        raise EncodeError(f"file {short_repr(name)}: bytes or a path, not {short_repr(content)}")
    path = Path(content)
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        raise EncodeError(f"file {short_repr(name)}: no file is at {short_repr(str(path))}; text is given as bytes")
    return path.absolute()
