"""The store in an sqlite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest

from streaming import ManualClock, event
from streaming.errors import StoreAway
from streaming.stores.base import RUN_BYTES, Store
from streaming.stores.driver import Step
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite import driver as sqlite_driver
from streaming.stores.sqlite import file as sqlite
from streaming.stores.sqlite.driver import PAGES
from streaming.stores.sqlite.store import SqliteStore
from tests.clients import parse_frames
from tests.stores.contract import StoreContract, last_shown, run_info, until
from tests.stores.queue_contract import QueueContract, SharedQueueContract
from tests.stores.shared_contract import MakeWorker, SharedStoreContract, ids, read_all, room, start_run, workers


class TestSqliteStore(StoreContract, QueueContract):
    """The contract."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """The folder for the files of one test."""
        self.tmp_path = tmp_path
        self.files = 0

    def make(self, **options: Any) -> Store:
        """Makes a store in a new file."""
        self.files += 1
        return SqliteStore(self.tmp_path / f"{self.files}.db", **options)


class TestSqliteWorkers(SharedStoreContract, SharedQueueContract):
    """The contract of several workers."""

    @pytest.fixture
    def worker(self, tmp_path: Path) -> Iterator[MakeWorker]:
        """Makes the store of a worker, in one file."""
        self.file = tmp_path / "shared.db"
        with workers(partial(SqliteStore, self.file)) as make:
            yield make

    def lose_events(self, store: SharedStore, run: str, last: Sequence[int]) -> None:
        """Deletes rows of blocks."""
        does(self.file, *(f"DELETE FROM blocks WHERE run = '{run}' AND last = {number}" for number in (0, *last)))

    def lose_tail(self, store: SharedStore, run: str, last: int) -> None:
        """Deletes the last blocks, and sets the row back."""
        does(self.file, f"DELETE FROM blocks WHERE run = '{run}' AND last > {last}")
        does(self.file, f"UPDATE runs SET last = {last} WHERE id = '{run}'")

    def lose(self, store: SharedStore, run: str) -> None:
        """Deletes the rows of a run."""
        with contextlib.closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (run,))


def test_the_newest_blocks_move_to_their_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In larger ones; whoever reads sees the same before and after, in the middle of one of them, too."""
    monkeypatch.setattr(sqlite_driver, "SETTLE_AFTER", 7)
    file = tmp_path / "runs.db"
    with workers(partial(SqliteStore, file)) as make:
        store, other = make(), make()
        producers = [start_run(store, run) for run in ("a", "b")]
        seen = []
        for _ in range(12):
            for producer in producers:
                producer.write(event("item", {"of": producer.run}))
            seen.append(read_all(other, "a"))
        assert [len(each) for each in seen] == list(range(2, 14))
        assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(seen))
        assert read_all(store, "a") == seen[-1]
        assert 0 < counted(file, "settled") < 12
        assert counted(file, "newest") < 7
        [first] = does(file, "SELECT first FROM settled WHERE run = 'a' AND last > first LIMIT 1")[0]
        with contextlib.closing(SqliteStore(file)) as late:
            assert ids(parse_frames(late.read("a", first).block)) == list(range(first + 1, 14))


def test_a_block_that_is_there_already_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that another process has added would be: it stops neither the others nor the run."""
    monkeypatch.setattr(sqlite_driver, "SETTLE_AFTER", 2)
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        producer = start_run(store, "r")
        producer.write(event("item"))
        does(file, "INSERT INTO newest SELECT run, last, last, x'00' FROM settled WHERE run = 'r'")
        producer.write(event("item"))
        producer.write(event("item"))
        assert ids(read_all(store, "r")) == [1, 2, 3, 4]
        assert counted(file, "newest") == 0


def test_a_large_block_is_put_where_it_stays(tmp_path: Path) -> None:
    """It takes pages of its own, and would be copied."""
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        producer = start_run(store, "r")
        producer.write(event("item", {"text": "x" * 10_000}))
        assert (counted(file, "newest"), counted(file, "settled")) == (1, 1)


def test_a_file_from_before_the_newest_blocks(tmp_path: Path) -> None:
    """Its blocks are read, and whatever adds and deletes rows of `blocks`, as the release before does, still may."""
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        start_run(store, "r").write(event("item"))
        before = read_all(store, "r")
    does(
        file,
        "INSERT INTO settled SELECT * FROM newest",
        *("DROP VIEW blocks", "DROP TRIGGER runs_gone", "DROP TABLE newest", "ALTER TABLE settled RENAME TO blocks"),
    )
    with contextlib.closing(SqliteStore(file)) as store:
        assert read_all(store, "r") == before
        does(file, "INSERT INTO blocks (run, first, last, frames) VALUES ('r', 9, 9, x'00')")
        assert counted(file, "settled") == counted(file, "blocks") > 0
        does(file, "DELETE FROM blocks WHERE run = 'r'")
        assert counted(file, "blocks") == 0


def counted(file: Path, table: str) -> int:
    """The number of rows of a table."""
    return int(does(file, f"SELECT count(*) FROM {table}")[0][0])


@pytest.mark.parametrize("statement", PAGES.values(), ids=["all", "operation", "list", "both"])
def test_a_page_has_an_index(tmp_path: Path, statement: str) -> None:
    """sqlite searches the runs by it, in order, whatever the filters are."""
    names = ("owner", "operation", "list", "number", "limit", "now")
    with contextlib.closing(SqliteStore(tmp_path / "runs.db")) as store:
        explain = f"EXPLAIN QUERY PLAN {statement}"
        plan = store.driver.query(Step(lambda db: db.execute(explain, dict.fromkeys(names)).fetchall(), list))
    details = [row["detail"] for row in plan]
    (runs,) = [each for each in details if " runs " in each]
    assert runs.startswith("SEARCH runs USING INDEX runs_of")
    assert runs.endswith("number<?)")
    assert not [each for each in details if "TEMP B-TREE" in each]


def test_a_file_without_lists(tmp_path: Path) -> None:
    """A file from before the lists has them once it is opened."""
    with contextlib.closing(SqliteStore(tmp_path / "runs.db")) as store:
        start_run(store, "over").end()
        start_run(store, "live")
        store.create(run_info("queued"), queued=True)
        store.flush()
    indexes = ("runs_of_operation", "runs_of_list", "runs_of_operation_and_list", "runs_at_work", "runs_in_line")
    triggers = ("runs_listed", "queue_longer", "queue_changed")
    does(tmp_path / "runs.db", *(f"DROP TRIGGER {name}" for name in triggers))
    does(tmp_path / "runs.db", *(f"DROP INDEX {name}" for name in indexes))
    does(tmp_path / "runs.db", "ALTER TABLE runs DROP COLUMN list")
    with contextlib.closing(SqliteStore(tmp_path / "runs.db")) as store:
        for status, run in {"succeeded": "over", "running": "live", "queued": "queued"}.items():
            page = store.page(owner="", operation=None, status=status, limit=9, before=None)
            assert [record.info.id for record in page] == [run]


@pytest.mark.parametrize("older", [False, True], ids=["new", "existing"])
def test_others_do_not_read_the_file(tmp_path: Path, older: bool) -> None:
    """The file and its companions are their owner's alone, also those of a release that left them to all."""
    file = tmp_path / "made" / "deep" / "runs.db"
    before = os.umask(0o022)
    try:
        if older:
            with contextlib.closing(SqliteStore(file)) as store:
                start_run(store, "r").end()
            for each in file.parent.iterdir():
                each.chmod(0o664)
        with contextlib.closing(SqliteStore(file)) as store:
            start_run(store, "r2").end()
            store.flush()
            modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.iterdir()}
            sockets = file.with_name(".runs.db-workers")
            assert [each.stat().st_mode & 0o777 for each in sockets.iterdir()] == [0o600]
            assert modes.pop(sockets.name) == 0o700
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("runs.db", "runs.db-wal", "runs.db-shm"), 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_close_during_a_poll(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is closed at any moment of a poll logs nothing."""
    monkeypatch.setattr(sqlite, "POLL", 0.0)
    monkeypatch.setattr(sqlite, "SLOW_POLL", 0.0)
    for number in range(30):
        store = SqliteStore(tmp_path / "runs.db")
        store.create(run_info(f"r{number}"))
        gevent.sleep(0.0001 * number)
        store.close()
    assert not caplog.records


def does(file: Path, *statements: str) -> list[Any]:
    """The rows of the last statement on a file."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def test_the_file_gives_room_back(tmp_path: Path) -> None:
    """Once runs are deleted the file shrinks, in small steps of the maintenance."""
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file, store_bytes=40_000_000)) as store:
        for number in range(40):
            producer = start_run(store, f"r{number}")
            producer.write(event("large", {"text": "x" * 500_000}))
            producer.end()
        full = file.stat().st_size
        assert full > 15_000_000
        for number in range(40):
            assert store._execute(store.driver.erase(f"r{number}"))
        for _ in range(20):
            store.sweep()
        assert file.stat().st_size < full / 2
        start_run(store, "live").end()
        assert ids(read_all(store, "live")) == [1, 2]


def test_a_large_run_is_deleted_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the end of its retention nor an eviction holds the lock of the file for long; meanwhile it has a gap."""
    monkeypatch.setattr("streaming.stores.sqlite.room.SLICE_BYTES", 100_000)
    clock = ManualClock()
    with contextlib.closing(SqliteStore(tmp_path / "runs.db", retention=100, clock=clock)) as store:
        for run in ("evicted", "expired"):
            producer = start_run(store, run)
            for _ in range(10):
                producer.write(event("large", {"text": "x" * 30_000}))
            producer.end()
        clock.advance(50)
        steps, total = 0, room(store)
        while total > 310_000:
            left, deleted = store._execute(store.driver.evict(310_000))
            assert 0 < total - left < 150_000
            total, steps = left, steps + 1
            if not deleted:
                assert store.read("evicted", 0).oldest > 1
        assert steps > 2
        assert store.find("evicted") is None
        clock.advance(100)
        before = room(store)
        store.sweep()
        assert 0 < before - store.bytes_used < 150_000
        for _ in range(4):
            store.sweep()
        assert store.find("expired") is None
        assert store.bytes_used == 0


def test_a_file_without_what_was_added_to_its_version(tmp_path: Path) -> None:
    """It gets what is missing, once, and the bytes of the runs in it are counted."""
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        start_run(store, "over", input=b"x" * 1000).end()
        start_run(store)
        before = room(store)
    triggers = does(file, "SELECT name FROM sqlite_master WHERE name LIKE 'room_%'")
    does(file, *(f"DROP TRIGGER {name}" for (name,) in triggers), "DROP TABLE room", "DROP INDEX runs_expires")
    does(file, "ALTER TABLE runs DROP COLUMN expires")
    does(file, "CREATE INDEX runs_queued ON runs (number) WHERE queued AND ending IS NULL")
    for _ in range(2):
        with contextlib.closing(SqliteStore(file)) as store:
            assert room(store) == before > 1000 + 2 * RUN_BYTES
            start_run(store, "new").end()
            assert room(store) > before
            assert store._execute(store.driver.erase("new"))
            store.sweep()
            assert store.find("over") is not None


def test_a_file_without_incremental_vacuum(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is used as it is, and one line says that it keeps its size."""
    file = tmp_path / "runs.db"
    SqliteStore(file).close()
    does(file, "PRAGMA auto_vacuum = NONE", "VACUUM")
    with caplog.at_level("INFO", "headway"), contextlib.closing(SqliteStore(file)) as store:
        start_run(store).end()
        store.sweep()
    (record,) = caplog.records
    assert "keeps its size" in record.message


# A file that is deleted or replaced


def delete(file: Path) -> None:
    """Deletes the file and its companions."""
    for each in file.parent.glob("runs.db*"):
        each.unlink()


def move(file: Path) -> None:
    """Moves the file and its companions away."""
    for each in file.parent.glob("runs.db*"):
        each.rename(each.with_name(f"moved-{each.name}"))


def move_back(file: Path) -> None:
    """Moves the file and its companions back."""
    for each in file.parent.glob("moved-runs.db*"):
        each.rename(each.with_name(each.name.removeprefix("moved-")))


def replace(file: Path) -> None:
    """Puts another file in its place, as a restored backup is."""
    other = file.with_name("other.db")
    SqliteStore(other).close()
    delete(file)
    other.rename(file)


def start_anew(file: Path) -> None:
    """Deletes the file, and lets another worker make a new one."""
    delete(file)
    SqliteStore(file).close()


def delete_log(file: Path) -> None:
    """Deletes the write-ahead log alone."""
    Path(f"{file}-wal").unlink()


@pytest.mark.parametrize("fault", [delete, move, replace, start_anew, delete_log])
def test_a_file_that_is_not_the_same_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], None]
) -> None:
    """The worker is not ready, starts and writes nothing, and says so in one line; its viewers keep what was kept."""
    monkeypatch.setattr("streaming.stores.shared.WRITE_TIMEOUT", 0.1)  # of the flush at the end
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        producer = start_run(store)
        store.ready()
        gevent.sleep(2 * sqlite.CHECK)
        fault(file)
        with pytest.raises(StoreAway):
            store.ready()
        for _ in range(3):
            store.sweep()
        producer.append(event("tick"))
        with pytest.raises(StoreAway):
            store.create(run_info("r2"))
        until(lambda: store._writer.away, "the writer is away")
        for _ in range(3):
            store.sweep()
        assert not store.adopt_orphans()
        assert ids(read_all(store, "r")) == [1]
        assert last_shown(store, "r") == 1
        errors = [record.message for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
        assert len(errors) == 1, errors
        assert f"{file} (or its -wal or -shm) was deleted or replaced" in errors[0]
        if fault is not delete_log:
            assert not file.exists() or does(file, "SELECT count(*) FROM runs") == [(0,)]


def test_a_file_that_is_back(tmp_path: Path) -> None:
    """Once the same file is where it was, the worker goes on, and no event is missing."""
    file = tmp_path / "runs.db"
    with contextlib.closing(SqliteStore(file)) as store:
        producer = start_run(store)
        gevent.sleep(2 * sqlite.CHECK)
        move(file)
        store.sweep()
        producer.append(event("tick"))
        until(lambda: store._writer.away, "the writer is away")
        move_back(file)
        until(lambda: last_shown(store, "r") == 2, "the event is kept")
        store.sweep()
        store.ready()
        start_run(store, "r2").end()
