"""What live tests measure on the way: shown by `pytest -m live --log-cli-level=INFO`."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence

log = logging.getLogger("figures")


def tell(what: str, seconds: Sequence[float]) -> None:
    """Logs the median and the longest of some times, in milliseconds."""
    median, longest = statistics.median(seconds) * 1000, max(seconds) * 1000
    log.info("%s: median %.2f ms, longest %.2f ms, of %d", what, median, longest, len(seconds))
