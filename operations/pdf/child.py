"""The process that reads one PDF: the only one in which PDFium runs. `process` starts it.

A PDF is a program that a stranger wrote, and PDFium runs it. So this process has no secrets in its environment and in
its memory, little of either, and no more priority than anybody else. It answers lines of JSON with lines of JSON:

    {"path": PATH, "password": PASSWORD}                     -> {"page_count": N}
    {"numbers": [...], "tables": BOOL, "thumbnails": BOOL, "word_boxes": BOOL, "ocr_seconds": SECONDS}
                                                             -> {"page": {...}} for each, {"result": {...}}; both
                                                                with `state`, where there is one: a command with that
                                                                goes on after it, with the pages `before` it first
    {"texts": {"pages": N, "characters": N}}                 -> {"pages": [TEXT, ...]}

or with `{"code": CODE, "message": MESSAGE}`, its last line then.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
import time
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..processes import limit_process
from . import ocr
from .errors import Unreadable

if TYPE_CHECKING:
    from .reader import Reader

MEMORY: Final = 1 << 30
"""Bytes of address space: 100 MB for the process itself, and the decompressed images of a page."""
KEEP_AFTER: Final = 1.0
KEEP_SHARE: Final = 20
"""A state is made a second after the last one, or after so many times as long as that has taken."""
STATE_BYTES: Final = 600_000
"""Bytes of a state: some five times as many of text."""
OUT_OF_MEMORY: Final = 3
"""The exit status after a MemoryError."""

Json = dict[str, Any]


def main() -> None:
    """Reads the document that the first line names, until its input ends."""
    limit_process()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    most = ocr.MEMORY if most == resource.RLIM_INFINITY else min(most, ocr.MEMORY)  # the process below it has more
    resource.setrlimit(resource.RLIMIT_AS, (min(MEMORY, most), most))
    try:
        for message in answers(map(json.loads, sys.stdin)):
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Unreadable as error:
        sys.stdout.write(json.dumps({"code": error.code, "message": error.message}) + "\n")


def answers(commands: Iterator[Json]) -> Generator[Json, None, None]:
    """The answers to these commands. Raises `Unreadable`."""
    opened = next(commands)
    with _open(Path(opened["path"]), opened["password"]) as document:
        yield {"page_count": document.page_count}
        for command in commands:
            yield from _texts(document, **command["texts"]) if "texts" in command else _content(document, **command)


def _open(path: Path, password: str | None) -> Any:
    """The document, a PDF or pictures."""
    from .images import ImageDocument, is_image

    if is_image(path):
        return ImageDocument(path)
    from .engine import Document  # loads PDFium

    return Document(path, password)


def _content(
    document: Any,
    numbers: list[int],
    *,
    tables: bool,
    thumbnails: bool,
    word_boxes: bool = False,
    ocr_seconds: float = 0.0,
    state: str | None = None,
) -> Iterator[Json]:
    from .reader import Reader
    from .recogniser import Recogniser, is_installed
    from .warnings import NOT_INSTALLED

    installed = is_installed()
    with Recogniser(ocr_seconds) as recogniser:
        reader = Reader(
            document,
            numbers,
            with_tables=tables,
            with_thumbnails=thumbnails,
            with_word_boxes=word_boxes,
            recogniser=recogniser if ocr_seconds and installed else None,
            why_unread=NOT_INSTALLED if ocr_seconds and not installed else "",
        )
        if state is not None:
            reader.restore(zlib.decompress(base64.b64decode(state)))
        keeper = Keeper(reader)
        for number, page in enumerate(reader.pages()):
            before = number < reader.before
            yield {"page": page, "before": before, "state": None if before else keeper.due()}
    final = keeper.state() if word_boxes else None
    yield {"result": {**reader.result(), "pages": None}, "state": final}  # which have been sent


class Keeper:
    """The states of a reader, for checkpoints: as many as cost little beside the reading, and none that is too large.

    So another attempt reads again what took a second or so.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._next = time.monotonic() + KEEP_AFTER
        self._fits = True

    def due(self) -> str | None:
        """The state, where it is time for one."""
        return self.state() if time.monotonic() >= self._next else None

    def state(self) -> str | None:
        """The state; `None` where it is too large for a checkpoint."""
        if not self._fits:
            return None
        began = time.monotonic()
        packed = base64.b64encode(zlib.compress(self._reader.state())).decode()
        self._fits = len(packed) <= STATE_BYTES
        self._next = time.monotonic() + max(KEEP_AFTER, KEEP_SHARE * (time.monotonic() - began))
        return packed if self._fits else None


def _texts(document: Any, pages: int, characters: int) -> Iterator[Json]:
    """The texts of the first pages; that of a damaged one is empty."""
    texts: list[str] = []
    for number in range(1, min(document.page_count, pages) + 1):
        try:
            texts.append(document.read(number).text)
        except Unreadable as error:
            if error.code != "damaged_page":
                raise
            texts.append("")
        if sum(map(len, texts)) > characters:
            break
    yield {"pages": texts}
