"""Several runs on one stream: `GET /events?run=ID&run=ID`.

Each frame is that of its run, but for its id, which has the numbers of all runs: `id: ID:N,ID:N`, the frame's own run
first. So the last id that a client has seen is all that it takes to go on, of each run after the last event seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar, cast

import gevent

from ..errors import NotFound
from ..protocol.frames import BLOCK_BYTES, Batch, split
from ..runs.runner import Runner
from ..stores.base import Record, Store
from .preferences import bad_field
from .seats import Seat
from .sources import RunSource, Source

T = TypeVar("T")

MAX_RUNS: Final = 50
"""Runs of one stream: their ids, in each frame's id, fit a header and an address."""

VECTOR: Final = re.compile(r"[A-Za-z0-9][\w-]{0,63}:[0-9]{1,15}", re.ASCII)


def read_runs(names: Sequence[str]) -> list[str]:
    """The runs that a request names, each once. Raises `BadRequest`."""
    runs = list(dict.fromkeys(names))
    if not 1 <= len(runs) <= MAX_RUNS:
        raise bad_field("run", f"names 1 to {MAX_RUNS} runs")
    return runs


def read_vector(text: str) -> dict[str, str]:
    """The numbers of a `Last-Event-ID` by their runs. Raises `BadRequest`."""
    entries = text.split(",") if text else []
    if len(entries) > 2 * MAX_RUNS or not all(VECTOR.fullmatch(entry) for entry in entries):
        raise bad_field("Last-Event-ID", "is `ID:N,ID:N`, the id of a frame of these runs")
    return dict(entry.split(":") for entry in entries)


def missing_run(run: str) -> NotFound:
    """The refusal of a stream one of whose runs does not exist, or belongs to somebody else."""
    return NotFound("there is no such run", code="run_not_found", errors=[{"loc": ["run", run], "msg": "is no run"}])


def find_all(runner: Runner, runs: Sequence[str], owner: str) -> dict[str, Record]:
    """The records of these runs, in the hub. Raises `NotFound`, which names the run, and `StoreAway`."""
    found = dict(zip(runs, in_parallel([partial(runner.find, run, owner) for run in runs]), strict=True))
    for run, record in found.items():
        if isinstance(record, Exception):
            raise missing_run(run) if isinstance(record, NotFound) else record
    return cast(dict[str, Record], found)


class _Cursor:
    """One of the runs: its source, the number of the last event that was read of it, and whether that was the last.

    Once its source has notified it, the run is read again, after the others that are to be read.
    """

    __slots__ = ("_notify", "_waiting", "after", "name", "over", "source")

    def __init__(self, source: RunSource, after: int, waiting: dict[_Cursor, None]) -> None:
        self.source = source
        self.name = source.run.encode()
        self.after = after
        self.over = False
        self._waiting = waiting
        self._notify: Callable[[], None] | None = None
        waiting[self] = None

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify` when the run has changed, and notes which one it was; returns what ends this."""
        self._notify = notify
        try:
            return self.source.watch(self._changed)
        except KeyError:  # the run was erased
            self.over = True
            return lambda: None

    def _changed(self) -> None:
        if not self.over and self._notify is not None:
            self._waiting[self] = None
            self._notify()

    def read(self, frames: int, merge: bool) -> bytes:
        """The next frames, with a `reset` ahead of them where events are no longer kept."""
        before = self.after
        try:
            batch = self.source.read(before, frames=frames, merge=merge)
        except KeyError:  # the run was erased
            batch = Batch(b"", before, over=True)
        self.after, self.over = batch.last, batch.over
        if batch.block and not batch.over:
            self._waiting[self] = None
        if batch.last < before or (batch.oldest > before + 1 and batch.last > before):
            return self.source.gap(batch) + batch.block
        return batch.block


class ManyRuns(Source):
    """The event logs of several runs; its viewer counts as one of each."""

    __slots__ = ("_cursors", "_seat", "_waiting")

    def __init__(self, sources: Mapping[RunSource, int], seat: Seat | None = None) -> None:
        self._waiting: dict[_Cursor, None] = {}
        self._cursors = [_Cursor(source, after, self._waiting) for source, after in sources.items()]
        self._seat = seat

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        pieces: list[bytes] = []
        size = 0
        for cursor in list(self._waiting):
            del self._waiting[cursor]  # first: a change while it is read counts
            block = cursor.read(frames - len(pieces), merge)
            if block:
                pieces += self._with_vectors(cursor, split(block))
                size += len(block)
            if size >= BLOCK_BYTES or len(pieces) >= frames:
                break
        # These numbers have no meaning but to rise with what the viewer has read.
        return Batch(b"".join(pieces), after + len(pieces), all(cursor.over for cursor in self._cursors))

    def _with_vectors(self, cursor: _Cursor, frames: Sequence[bytes]) -> list[bytes]:
        """The frames of one run, each of which begins with `id: N`, with the numbers of all runs as their ids."""
        others = b"".join([b",%b:%d" % (each.name, each.after) for each in self._cursors if each is not cursor])
        parts = [frame.partition(b"\n") for frame in frames]
        return [b"id: %b:%b%b\n%b" % (cursor.name, number[4:], others, rest) for number, _, rest in parts]

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        watched = [cursor.watch(notify) for cursor in self._cursors]

        def unwatch() -> None:
            for each in watched:
                each()

        return unwatch

    def expect_return(self) -> None:
        for cursor in self._cursors:
            cursor.source.expect_return()

    def leave(self) -> None:
        if self._seat is not None:
            self._seat.free()
        in_parallel([cursor.source.leave for cursor in self._cursors])


def open_runs(store: Store, runs: Mapping[str, tuple[int, bool]], seat: Seat | None) -> ManyRuns:
    """The source of these runs, in the hub, after the numbers of their last events, each with whether it is rewound.

    Its viewer counts for all of them when this returns, or for none. Raises `NotFound` and `StoreAway`.
    """
    opening = [partial(RunSource, store, run, rewound=rewound) for run, (_, rewound) in runs.items()]
    opened = dict(zip(runs, in_parallel(opening), strict=True))
    failed = {run: source for run, source in opened.items() if isinstance(source, Exception)}
    sources = {source: runs[run][0] for run, source in opened.items() if isinstance(source, RunSource)}
    if failed:
        in_parallel([source.leave for source in sources])
        run, error = next(iter(failed.items()))
        raise missing_run(run) if isinstance(error, KeyError) else error
    return ManyRuns(sources, seat)


def in_parallel(calls: Iterable[Callable[[], T]]) -> list[T | Exception]:
    """What these calls return or raise, all of which may wait: each is a round trip to the store."""

    def outcome(call: Callable[[], T]) -> T | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # given to the caller
            return error

    work = [gevent.spawn(outcome, call) for call in calls]
    gevent.joinall(work)
    return [cast("T | Exception", each.value) for each in work]
