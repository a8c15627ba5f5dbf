"""Marks every test of this folder as `live`, and has the fixtures that most of its modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.notes import Notes

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before `-m` picks by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's place says what its tests are, so that no test can forget to."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """What the operations and the tests of a module tell each other."""
    return Notes(tmp_path_factory.mktemp("notes"))


@pytest.fixture(autouse=True)
def close_viewers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Closes the viewers of each test, where its module has `Workers`."""
    several = [request.getfixturevalue(name) for name in ("shared", "owned") if name in request.fixturenames]
    yield
    for workers in several:
        workers.close_viewers()
