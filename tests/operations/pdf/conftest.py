"""What the tests of documents share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.operations.documents import Run, running


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the operation in this process, on the bytes of a file or with options alone."""
    return running(tmp_path, monkeypatch)
