"""The interface of an executor: an operation at work looks the same from the hub, wherever it runs.

The hub calls `send(answer)` for the next event, which waits without blocking. `StopIteration` carries the result, a
failure is raised, and `close()` stops the work and returns once its `finally` blocks have run: for a greenlet that is
the generator itself.
"""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import HeadwayError


class Work(Protocol):
    """An operation at work, seen from the hub."""

    def send(self, answer: Any) -> Any:
        """The next thing that it yields, after `answer` to its last one (`None` except for questions)."""

    def close(self) -> None:
        """Stops it and waits for its end; harmless once it has ended."""


class WorkFailed(HeadwayError):
    """An operation failed where its exception cannot be raised here; the text describes it, for the log."""
