"""How Redis's clock goes beside the machine's monotonic one, which does not jump.

Keys expire by Redis's wall clock. When somebody sets that forward, every lease lapses at once, and for a moment each
worker is dead in the eyes of all others; so whoever is about to judge looks at what the clock has done.
"""

from __future__ import annotations

import time
from typing import Final

SLACK: Final = 0.5
"""Seconds by which the clocks may part between two looks; a lease has several times that left when it is renewed."""


class ClockSkew:
    """What is known of the distance between the two clocks; used by the hub and by the thread of the lease."""

    __slots__ = ("_known", "jumped")

    def __init__(self) -> None:
        self.jumped = float("-inf")
        self._known: tuple[float, float] | None = None

    @property
    def expected(self) -> int:
        """What Redis's clock should say now, in milliseconds; 0 where nothing is known yet."""
        return 0 if self._known is None else int((time.monotonic() + self._known[1]) * 1000)

    def heed(self, milliseconds: int, asked: float) -> None:
        """Takes in what Redis's clock has said to somebody who asked at that moment (monotonic seconds).

        When it was said nobody knows exactly, only that it was between the question and now.
        """
        now, said = time.monotonic(), milliseconds / 1000
        known, self._known = self._known, (said - now, said - asked)
        if known is not None and (said - now > known[1] + SLACK or said - asked < known[0] - SLACK):
            self.jumped = now
