"""Which event of a run came of which event of its upstream, for the checkpoints of an upstream run."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any

from ..protocol.events import Event


class Numbers:
    """The numbers of the events of a run, each beside that of the upstream's event that it came of."""

    def __init__(self) -> None:
        self._last = 1  # `start`
        self._upstream, self._own = array("q"), array("q")

    def count(self, upstream: str, events: int = 1) -> None:
        """Notes that so many events came of the upstream's last one, whose id is `upstream`."""
        self._last += events
        if upstream.isdecimal() and len(upstream) < 16:
            self._upstream.append(int(upstream))
            self._own.append(self._last)

    def attempt(self, event: Event) -> Event:
        """An `attempt` of the upstream run, whose `after` is the number of an event there, as one of this run."""
        data = event.data
        after: Any = data.get("after") if isinstance(data, dict) else None
        if type(after) is not int or after <= 0:
            return event
        number = bisect_right(self._upstream, after)
        return event.replace(data={**data, "after": self._own[number - 1] if number else 1})
