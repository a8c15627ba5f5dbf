"""The headers that let pages of other origins call the routes (https://fetch.spec.whatwg.org, "HTTP extensions")."""

from __future__ import annotations

import re
from typing import Final

from flask import Response, request

from ..settings import Settings

METHODS: Final = "GET, POST, DELETE, OPTIONS"
ALLOWED_HEADERS: Final = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "If-Range"),
    *("Last-Event-ID", "Prefer", "Range", "traceparent"),
)
EXPOSED_HEADERS: Final = (
    "Location, Run-Id, Retry-After, Preference-Applied, Accept-Ranges, Content-Disposition, Content-Range, ETag"
)
MAX_AGE: Final = "600"
"""Seconds for which a browser keeps the answer to a preflight."""

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, section 5.6.2)."""

EVALUATED: Final = "_FLASK_CORS_EVALUATED"
"""Flask-CORS leaves a response alone that has this attribute; it would add a second header of each name."""


def allow_origin(response: Response, settings: Settings) -> Response:
    """Adds to the response what the origin of the current request may do, if the settings name any origins."""
    origins, origin = settings.cors_origins, request.headers.get("Origin")
    if not origins:
        return response
    setattr(response, EVALUATED, True)
    anyone = "*" in origins
    if not anyone:
        response.vary.add("Origin")  # without an origin, too: a cache must keep the answers apart
    if origin and (anyone or origin in origins):
        response.headers["Access-Control-Allow-Origin"] = "*" if anyone else origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if settings.cors_credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            _answer_preflight(response)
    return response


def _answer_preflight(response: Response) -> None:
    """Allows the headers that the page asks for: tracers, CSRF tokens and whatever its application has besides."""
    asked = (name.strip() for name in request.headers.get("Access-Control-Request-Headers", "").split(","))
    names = {name.lower(): name for name in (*filter(TOKEN.fullmatch, asked), *ALLOWED_HEADERS)}
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = ", ".join(names.values())
    response.headers["Access-Control-Max-Age"] = MAX_AGE
    response.vary.add("Access-Control-Request-Headers")
