"""Files of a run, as the client gets them: in memory, or at a path, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from streaming.client import Client, NotFound, Unreachable
from streaming.client.cli import config
from streaming.client.cli.commands import cli
from streaming.client.files import into
from tests.client.conftest import ClientOf
from tests.client.service import TIMESTAMP, URL

BODY = bytes(range(256)) * 1_000
FILE = {"name": "page 1.png", "type": "image/png", "size": len(BODY), "sha256": "5"}
SNAPSHOT = {"id": "r1", "operation": "x", "status": "running", "created": TIMESTAMP, "updated": TIMESTAMP}


def answer(request: httpx.Request) -> httpx.Response:
    """Answers as a service whose run has one file."""
    if request.url.path == "/api/runs/r1":
        return httpx.Response(200, json={**SNAPSHOT, "last_event_id": 2, "files": [FILE]})
    if request.url.raw_path == b"/api/runs/r1/files/page%201.png":
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=BODY)
    problem = {"title": "Not found", "status": 404, "detail": "this run has no such file", "code": "file_not_found"}
    return httpx.Response(404, json=problem, headers={"content-type": "application/problem+json"})


def test_the_files_of_a_run(client_of: ClientOf, tmp_path: Path) -> None:
    """They are listed, and each is bytes or a new file, which replaces what was at its path."""
    target = tmp_path / "copy.png"
    target.write_bytes(b"old")
    with client_of(answer) as headway:
        run = headway.watch("r1")
        assert run.files() == [FILE]
        assert run.file("page 1.png") == BODY
        assert run.save_file("page 1.png", str(target)) == target
        assert target.read_bytes() == BODY
        with pytest.raises(NotFound):
            run.save_file("other", target)
        assert target.read_bytes() == BODY
        with pytest.raises(NotFound):
            run.file("../x")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.png"]


class Broken(httpx.SyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield BODY
        raise httpx.ReadError("broken")


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    """Nothing takes the place of what was there."""
    (tmp_path / "a").write_bytes(b"old")
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Broken())))
    with Client(URL, http=http) as headway, pytest.raises(Unreachable):
        headway.watch("r1").save_file("a", tmp_path / "a")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_a_file_at_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the mode of any new file, and a name of any length that a file may have."""
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("other threads of the process make files too"))
    (tmp_path / "any").touch()
    target = tmp_path / ("\u8868" * 85)
    with into(target) as write:
        write(BODY)
    assert target.read_bytes() == BODY
    assert target.stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line, whose client needs no network."""
    http = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(config, "Client", lambda url, **options: Client(URL, **{**options, "http": http}))
    return CliRunner()


def test_the_command_line(command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists files, and writes one to its name, to a path, or to the standard output."""
    monkeypatch.chdir(tmp_path)
    assert "page 1.png" in command.invoke(cli, ["file", "r1"]).output
    assert command.invoke(cli, ["file", "r1", "page 1.png"]).exit_code == 0
    assert (tmp_path / "page 1.png").read_bytes() == BODY
    assert command.invoke(cli, ["file", "/runs/r1", "page 1.png", "-o", "other.png"]).exit_code == 0
    assert (tmp_path / "other.png").read_bytes() == BODY
    assert command.invoke(cli, ["file", "r1", "page 1.png", "-o", "-"]).stdout_bytes == BODY
    assert command.invoke(cli, ["file", "r1", "none"]).exit_code == 5
