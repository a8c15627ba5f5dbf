"""Starts the process that reads a PDF (`child`), and talks to it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from ..processes import clean_environment, python_command
from . import child
from .errors import Unreadable

Json = dict[str, Any]


class PdfProcess:
    """One open PDF, in a process of its own: a context manager. Use it where blocking is right, as in a child process.

    The first call is `open`. It and the others raise `Unreadable`, and
    `MemoryError` if the process needs more memory than it may have.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        """The id of the process, once it is open."""
        return self._process.pid

    def open(self, source: Path | bytes, password: str | None = None) -> int:
        """Starts the process, which opens the document; returns the number of its pages."""
        path = self._stack.enter_context(as_path(source))
        self._process = subprocess.Popen(
            python_command(child.__name__),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(),
        )
        self._stack.callback(self._end)
        self._send({"path": str(path), "password": password})
        return int(self._receive()["page_count"])

    def content(
        self,
        numbers: list[int],
        *,
        tables: bool,
        thumbnails: bool,
        word_boxes: bool = False,
        ocr_seconds: float = 0.0,
        state: str | None = None,
    ) -> Iterator[Json]:
        """`{"page": {...}}` for each of the pages, then `{"result": {...}}` without them.

        A message may have a `state`, with which another process goes on after it; the pages `before` it come first.

        With `word_boxes` a page has the fields of `WordBoxes`, which are for this service and not for its callers.
        The text in pictures is recognised for up to `ocr_seconds`, if the extra `ocr` is installed.
        """
        wanted: Json = {
            "tables": tables,
            "thumbnails": thumbnails,
            "word_boxes": word_boxes,
            "ocr_seconds": ocr_seconds,
        }
        self._send({"numbers": numbers, **wanted, "state": state})
        for _ in range(len(numbers) + 1):
            yield self._receive()

    def texts(self, pages: int, characters: int) -> list[str]:
        """The texts of the first `pages`, up to one that exceeds so many `characters` in all."""
        self._send({"texts": {"pages": pages, "characters": characters}})
        return list(self._receive()["pages"])

    def end_after(self, seconds: float) -> None:
        """Lets calls that take longer, in all, raise `TimeoutError`."""
        timer = threading.Timer(seconds, self._end_late)
        timer.daemon = True
        timer.start()
        self._stack.callback(timer.cancel)

    def _end_late(self) -> None:
        self._late = True
        self._process.kill()

    def _send(self, command: Json) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # if it has ended, `_receive` says why
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()

    def _receive(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._exit_error()
        message: Json = json.loads(line)
        if "code" in message:
            raise Unreadable(message["code"], message["message"])
        return message

    def _exit_error(self) -> Exception:
        """Why the process has ended: where Python raises MemoryError, PDFium aborts."""
        status = self._process.wait()
        if self._late:
            return TimeoutError()
        if status in (-signal.SIGABRT, -signal.SIGKILL, child.OUT_OF_MEMORY):
            return MemoryError()
        return RuntimeError(f"the process that reads a PDF has ended with status {status}")

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@contextlib.contextmanager
def as_path(source: Path | bytes) -> Iterator[Path]:
    """The path of the document, which another process can open."""
    if isinstance(source, Path):
        yield source
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(source)
            file.flush()
            yield Path(file.name)
