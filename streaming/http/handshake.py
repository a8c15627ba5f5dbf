"""The wait of a request for a handshake with another service, before the request is answered.

A caller that disconnects ends the wait: its stream then opens, and notices. A half-close looks the same until something
is written, so it ends the wait too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gevent

from ..errors import Problem
from ..runs.handshake import Handshake
from ..runtime.worker import Worker
from .sources import RunSource
from .transport import Transport

TIME_TO_FAIL: Final = 1.0
"""Seconds in which a refused run fails by itself; without a viewer and a linger it would be cancelled."""


def refusal_of(handshake: Handshake, worker: Worker, environ: Mapping[str, Any]) -> Problem | None:
    """The refusal of the other service, if it arrives within the handshake's patience."""
    transport = Transport(environ)
    worker.call(transport.open, worker, _Caller(handshake))
    try:
        handshake.wait()
    finally:
        worker.call(transport.close, worker)
    return handshake.refusal


def leave_later(source: RunSource) -> None:
    """Lets a refused viewer leave once its run has had the time to fail; called in the hub."""
    gevent.spawn_later(TIME_TO_FAIL, source.leave)


class _Caller:
    """A watcher that ends the wait when the caller disconnects."""

    def __init__(self, handshake: Handshake) -> None:
        self.disconnected = self.probe = self.abandon = handshake.give_up
