"""The console's files: served without a key, with a strict policy, and an explanation if they are not built."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel

from streaming import Headway, operation
from streaming.http import console


class Nothing(BaseModel):
    """No input."""


@operation
def noop(input: Nothing) -> Iterator[None]:
    """Does nothing."""
    yield from ()


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a built console."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Built</title>")
    (tmp_path / "theme.js").write_text("theme()")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "index-abc.js").write_text("start()")
    monkeypatch.setattr(console, "BUILT", tmp_path)
    return tmp_path


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A service that needs a key, with the console beside its routes."""
    app = Flask(__name__)
    Headway(app, operations=[noop], store="memory:", api_keys="ada:sesame", console=True)
    with app.test_client() as flask_client:
        yield flask_client


def test_the_page_is_revalidated_each_time(client: FlaskClient, dist: Path) -> None:
    """It needs no key, and no cache uses it without revalidation: it names the other files."""
    answer = client.get("/", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "Built" in answer.text
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get("/", buffered=True, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_assets_are_cached_for_ever(client: FlaskClient, dist: Path) -> None:
    """Their names change with their content."""
    answer = client.get("/assets/index-abc.js", buffered=True)
    assert (answer.status_code, answer.text) == (200, "start()")
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_assets_are_compressed_for_clients_that_accept_it(client: FlaskClient, dist: Path) -> None:
    """The `.gz` file of the build is sent with the type of the asset, and caches tell the two apart."""
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
def test_files_without_a_digest_are_revalidated(client: FlaskClient, dist: Path, path: str) -> None:
    """They are revalidated each time, like the page."""
    answer = client.get(path, buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/theme.js"])
def test_the_content_security_policy(client: FlaskClient, dist: Path, path: str) -> None:
    """It allows scripts and styles of this origin only, none of them inline or evaluated, and no frames."""
    headers = client.get(path, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' data: blob:"
    assert {policy[name] for name in ("script-src", "style-src", "font-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/assets/../index.html", "/assets/..%2findex.html", "/assets/nothing.js"])
def test_only_assets_are_served_under_assets(client: FlaskClient, dist: Path, path: str) -> None:
    """A path that leaves the folder is not found."""
    assert client.get(path, buffered=True).status_code == 404


def test_a_console_that_is_not_built(client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is a 404 that says how to build it; the service works without it."""
    monkeypatch.setattr(console, "BUILT", tmp_path / "nowhere")
    answer = client.get("/", buffered=True)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "make setup" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert client.get("/health/live").status_code == 200
    assert client.get("/operations").status_code == 401


def test_the_policy_is_the_console_s_only(client: FlaskClient, dist: Path) -> None:
    """The routes of the service do not have it, and need their key."""
    answer = client.get("/operations")
    assert answer.status_code == 401
    assert "Content-Security-Policy" not in answer.headers
