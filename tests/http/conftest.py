"""What tests of the routes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import redis


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The setting of each store."""
    if request.param == "redis":
        with redis() as server:
            yield server.address.url.replace("http", "redis")
    else:
        yield "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"
