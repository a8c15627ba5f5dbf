"""How the console is served: open to all, with a policy that lets nothing in, and plainly where it was not built."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel

import console
from streaming import Headway, operation


class Nothing(BaseModel):
    """No input."""


@operation
def noop(input: Nothing) -> Iterator[None]:
    """Does nothing."""
    yield from ()


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that was built."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Built</title>")
    (tmp_path / "theme.js").write_text("theme()")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "index-abc.js").write_text("start()")
    monkeypatch.setattr(console, "DIST", tmp_path)
    return tmp_path


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A service with a key, and the console beside it."""
    app = Flask(__name__)
    Headway(app, operations=[noop], store="memory:", api_keys="ada:sesame")
    app.register_blueprint(console.blueprint)
    with app.test_client() as made:
        yield made


def test_the_page_is_asked_for_anew_each_time(client: FlaskClient, dist: Path) -> None:
    """Without a key, and never out of a cache unasked: it names the files that belong to it."""
    answer = client.get("/", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "Built" in answer.text
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get("/", buffered=True, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_assets_are_kept_for_ever(client: FlaskClient, dist: Path) -> None:
    """Their names change with what is in them."""
    answer = client.get("/assets/index-abc.js", buffered=True)
    assert (answer.status_code, answer.text) == (200, "start()")
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_assets_come_compressed_to_those_who_take_it(client: FlaskClient, dist: Path) -> None:
    """The twin that the build has made is sent as what it is, and caches keep the two apart."""
    (dist / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(b"start()"))
    answer = client.get("/assets/index-abc.js", buffered=True, headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(answer.data) == b"start()"
    assert (answer.headers["Content-Encoding"], answer.mimetype) == ("gzip", "text/javascript")
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Accept-Encoding", console.FOR_EVER)
    plain = client.get("/assets/index-abc.js", buffered=True)
    assert (plain.text, "Content-Encoding" in plain.headers, plain.headers["Vary"]) == (
        "start()",
        False,
        "Accept-Encoding",
    )


@pytest.mark.parametrize("path", ["/theme.js", "/favicon.svg"])
def test_files_that_keep_their_names_are_not(client: FlaskClient, dist: Path, path: str) -> None:
    """They are asked for anew, as the page is."""
    answer = client.get(path, buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/theme.js"])
def test_the_policy_lets_nothing_in(client: FlaskClient, dist: Path, path: str) -> None:
    """Scripts and styles come from here alone, none of them inline; nothing is evaluated, nobody frames the page."""
    headers = client.get(path, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' data:"
    assert {policy[name] for name in ("script-src", "style-src", "font-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/assets/../index.html", "/assets/..%2findex.html", "/assets/nothing.js"])
def test_there_is_no_way_out_of_the_folder(client: FlaskClient, dist: Path, path: str) -> None:
    """Nothing but the assets is found under their path."""
    assert client.get(path, buffered=True).status_code == 404


def test_a_console_that_was_not_built_says_how(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else works without it."""
    monkeypatch.setattr(console, "DIST", tmp_path / "nowhere")
    answer = client.get("/", buffered=True)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "make setup" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert client.get("/health/live").status_code == 200
    assert client.get("/operations").status_code == 401


def test_the_api_keeps_its_own_headers(client: FlaskClient, dist: Path) -> None:
    """The policy is the page's; the routes of the service stay as they are, and want their key."""
    answer = client.get("/operations")
    assert answer.status_code == 401
    assert "Content-Security-Policy" not in answer.headers
