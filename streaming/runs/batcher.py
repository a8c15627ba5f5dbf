"""When the pending events of a producer are written: in batches where possible, without delaying other streams."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent

from ..clock import Clock, Timer
from ..errors import RunClosed
from ..protocol.events import Event
from ..protocol.frames import Block
from ..protocol.recorder import Recorder
from ..runtime.hub import give_way
from ..runtime.worker import Worker
from .files import FileEvent
from .operation import FlushPolicy

SLICE_MILLISECONDS: Final = 1
"""How long a producer that never waits may run before other greenlets do."""

FIRST_MILLISECONDS: Final = 5
"""The same after a wait, from the first event on."""

RESTLESS_BYTES: Final = 1024 * 1024
"""What a producer yields without waiting once, before it has to heed how far its viewers are behind."""

SLICE_BYTES: Final = 128 * 1024
"""The size of a batch that is written before the end of the slice."""


class Sink(Protocol):
    """Where the frames of a producer go."""

    @property
    def send(self) -> Callable[[bytes], bool] | None:
        """Sends the next frame to its only viewer at once; false where it has to be `put`."""

    def put(self, block: Block, recorder: Recorder) -> None:
        """Appends the next frames; in the hub, without waiting."""

    def wait_for_room(self) -> None:
        """Waits, in the producer's greenlet, while too much is unread."""

    def wait_for_viewers(self) -> None:
        """Waits for a moment, in the greenlet of a producer that never waits, while its viewers are far behind."""

    def check_references(self, body: bytes, last: int) -> None:
        """Raises where a result refers to partials that are gone; `last` is the number of the event before it."""

    def keep_checkpoint(self, body: bytes, recorder: Recorder) -> None:
        """Keeps a checkpoint after all that was put; waits in the producer's greenlet until the store has it.

        Raises `Refused` where another worker has the run.
        """

    def hand_over(self) -> bool:
        """Leaves a run of a worker that stops to another one, if it may go on there; then nothing more is put."""

    def keep_file(self, file: FileEvent) -> Event:
        """Keeps a file, and gives the event that says so; waits in the producer's greenlet."""


class Closed:
    """The sink of a producer that is over, which takes nothing.

    The run or stream refers to its producer. Were it the other way round as well, all that a request has made would
    stay in memory until Python looks for cycles among all objects of the process, which takes tens of milliseconds.
    """

    send = None

    def put(self, block: Block, recorder: Recorder) -> None:
        """Drops the block."""

    def wait_for_room(self) -> None:
        """Does not wait."""

    wait_for_viewers = wait_for_room

    def check_references(self, body: bytes, last: int) -> None:
        """Does not check."""

    def keep_checkpoint(self, body: bytes, recorder: Recorder) -> None:
        """Keeps nothing."""

    def hand_over(self) -> bool:
        """There is nothing to leave to another worker."""
        return False

    def keep_file(self, file: FileEvent) -> Event:
        """Raises `RunClosed`."""
        raise RunClosed("the run is over")


CLOSED: Final = Closed()


class Batcher:
    """Writes what a recorder holds into a sink, as the flush policy says.

    `open` is false once the last event is written: what is still pending then is dropped.
    """

    __slots__ = (
        "_clock",
        "_cut_short",
        "_interval",
        "_last_turn",
        "_loop",
        "_restless",
        "_round",
        "_scheduled",
        "_sink",
        "_slice_ends",
        "_timer",
        "_turn",
        "open",
        "recorder",
    )

    def __init__(self, recorder: Recorder, sink: Sink, worker: Worker, clock: Clock, flush: FlushPolicy) -> None:
        self.recorder: Recorder = recorder
        self.open: bool = True
        self._sink: Sink = sink
        self._turn = worker.turn
        self._clock = clock
        self._interval = flush if isinstance(flush, int | float) else 0.0
        self._loop: Any = gevent.get_hub().loop
        self._scheduled = False
        self._timer: Timer | None = None
        self._slice_ends = 0
        self._restless = 0
        self._round = 0.0
        self._cut_short = False
        self._last_turn = 0

    def add(self, event: Event) -> None:
        """Records an event, and schedules the write; in the producer's greenlet, which may have to wait."""
        recorder = self.recorder
        recorder.add(event)
        if not self._scheduled:
            self._schedule()
        if recorder.millisecond > self._slice_ends or recorder.size > SLICE_BYTES:
            self._end_slice()

    def close(self) -> None:
        """Leaves the sink: the last event is written."""
        self.open = False
        self._sink = CLOSED

    def flush(self) -> None:
        """Writes what is pending, and lets other greenlets run."""
        self.write()
        self._end_slice()

    def write(self, *events: Event) -> None:
        """Writes what is pending, with `events` after it; also called late, when nothing is pending any more."""
        for event in events:
            self.recorder.add(event)
        self._scheduled = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self.recorder) and self.open:
            self._sink.put(self.recorder.take(), self.recorder)

    def _schedule(self) -> None:
        self._scheduled = True
        if not self._cut_short:  # the producer has waited since it was last here
            self._restless = 0
        self._cut_short = False
        if (round_of_hub := self._loop.now()) != self._round:
            # The others have had their turn since the last event. This round may be long over that, with many streams.
            self._round = round_of_hub
            self._slice_ends = self.recorder.millisecond + FIRST_MILLISECONDS
        if self._interval:
            self._timer = self._clock.later(self._interval, self.write)
        elif self.recorder.millisecond > self._last_turn:
            # The first event for a while is sent at once, whatever the producer does next. Only its viewer runs for
            # that, so the slice continues.
            if self._sink.send is not None and self.recorder.pass_on(self._sink.send):
                self._scheduled = False
            else:
                self._turn.hand_over(self.write)
            self._last_turn = int(time.time() * 1000)
            self._cut_short = True
        else:
            # Runs when the producer next waits: what it yields until then makes one batch.
            self._loop.run_callback(self.write)
        # Here too, for a producer that waits so often that its slices never end.
        self._sink.wait_for_room()

    def _end_slice(self) -> None:
        self._restless += self.recorder.size
        self._cut_short = True
        if not self._interval or self.recorder.size > SLICE_BYTES:
            self.write()
        give_way()
        self._sink.wait_for_room()
        if self._restless > RESTLESS_BYTES:
            self._sink.wait_for_viewers()
        self._last_turn = int(time.time() * 1000)
        self._slice_ends = self._last_turn + SLICE_MILLISECONDS
