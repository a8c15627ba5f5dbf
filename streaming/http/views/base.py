"""What a view is: the frames of an event log in another form, block by block, and what its viewers share of it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable
from typing import ClassVar, Final, NamedTuple

from ...protocol.frames import split

SHARED_BYTES: Final = 8 * 1024 * 1024
"""Bytes that a worker keeps of what views have made, for other viewers of the same events."""
ENTRY_BYTES: Final = 300
"""What an entry takes besides its bytes."""


class Frame(NamedTuple):
    """The parts of a frame: `head` is the line with its id, `data` has LF between its lines."""

    head: bytes
    name: str
    data: bytes


def read_frame(frame: bytes) -> Frame:
    """The parts of a frame of an event log."""
    head, _, data = frame[:-2].partition(b"\ndata: ")
    number, _, name = head.partition(b"\nevent: ")
    return Frame(number, name.decode(), data.replace(b"\ndata: ", b"\n"))


def write_frame(head: bytes, data: bytes, name: str = "") -> bytes:
    """A frame with this data, unnamed by default; CR becomes LF, as no line of data can hold it."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    event = b"event: %b\n" % name.encode() if name else b""
    return b"%b\n%bdata: %b\n\n" % (head, event, data.replace(b"\n", b"\ndata: "))


class View(ABC):
    """How one viewer sees the events of a run.

    It is called for each block, in the greenlet or thread of the viewer. Where `kind` is not empty, what it makes of a
    block depends on nothing else: it is made once for all viewers of the run.
    """

    kind: ClassVar[str] = ""

    def __call__(self, block: bytes) -> bytes:
        return b"".join([self.frame(read_frame(frame)) for frame in split(block)])

    @abstractmethod
    def frame(self, frame: Frame) -> bytes:
        """What becomes of one frame: none, one or several."""


class SharedViews:
    """What views have made, for other viewers of the same events: a part of the worker, used in any of its threads."""

    def __init__(self, _: object = None, most: int = SHARED_BYTES) -> None:
        self._most = most
        self._size = 0
        self._made: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """What was made under this key, if it is still there."""
        with self._lock:
            made = self._made.get(key)
            if made is not None:
                self._made.move_to_end(key)
            return made

    def put(self, key: Hashable, made: bytes) -> bytes:
        """Keeps `made`, drops what was not used for longest, and returns `made`."""
        with self._lock:
            if key not in self._made and len(made) < self._most // 4:
                self._made[key] = made
                self._size += len(made) + ENTRY_BYTES
            while self._size > self._most:
                _, dropped = self._made.popitem(last=False)
                self._size -= len(dropped) + ENTRY_BYTES
        return made

    def close(self) -> None:
        """Drops everything."""
        with self._lock:
            self._made.clear()
            self._size = 0
