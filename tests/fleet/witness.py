"""A viewer of one run that comes back to any web worker, until it has seen the last event."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import dataclass, field
from typing import Final

from tests.clients import Connection, Cut, Message
from tests.fleet.members import Member

SILENCE: Final = 10.0
"""Seconds without an event or a heartbeat after which a viewer looks elsewhere: five heartbeats."""


@dataclass
class Witness:
    """What it has seen; `ended` is the status of the last event, or empty."""

    run: str
    webs: list[Member]
    chance: random.Random
    seen: list[Message] = field(default_factory=list)
    ended: str = ""
    visits: int = 0

    def follow(self, stop: threading.Event) -> None:
        """Follows the run to its end, unless told to stop."""
        while not self.ended and not stop.is_set():
            with contextlib.suppress(Cut, OSError, ValueError):  # refused, reset, silent; half of a head
                self._visit()
            stop.wait(0.2)

    def _visit(self) -> None:
        self.visits += 1
        after = next((str(message.id) for message in reversed(self.seen) if message.id), "0")
        with Connection(self.chance.choice(self.webs), timeout=SILENCE) as viewer:
            if viewer.request("GET", f"/runs/{self.run}/events", {"Last-Event-ID": after}).status != 200:
                return
            for message in viewer.messages():
                self.seen.append(message)
                if message.event == "done":
                    self.ended = str(message.json["status"])
                    return
