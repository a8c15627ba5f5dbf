"""How many runs of an operation are at work at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs of an operation are at work at a time over all workers, and how many of one client.

    `None` sets no limit. Queued runs of a higher priority begin first.
    """

    concurrency: int | None = None
    per_client: int | None = None
    priority: int = 0

    @property
    def any(self) -> bool:
        """Whether a start may have to wait."""
        return self.concurrency is not None or self.per_client is not None


NO_LIMITS: Final = Limits()
