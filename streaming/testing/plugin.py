"""The fixture of `streaming.testing` for pytest: `pytest_plugins = ["streaming.testing.plugin"]` in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import ManualClock, Runs


@pytest.fixture
def headway_runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Starts runs whose clock the test moves, in the context of the fixture `app`, where there is one."""
    app = request.getfixturevalue("app") if "app" in request.fixturenames else None
    with Runs(app, clock=ManualClock()) as runs:
        yield runs
