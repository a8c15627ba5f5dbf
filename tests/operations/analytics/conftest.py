"""`load`: the tables of a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.operations.analytics.loading import Load, load_in


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a file: `load(content, filename)`."""
    return partial(load_in, tmp_path)
