"""The stream of one viewer: one loop for data, heartbeats, disconnects, drains and deadlines.

A viewer is a cursor into a source of frames. Its loop reads what follows the cursor, gives it to the server in one
piece, and waits only when there is nothing. Every way out of a stream is in `Viewer.frames`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterator
from time import monotonic
from typing import Any, Final

import gevent

from ..protocol.frames import BLOCK_BYTES, BLOCK_FRAMES, Batch
from ..protocol.sse import HEARTBEAT
from ..runtime.worker import Worker
from .direct import Direct
from .heartbeat import Heartbeat
from .sources import Source
from .transport import Transport
from .views import Lens

SLOW: Final = 0.1
"""A viewer is slow if one write takes it more seconds than that."""


class Body:
    """What the server reads, and closes.

    Where some middleware keeps nothing of it and does not close it either, the stream ends all the same: nothing else
    refers to these frames, so that their `finally` runs.
    """

    __slots__ = ("_frames", "viewer")

    def __init__(self, viewer: Viewer) -> None:
        self.viewer: Viewer = viewer
        self._frames = viewer.frames()

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        """Ends the stream. WSGI calls this however it ended, also before its first byte."""
        self.viewer.close()
        self._frames.close()


class Viewer:
    """An open stream, which a `Body` gives to the server.

    `writes` counts its writes, `writing` is true during one. `checked` belongs to `Heartbeat`. Through a `lens` the
    viewer sees other frames than those of the source.
    """

    __slots__ = (
        "__weakref__",
        "_after",
        "_caught_up",
        "_closed",
        "_disconnected",
        "_ending",
        "_frames_at_once",
        "_idle",
        "_lagging",
        "_last_bytes",
        "_lens",
        "_over",
        "_pending_comment",
        "_signal",
        "_slow",
        "_unwatch",
        "_worker",
        "_working",
        "_writer",
        "checked",
        "heartbeat",
        "send_timeout",
        "source",
        "transport",
        "writes",
        "writing",
    )

    def __init__(
        self,
        source: Source,
        worker: Worker,
        *,
        environ: dict[str, Any],
        heartbeat: float,
        send_timeout: float,
        after: int = 0,
        each: bool = False,
        lens: Lens | None = None,
    ) -> None:
        self._worker = worker
        self._lens = lens
        self.source: Source = source
        self._after = after
        self._frames_at_once = 1 if each else BLOCK_FRAMES
        self._signal = worker.signal()
        self._pending_comment = self._last_bytes = b""
        self._disconnected = self._over = self._ending = self._closed = False
        self._slow = self._lagging = self._caught_up = self._idle = self._working = False
        self._writer: gevent.Greenlet[[], None] | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self.transport: Transport = Transport(environ)
        self.heartbeat: float = heartbeat
        self.send_timeout: float = send_timeout
        self.writing: bool = False
        self.writes: int = 0
        self.checked: tuple[int, float] = (-1, 0.0)

    def close(self) -> None:
        """Leaves the source and the connection, once."""
        if not self._closed:
            self._closed = True
            self._worker.call(self._release)

    def __del__(self) -> None:
        # For a response that the host application dropped (an `after_request` hook that raised): the server has not
        # seen it, so it does not close it. Nothing else refers to a viewer before its first byte.
        if not self._closed:
            self._worker.soon(gevent.spawn, self.source.leave)

    def watches(self, target: str | Source) -> bool:
        """Whether this is a stream of that run, or of that source."""
        return self.source is target or self.source.run == target

    def disconnected(self) -> None:
        """Called by the disconnect watch: the client has left."""
        self._disconnected = True
        self._wake()
        if self._working:
            self._close_soon()

    def send_heartbeat(self) -> None:
        """Writes a comment when there is nothing else to write."""
        if not (self._idle and self._send(HEARTBEAT)):
            self._pending_comment = HEARTBEAT
            self._wake()

    probe = send_heartbeat  # called by the disconnect watch: the write shows whether the client has left

    def end(self, last_bytes: bytes) -> None:
        """Ends the stream after the frames that are there and `last_bytes`; the viewer returns to another worker."""
        self._last_bytes = last_bytes
        self._ending = True
        self.source.expect_return()
        self._wake()

    def cut(self) -> None:
        """Ends the stream of a viewer that receives nothing."""
        self.transport.cut()
        self.abandon()

    def abandon(self) -> None:
        """Leaves, without the server, which may never read on."""
        self.disconnected()
        self._close_soon()

    def _open(self) -> None:
        if self._sends:
            self.source.lend(self.take)
        self._unwatch = self.source.watch(self._notified)
        self._worker.part(Heartbeat).add(self)
        self.transport.open(self._worker, self, self.send_timeout)

    def _close_soon(self) -> None:
        if not self._closed:
            self._worker.soon(gevent.spawn, self.close)

    def _release(self) -> None:
        unwatch, self._unwatch = self._unwatch, lambda: None  # which refers to this viewer
        unwatch()
        self._worker.part(Heartbeat).remove(self)
        self.transport.close(self._worker)
        self.source.leave()

    def _wake(self) -> None:
        """Resumes the stream's own greenlet, which writes on; while that does the work, another one does so."""
        self._idle = False
        self._signal.set()
        if self._working and self._writer is None and not self._over:
            self._writer = gevent.spawn(self._write_on)

    def _notified(self) -> None:
        """Called by the source: there may be more. Whoever has it sends it, if the connection takes it at once."""
        if not (self._idle and self._pass_on()):
            self._wake()

    def _pass_on(self) -> bool:
        """Sends what follows without waiting; false where the stream's own greenlet has to go on."""
        # Whoever is idle does not lag, and has no gap here.
        batch = self.source.at_hand(self._after, self._frames_at_once)
        if batch is None:
            return False
        while batch is not None:
            count, self._after, self._over = batch.last - self._after, batch.last, batch.over
            if not self._send(batch.block) or self._over:
                return False
            if count < self._frames_at_once and len(batch.block) < BLOCK_BYTES // 2:
                break  # that was all
            batch = self.source.at_hand(self._after, self._frames_at_once)
        return True

    def take(self, block: bytes, number: int) -> bool:
        """Sends a block that counts as the frame with this number; false where it does not follow, or has to wait."""
        if not self._idle or self._after != number - 1:
            return False
        self._after = number
        if not self._send(block):
            self._wake()
        return True

    def _send(self, block: bytes) -> bool:
        """Sends a block past the server, to a connection that is idle."""
        self.writes += 1
        return self.transport.direct is not None and self.transport.direct.send(block)

    @property
    def _sends(self) -> bool:
        """Whether what is new is sent at once, past the server and whatever the viewer's greenlet does."""
        return self.transport.direct is not None and self._lens is None

    def frames(self) -> Generator[bytes, None, None]:
        """The pieces of the stream that the server writes: all, or, where the stream is `direct`, the first."""
        try:
            self._worker.call(self._open)
            # gunicorn sends the head with the first bytes, so there are some at once, whatever the log holds.
            block = self.source.preface + self._read()
            while True:
                direct = self.transport.direct if self.writes else None
                if direct is not None:
                    self._write(direct, block)
                elif block:
                    began = self._begin_write()
                    yield block
                    self._end_write(began)
                if self._disconnected:
                    break
                if self._over:
                    yield from self._end()
                    break
                block = self._next()
                if not block:
                    self._wait()
        except GeneratorExit:
            # Closed by the server, or dropped: then perhaps by the garbage collector, in the middle of anything.
            self._close_soon()
            raise
        except BaseException:
            self.close()
            raise
        self.close()
        if direct is not None:
            direct.check_finished()

    def _next(self) -> bytes:
        """What is to be written next, if there is anything."""
        self._signal.clear()
        block = self._read()
        self._over = self._over or (self._ending and not block)
        if not block and not self._over:
            block, self._pending_comment = self._pending_comment, b""
        return block

    def _wait(self) -> None:
        """Waits until there may be more; a source without a greenlet of its own works meanwhile."""
        if self._disconnected or self._over:
            return
        self._idle = self._sends
        self._working = True
        try:
            if not (self._idle and self.source.work()):
                self._working = False
                self._signal.wait()
        finally:
            self._idle = self._working = False
        if self._writer is not None:
            self._writer.join()

    def _write_on(self) -> None:
        """Writes while the stream's own greenlet does the work, until there is nothing left to write."""
        direct = self.transport.direct
        try:
            block = b""
            while direct is not None and not self._disconnected:
                self._write(direct, block)
                block = self._next()
                if not block:
                    break
            if direct is not None and self._ending and not self._disconnected:  # the work ignores its cancel
                direct.end(self._last_bytes)
                self.abandon()
        except OSError:
            self.disconnected()
        self._writer = None
        self._idle = self._working and not (self._disconnected or self._over)

    def _write(self, direct: Direct, block: bytes) -> None:
        """Writes what is left of the last write, or a block."""
        if block or direct.unfinished:
            began = self._begin_write()
            direct.write(block)
            self._end_write(began)

    def _begin_write(self) -> float:
        self.writing = True
        return monotonic()

    def _end_write(self, began: float) -> None:
        self._slow = self._slow or monotonic() - began > SLOW
        self.writing = False
        self.writes += 1

    def _end(self) -> Iterator[bytes]:
        if self._last_bytes:
            yield self._last_bytes
        if self.source.broken:  # servers close a connection in silence whose client seems to be gone
            raise ConnectionResetError(errno.ECONNRESET, "the upstream's stream broke off")

    def _read(self) -> bytes:
        if self._lens is not None:
            return self._read_through(self._lens)
        batch: Batch = self._worker.call(self._read_batch)
        if batch.block:
            self._pending_comment = b""
        return batch.block

    def _read_through(self, lens: Lens) -> bytes:
        """What the viewer sees of what follows; a block of which it sees nothing is passed over."""
        while True:
            catching_up = self._lagging or not lens.caught_up
            frames = BLOCK_FRAMES if lens.merges and catching_up else self._frames_at_once
            batch: Batch = self._worker.call(self._read_batch, frames)
            lens.caught_up = lens.caught_up or not batch.block
            seen = lens(batch.block, catching_up) if batch.block else b""
            if seen:
                self._pending_comment = b""
            if seen or not batch.block or self._over or self._disconnected:
                return seen

    def _read_batch(self, frames: int = 0) -> Batch:
        before, merge = self._after, self._lagging
        try:
            batch = self.source.read(before, frames=frames or self._frames_at_once, merge=merge)
        except KeyError:  # its run was erased
            batch = Batch(b"", before, over=True)
        self._over = self._over or batch.over
        self._after = batch.last
        # A viewer lags once it is slow and then has more to read than fits one write, until it has nothing to read.
        fits = batch.last - before < BLOCK_FRAMES and len(batch.block) < BLOCK_BYTES // 2
        whole = not batch.block or (fits and not merge)
        self._slow = self._slow and not whole
        self._lagging = self._caught_up and self._slow
        self._caught_up = self._caught_up or whole
        if batch.last < before or (batch.oldest > before + 1 and batch.last > before):
            return batch._replace(block=self.source.gap(batch) + batch.block)
        return batch
