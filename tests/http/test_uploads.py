"""The folders of uploaded files: those of dead workers are deleted, and those of living ones never."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from streaming import Headway, Upload, ask, operation, progress
from streaming.stores.uploads import Uploads, sweep
from tests.apps.serving import create_app
from tests.stores.contract import until


class Sized(BaseModel):
    """A file."""

    file: Upload


LEAVE = """
import sys, time
from streaming.stores.uploads import Uploads
uploads = Uploads()
(uploads.path / "0").write_bytes(b"content")
print(uploads.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_uploads_of_a_killed_worker(temporary: Path) -> None:
    """The next worker to start deletes them, with its first runner, and leaves those of living workers."""
    environ = {**os.environ, "TMPDIR": str(temporary)}
    mine = Uploads()
    (mine.path / "0").write_bytes(b"content")
    with subprocess.Popen([sys.executable, "-c", LEAVE], env=environ, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        sweep()
        assert {*temporary.iterdir()} == {mine.path, theirs}
        other.kill()
        other.wait()
    assert theirs.exists()
    headway = create_app(operations=[]).extensions["headway"]
    assert headway.runner
    assert {*temporary.iterdir()} == {mine.path}
    assert (mine.path / "0").exists()
    headway.close()
    mine.delete()
    mine.delete()
    assert not list(temporary.iterdir())


def test_a_sweep_at_the_moment_of_an_upload(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is taken for a dead worker's, before it is locked, is not used."""
    make, made = tempfile.mkdtemp, list[str]()

    def swept(**options: str) -> str:
        made.append(make(**options))
        if len(made) == 1:
            sweep()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", swept)
    uploads = Uploads()
    assert str(uploads.path) == made[1]
    assert uploads.path.is_dir()
    uploads.delete()


@operation(runs_in="process")
def sized(input: Sized) -> Generator[Any, Any, Any]:
    """The size of a file, and the folder that it lies in; in another process."""
    yield progress("open")
    yield ask("Go on?")
    return {"size": len(input.file.path.read_bytes()), "folder": str(input.file.path.parent.parent)}


def test_uploads_lie_where_files_lie(tmp_path: Path) -> None:
    """Beside an sqlite store, counted among the bytes of all runs, until the run has ended; a process reads them."""
    path = tmp_path / "runs.db"
    app = create_app(operations=[sized], store=f"sqlite:///{path}")
    headway = app.extensions["headway"]
    client = app.test_client()
    data = {"file": (io.BytesIO(b"x" * 200_000), "a.bin")}
    run = client.post("/operations/sized", data=data, headers={"Prefer": "respond-async"}).get_json()["id"]
    until(lambda: headway.run(run).snapshot()["question"], "it has asked")
    until(lambda: swept(headway) > 200_000, "the upload is counted")
    assert [each.name.startswith("uploads-") for each in (tmp_path / "runs.db-files").iterdir()] == [True]
    headway.run(run).answer(headway.run(run).snapshot()["question"]["question"], True)
    assert headway.run(run).result(timeout=30) == {"size": 200_000, "folder": str(tmp_path / "runs.db-files")}
    until(lambda: swept(headway) < 200_000, "the upload is deleted")
    assert not list((tmp_path / "runs.db-files").iterdir())
    headway.close()


def swept(headway: Headway) -> int:
    """What all runs take."""
    headway.runner.worker.call(headway.runner.store.sweep)
    return headway.runner.store.bytes_used


def test_nothing_else_is_swept(temporary: Path) -> None:
    """Links, files and folders of other names stay."""
    outside = temporary / "outside"
    outside.mkdir()
    (temporary / "headway-uploads-link").symlink_to(outside)
    (temporary / "headway-uploads-file").write_text("")
    (temporary / "headway-model-1").mkdir()
    sweep()
    assert len(list(temporary.iterdir())) == 4
