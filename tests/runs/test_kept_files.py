"""Files of a start for the worker that begins it later, or again: in each store, and in each place for files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import gevent
import pytest
from pydantic import BaseModel

from streaming import Operation, Upload, current_run, operation, progress
from streaming.errors import OperationError, StoreAway, TooLarge, Unavailable
from streaming.runs.runner import Runner
from streaming.settings import Settings
from streaming.stores import open_store
from streaming.stores.files import upload_row
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite.store import SqliteStore
from tests.live.workers import STORES
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.servers import Server, redis
from tests.stores.contract import bytes_used, until
from tests.stores.shared_contract import crash
from tests.worlds import World, entered

LEASE: Final = 0.3

MEGABYTE: Final = 1024 * 1024


class Files(BaseModel):
    """Some files."""

    file: Upload
    more: list[Upload] = []
    pages: int = 1


@operation
def read(input: Files) -> Any:
    """What its files have."""
    uploads = [input.file, *input.more]
    seen.append([(each.filename, each.content_type, each.size, each.path.read_bytes()) for each in uploads])
    assert len({each.path for each in uploads}) == len(uploads)
    yield progress("at work")


@operation(retries=2)
def again(input: Files) -> Any:
    """Reads its file in every attempt, and ends with the second one."""
    attempt = current_run().attempt
    seen.append((attempt, input.file.path.read_bytes()))
    yield progress("at work")
    if attempt == 1:
        gevent.sleep(3600)


seen: list[Any] = []
"""What the operations have seen, in their order."""

MakeRunner = Callable[..., Runner]


@pytest.fixture(autouse=True)
def world() -> Iterator[World]:
    """The hub of this thread."""
    seen.clear()
    with entered("own hub") as world:
        yield world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis for all tests."""
    with redis() as server:
        yield server


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    url: str = request.getfixturevalue("server").url
    connection = Connection(url)
    connection.execute([("FLUSHALL",)])
    connection.close()
    return url


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    """An object store for all tests."""
    with object_store() as store:
        yield store


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The value of `HEADWAY_FILES`: `store:`, unless a test is `in_each_place`."""
    kind: str = getattr(request, "param", "store:")
    if kind == "s3:":
        store: ObjectStore = request.getfixturevalue("bucket")
        store.empty()
        for name, value in store.variables.items():
            monkeypatch.setenv(name, value)
        return f"s3://{BUCKET}"
    return (tmp_path / "shared").as_uri() if kind == "file:" else kind


in_each_place = pytest.mark.parametrize("place", ["store:", "file:", "s3:"], indirect=True)


@pytest.fixture
def make(url: str, place: str, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRunner]:
    """Makes the runner of one more worker of the store; by default it serves."""
    for kind in (SqliteStore, RedisStore):
        monkeypatch.setitem(kind.__init__.__kwdefaults__, "lease", LEASE)  # type: ignore[arg-type]
    runners: list[Runner] = []

    def make(*operations: Operation, serving: bool = True) -> Runner:
        settings = Settings(store=url, files=place)
        store = open_store(settings)
        runners.append(Runner(operations or (read, again), store, settings, world.worker, serving=lambda: serving))
        return runners[-1]

    yield make
    for runner in runners:
        runner.store._closed = not runner.store._greenlets  # type: ignore[attr-defined]  # of one that has crashed
        runner.close()


class Started:
    """A run that a test has started, with the folder of its request."""

    def __init__(self, runner: Runner, what: Operation, *contents: bytes, **options: Any) -> None:
        self.folder = runner.store.files.new_folder()
        uploads = []
        for number, content in enumerate(contents):
            (path := self.folder.path / str(number)).write_bytes(content)
            digest = sha256(content).hexdigest()
            uploads.append(Upload(path, f"{number}.txt", "text/plain", len(content), digest))
        checked = Files(file=uploads[0], more=uploads[1:], pages=3)
        self.id, self.new = runner.start(what, checked, cleanup=self.folder.delete, **options)


def status(runner: Runner, run: str) -> str:
    """Its status, as this worker sees it."""
    return runner.find(run, None).status


def in_place(store: Any) -> set[str]:
    """The runs with files in the place, other than in rows."""
    runs: set[str] = store.in_place(store.files.runs)
    return runs


@in_each_place
def test_a_queued_run_with_files(make: MakeRunner) -> None:
    """The worker that takes it sees what was sent; its files are deleted with its end, and nothing else is left."""
    starter = make(serving=False)
    store = starter.store
    empty = bytes_used(store)
    run = Started(starter, read, b"first", b"second" * 1000, b"first", queued=True)
    assert (run.new, status(starter, run.id), run.folder.path.exists()) == (True, "queued", False)
    assert bytes_used(store) > empty + 6_000
    record = store.find(run.id)
    assert record is not None
    assert record.files == []
    assert store.find_file(run.id, upload_row(sha256(b"first").hexdigest())) is None
    server = make()
    until(lambda: status(starter, run.id) == "succeeded", "it has ended")
    assert seen == [
        [
            ("0.txt", "text/plain", 5, b"first"),
            ("1.txt", "text/plain", 6000, b"second" * 1000),
            ("2.txt", "text/plain", 5, b"first"),
        ]
    ]
    digests = [sha256(each).hexdigest() for each in (b"first", b"second" * 1000)]
    until(lambda: not any(store.find_upload(run.id, digest) for digest in digests), "its files are deleted")
    assert bytes_used(server.store) < empty + 6_000
    starter.erase(run.id, None)
    assert in_place(store) == set()


@in_each_place
def test_a_run_that_starts_again_with_its_file(make: MakeRunner) -> None:
    """The worker that takes it over reads the same; nothing is left of it there, either."""
    dying = make(again)
    run = Started(dying, again, b"content", linger=None)
    until(lambda: dying.store.find_upload(run.id, sha256(b"content").hexdigest()), "its file is kept")
    until(lambda: status(dying, run.id) == "running", "it has begun")
    crash(dying.store)  # type: ignore[arg-type]
    other = make(again)
    until(lambda: status(other, run.id) == "succeeded", "another worker has ended it")
    assert seen == [(1, b"content"), (2, b"content")]
    until(lambda: other.store.find_upload(run.id, sha256(b"content").hexdigest()) is None, "its file is deleted")


def test_a_file_that_is_lost(make: MakeRunner) -> None:
    """The run fails, and says why; the next one begins."""
    starter = make(serving=False)
    lost, other = Started(starter, read, b"lost", queued=True).id, Started(starter, read, b"there", queued=True).id
    store = starter.store
    assert isinstance(store, SharedStore)
    store._execute(store.driver.drop_file(lost, upload_row(sha256(b"lost").hexdigest())))
    server = make()
    until(lambda: status(server, lost) == "failed", "it has failed")
    until(lambda: status(server, other) == "succeeded", "the other one has ended")
    record = server.store.find(lost)
    assert record is not None
    assert b"A file of this run's request is lost." in (record.fold.error or b"")
    assert len(seen) == 1


def test_a_file_that_was_changed(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not have the digest is not taken for the file."""
    starter = make(serving=False)
    run = Started(starter, read, b"content", queued=True)
    server = make()
    monkeypatch.setattr(server.store.files, "open", lambda *_: io.BytesIO(b"another"))
    until(lambda: status(server, run.id) == "failed", "it has failed")
    assert seen == []


@in_each_place
def test_a_queued_run_with_files_is_cancelled(make: MakeRunner) -> None:
    """Its files go."""
    starter = make(serving=False)
    run = Started(starter, read, b"content", queued=True)
    starter.cancel(run.id, None)
    assert status(starter, run.id) == "cancelled"
    until(lambda: starter.store.find_upload(run.id, sha256(b"content").hexdigest()) is None, "its file is deleted")
    starter.erase(run.id, None)
    assert in_place(starter.store) == set()


def test_the_same_key(make: MakeRunner) -> None:
    """The second start joins the run, and leaves nothing."""
    starter = make(serving=False)
    options: Any = {"queued": True, "key": "k", "digest": "d"}
    first, second = Started(starter, read, b"content", **options), Started(starter, read, b"content", **options)
    assert (first.id, first.new, second.new) == (second.id, True, False)
    assert not second.folder.path.exists()


@pytest.mark.parametrize("error", [StoreAway("away"), OperationError("too_large", "no room"), OSError("no disk")])
def test_a_start_whose_files_cannot_be_kept(
    make: MakeRunner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is refused, and there is no run."""
    starter = make(serving=False)

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(starter.store.files, "write", fail)
    with pytest.raises(Unavailable if isinstance(error, OperationError) else type(error)):
        Started(starter, read, b"content", queued=True, key="k", digest="d")
    assert starter.store.page(owner="", operation=None, status=None, limit=9, before=None) == []
    monkeypatch.undo()
    assert Started(starter, read, b"content", queued=True, key="k", digest="d").new


@in_each_place
def test_a_file_that_no_other_worker_would_reach(make: MakeRunner, url: str, place: str) -> None:
    """In Redis itself files have at most 1 MiB: a larger one is refused, and a run with one has one try."""
    starter = make()
    large = b"x" * (MEGABYTE + 1)
    if starter.store.files.most > MEGABYTE:
        run = Started(starter, again, large)
        until(lambda: starter.store.find_upload(run.id, sha256(large).hexdigest()), "it is kept")
        return
    assert (url.partition(":")[0], place) == ("redis", "store:")
    with pytest.raises(TooLarge, match="HEADWAY_FILES") as refused:
        Started(starter, read, b"small", large, queued=True)
    assert [error["loc"] for error in refused.value.errors] == [["more"]]
    run = Started(starter, again, large)
    record = starter.store.find(run.id)
    assert record is not None
    assert record.info.input is None
    assert Started(starter, read, b"x" * MEGABYTE, queued=True).new


def test_an_upload_without_a_digest(make: MakeRunner, tmp_path: Path) -> None:
    """Code may give a file of its own: it stays where it is."""
    starter = make(serving=False)
    (path := tmp_path / "own").write_bytes(b"own")
    run, _ = starter.start(read, Files(file=Upload(path, "own", "text/plain", 3)), queued=True)
    server = make()
    until(lambda: status(server, run) == "succeeded", "it has ended")
    assert seen == [[("own", "text/plain", 3, b"own")]]
    assert path.exists()
