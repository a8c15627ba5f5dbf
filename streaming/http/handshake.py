"""The wait of a request for what its gateway's upstream says to it, before it is answered itself.

A caller that goes meanwhile ends the wait: its stream then begins, and finds it gone. One that only closes its side
cannot be told from that before something is written to it, so it ends the wait too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gevent

from ..errors import Problem
from ..gateways.gateway import Handshake
from ..runtime.hub import home
from . import transport
from .transport import Peer
from .viewer import RunSource

TIME_TO_FAIL: Final = 1.0
"""Seconds; a run without viewers would be cancelled at once, where it has no linger."""


def refused(admission: Handshake, environ: Mapping[str, Any], patience: float) -> Problem | None:
    """What the upstream has against a request, where it says so within `patience` seconds."""
    peer = Peer.of(environ)
    if peer is None:
        admission.wait(patience)
        return admission.refusal
    here = home()
    here.call(_watch, peer, admission)
    try:
        admission.wait(patience)
    finally:
        here.call(_unwatch, peer)
    return admission.refusal


def leave_later(source: RunSource) -> None:
    """Counts a refused viewer out, once its run has had the time to say why it failed; called in the hub."""
    gevent.spawn_later(TIME_TO_FAIL, source.left)


class _Caller:
    """Ends the wait of one who goes."""

    def __init__(self, admission: Handshake) -> None:
        self.gone = self.probe = admission.give_up


def _watch(peer: Peer, admission: Handshake) -> None:
    watch = transport.watch(home())
    if watch is not None:
        watch.add(peer, _Caller(admission))


def _unwatch(peer: Peer) -> None:
    watch = transport.watch(home())
    if watch is not None:
        watch.remove(peer)
