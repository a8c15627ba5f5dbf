"""Two releases on one store: the code of the schema version before this one beside this code, and stores further away.

`releases/schema-N.zip` has the modules of `streaming` (without the client) in the last release of schema version N. A
new version adds one: `git archive TAG streaming`, the `.py` files of it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streaming import ManualClock
from streaming.errors import StoreAway
from streaming.stores.base import Record
from streaming.stores.driver import OLDEST_VERSION, SCHEMA_VERSION, check_version
from streaming.stores.redis.primary import Primary, call
from streaming.stores.redis.store import RedisStore
from streaming.stores.sqlite.store import SqliteStore
from tests.live.workers import STORES, store_in
from tests.stores.shared_contract import start_run

pytestmark = pytest.mark.live

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
CODE = {"before": FOLDER / "releases" / f"schema-{SCHEMA_VERSION - 1}.zip", "now": ROOT}
LEASE = 0.5
BOUND = 15.0


class Release:
    """A worker of a release, in a process of its own."""

    def __init__(self, code: Path, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(FOLDER / "release_worker.py"), url, str(LEASE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(code)},
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(orjson.dumps([name, *arguments]) + b"\n")
            self.process.stdin.flush()
            return orjson.loads(self.process.stdout.readline())

        return call

    def stop(self) -> None:
        """Lets the process end."""
        self.process.communicate(timeout=BOUND)

    def kill(self) -> None:
        """Kills the process."""
        self.process.kill()
        with self.process:  # which closes its pipes
            pass


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store."""
    with store_in(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def release(url: str) -> Iterator[Callable[[str], Release]]:
    """Starts a worker of the release `before`, or of this code (`now`)."""
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Release:
            started = Release(CODE[name], url)
            stack.callback(started.kill)
            assert started.release().startswith(str(CODE[name]))
            return started

        yield start


@pytest.mark.parametrize(("producer", "other"), [("before", "now"), ("now", "before")])
def test_one_store(release: Callable[[str], Release], producer: str, other: str) -> None:
    """A run of one release is followed, answered, cancelled, finished and adopted by the other, and listed by both."""
    before = release("before")  # it makes the store
    releases = {"before": before, "now": release("now")}
    one, two = releases[producer], releases[other]
    one.start("r")
    one.write("r", "tick", {"n": 1})
    assert two.events("r", 2) == ["start", "tick"]
    two.count("r", +1)
    two.cancel("r")
    assert two.answer("r", "yes")
    assert one.requests("r") == ["requested", "yes", 1]
    one.write("r", "done", {"status": "cancelled", "elapsed": 0.0})
    assert two.events("r", 3) == ["start", "tick", "done"]
    one.start("orphan")
    one.kill()
    assert two.adopt("orphan") == 1
    two.write("orphan", "done", {"status": "succeeded", "elapsed": 0.0})
    again = release(producer)
    for each in (again, two):
        assert each.runs() == {"orphan": "succeeded", "r": "cancelled"}
    assert again.events("orphan", 2) == ["start", "done"]


def test_a_rollback(release: Callable[[str], Release]) -> None:
    """The release before goes on with a store that this code has made, and this code with what it leaves."""
    now = release("now")
    now.start("r")
    now.write("r", "done", {"status": "succeeded", "elapsed": 0.0})
    now.stop()
    before = release("before")
    assert before.runs() == {"r": "succeeded"}
    before.start("r2")
    before.write("r2", "done", {"status": "failed", "elapsed": 0.0})
    before.stop()
    assert release("now").runs() == {"r2": "failed", "r": "succeeded"}


def test_the_total_of_two_releases(release: Callable[[str], Release], url: str) -> None:
    """What the release before writes and ends, which knows no total, is in the total, and is deleted in its time."""
    before = release("before")
    before.start("live")
    before.start("over")
    before.write("over", "tick", {"text": "x" * 50_000})
    clock = ManualClock()
    clock.jump(time.time() - clock.now())
    with contextlib.closing(make(url, clock=clock)) as store:
        store.sweep()
        first = store.bytes_used
        assert 50_000 < first < 60_000
        before.write("over", "done", {"status": "succeeded", "elapsed": 0.0})
        before.write("live", "tick", {"text": "x" * 20_000})
        clock.advance(100)
        store.driver._recounted_at = float("-inf")  # type: ignore[attr-defined]
        store.sweep()
        assert 20_000 < store.bytes_used - first < 21_000
        clock.advance(4000)
        store.sweep()
        assert 20_000 < store.bytes_used < 25_000
        assert [record.info.id for record in list_runs(store)] == ["live"]


def test_the_lists_of_two_releases(release: Callable[[str], Release]) -> None:
    """What the release before creates, ends and deletes, which keeps no lists, is found by operation and by status."""
    before, now = release("before"), release("now")
    before.start("r1")
    assert now.listed("count", None) == now.listed(None, "running") == ["r1"]
    now.start("r2")
    before.start("r3")
    now.start("r4")
    before.write("r1", "done", {"status": "failed", "elapsed": 0.0})
    now.write("r2", "done", {"status": "succeeded", "elapsed": 0.0})
    assert now.listed("count", None) == ["r4", "r3", "r2", "r1"]
    assert now.listed("count", "failed") == now.listed(None, "failed") == ["r1"]
    assert now.listed("other", "failed") == []
    assert now.listed(None, "succeeded") == ["r2"]
    assert now.listed("count", "running") == ["r4", "r3"]
    now.write("r4", "done", {"status": "succeeded", "elapsed": 0.0})
    assert now.listed(None, "succeeded") == before.listed(None, "succeeded") == ["r4", "r2"]


def test_a_queued_run(release: Callable[[str], Release]) -> None:
    """The release before, which knows no queue, does not take it for the run of a dead worker."""
    before, now = release("before"), release("now")
    now.start("orphan")
    now.queue("queued")
    now.kill()
    assert before.adoptions(4 * LEASE + 1) == ["orphan"]
    assert release("now").runs() == {"queued": "queued", "orphan": "running"}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # in Redis the queue is no worker
def test_a_queue_that_seems_dead(release: Callable[[str], Release], url: str) -> None:
    """Where no worker of this release lives for a while, the release before may try to adopt: the run stays queued."""
    now = release("now")
    now.queue("queued")
    now.kill()
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("DELETE FROM workers")
    before = release("before")
    before.adoptions(2 * LEASE + 0.5)
    before.kill()
    again = release("now")
    assert again.runs() == {"queued": "queued"}
    assert again.claim("count") == ["queued"]


def test_what_a_later_version_adds(url: str) -> None:
    """Columns and fields that this version does not know are ignored, whatever is in them."""
    with contextlib.closing(make(url)) as store:
        start_run(store)
        if url.startswith("sqlite"):
            sqlite_does(url, "ALTER TABLE runs ADD COLUMN later BLOB")
            sqlite_does(url, "UPDATE runs SET later = x'ff00'")
        else:
            redis_does(url, "HSET", "headway:run:r", "later", b"\xff\x00")
        with contextlib.closing(make(url)) as other:
            record = other.find("r")
            assert record is not None
            assert record.fold.last_event_id == 1
            start_run(other, "r2").end()
            assert [record.info.id for record in list_runs(other)] == ["r2", "r"]


def list_runs(store: SqliteStore | RedisStore) -> list[Record]:
    """All runs, newest first."""
    return store.page(owner="", operation=None, status=None, limit=9, before=None)


VERSIONS: Any = [
    (SCHEMA_VERSION + 1, SCHEMA_VERSION, None),
    (SCHEMA_VERSION + 1, SCHEMA_VERSION + 1, f"it takes a release of version {SCHEMA_VERSION + 1} or later"),
    (SCHEMA_VERSION + 3, SCHEMA_VERSION + 2, f"it takes a release of version {SCHEMA_VERSION + 2} or later"),
]


@pytest.mark.parametrize(("stored", "oldest", "advice"), VERSIONS)
def test_other_versions(url: str, tmp_path: Path, stored: int, oldest: int, advice: str | None) -> None:
    """A store that is further away is refused in one line with what to do; one that allows this version is used."""
    make(url).close()
    set_version(url, stored, oldest)
    if advice is None:
        make(url).close()
        assert version(url) == (stored, oldest)
        return
    with pytest.raises(StoreAway) as refused:
        make(url).ready()
    (line,) = str(refused.value).splitlines()
    assert f"has schema version {stored}, and this release has {SCHEMA_VERSION}: {advice}" in line
    assert version(url) == (stored, oldest)


def test_a_version_that_is_two_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs the release in between, which knows how to go on from it."""
    monkeypatch.setattr("streaming.stores.driver.SCHEMA_VERSION", 5)
    check_version(4, 3, "the file")
    with pytest.raises(
        ValueError, match=r"^the file has schema version 3, .* start a release of version 4 on it before"
    ):
        check_version(3, 2, "the file")


def test_a_store_says_its_version(url: str) -> None:
    """A new store has this version, and the oldest one that may use it."""
    make(url).close()
    assert version(url) == (SCHEMA_VERSION, OLDEST_VERSION)


def make(url: str, **options: Any) -> SqliteStore | RedisStore:
    """The store of a worker, which has used it."""
    path = url.removeprefix("sqlite:///")
    store = SqliteStore(path, **options) if path != url else RedisStore(url, **options)
    try:
        store.find("none")
    except StoreAway:
        store.close()
        raise
    return store


def set_version(url: str, stored: int, oldest: int) -> None:
    """Writes a version into a store."""
    if url.startswith("sqlite"):
        sqlite_does(url, "UPDATE schema SET version = ?, oldest = ?", stored, oldest)
    else:
        redis_does(url, "SET", "headway:version", f"{stored} {oldest}")


def version(url: str) -> tuple[int, int]:
    """The version in a store, and the oldest one."""
    if url.startswith("sqlite"):
        ((stored, oldest),) = sqlite_does(url, "SELECT version, oldest FROM schema")
    else:
        stored, oldest = redis_does(url, "GET", "headway:version").split()
    return int(stored), int(oldest)


def sqlite_does(url: str, statement: str, *values: Any) -> list[Any]:
    """The rows of a statement on the file."""
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
        return file.execute(statement, values).fetchall()


def redis_does(url: str, *command: str | bytes) -> Any:
    """The reply to a command, whatever version is in Redis."""
    connection, _ = Primary(url).connect(2.0)
    reply = call(connection, *command)
    connection.disconnect()  # type: ignore[no-untyped-call]
    return reply
