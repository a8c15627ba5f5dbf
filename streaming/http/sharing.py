"""How gunicorn's gevent workers share new connections: one that got more than its share leaves the next to the others.

The kernel wakes every worker for a connection, and the one that is first gets it: 400 that come within a second may go
to two workers as three to one. Each worker writes how many it got of late into memory that all share, made before the
fork (`gunicorn.conf.py`). One that is ahead pauses for some milliseconds before it accepts; where nobody else has
accepted meanwhile, the others are busy, and it goes on without pauses for a while. Nothing is refused meanwhile: the
connections wait in the socket, which all workers share (with `reuse_port` those of a worker that stops are lost).
"""

from __future__ import annotations

import struct
import sys
from math import exp
from time import monotonic
from typing import Any, Final

PAUSE: Final = 0.01
"""Seconds for which a worker that is ahead leaves connections to others."""

BUSY: Final = 0.01
"""Seconds for which a worker goes on without pauses where the others have accepted nothing during one."""

WINDOW: Final = 1.0
"""Seconds after which an accepted connection counts a third."""

AHEAD: Final = 1.05
"""How many times its share a worker may have got."""

SPARE: Final = 2.0
"""How many connections above its share a worker may have got in any case."""

WORKERS: Final = 64
"""Workers in the memory; of more none pauses."""

_SLOT: Final = struct.Struct("ddd")
"""When a worker accepted a connection last, how many it did lately, and in all."""


class Share:
    """What this worker, in slot `number` of the memory, and the other ones have accepted of late."""

    def __init__(self, memory: Any, number: int, workers: int) -> None:
        self._memory = memory
        self._offset = number % WORKERS * _SLOT.size
        self._workers = workers
        self._before = 0.0
        self._no_pause_until = 0.0

    def count(self) -> None:
        """Counts a connection that was accepted here."""
        now = monotonic()
        at, lately, in_all = _SLOT.unpack_from(self._memory, self._offset)
        _SLOT.pack_into(self._memory, self._offset, now, lately * exp((at - now) / WINDOW) + 1, in_all + 1)

    def is_ahead(self) -> bool:
        """Whether to pause before the next connection."""
        now = monotonic()
        if now < self._no_pause_until:
            return False
        mine, others, self._before = self._accepted(now)
        return mine > AHEAD * (mine + others) / self._workers + SPARE

    def note_pause(self) -> None:
        """Called after a pause: where the others have accepted nothing, there are none for a while."""
        now = monotonic()
        if self._accepted(now)[2] == self._before:
            self._no_pause_until = now + BUSY

    def _accepted(self, now: float) -> tuple[float, float, float]:
        """What this worker and all others have accepted of late, and the others in all."""
        mine = others = others_in_all = 0.0
        for number, (at, lately, in_all) in enumerate(_SLOT.iter_unpack(self._memory[: WORKERS * _SLOT.size])):
            if not in_all:
                continue
            weighted = lately * exp((at - now) / WINDOW)
            if number * _SLOT.size == self._offset:
                mine = weighted
            else:
                others += weighted
                others_in_all += in_all
        return mine, others, others_in_all


def share_connections(gunicorn_worker: Any, memory: Any) -> None:
    """Lets a gevent worker heed its share; for `post_worker_init`, before it makes its servers."""
    workers = gunicorn_worker.cfg.workers
    module = sys.modules.get("gunicorn.workers.ggevent")
    if module is None or not 1 < workers <= WORKERS or gunicorn_worker.cfg.reuse_port:
        return
    share = Share(memory, gunicorn_worker.age, workers)
    base: Any = module.StreamServer

    class SharingServer(base):  # type: ignore[misc]
        """gevent's server, which pauses while this worker is ahead."""

        def do_read(self) -> Any:
            accepted = super().do_read()
            if accepted:
                share.count()
            return accepted

        def _do_read(self) -> None:
            if share.is_ahead():
                self.stop_accepting()
                self._timer = self.loop.timer(PAUSE)
                self._timer.start(self._end_pause)
            else:
                super()._do_read()

        def _end_pause(self) -> None:
            share.note_pause()
            self._start_accepting_if_started()

    module.StreamServer = SharingServer  # type: ignore[attr-defined]
