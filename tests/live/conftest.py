"""Marks every test of this folder as `live`."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before `-m` picks by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's place says what its tests are, so that no test can forget to."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
