"""What the caller of a start prefers, by its headers `Prefer` (RFC 7240) and `Accept`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Request
from werkzeug.http import parse_accept_header

MAX_LINGER: Final = 300.0
"""Seconds that a caller may ask for if the operation's linger is shorter: enough to reload a page."""
MAX_HEADER: Final = 8192
"""Characters of each header that are read."""


class Preferences:
    """The preferences of a start, from `Prefer` and `Accept`.

    `detached`: `Prefer: respond-async` (RFC 7240, section 4.1), or an `Accept` of JSON alone. `linger`: the seconds of
    `Prefer: linger=SECONDS`, up to a maximum; an invalid preference is ignored, as the RFC requires.
    """

    def __init__(self, request: Request) -> None:
        # Servers join headers of one name: together they may have a megabyte, which takes seconds.
        accept, prefer = (request.headers.get(name, "")[:MAX_HEADER] for name in ("Accept", "Prefer"))
        accepted = [kind.partition(";")[0].strip().lower() for kind, q in parse_accept_header(accept) if q > 0]
        preferences = _preferences(prefer)
        self.linger = min(float(read_number(preferences.get("linger", ""), 8) or 0), MAX_LINGER)
        self.detached = "respond-async" in preferences or accepted == ["application/json"]

    def applied(self) -> Mapping[str, str]:
        """The header that names the preferences that apply (RFC 7240, section 3)."""
        applied = ["respond-async"] * self.detached + [f"linger={self.linger:g}"] * bool(self.linger)
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


def _preferences(header: str) -> dict[str, str]:
    """The preferences of a request, without their parameters (RFC 7240, section 2)."""
    words = (word.partition(";")[0].partition("=") for word in header.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in words}


def read_number(text: str, digits: int) -> int | None:
    """A number of at most so many digits; `None` for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
