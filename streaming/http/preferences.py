"""What the caller of a start prefers, by its headers `Prefer` (RFC 7240) and `Accept`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Request
from werkzeug.http import parse_accept_header

from ..errors import BadRequest

MAX_LINGER: Final = 300.0
"""Seconds that a caller may ask for if the operation's linger is shorter: enough to reload a page."""
EVENT_STREAM: Final = "text/event-stream"
MAX_HEADER: Final = 8192
"""Characters of each header that are read."""


class Preferences:
    """The preferences of a start, from `Prefer` and `Accept`.

    `detached`: `Prefer: respond-async` (RFC 7240, section 4.1), an `Accept` of JSON alone, or htmx 2, which reads no
    stream as the answer to a form (`?view=html`). `linger`: the seconds of `Prefer: linger=SECONDS`, up to a maximum;
    an invalid preference is ignored, as the RFC requires.
    """

    def __init__(self, request: Request) -> None:
        accepted = accepted_types(request)
        preferences = _preferences(request.headers.get("Prefer", "")[:MAX_HEADER])
        self.linger: float = min(float(read_number(preferences.get("linger", ""), 8) or 0), MAX_LINGER)
        self._async = "respond-async" in preferences or accepted == ["application/json"]
        swaps = request.args.get("view") == "html" and "HX-Request" in request.headers
        self.detached: bool = self._async or (swaps and EVENT_STREAM not in accepted)

    def applied(self) -> Mapping[str, str]:
        """The header that names the preferences that apply (RFC 7240, section 3)."""
        applied = ["respond-async"] * self._async + [f"linger={self.linger:g}"] * bool(self.linger)
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


def accepted_types(request: Request) -> list[str]:
    """The media types that `Accept` names."""
    # Servers join headers of one name: together they may have a megabyte, which takes seconds.
    accept = request.headers.get("Accept", "")[:MAX_HEADER]
    return [kind.partition(";")[0].strip().lower() for kind, q in parse_accept_header(accept) if q > 0]


def is_event_source(request: Request) -> bool:
    """Whether a request is that of a browser's `EventSource`, which gives up for ever on any other status than 200.

    Clients that read the status of a refusal also accept problem documents.
    """
    if request.method != "GET":
        return False
    accepted = accepted_types(request)
    return EVENT_STREAM in accepted and "application/problem+json" not in accepted


def _preferences(header: str) -> dict[str, str]:
    """The preferences of a request, without their parameters (RFC 7240, section 2)."""
    words = (word.partition(";")[0].partition("=") for word in header.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in words}


def read_number(text: str, digits: int) -> int | None:
    """A number of at most so many digits; `None` for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def bad_field(name: str, message: str) -> BadRequest:
    """The refusal of a parameter, whose name is in it."""
    return BadRequest(f"{name} {message}", errors=[{"loc": [name], "msg": message}])
