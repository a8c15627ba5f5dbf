"""`GET /headway/client.js`: the TypeScript client in one module, for a page without a build."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Response, request

from ..errors import NotImplementedHere
from .answers import Answer

MODULE: Final = Path(__file__).parents[1] / "static" / "client.js"
"""Built by `make setup`; a wheel brings it."""


def send_page_module() -> Response:
    """The module, which caches revalidate each time. Raises `NotImplementedHere` where it was not built."""
    try:
        body = MODULE.read_bytes()
    except FileNotFoundError:
        raise NotImplementedHere("this checkout has no client for pages: `make setup` builds it") from None
    response = Answer(body, content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
