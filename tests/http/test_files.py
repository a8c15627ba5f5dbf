"""`GET /runs/ID/files/NAME`: to whom, which part of a file, and nothing that a browser could run as a page of ours."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from streaming import Headway, MemoryStore, file, operation
from streaming.http.files import disposition
from tests.stores.contract import until
from tests.worlds import World

BODY = bytes(range(256)) * 2_000
TAG = f'"{sha256(BODY).hexdigest()}"'


@operation
def files() -> Iterator[Any]:
    """Hands over some files."""
    yield file("data.bin", BODY)
    yield file("page.html", b"<script>alert(1)</script>")
    yield file('Ärger "1" 100%.png', b"png")
    yield file("empty", b"")


KEYS = {"Authorization": "Bearer one"}


class Client:
    """A client of an application with one finished run of ann's."""

    def __init__(self, **options: Any) -> None:
        app = Flask(__name__)
        self.headway = Headway(app, operations=[files], api_keys="ann:one,bob:two", **options)
        self.client = app.test_client()
        run = self.headway.start("files", owner="ann")
        run.result(timeout=30)
        self.run = run.id

    def get(self, name: str, method: str = "GET", headers: dict[str, str] | None = None, **more: str) -> TestResponse:
        """The answer to a request of ann's for a file."""
        headers = {**KEYS, **(headers or {}), **{key.replace("_", "-"): value for key, value in more.items()}}
        return self.client.open(f"/runs/{self.run}/files/{quote(name, safe='')}", method=method, headers=headers)


@pytest.fixture
def api(world: World) -> Iterator[Client]:
    """The client, in both worlds."""
    api = Client()
    yield api
    api.headway.close()


def test_a_whole_file(api: Client) -> None:
    """With its length, media type and tag."""
    response = api.get("data.bin")
    assert (response.status_code, response.data) == (200, BODY)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Length"] == str(len(BODY))
    assert response.headers["ETag"] == TAG
    assert response.headers["Accept-Ranges"] == "bytes"
    assert api.get("empty").data == b""
    snapshot = api.client.get(f"/runs/{api.run}", headers=KEYS).get_json()
    assert [each["name"] for each in snapshot["files"]] == ["data.bin", "page.html", 'Ärger "1" 100%.png', "empty"]
    (listed,) = api.client.get("/runs", headers=KEYS).get_json()["runs"]
    assert listed["files"] == snapshot["files"]


@pytest.mark.parametrize("name", ["data.bin", "page.html", 'Ärger "1" 100%.png', "empty"])
def test_never_a_page_of_ours(api: Client, name: str) -> None:
    """Whatever is in a file: it is saved, not shown, is what its type says, runs nothing and is in no shared cache."""
    for headers in ({}, {"Range": "bytes=0-"}, {"If-None-Match": "*"}, {"Range": "bytes=999999-"}):
        response = api.get(name, headers=headers)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "private" in response.headers["Cache-Control"]
        if response.status_code < 300:
            assert response.headers["Content-Disposition"].startswith("attachment; ")


def test_the_name_of_a_download() -> None:
    """It is quoted for old readers, and in UTF-8 for all others (RFC 6266, RFC 8187)."""
    assert disposition('Ärger "1" 100%.png') == (
        "attachment; filename=\"_rger _1_ 100_.png\"; filename*=UTF-8''%C3%84rger%20%221%22%20100%25.png"
    )
    assert disposition("a.png") == "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"
    assert disposition("; filename=b.exe").count('"') == 2


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, len(BODY)),
        ("bytes=-5", len(BODY) - 5, len(BODY)),
        ("bytes=-9999999", 0, len(BODY)),
        ("bytes=511999-9999999", 511_999, len(BODY)),
        ("bytes=131071-131072", 131_071, 131_073),
    ],
)
def test_a_part_of_a_file(api: Client, asked: str, start: int, end: int) -> None:
    """The part that the range names, as far as there is one."""
    response = api.get("data.bin", Range=asked)
    assert (response.status_code, response.data) == (206, BODY[start:end])
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert response.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=512000-", "bytes=600000-700000"])
def test_a_part_that_is_not_there(api: Client, asked: str) -> None:
    """The answer says how long the file is."""
    response = api.get("data.bin", Range=asked)
    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")
    assert api.get("empty", Range="bytes=0-").status_code == 416


@pytest.mark.parametrize("asked", ["bytes=5-3", "bytes=a-b", "items=0-1", "bytes", "bytes=0-1,5-6", "bytes=--1"])
def test_a_range_that_is_ignored(api: Client, asked: str) -> None:
    """One that cannot be read, of another unit, and several: the whole file is sent, as RFC 9110 allows."""
    response = api.get("data.bin", Range=asked)
    assert (response.status_code, response.data) == (200, BODY)


@pytest.mark.parametrize(
    ("version", "status"),
    [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200), ("", 200)],
)
def test_a_part_of_one_version(api: Client, version: str, status: int) -> None:
    """With `If-Range` the part is only sent of the version that the client has, and the whole file of another."""
    assert api.get("data.bin", headers={"Range": "bytes=0-4", "If-Range": version}).status_code == status


def test_a_file_that_the_client_has(api: Client) -> None:
    """It is not sent again."""
    response = api.get("data.bin", headers={"If-None-Match": f'"x", W/{TAG}'})
    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", TAG)
    assert api.get("data.bin", headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_head_of_a_file(api: Client) -> None:
    """It has the same headers, and no body."""
    response = api.get("data.bin", "HEAD")
    assert (response.status_code, response.data) == (200, b"")
    assert (response.headers["Content-Length"], response.headers["ETag"]) == (str(len(BODY)), TAG)
    part = api.get("data.bin", "HEAD", Range="bytes=0-9")
    assert (part.status_code, part.headers["Content-Length"]) == (206, "10")


def test_only_its_owner_gets_a_file(api: Client) -> None:
    """To anyone else the run does not exist, and without a key nothing does."""
    path = f"/runs/{api.run}/files/data.bin"
    assert api.client.get(path).status_code == 401
    other = api.client.get(path, headers={"Authorization": "Bearer two"})
    assert (other.status_code, other.get_json()["code"]) == (404, "run_not_found")


def test_a_run_token_opens_files(api: Client) -> None:
    """One that permits to watch the run, in the address too, as an `<img>` needs it; no other."""
    path = f"/runs/{api.run}/files/data.bin"
    for verbs, status in ((["watch"], 200), (["cancel"], 403)):
        answer = api.client.post(f"/runs/{api.run}/tokens", json={"may": verbs}, headers=KEYS)
        token = answer.get_json()["token"]
        assert api.client.get(path, query_string={"token": token}).status_code == status
        assert api.client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_the_files_of_an_erased_run(api: Client) -> None:
    """They are gone with it."""
    assert api.client.delete(f"/runs/{api.run}/events", headers=KEYS).status_code == 204
    assert api.get("data.bin").get_json()["code"] == "run_not_found"
    store = api.headway.runner.store
    until(lambda: not store.files.runs(), "the bytes are deleted")


@pytest.mark.parametrize("name", ["other", "..", "../data.bin", "/uploads", "DATA.BIN", "data.bin/", "\0", "x" * 3_000])
def test_a_file_that_there_is_not(api: Client, name: str) -> None:
    """Whatever it is called, it is none of another folder."""
    assert api.get(name).status_code in (404, 308)


def test_a_file_that_is_lost(api: Client) -> None:
    """One that somebody has deleted on disk is not found, instead of an error of the server."""
    store = api.headway.runner.store
    store.files.erase([api.run])
    response = api.get("data.bin")
    assert (response.status_code, response.get_json()["code"]) == (404, "file_not_found")


def test_a_page_of_another_origin() -> None:
    """One that may call reads the headers of a file, and asks for a part."""
    api = Client(log=MemoryStore(), cors_origins="https://page.example")
    response = api.get("data.bin", Origin="https://page.example")
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Content-Range", "Content-Disposition"} <= {name.strip() for name in exposed.split(",")}
    api.headway.close()
