"""The stream of one viewer: one loop in which data, heartbeat, disconnect, drain and deadline meet.

A viewer is a cursor into a source of frames. Its loop reads what follows the cursor, gives it to the server in one
piece, and waits only when there is nothing. All ways out of a stream are in `Viewer._frames`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from time import monotonic
from typing import Any, Final, Protocol

import gevent
from flask import Response, request

from ..clock import SystemClock
from ..errors import RegistrationError, StoreAway
from ..protocol.frames import BLOCK_BYTES, BLOCK_FRAMES, Batch, Block
from ..protocol.recorder import Recorder
from ..protocol.sse import HEARTBEAT, retry
from ..runs.executors import base as executors
from ..runs.operation import CancelHooks, FlushPolicy, as_work, check_flush
from ..runs.producer import Producer
from ..runtime.hub import GreenSignal, Home, Signal, home
from ..stores.base import Store
from . import transport
from .transport import Peer, Uptake

log = logging.getLogger("headway")

RETRY: Final = retry(2000)
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
TICK: Final = 2.0
"""Seconds between two rounds over the open streams; less where a heartbeat is shorter than eight of them."""

SLOW: Final = 0.1
"""Seconds in one write from which on a viewer is said to take its time."""

ROOM: Final = BLOCK_BYTES
"""Bytes that a `stream()` may be ahead of its viewer before its generator waits."""


class Source(Protocol):
    """Where a viewer's frames come from; all in the hub. `preface` goes ahead of them, and is never empty."""

    preface: bytes

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        """The frames after number `after`."""

    def watch(self, signal: Signal) -> Callable[[], None]:
        """Has `signal` set when there is more; gives what ends that."""

    def reset(self, batch: Batch) -> bytes:
        """The frame that tells of the gap before `batch`."""

    def sent_away(self) -> None:
        """The server is about to end the stream, and the viewer is expected elsewhere."""

    def left(self) -> None:
        """The viewer is gone, for whatever reason."""

    def begin(self) -> None:
        """Begins a production that is for this viewer alone, where there is one that has not begun."""

    def stop(self) -> bool:
        """Ends a production that is for this viewer alone, with its last events; false where there is none."""

    @property
    def producing(self) -> bool:
        """Whether there is one, at work."""


class Viewer:
    """An open stream: what the server iterates over, and closes."""

    __slots__ = (
        "_after",
        "_caught_up",
        "_closed",
        "_due",
        "_ending",
        "_frames_at_once",
        "_gone",
        "_home",
        "_iterator",
        "_lagging",
        "_last_words",
        "_over",
        "_peer",
        "_signal",
        "_slow",
        "_source",
        "_unwatch",
        "heartbeat",
        "seen",
        "send_timeout",
        "turns",
        "uptake",
        "writing",
    )

    def __init__(  # one keyword for each thing that differs between streams
        self,
        source: Source,
        *,
        environ: dict[str, Any],
        heartbeat: float,
        send_timeout: float,
        after: int = 0,
        each: bool = False,
    ) -> None:
        self._home = home()
        self._source = source
        self._after = after
        self._frames_at_once = 1 if each else BLOCK_FRAMES
        self._signal = self._home.signal()
        self._peer = Peer.of(environ)
        self._due = b""
        self._gone = False
        self._over = False
        self._closed = False
        self._lagging = False
        self._slow = False
        self._ending = False
        self._last_words = b""
        self._caught_up = False
        self.heartbeat = heartbeat
        self.send_timeout = send_timeout
        self.writing = False
        self.turns = 0
        self.seen = (-1, 0.0)
        self.uptake: tuple[float, tuple[int, bool] | None, float] | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self._iterator: Generator[bytes, None, None] | None = None

    def __iter__(self) -> Iterator[bytes]:
        if self._iterator is None:
            self._iterator = self._frames()
        return self._iterator

    def close(self) -> None:
        """Counts the viewer out, once. WSGI calls this however a stream ended, before its first byte too."""
        if self._iterator is not None:
            self._iterator.close()
        self._leave()

    def __del__(self) -> None:
        # Only here for a response that the host application threw away (an `after_request` that raised): no server
        # has seen it, so none closes it. Nothing else refers to a viewer before its first byte.
        if not self._closed:
            self._home.soon(gevent.spawn, self._source.left)

    def begin(self) -> Source:
        """Has the production of `stream()` begin, and gives its source."""
        self._home.call(self._source.begin)
        return self._source

    def watches(self, what: str | Source) -> bool:
        """Whether this is a stream of that run, or has that source."""
        return self._source is what or (isinstance(self._source, RunSource) and self._source.run == what)

    def gone(self) -> None:
        """Told by the disconnect watch."""
        self._gone = True
        self._signal.set()

    def probe(self) -> None:
        """Told by the disconnect watch, too."""
        self.beat()

    def beat(self) -> None:
        """Has a comment written when there is nothing else."""
        self._due = HEARTBEAT
        self._signal.set()

    def end(self, last_words: bytes = b"") -> None:
        """Sends the viewer away, to come back elsewhere, after what is there to read and `last_words`."""
        self._last_words = last_words
        self._ending = True
        self._source.sent_away()
        self._signal.set()

    @property
    def producing(self) -> bool:
        """Whether a generator of `stream()` is at work for this viewer."""
        return self._source.producing

    def stop(self) -> bool:
        """Ends the production of `stream()`, whose last events then end this stream; false for the stream of a run."""
        return self._source.stop()

    def cut(self) -> None:
        """Ends the stream of a viewer that takes nothing."""
        self._gone = True
        if self._peer is not None:
            self._peer.cut()
        self._signal.set()

    def mind_uptake(self, now: float) -> None:
        """Cuts the viewer once it has taken nothing for its send timeout, though there is something to take."""
        look, known, since = self.uptake or (now, None, now)
        if now < look:
            return
        found = (None if self._peer is None else self._peer.uptake()) or Uptake(self.turns, pending=False)
        taken, next_look = (found.taken, self.writing), now + self.send_timeout / 4
        if not found.pending and not self.writing:
            self.uptake = None
        elif taken != known:
            self.uptake = (next_look, taken, now)
        elif now - since < self.send_timeout:
            self.uptake = (next_look, known, since)
        else:
            self.cut()
        self._share_the_watch(found.full)

    def _share_the_watch(self, full: bool) -> None:
        """Has the kernel tell of a host that has lost its power, but not of one that answers: it may be slow."""
        if self._peer is not None:
            if full:
                self._peer.restore()
            elif self.uptake is None:
                self._peer.limit_silence(self.send_timeout)

    def _open(self) -> None:
        self._unwatch = self._source.watch(self._signal)
        pulse(self._home).add(self)
        if self._peer is not None:
            self._peer.limit_silence(self.send_timeout)
            watch = transport.watch(self._home)
            if watch is not None:
                watch.add(self._peer, self)

    def _leave(self) -> None:
        if not self._closed:
            self._closed = True
            self._home.call(self._close_up)

    def _close_up(self) -> None:
        self._unwatch()
        pulse(self._home).remove(self)
        if self._peer is not None:
            watch = transport.watch(self._home)
            if watch is not None:
                watch.remove(self._peer)
            self._peer.restore()
        self._source.left()

    def _frames(self) -> Generator[bytes, None, None]:
        try:
            self._home.call(self._open)
            # gunicorn sends the head with the first bytes, so there are some at once, whatever the log holds.
            block = self._source.preface + self._read()
            while True:
                if block:
                    self.writing = True
                    began = monotonic()
                    yield block
                    self._slow = self._slow or monotonic() - began > SLOW
                    self.writing = False
                    self.turns += 1
                if self._gone:
                    return
                if self._over:
                    if self._last_words:
                        yield self._last_words
                    return
                self._signal.clear()
                block = self._read()
                self._over = self._over or (self._ending and not block)
                if not block and not (self._gone or self._over):
                    block, self._due = self._due, b""
                    if not block:
                        self._signal.wait()
        finally:
            self._leave()

    def _read(self) -> bytes:
        batch: Batch = self._home.call(self._read_batch)
        if batch.block:
            self._due = b""
        return batch.block

    def _read_batch(self) -> Batch:
        before, merge = self._after, self._lagging
        batch = self._source.read(before, frames=self._frames_at_once, merge=merge)
        self._over = self._over or batch.over
        self._after = batch.last
        # A viewer lags that takes its time, and then finds more than fits one write; until it finds nothing more.
        fits = batch.last - before < BLOCK_FRAMES and len(batch.block) < BLOCK_BYTES // 2
        whole = not batch.block or (fits and not merge)
        self._slow = self._slow and not whole
        self._lagging = self._caught_up and self._slow
        self._caught_up = self._caught_up or whole
        if batch.oldest > before + 1 and batch.block:
            return batch._replace(block=self._source.reset(batch) + batch.block)
        return batch


class Pulse:
    """The heartbeat of all streams of a worker: one greenlet, which also finds the viewers that take nothing."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.viewers: set[Viewer] = set()
        self._tick = TICK
        self._sooner = GreenSignal()
        self._clock = SystemClock()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def add(self, viewer: Viewer) -> None:
        viewer.seen = (viewer.turns, self._clock.monotonic())
        self.viewers.add(viewer)
        tick = max(min(viewer.heartbeat, viewer.send_timeout) / 8, 0.01)
        if tick < self._tick:
            self._tick = tick
            self._sooner.set()
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._beat)

    def remove(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)

    @property
    def producing(self) -> bool:
        """Whether a generator of `stream()` is at work for one of them."""
        return any(viewer.producing for viewer in self.viewers)

    def _beat(self) -> None:
        while self.viewers:
            self._sooner.clear()
            self._sooner.wait(self._tick)
            now = self._clock.monotonic()
            for viewer in list(self.viewers):
                self._look_after(viewer, now)
        self._tick = TICK
        self._greenlet = None

    def _look_after(self, viewer: Viewer, now: float) -> None:
        turns, since = viewer.seen
        moved = viewer.turns != turns
        if moved:
            viewer.seen = (viewer.turns, now)
        elif not viewer.writing and now - since >= viewer.heartbeat - self._tick:
            viewer.seen = (turns + 1, now + self._tick)  # a heartbeat is nothing to look after the viewer for
            viewer.beat()
        if moved or viewer.writing or viewer.uptake is not None:
            viewer.mind_uptake(now)


_pulse: Pulse | None = None


def pulse(here: Home) -> Pulse:
    """The pulse of this worker; from any thread."""
    if _pulse is None or _pulse.home is not here:
        return here.call(_make_pulse, here)
    return _pulse


def _make_pulse(here: Home) -> Pulse:
    """In the hub, whose it is; requests in several threads may have asked for it at once."""
    global _pulse  # noqa: PLW0603  # one a process, and made anew after a fork
    if _pulse is None or _pulse.home is not here:
        _pulse = Pulse(here)
    return _pulse


def beat_viewers(what: str | Source) -> None:
    """Has those who watch a run in this worker, or read from that source, sent a heartbeat; called in the hub."""
    for viewer in pulse(home()).viewers:
        if viewer.watches(what):
            viewer.beat()


class RunSource:
    """A run's event log as a viewer's source; the viewer counts for the run's linger."""

    preface = RETRY

    def __init__(self, store: Store, run: str) -> None:
        self._log = store
        self.run = run
        self._expected = False
        store.count(run, +1)

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        try:
            return self._log.read(self.run, after, frames=frames, merge=merge)
        except StoreAway:
            return Batch(b"", after, over=False)  # heartbeats go on meanwhile, and the log wakes its watchers later

    def watch(self, signal: Signal) -> Callable[[], None]:
        return self._log.watch(self.run, signal.set)

    def reset(self, batch: Batch) -> bytes:
        record = self._log.find(self.run)
        assert record is not None  # it was just read from
        snapshot = record.snapshot()
        stamp = record.fold.updated.encode()
        return b'id: %d\nevent: reset\ndata: {"timestamp":"%b","snapshot":%b}\n\n' % (batch.oldest - 1, stamp, snapshot)

    def sent_away(self) -> None:
        self._expected = True

    def left(self) -> None:
        # Whom the server sends away has not left the run: its place is kept until this worker's lease has lapsed.
        if not self._expected:
            self._log.count(self.run, -1)

    @property
    def producing(self) -> bool:
        return False

    def begin(self) -> None:
        pass

    def stop(self) -> bool:
        return False


class Channel:
    """The source of `stream()`: one producer, one viewer, and as much between them as one write takes."""

    __slots__ = ("_begin", "_frames", "_last", "_more", "_over", "_room", "_size", "preface", "production")

    def __init__(self) -> None:
        self.preface = RETRY
        self._frames: list[bytes] = []
        self._last = 0
        self._size = 0
        self._over = False
        self._more: Callable[[], None] = lambda: None
        self._room = GreenSignal()
        self.production: Producer | None = None
        self._begin: Callable[[], None] | None = None

    def carry(self, production: Producer) -> None:
        """Takes the production on, to begin it with the first read."""
        self.production = production
        self._begin = production.begin

    def begin(self) -> None:
        """Begins it, once."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()

    def put(self, block: Block, recorder: Recorder) -> None:
        self._frames.extend(block.frames)
        self._size += block.size
        self._last = recorder.last
        self._over = recorder.fold.over
        self._more()

    def wait_for_room(self) -> None:
        while self._size > ROOM:
            self._room.clear()
            self._room.wait()

    def finish(self) -> None:
        """The production is over, with a last event or without."""
        self._over = True
        self._more()

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        # Not earlier: the view has returned by now, and its request's contexts are no longer in use there
        # (`stream_with_context` enters them elsewhere); and a stream that nobody reads (HEAD) does no work.
        self.begin()
        block = b"".join(self._frames[:frames])
        del self._frames[:frames]
        self._size -= len(block)
        if self._size <= ROOM:
            self._room.set()
        return Batch(block, self._last - len(self._frames), self._over and not self._frames)

    def watch(self, signal: Signal) -> Callable[[], None]:
        self._more = signal.set
        return lambda: None

    def reset(self, batch: Batch) -> bytes:
        return b""

    def sent_away(self) -> None:
        pass

    def left(self) -> None:
        if self.production is not None and self._begin is None:
            self.production.cancel("disconnected")

    @property
    def producing(self) -> bool:
        return self.production is not None and not self._over

    def stop(self) -> bool:
        if self.production is not None:
            self.production.cancel("shutdown")
        return self.producing


class StreamResponse(Response):
    """A response whose body goes to the server untouched: each wrapper around it would cost every stream its memory."""

    def get_app_iter(self, environ: dict[str, Any]) -> Any:
        if environ["REQUEST_METHOD"] == "HEAD":
            self.close()
            return ()  # whose length gevent.pywsgi can see: to a body without one it writes the last chunk even here
        return super().get_app_iter(environ) if self._on_close else self.response


def head() -> Response:
    """What HEAD on a run's stream is answered with: there is no viewer, whose going would stop the run."""
    return StreamResponse(iter(()), headers=HEADERS)


def respond(viewer: Viewer, headers: dict[str, str] | None = None) -> Response:
    """The response whose body the viewer is."""
    return StreamResponse(viewer, headers={**HEADERS, **(headers or {})})


def begin(response: Response) -> Source:
    """Has the generator of a `stream()` begin before its viewer reads: for one that needs no request. Gives its source.

    For the viewer itself nothing may be held: what the host application throws away has to be let go of.
    """
    viewer: Any = response.response
    source: Source = viewer.begin()
    return source


def stream(
    events: Any,
    *,
    heartbeat: float = 15.0,
    flush: FlushPolicy = "ready",
    send_timeout: float = 30.0,
    lifecycle: bool = True,
) -> Response:
    """One generator, one stream, stopped with its client: the response of a Flask route.

    It sends `start`, the generator's events numbered, its return value as `result`, and `done`; with `lifecycle=False`
    the generator's own events and nothing else. `heartbeat` and `send_timeout` are in seconds. Nothing is kept: a
    client that comes back starts anew. A generator that reads its request goes through Flask's `stream_with_context`,
    which hands events on but no return value: `result` is null then. Raises `RegistrationError` for a flush policy
    that is none, and for seconds that are not above 0.
    """
    check_flush(flush)
    if not (heartbeat > 0 and send_timeout > 0):
        raise RegistrationError(f"seconds above 0, not heartbeat={heartbeat!r}, send_timeout={send_timeout!r}")
    environ = request.environ
    name = getattr(events, "__name__", None) or "stream"
    here = home()

    def open_channel() -> Channel:
        channel, hooks = Channel(), CancelHooks()
        work = executors.in_thread_or_here(here, lambda: as_work(events), hooks, thread=False)
        channel.carry(
            Producer(
                name, work, hooks, channel, clock=SystemClock(), flush=flush, lifecycle=lifecycle, ended=channel.finish
            )
        )
        return channel

    viewer = Viewer(
        here.call(open_channel), environ=environ, heartbeat=heartbeat, send_timeout=send_timeout, each=flush == "each"
    )
    return respond(viewer)
