"""The console: the page at `/`, on which operations are started and watched.

It is built from this folder by Vite (`make setup`), and is nothing but files: it speaks to the same routes as any other
client. So it is served without a key where the routes want one, and asks its user for it.

    app.register_blueprint(console.blueprint)     # or with url_prefix="/console"; its addresses are relative

The policy below lets the page load scripts and styles from here alone, none of them inline, and nothing evaluated.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import NotFound

DIST: Final = Path(__file__).with_name("dist")

SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data:",  # thumbnails come inside the events
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{what} {where}" for what, where in SOURCES.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""For files whose names hold a digest of what is in them."""

UNBUILT: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headway</title>
<h1>The console has not been built</h1>
<p>Run <code>make setup</code>, which needs Node.js 20 or newer, and load this page again.</p>
<p>Everything else works without it: <a href="operations">what there is to run</a>.</p>
</html>
"""

blueprint = Blueprint("console", __name__)


@blueprint.get("/")
def index() -> Response:
    """The page, or how to build it (404 then). A browser asks for it anew each time, as it names the other files."""
    try:
        page = send_from_directory(DIST, "index.html", max_age=0)
    except NotFound:
        page = Response(UNBUILT, NotFound.code, mimetype="text/html")
    page.headers["Cache-Control"] = "no-cache"
    return page


@blueprint.get("/assets/<path:name>")
def asset(name: str) -> Response:
    """A file that the page names by its digest: its compressed twin, where there is one that the browser takes."""
    folder = DIST / "assets"
    twin = f"{name}.gz"
    try:
        if not request.accept_encodings["gzip"]:
            raise NotFound
        found = send_from_directory(folder, twin, mimetype=mimetypes.guess_type(name)[0])
        found.content_encoding = "gzip"
    except NotFound:
        found = send_from_directory(folder, name)
    found.vary.add("Accept-Encoding")
    found.headers["Cache-Control"] = FOR_EVER
    return found


@blueprint.get("/favicon.svg", defaults={"name": "favicon.svg"})
@blueprint.get("/theme.js", defaults={"name": "theme.js"})
def plain(name: str) -> Response:
    """A file that keeps its name."""
    found = send_from_directory(DIST, name, max_age=0)
    found.headers["Cache-Control"] = "no-cache"
    return found


@blueprint.after_request
def guard(response: Response) -> Response:
    """What browsers are told about everything that comes from here."""
    response.headers.update(HEADERS)
    return response
