"""Has the text in pictures recognised, by a process of its own (`ocr`) below the one that reads the PDF.

A page takes some seconds, so there is a limit for a page and one for all of a document.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Self

from ..processes import clean_environment, python_command
from . import ocr
from .layout import Box, Line, Page, Word, rows
from .order import in_order
from .text import one_line

PAGE_SECONDS: Final = 120.0
"""Seconds for a page; a dense one takes five to ten on a core of its own."""
DPI: Final = 200
"""The resolution at which a page is looked at."""
MAX_SIDE: Final = 2_600
"""Pixels of its longer side, at most."""
MAX_FAILURES: Final = 3
"""Pages on which the process may fail, of one document."""

Json = dict[str, Any]


class Pixels(NamedTuple):
    """A page as a picture: red, green and blue of each pixel, and how many pixels a point has."""

    width: int
    height: int
    pixels: bytes
    scale: float


class Recognised(NamedTuple):
    """A line of text with its confidence from 0 to 1."""

    text: str
    confidence: float
    words: tuple[Word, ...]

    @property
    def box(self) -> Box:
        """The box around its words."""
        return Line(self.words).box


def is_installed() -> bool:
    """Whether the extra `ocr` is installed, with its models."""
    return ocr.models() is not None


def scale_of(width: float, height: float) -> float:
    """How many pixels a point has in the picture of a page of this size in points."""
    return min(DPI / 72, MAX_SIDE / max(width, height, 1.0))


class Recogniser:
    """Recognises text for up to `seconds` in all; a context manager. Its process starts with the first picture."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._failures = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def may_read(self) -> bool:
        """Whether there is time left, and the process has not failed too often."""
        return self._left > 0 and self._failures < MAX_FAILURES

    def read(self, picture: Pixels) -> list[Recognised] | None:
        """The lines of a picture; `None` if it fails, or takes too long."""
        started = time.monotonic()
        try:
            answer = self._ask(picture, min(self._left, PAGE_SECONDS))
        finally:
            self._left -= time.monotonic() - started
        if answer is None:
            self._failures += 1
            return None
        return [line for each in answer if (line := _line(each, picture.scale)).words]

    def _ask(self, picture: Pixels, seconds: float) -> list[Json] | None:
        process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        line = b""
        try:
            with contextlib.suppress(BrokenPipeError):
                head = json.dumps({"width": picture.width, "height": picture.height})
                process.stdin.write(head.encode() + b"\n" + picture.pixels)
                process.stdin.flush()
                line = process.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self._end()
            return None
        answer: list[Json] = json.loads(line)
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        python_command(ocr.__name__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment() | ocr.THREADS,
    )


def _line(line: Json, scale: float) -> Recognised:
    words = []
    for text, *sides in line["words"]:
        box = Box(*(side / scale for side in sides))
        words += [Word(clean, box, box.height * 0.75) for clean in [one_line(text)] if clean]
    return Recognised(one_line(line["text"]), line["confidence"], tuple(words))


def with_recognised(page: Page, found: Sequence[Recognised]) -> tuple[Page, list[Recognised]]:
    """The page with the lines that its text has not yet, and these: a stamp or a fax line may be both."""
    boxes = [line.box for line in page.lines]
    new = [line for line in found if not any(box.holds(*Line(line.words).middle) for box in boxes)]
    known = [word for line in page.lines for word in line.words]
    levels = [Line(tuple(word for cell in row.cells for word in cell.words)) for row in rows(_all(known, new))]
    return replace(page, lines=tuple(in_order(levels))), new


def _all(known: list[Word], new: Sequence[Recognised]) -> list[Word]:
    return [*known, *(word for line in new for word in line.words)]
