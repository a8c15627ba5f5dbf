"""Where files lie: a folder of a store, one of a process, and the store itself; and what a store has room for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streaming import ManualClock, MemoryStore, OperationError, SettingError
from streaming.settings import Settings
from streaming.stores import check_store, open_store
from streaming.stores.base import EVICT_AFTER, Store
from streaming.stores.files import DEAD_AFTER, SIGN, Folder, InStore, SharedFolder, TemporaryFolder
from streaming.stores.sqlite.store import SqliteStore
from tests.stores.contract import Producer, read_file, run_info, start_event, until

KILLED = """
import sys
from streaming.stores.files import TemporaryFolder
files = TemporaryFolder()
files.write("r", "a", "text/plain", b"text", 100)
print("written", flush=True)
sys.stdin.read()
"""


def started(store: Store, run: str = "r") -> Producer:
    """A run of `store`."""
    store.create(run_info(run))
    producer = Producer(store, run, ManualClock())
    producer.write(start_event(run=run))
    return producer


@pytest.fixture(params=["memory", "sqlite"])
def small(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """A store that may take 100,000 bytes."""
    store: Store = (
        MemoryStore(store_bytes=100_000, clock=clock)
        if request.param == "memory"
        else SqliteStore(tmp_path / "runs.db", store_bytes=100_000, clock=clock)
    )
    yield store
    store.close()


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the stores."""
    return ManualClock()


def test_a_store_without_room(small: Store, clock: ManualClock) -> None:
    """A file that does not fit is refused, and leaves nothing; finished runs are deleted for one that does."""
    producer = started(small, "old")
    small.put_file("old", "a", "text/plain", b"x" * 60_000)
    producer.end()
    started(small)
    with pytest.raises(OperationError, match="no room"):
        small.put_file("r", "a", "text/plain", b"x" * 50_000)
    clock.advance(EVICT_AFTER + 1)
    small.put_file("r", "a", "text/plain", b"x" * 50_000)
    assert small.find("old") is None
    small.sweep()
    until(lambda: small.files.runs() == {"r"}, "the files of the deleted run are gone")
    with pytest.raises(OperationError, match="no room"):
        small.put_file("r", "b", "text/plain", b"x" * 60_000)


def test_too_many_files(small: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may have so many; one of the same name is none more."""
    for module in ("memory", "shared"):
        monkeypatch.setattr(f"streaming.stores.{module}.MAX_FILES", 2)
    started(small)
    for name in ("a", "b", "a"):
        small.put_file("r", name, "text/plain", b"text")
    with pytest.raises(OperationError, match="A run may hand over") as caught:
        small.put_file("r", "c", "text/plain", b"text")
    assert caught.value.code == "too_large"


def test_a_file_that_is_too_large(small: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused by what is read of it, whatever its size was before, and nothing of it is left on disk."""
    started(small)
    monkeypatch.setattr(small.files, "most", 1_000)
    path = tmp_path / "large"
    path.write_bytes(b"x" * 1_001)
    for source in (path, b"x" * 1_001):
        with pytest.raises(OperationError) as caught:
            small.put_file("r", "a", "text/plain", source)
        assert caught.value.code == "too_large"
    assert isinstance(small.files, Folder)
    assert [*small.files._of("r").iterdir()] == []
    assert small.put_file("r", "a", "text/plain", b"x" * 1_000).size == 1_000


def test_in_a_store_itself() -> None:
    """The row has the bytes, up to 1 MiB; nothing is to be deleted elsewhere."""
    files = InStore()
    info, body = files.write("r", "a", "text/plain", b"text", files.most)
    assert files.open("r", info, body).read() == b"text"
    assert files.runs() == set()
    with pytest.raises(OperationError):
        files.write("r", "a", "text/plain", b"x" * 1_048_577, files.most)


def test_a_folder_of_files_is_private(tmp_path: Path) -> None:
    """Others on the machine cannot read what people have asked for."""
    files = Folder(tmp_path / "files")
    info, _ = files.write("r", "a", "text/plain", b"text", 100)
    paths = [tmp_path / "files", files._of("r"), *files._of("r").iterdir()]
    assert [path.stat().st_mode & 0o077 for path in paths] == [0, 0, 0]
    files.drop("r", info)
    files.drop("r", info)
    files.erase(["r", "none"])
    assert files.runs() == set()


def test_a_device_is_no_file() -> None:
    """What has no end does not stop a worker."""
    with pytest.raises(OperationError):
        InStore().write("r", "a", "text/plain", Path("/dev/zero"), 1_000)


def test_what_a_killed_process_leaves(tmp_path: Path) -> None:
    """Its temporary folder is deleted by the next process that needs one; a folder in use stays."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    options = {"env": environ, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", KILLED], **options) as killed:  # type: ignore[call-overload]
        assert killed.stdout is not None
        assert killed.stdout.readline() == "written\n"
        (theirs,) = tmp_path.iterdir()
        mine = TemporaryFolder(tmp_path)
        mine.write("r", "a", "text/plain", b"text", 100)
        assert theirs.exists()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert theirs.exists()
    next_one = TemporaryFolder(tmp_path)
    next_one.write("r", "a", "text/plain", b"text", 100)
    assert not theirs.exists()
    mine.close()
    mine.close()
    assert len(list(tmp_path.iterdir())) == 1
    next_one.close()
    assert not list(tmp_path.iterdir())


def test_files_without_a_run(tmp_path: Path) -> None:
    """What a crash between the file and its row leaves, or a store that has lost a run, is swept by the next worker."""
    path = tmp_path / "runs.db"
    with_file = SqliteStore(path)
    started(with_file)
    with_file.put_file("r", "a", "text/plain", b"text")
    with_file.files.write("lost", "a", "text/plain", b"text", 100)
    with_file.close()
    store = SqliteStore(path)
    store.sweep()
    assert store.files.runs() == {"r"}
    assert read_file(store, "r", "a") == b"text"
    store.close()


def test_one_folder_for_several_stores(tmp_path: Path) -> None:
    """With `HEADWAY_FILES=file:///PATH` each store has a part of it, and sweeps no other."""
    shared = (tmp_path / "files").as_uri()
    stores = []
    for name in ("one", "two"):
        settings = Settings(store=f"sqlite:///{tmp_path}/{name}.db", files=shared)
        check_store(settings)
        stores.append(open_store(settings))
        started(stores[-1])
        stores[-1].put_file("r", "name", "text/plain", name.encode())
    in_memory = open_store(Settings(files=shared))
    started(in_memory)
    in_memory.put_file("r", "name", "text/plain", b"memory")
    for store in (*stores, in_memory):
        store.sweep()
    assert [read_file(store, "r", "name") for store in (*stores, in_memory)] == [b"one", b"two", b"memory"]
    assert len(list((tmp_path / "files").iterdir())) == 3
    for store in (*stores, in_memory):
        store.close()
    assert len(list((tmp_path / "files").iterdir())) == 2


@pytest.mark.parametrize("value", ["file:", "file://host/path", "file:///a?b", "folder", "store"])
def test_a_setting_that_cannot_be_read(value: str) -> None:
    """It stops the start with one line."""
    with pytest.raises(SettingError, match=r"HEADWAY_FILES is .*; it takes store: or file:///SHARED/PATH") as caught:
        Settings.read({"HEADWAY_FILES": value})
    assert "\n" not in str(caught.value)


def test_a_shared_folder_after_a_death(tmp_path: Path) -> None:
    """What a process has alone is deleted once that shows no sign of life, on whatever machine: no lock says so."""
    dead, living, third = (SharedFolder(tmp_path / "shared") for _ in range(3))
    for files in (dead, living):
        files.write("r", "a", "text/plain", b"text", 100)  # of a run in memory
        (files.new_folder().path / "0").write_bytes(b"upload")
    own = tmp_path / "shared" / dead.own()
    long_ago = time.time() - DEAD_AFTER - 1
    os.utime(own / SIGN, (long_ago, long_ago))
    living.show_life()
    assert not own.exists()
    assert living.runs() == {"r"}
    living.show_life()  # looks once a minute
    third.show_life()
    third.close()
    living.close()
    assert not list((tmp_path / "shared").iterdir())


def test_a_process_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time of a file, which the file system of all machines sets."""
    files = SharedFolder(tmp_path / "shared")
    sign = tmp_path / "shared" / files.own() / SIGN
    os.utime(sign, (0, 0))
    files.show_life()
    assert sign.stat().st_mtime > time.time() - DEAD_AFTER
    assert sign.parent.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """It stops the start, too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="HEADWAY_FILES"):
        check_store(Settings(files=(tmp_path / "file").as_uri()))
