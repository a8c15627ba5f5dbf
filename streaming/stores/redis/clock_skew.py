"""How Redis's clock runs beside the machine's monotonic one, which does not jump.

Keys expire by Redis's wall clock. When that is set forward, all leases expire at once, and for a moment each worker
sees no other alive; so a worker checks for a jump before it relies on leases.
"""

from __future__ import annotations

import time
from typing import Final

SLACK: Final = 0.5
"""Seconds by which the clocks may drift apart between two updates; a lease is renewed several times that early."""


class ClockSkew:
    """The difference of the two clocks as far as it is known; used by the hub and by the thread of the lease.

    `jumped_at` is when a jump was noticed last (monotonic seconds).
    """

    __slots__ = ("_bounds", "jumped_at")

    def __init__(self) -> None:
        self.jumped_at: float = float("-inf")
        self._bounds: tuple[float, float] | None = None

    @property
    def expected(self) -> int:
        """The time that Redis's clock should have now, in milliseconds; 0 before the first update."""
        return 0 if self._bounds is None else int((time.monotonic() + self._bounds[1]) * 1000)

    def update(self, milliseconds: int, sent: float) -> None:
        """Compares with the time of a reply; its request was sent at `sent` (monotonic seconds).

        Redis read its clock at some moment between then and now, so the difference has a lower and an upper bound.
        """
        now, redis_time = time.monotonic(), milliseconds / 1000
        before, self._bounds = self._bounds, (redis_time - now, redis_time - sent)
        if before is not None and (redis_time - now > before[1] + SLACK or redis_time - sent < before[0] - SLACK):
            self.jumped_at = now
