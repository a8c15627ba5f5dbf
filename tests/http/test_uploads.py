"""The folders of uploaded files: those of dead workers are deleted, and those of living ones never."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from streaming.http.uploads import Uploads, sweep
from tests.apps.serving import create_app

LEAVE = """
import sys, time
from streaming.http.uploads import Uploads
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


def test_nothing_else_is_swept(temporary: Path) -> None:
    """Links, files and folders of other names stay."""
    outside = temporary / "outside"
    outside.mkdir()
    (temporary / "headway-uploads-link").symlink_to(outside)
    (temporary / "headway-uploads-file").write_text("")
    (temporary / "headway-model-1").mkdir()
    sweep()
    assert len(list(temporary.iterdir())) == 4
