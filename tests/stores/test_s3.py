"""Files in an object store: moto's S3, over a real socket, which is also slow, refuses, and goes away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask

from streaming import Headway, MemoryStore, OperationError, SettingError, file, operation
from streaming.errors import StoreAway
from streaming.settings import Settings
from streaming.stores import check_store, open_store, s3
from streaming.stores.files import DEAD_AFTER, SIGN_EVERY
from streaming.stores.s3 import PART, S3Files
from streaming.stores.sqlite.store import SqliteStore
from tests.object_store import BUCKET, KEY, SECRET, ObjectStore, object_store
from tests.stores.contract import read_file, until
from tests.stores.test_files import started
from tests.worlds import World, entered

URL = f"s3://{BUCKET}/some/prefix"


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    """An object store for all tests."""
    with object_store() as server:
        yield server


@pytest.fixture(autouse=True)
def bucket(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The object store, empty, in the environment."""
    server.empty()
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(s3.RETRY, "max_retries", 1)
    monkeypatch.setitem(s3.RETRY, "retry_timeout", timedelta(seconds=1))
    return server


@pytest.fixture(autouse=True)
def world() -> Iterator[World]:
    """The hub of this thread."""
    with entered("own hub") as world:
        yield world


@pytest.fixture
def files() -> S3Files:
    """The place, with a part for a store."""
    files = S3Files(URL)
    files.part = "part"
    return files


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with its files there."""
    store = SqliteStore(tmp_path / "runs.db", files=S3Files(URL))
    yield store
    store.close()


def test_a_file(files: S3Files) -> None:
    """It is written, read from anywhere in it, listed with its run, and deleted."""
    content = os.urandom(3_000_000)
    info, body = files.write("r", "a", "text/plain", content, 3_000_000)
    assert (info.size, body) == (3_000_000, b"")
    with files.open("r", info, b"") as opened:
        assert opened.read() == content
        opened.seek(2_999_990)
        assert (opened.read(100), opened.read(1)) == (content[-10:], b"")
    assert files.runs() == {"r"}
    files.drop("r", info)
    files.drop("r", info)
    with pytest.raises(FileNotFoundError):
        files.open("r", info, b"")
    assert files.runs() == set()


def test_a_large_file(files: S3Files, bucket: ObjectStore, tmp_path: Path) -> None:
    """It is sent in parts, and read in ranges; memory stays bounded, as `READ` and `PART` say."""
    (path := tmp_path / "large").write_bytes(content := os.urandom(2 * PART + 1_000))
    info, _ = files.write("r", "large", "application/octet-stream", path, 1 << 30)
    assert sum("partNumber=" in request for request in bucket.requests) == 3
    with files.open("r", info, b"") as opened:
        assert b"".join(iter(lambda: opened.read(1 << 17), b"")) == content
    assert sum(request.startswith("GET") for request in bucket.requests) == -(-len(content) // s3.READ)


def test_a_file_that_is_too_large(files: S3Files, bucket: ObjectStore) -> None:
    """Nothing of it is sent."""
    with pytest.raises(OperationError) as caught:
        files.write("r", "a", "text/plain", b"x" * 1_001, 1_000)
    assert (caught.value.code, bucket.requests) == ("too_large", [])


@pytest.mark.parametrize("size", [1_000, PART + 1_000])
def test_a_file_that_changes_while_it_is_sent(
    files: S3Files, bucket: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is no file, and no part of it is left."""
    (path := tmp_path / "changes").write_bytes(b"a" * size)
    again = s3._Again

    def change(*args: Any) -> Any:
        path.write_bytes(b"b" * size)
        return again(*args)

    monkeypatch.setattr(s3, "_Again", change)
    with pytest.raises(OSError, match="was changed"):
        files.write("r", "changes", "text/plain", path, 1 << 30)
    assert files.runs() == set()
    assert "<UploadId>" not in bucket.uploads


def test_runs_are_listed_page_by_page(files: S3Files, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, one call asks for one page; after the last one it begins anew."""
    monkeypatch.setattr(s3, "PAGE", 3)
    for number in range(4):
        files.write(f"r{number}", "a", "text/plain", b"text", 100)
    bucket.requests.clear()
    assert (files.runs(), files.more) == ({"r0", "r1", "r2"}, True)
    assert (files.runs(), files.more) == ({"r3"}, False)
    assert (files.runs(), files.more) == ({"r0", "r1", "r2"}, True)
    files.erase(["r0", "r1", "r2", "r3", "none"])
    files.runs()
    assert files.runs() == set()


def test_an_object_store_that_refuses(
    store: SqliteStore, bucket: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as away; the log says so once, with the status and the code, and nothing else of the answer."""
    started(store)
    store.put_file("r", "a", "text/plain", b"text")
    bucket.refuses = {"GET", "PUT", "POST", "HEAD"}
    for _ in range(2):
        with pytest.raises(StoreAway, match=r"^the object store answers 403 SignatureDoesNotMatch$") as caught:
            store.put_file("r", "b", "text/plain", b"text")
        assert caught.value.__suppress_context__
    with pytest.raises(StoreAway):
        read_file(store, "r", "a")
    bucket.refuses.clear()
    store.put_file("r", "b", "text/plain", b"text")
    lines = [record.getMessage() for record in caplog.records if "place of the files" in record.getMessage()]
    assert lines == [
        "the place of the files is away: the object store answers 403 SignatureDoesNotMatch",
        "the place of the files is back",
    ]
    assert not any(word in caplog.text for word in (KEY, SECRET, "StringToSign"))


def test_a_bucket_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """It is away too, and no file is taken for a missing one."""
    files = S3Files("s3://no-such-bucket")
    files.part = "part"
    for call in (
        lambda: files.write("r", "a", "text/plain", b"text", 100),
        files.runs,
    ):
        with pytest.raises(StoreAway, match="404 NoSuchBucket"):
            call()


def test_an_object_store_that_is_away(
    files: S3Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing listens: that is said in seconds."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # discard, which nobody serves
    files = S3Files(URL)
    files.part = "part"
    began = time.monotonic()
    with pytest.raises(StoreAway, match="does not answer"):
        files.write("r", "a", "text/plain", b"text", 100)
    assert time.monotonic() - began < 30


def test_an_object_store_that_stalls(store: SqliteStore, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub goes on, and so does everything else that needs its threads; the call ends with its timeout."""
    monkeypatch.setitem(s3.CLIENT, "timeout", timedelta(seconds=0.5))
    store.files = S3Files(URL)
    started(store)
    store.put_file("r", "a", "text/plain", b"text")
    found = store.find_file("r", "a")
    assert found is not None
    bucket.stalled.clear()

    def open_file() -> None:
        with pytest.raises(StoreAway, match="does not answer"):
            store.in_place(store.files.open, "r", *found)

    stalled = [gevent.spawn(open_file) for _ in range(s3.THREADS + 4)]
    ticks = 0
    while not all(each.ready() for each in stalled):
        gevent.get_hub().threadpool.apply(time.sleep, (0.001,))
        ticks += 1
    assert ticks > 10
    assert all(each.successful() for each in stalled)
    store.sweep()  # does not wait for the files
    bucket.stalled.set()
    assert read_file(store, "r", "a") == b"text"


def test_a_run_that_is_erased_while_it_is_away(store: SqliteStore, bucket: ObjectStore) -> None:
    """Its files are deleted by a sweep once the object store is back; those of a run without a row, too."""
    erased, _ = started(store), started(store, "kept")
    for run in ("r", "kept"):
        store.put_file(run, "a", "text/plain", b"text")
    erased.end()
    store.in_place(store.files.write, "lost", "a", "text/plain", b"text", 100)
    bucket.refuses = {"GET", "POST"}
    assert store.erase("r")
    assert store.find("r") is None
    store.sweep()
    until(lambda: not store._caring, "a sweep has failed")
    bucket.refuses.clear()
    assert store.in_place(store.files.runs) == {"r", "kept", "lost"}
    store.sweep()
    until(lambda: not store._caring, "a sweep has ended")
    assert store.in_place(store.files.runs) == {"kept"}
    assert read_file(store, "kept", "a") == b"text"


def test_runs_in_memory_whose_process_dies(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their files have a part of the process, which the next one deletes once it shows no sign of life."""
    dead, living, third = (MemoryStore(files=S3Files(URL)) for _ in range(3))
    for store in (dead, living):
        started(store)
        store.put_file("r", "a", "text/plain", b"text")
    assert isinstance(dead.files, S3Files)
    now = time.time()
    signs = third.files.signs()  # type: ignore[attr-defined]
    assert len(signs) == 2
    assert all(abs(when - now) < DEAD_AFTER / 2 for when in signs.values())
    own = dead.files.own()
    signs[own] -= DEAD_AFTER + 1
    monkeypatch.setattr(third.files, "signs", lambda: signs)
    third.sweep()
    until(lambda: not third._caring, "a sweep has ended")
    with pytest.raises(FileNotFoundError):
        read_file(dead, "r", "a")
    assert read_file(living, "r", "a") == b"text"
    living.close()
    assert S3Files(URL).signs() == {}
    assert b"<Key>" not in bucket.ask("GET", f"/{BUCKET}?list-type=2")
    assert SIGN_EVERY * 10 < DEAD_AFTER


@operation
def hand_over() -> Iterator[Any]:
    """Hands over a file."""
    yield file("data.bin", BODY)


BODY = bytes(range(256)) * 10_000


def test_a_file_over_http(tmp_path: Path, bucket: ObjectStore) -> None:
    """It is sent whole and in ranges; 503 while the object store refuses, and nothing of its answer."""
    app = Flask(__name__)
    headway = Headway(app, operations=[hand_over], store=f"sqlite:///{tmp_path}/runs.db", files=URL)
    headway.serving = True
    run = headway.start("hand_over")
    run.result(timeout=60)
    client, path = app.test_client(), f"/runs/{run.id}/files/data.bin"
    assert client.get(path).data == BODY
    part = client.get(path, headers={"Range": "bytes=2000000-2000009"})
    assert (part.status_code, part.data) == (206, BODY[2_000_000:2_000_010])
    bucket.refuses = {"GET", "HEAD"}
    refused = client.get(path)
    assert (refused.status_code, refused.json and refused.json["code"]) == (503, "store_away")
    assert not any(word in refused.text for word in (KEY, SECRET, "Signature"))
    bucket.refuses.clear()
    assert client.get(path).data == BODY
    run.erase()
    assert client.get(path).status_code == 404
    assert b"run-" not in bucket.ask("GET", f"/{BUCKET}?list-type=2")
    headway.close()


PATCHED = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from streaming.stores.s3 import S3Files
files = S3Files(sys.argv[1])
files.part = "part"
def use(number):
    body = bytes([number]) * 200_000
    info, _ = files.call(files.write, str(number), "a", "text/plain", body, 1 << 30)
    with files.call(files.open, str(number), info, b"") as file:
        assert files.call(file.read) == body
users = [gevent.spawn(use, number) for number in range(9)]
ticks = 0
while not all(user.ready() for user in users):
    gevent.sleep(0.001)
    ticks += 1
assert all(user.successful() for user in users)
assert ticks > 9, ticks
"""


def test_under_patching(files: S3Files) -> None:
    """Calls of many greenlets go on at once, in threads that keep nothing of each other's hub; the hub goes on too."""
    subprocess.run([sys.executable, "-c", PATCHED, URL], check=True, timeout=120)
    assert files.runs() == {str(number) for number in range(9)}


FORK = """
import os, signal, sys
from streaming.stores.s3 import S3Files
files = S3Files(sys.argv[1])
files.part = "part"
signal.alarm(60)
pid = os.fork()
info, _ = files.write(str(pid == 0), "a", "text/plain", b"text", 100)
assert files.open(str(pid == 0), info, b"").read() == b"text"
assert not pid or os.waitpid(pid, 0)[1] == 0
"""


def test_in_a_fork(files: S3Files) -> None:
    """A worker that was forked after the place was opened uses it, as does its parent: nothing was connected before."""
    subprocess.run([sys.executable, "-c", FORK, URL], check=True, timeout=60)
    assert files.runs() == {"True", "False"}


@pytest.mark.parametrize(
    "value", ["s3:", "s3://", "s3:///key", "s3://Bucket/key", "s3://bucket/a?b", "s3://u:p@bucket"]
)
def test_a_setting_that_cannot_be_read(value: str) -> None:
    """It stops the start with one line."""
    with pytest.raises(SettingError, match="it takes store: or file:///SHARED/PATH or s3://BUCKET/PREFIX") as caught:
        Settings.read({"HEADWAY_FILES": value})
    assert "\n" not in str(caught.value)


def test_variables_of_aws_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stop the start too, and the line has none of them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@[nowhere")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", SECRET)
    with pytest.raises(SettingError, match=r"HEADWAY_FILES is .*AWS's variables cannot be read") as caught:
        check_store(Settings(files=URL))
    assert SECRET not in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is refused with the command that installs it."""
    monkeypatch.delitem(sys.modules, "streaming.stores.s3")
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(SettingError, match=r"HEADWAY_FILES is in S3, which needs .*pip install 'obstore>="):
        check_store(Settings(files=URL))


def test_stores_of_the_settings(tmp_path: Path, bucket: ObjectStore) -> None:
    """Each has a part of its own, and sweeps no other."""
    stores = [open_store(Settings(store=url, files=URL)) for url in (f"sqlite:///{tmp_path}/runs.db", "memory:")]
    for store in stores:
        started(store)
        store.put_file("r", "a", "text/plain", b"text")
    for store in stores:
        store.sweep()
        until(lambda store=store: not store._caring, "a sweep has ended")  # type: ignore[misc]
    assert [read_file(store, "r", "a") for store in stores] == [b"text", b"text"]
    keys = re.findall(r"<Key>some/prefix/([a-z0-9-]+)/", bucket.ask("GET", f"/{BUCKET}?list-type=2").decode())
    assert sorted(len(key) for key in keys) == [len("alive"), 16, len("own-") + 16]
    for store in stores:
        store.close()
