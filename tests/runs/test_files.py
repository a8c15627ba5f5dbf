"""`yield file(...)`: an operation hands over files, wherever it works."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from streaming import EncodeError, MemoryStore, event, file, operation
from streaming.errors import StoreAway
from streaming.runs import run as runs
from streaming.stores.files import FileInfo
from streaming.testing import collect
from tests.sample_operations import Script, scripted
from tests.worlds import LOOPS, PLACES, Place, Stage, entered


@pytest.fixture(params=[*PLACES, *LOOPS], ids=str)
def place(request: pytest.FixtureRequest) -> Place:
    """Each executor in each world."""
    place: Place = request.param
    return place


@pytest.fixture
def stage(place: Place) -> Iterator[Stage]:
    """A runner in the place's world, whose store has room for 4 MB."""
    with entered(place.world) as world:
        stage = Stage(world, scripted, store=MemoryStore(store_bytes=4_000_000))
        yield stage
        stage.close()


def start(stage: Stage, place: Place, *acts: str) -> str:
    """The id of a run of these acts."""
    return stage.start(scripted, Script(acts=list(acts), runs_in=place.runs_in))


def content(stage: Stage, run: str, name: str) -> bytes:
    """The bytes of a file of a run."""
    found = stage.store.find_file(run, name)
    assert found is not None
    with stage.store.files.open(run, *found) as kept:
        return kept.read()


def test_files_of_a_run(stage: Stage, place: Place) -> None:
    """Each is an event, in the order of the yields, and in the snapshot; what is at a path may be deleted after it."""
    run = start(stage, place, "progress", "file", "file_at_a_path", "large_file")
    messages = stage.events(run)
    files = [message.json for message in messages if message.event == "file"]
    expected = [
        ("a.txt", "text/plain", b"text"),
        ("page 1.png", "image/png", b"p" * 100_000),
        ("large.bin", "application/octet-stream", b"x" * 3_000_000),
    ]
    assert [{name: value for name, value in each.items() if name != "timestamp"} for each in files] == [
        {"name": name, "type": kind, "size": len(body), "sha256": sha256(body).hexdigest()}
        for name, kind, body in expected
    ]
    assert [content(stage, run, name) for name, _, _ in expected] == [body for _, _, body in expected]
    assert [each["name"] for each in stage.snapshot(run)["files"]] == [name for name, _, _ in expected]
    names = [message.event for message in messages]
    assert names[names.index("file") - 1 :] == ["progress", "file", "file", "file", "kept", "result", "done"]


def test_a_name_that_is_no_name(stage: Stage, place: Place) -> None:
    """It raises on its own line, and nothing is kept."""
    run = start(stage, place, "unsafe_file", "progress")
    assert [message.event for message in stage.events(run)] == ["start", "error", "done"]
    assert stage.snapshot(run)["files"] == []


def test_a_file_that_there_is_no_room_for(stage: Stage, place: Place) -> None:
    """The run fails with a code that says so, and what it has handed over before is kept."""
    run = start(stage, place, "file", "file_of_no_room")
    messages = stage.events(run)
    assert [message.event for message in messages] == ["start", "file", "error", "done"]
    assert messages[2].json["code"] == "too_large"
    assert content(stage, run, "a.txt") == b"text"


@operation
def two_files() -> Iterator[Any]:
    """Hands over two files of one name."""
    yield file("page.svg", b"<svg/>")
    yield file("page.svg", b"<svg></svg>", type="image/svg+xml; charset=utf-8")


def test_in_a_test_of_an_operation() -> None:
    """`collect` gives the events of files, as of everything else."""
    events = collect(two_files)
    assert [(event.type, event.data.get("type")) for event in events[1:3]] == [
        ("file", "image/svg+xml"),
        ("file", "image/svg+xml; charset=utf-8"),
    ]
    assert events[-1].data["status"] == "succeeded"


class Away(MemoryStore):
    """A store that is away for the first `failures` files."""

    failures = 2

    def put_file(self, run: str, name: str, type: str, source: bytes | Path) -> FileInfo:
        """Keeps a file, in the end."""
        if self.failures:
            self.failures -= 1
            raise StoreAway("away")
        return super().put_file(run, name, type, source)


@pytest.mark.parametrize(("failures", "names"), [(2, ["file", "file", "result"]), (9, ["error"])])
def test_a_store_that_is_away(failures: int, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file waits for a store that comes back, and a run fails, to be tried again, with one that does not."""
    monkeypatch.setattr(runs, "FILE_TRIES", (0.0, 0.0, 0.0))
    with entered("own hub") as world:
        store = Away()
        store.failures = failures
        stage = Stage(world, two_files, store=store)
        messages = stage.events(stage.start(two_files))
        stage.close()
    assert [message.event for message in messages] == ["start", *names, "done"]
    if names == ["error"]:
        assert messages[1].json["retryable"] is True


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\0",
        "a\n",
        "a\x7f",
        "a\x85",
        "a\u2028",
        "\u202egnp.exe",
        "\ud800",
        "ä" * 128,
        5,
        None,
    ],
)
def test_names_that_are_refused(name: Any) -> None:
    """A separator, a folder, a control character, an end of line, a turn of the direction, more than 255 bytes."""
    with pytest.raises(EncodeError, match="a name"):
        file(name, b"")


@pytest.mark.parametrize(
    "name", ["a", "...", "page 1.png", "北京.pdf", "ä" * 127, "x" * 255, 'a;b="c".txt', "👨‍👩‍👧.png"]
)
def test_names_that_are_taken(name: str) -> None:
    """All others."""
    assert file(name, b"").filename == name


@pytest.mark.parametrize(
    "kind", ["png", "image/", "image/png\r\nX: y", "text/html; a=b; c=d", 'a/b; c="d"', 5, "x/" * 99]
)
def test_media_types_that_are_refused(kind: Any) -> None:
    """They go into a header."""
    with pytest.raises(EncodeError, match="a media type"):
        file("a", b"", type=kind)


@pytest.mark.parametrize("content", ["text of a file", "/nonexistent", Path("/"), Path("/dev/null"), 5, None, "a\0b"])
def test_contents_that_are_refused(content: Any) -> None:
    """Bytes, or a path at which there is a file."""
    with pytest.raises(EncodeError, match=r"^file 'a'"):
        file("a", content)


def test_the_event_has_a_maker() -> None:
    """An operation cannot claim to have handed over a file."""
    with pytest.raises(EncodeError, match=r"file\(\)"):
        event("file", {"name": "a", "type": "text/plain", "size": 1, "sha256": "0"})
