"""The console of `Headway(console=True)`: the page at `/`, or at the `url_prefix`, which starts and watches runs.

It is static files, which use the same routes as any other client, by relative URLs. So it is served without an API key,
also where the routes need one, and asks its user for the key. The policy below lets the page load scripts and styles
from its own origin only, and no inline or evaluated ones.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import NotFound

BUILT: Final = Path(__file__).parents[1] / "static" / "console"
"""Vite builds it there from the folder `console/` of the repository (`make setup`); a wheel brings it."""

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data: blob:",  # with an API key, the pictures of a run are fetched
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""`Cache-Control` of files with a digest of their content in their names."""

UNBUILT: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headway</title>
<h1>The console is not built</h1>
<p>Run <code>make setup</code>, which needs Node.js 20 or newer, and reload this page.</p>
<p>The service works without it: <a href="operations">its operations</a>.</p>
</html>
"""


def make_blueprint(name: str) -> Blueprint:
    """The routes of the files, as a blueprint of this name; the prefix that it gets may have variables of its own."""
    blueprint = Blueprint(name, __name__)
    blueprint.add_url_rule("/", view_func=index)
    blueprint.add_url_rule("/assets/<path:name>", view_func=asset)
    for file in ("favicon.svg", "theme.js"):
        blueprint.add_url_rule(f"/{file}", view_func=plain, defaults={"name": file})
    blueprint.after_request(add_security_headers)
    return blueprint


def index(**_: object) -> Response:
    """The page, or 404 with how to build it. Not cached without revalidation, since it names the other files."""
    try:
        page = send_from_directory(BUILT, "index.html", max_age=0)
    except NotFound:
        page = Response(UNBUILT, NotFound.code, mimetype="text/html")
    page.headers["Cache-Control"] = "no-cache"
    return page


def asset(name: str, **_: object) -> Response:
    """A file with a digest in its name: its `.gz` file, if there is one and the browser accepts it."""
    folder = BUILT / "assets"
    try:
        if not request.accept_encodings["gzip"]:
            raise NotFound
        file = send_from_directory(folder, f"{name}.gz", mimetype=mimetypes.guess_type(name)[0])
        file.content_encoding = "gzip"
    except NotFound:
        file = send_from_directory(folder, name)
    file.vary.add("Accept-Encoding")
    file.headers["Cache-Control"] = FOR_EVER
    return file


def plain(name: str, **_: object) -> Response:
    """A file without a digest in its name."""
    file = send_from_directory(BUILT, name, max_age=0)
    file.headers["Cache-Control"] = "no-cache"
    return file


def add_security_headers(response: Response) -> Response:
    """Adds `HEADERS` to every response of the console."""
    response.headers.update(HEADERS)
    return response
