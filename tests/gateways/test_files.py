"""Files of an upstream run, which a gateway fetches and keeps with its own run."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from streaming import Event, MemoryStore, file
from streaming.errors import OperationError
from streaming.gateways import files
from tests.apps.gateway_upstream import Call, Script, Upstream, frame, stamped
from tests.gateways.test_gateway import DONE, GatewayRun
from tests.worlds import World

PICTURE: Final = b"\x89PNG of a page"
NAME: Final = "page 1#ü?.png"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A service that follows the test's scripts."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(files, "PAUSES", (0.0, 0.0))


def described(content: bytes = PICTURE, name: str = NAME, **changes: Any) -> dict[str, Any]:
    """The data of a `file`."""
    digest = hashlib.sha256(content).hexdigest()
    return {"name": name, "type": "image/png", "size": len(content), "sha256": digest, **changes}


def handing_over(*data: Any) -> Script:
    """A run with an event `file` for each of these data, one more event after them, and its end."""
    frames = [frame("file", stamped(**each), number) for number, each in enumerate(data, 2)]

    def script(call: Call) -> None:
        call.begin_run().chunk(b"".join(frames) + frame("tick", stamped(n=1), 8) + DONE).finish()

    return script


def sending(content: bytes, status: int = 200) -> Script:
    """The answer to a request for a file."""
    return lambda call: call.answer(status, content, "image/png")


def kept(run: GatewayRun, name: str = NAME) -> bytes | None:
    """What the run here has under this name."""
    store = run.stage.store
    found = run.stage.world.call(store.find_file, run.id, name)
    if found is None:
        return None
    with store.files.open(run.id, *found) as opened:
        return opened.read()


def passed(run: GatewayRun) -> Any:
    """The data of the one event before `tick`, of a run that has succeeded."""
    (name, data), tick = run.events()[:2]
    assert tick == ("tick", {"n": 1})
    assert run.ending() == ("succeeded", None)
    return name, data


@pytest.mark.parametrize("size", [0, 14, files.IN_MEMORY, files.IN_MEMORY + 1, 3 * files.IN_MEMORY])
def test_a_file_is_fetched(world: World, upstream: Upstream, size: int) -> None:
    """From the upstream's run, with what `auth` gives; the event is as it was, and the run here has the file."""
    content = (b"0123456789abcde" * (size // 15 + 1))[:size]
    upstream.will(handing_over(described(content)), sending(content))
    with GatewayRun(world, upstream.url, auth=lambda: "Bearer abc") as run:
        assert passed(run) == ("file", described(content))
        assert kept(run) == content
        assert run.stage.snapshot(run.id)["files"] == [described(content)]
    call = upstream.calls[1]
    assert (call.method, call.path) == ("GET", "/runs/upstream-run/files/page%201%23%C3%BC%3F.png")
    assert call.headers["authorization"] == "Bearer abc"


def test_in_the_folder_of_the_store(tmp_path: Path) -> None:
    """A large file passes through a temporary one there, of which a crash leaves nothing."""
    content = bytes(2 * files.IN_MEMORY)
    with files._temporary(tmp_path / "files") as out:
        assert out.write(content) == len(content)
        assert not list((tmp_path / "files").iterdir())


@pytest.mark.parametrize(
    ("data", "answers", "why"),
    [
        (described(), [sending(b"{}", 404)], "The upstream answered 404"),
        (described(), [sending(PICTURE[:-1] + b"!")], "another one of its name"),
        (described(), [sending(PICTURE + b"!")], "another one of its name"),
        (described(), [sending(PICTURE[:-1])], "was cut"),
        (described(), [sending(b"{}", 503)], "The upstream answered 503"),
        (described(), [lambda call: call.cut()], "no response"),
        (described(size=1 << 40), [], "more than 268,435,456 bytes"),
        (described(name="../secret"), [], "a name or a media type"),
        (described(name=".."), [], "a name or a media type"),
        (described(name="a\u202eb"), [], "a name or a media type"),
        (described(type="no type"), [sending(PICTURE)], "a name or a media type"),
    ],
)
def test_what_cannot_be_fetched(
    world: World, upstream: Upstream, data: dict[str, Any], answers: list[Script], why: str
) -> None:
    """A warning is in its place, and the run goes on; nothing is asked for where the answer could not be kept."""
    upstream.will(handing_over(data), *answers)
    with GatewayRun(world, upstream.url) as run:
        name, warning = passed(run)
        assert (name, warning["code"]) == ("warning", "file_missing")
        assert why in warning["message"]
        assert kept(run, data["name"]) is None
    assert bool(answers) == (len(upstream.calls) > 1)


def test_it_is_tried_again(world: World, upstream: Upstream) -> None:
    """Where the upstream may have it later: it starts again, or the connection is cut."""
    cut = lambda call: call.head(content_length="14", transfer_encoding="").send(PICTURE[:5]).cut()  # noqa: E731
    upstream.will(handing_over(described()), sending(b"{}", 503), cut, sending(PICTURE))
    with GatewayRun(world, upstream.url) as run:
        assert passed(run) == ("file", described())
        assert kept(run) == PICTURE


def test_a_store_without_room(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning too, while an operation that hands over such a file fails."""

    def full(*_: Any) -> None:
        raise OperationError("too_large", "The store has no room.")

    monkeypatch.setattr(MemoryStore, "put_file", full)
    upstream.will(handing_over(described()), sending(PICTURE))
    with GatewayRun(world, upstream.url) as run:
        name, warning = passed(run)
        assert (name, warning["message"]) == ("warning", f"The file {NAME!r} is left out. {files.NO_ROOM}")


def test_the_limit_of_the_store(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is fetched that is larger."""
    monkeypatch.setattr("streaming.stores.files.Files.most", 13)
    upstream.will(handing_over(described()))
    with GatewayRun(world, upstream.url) as run:
        assert "more than 13 bytes" in passed(run)[1]["message"]
    assert len(upstream.calls) == 1


def test_a_file_of_another_service(world: World, upstream: Upstream) -> None:
    """Its event passes as it is, also behind a run of Headway."""
    other = frame("file", {**described(), "of": "another"})
    upstream.will(lambda call: call.stream(other, frame("tick", {"n": 1})))
    with GatewayRun(world, upstream.url) as run:
        assert passed(run) == ("file", {**described(), "of": "another"})
    upstream.will(handing_over({"name": "x", "id": 5}))
    with GatewayRun(world, upstream.url) as run:
        assert passed(run) == ("file", {"name": "x", "id": 5})


def test_transforms(world: World, upstream: Upstream) -> None:
    """They see the event; what they leave out is not fetched, and they may hand over files of their own."""
    seen: list[Any] = []

    def replaced(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            if each.name == "file":
                seen.append(each.data)
                yield file("own.txt", b"own")
            else:
                yield each

    upstream.will(handing_over(described()))
    with GatewayRun(world, upstream.url, through=[replaced]) as run:
        assert passed(run)[1]["name"] == "own.txt"
        assert kept(run, "own.txt") == b"own"
    assert seen == [described()]
    assert len(upstream.calls) == 1


def test_a_drip(world: World, upstream: Upstream) -> None:
    """The `total` of a stream holds for its files too."""

    def drip(call: Call) -> None:
        call.head(content_length="1000", transfer_encoding="")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                call.send(b"x")
                time.sleep(0.02)
        call.over = True

    upstream.will(handing_over(described(bytes(1000))), drip)
    with GatewayRun(world, upstream.url, total=0.2) as run:
        name, warning = passed(run)
        assert (name, "took too long" in warning["message"]) == ("warning", True)
