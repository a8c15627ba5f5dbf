"""The wait of a request for a handshake, before it is answered itself.

A caller that disconnects ends the wait: its stream then starts, and finds it gone. One that only closes its side looks
the same until something is written to it, so it ends the wait too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gevent

from ..errors import Problem
from ..runs.handshake import Handshake
from ..runtime.worker import Worker
from .transport import Transport
from .viewer import RunSource

TIME_TO_FAIL: Final = 1.0
"""Seconds; a run without viewers would be cancelled at once, where it has no linger."""


def refusal_of(handshake: Handshake, worker: Worker, environ: Mapping[str, Any]) -> Problem | None:
    """The other service's refusal, where it comes within the handshake's patience."""
    transport = Transport(environ)
    worker.call(transport.open, worker, _Caller(handshake))
    try:
        handshake.wait()
    finally:
        worker.call(transport.close, worker)
    return handshake.refusal


def leave_later(source: RunSource) -> None:
    """Counts a refused viewer out, once its run has had the time to fail; called in the hub."""
    gevent.spawn_later(TIME_TO_FAIL, source.leave)


class _Caller:
    """Ends the wait of a caller that disconnects."""

    def __init__(self, handshake: Handshake) -> None:
        self.disconnected = self.probe = handshake.give_up
