"""The `Retry-After` of an answer (RFC 9110, section 10.2.3): a number of seconds, or a date."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 99_999_999.0
"""Seconds, about three years: what asks for more counts as this."""


def parse_retry_after(value: str, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks to wait, at least 0; `None` where it is neither a number nor a date.

    `now` is the time in seconds since 1970-01-01 UTC, `time.time()`, from which a date counts.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value) if len(value) < 9 else LONGEST
    try:
        date = parsedate_to_datetime(value)
        # The date of C's `asctime`, a format that the RFC still allows, has no zone. All are UTC.
        then = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(then.total_seconds() - now, 0.0), LONGEST)
