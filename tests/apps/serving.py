"""Applications for the tests of the routes: in the test's own process, or served by a real server.

`create_app` makes a Flask application with Headway and every operation of `tests.sample_operations`.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from streaming import Headway, Operation
from tests import sample_operations


def offered() -> list[Operation]:
    """Every sample operation."""
    return [value for value in vars(sample_operations).values() if isinstance(value, Operation)]


def create_app(config: dict[str, Any] | None = None, **options: Any) -> Flask:
    """An application with this configuration; `options` are keywords of `Headway`."""
    app = Flask(__name__)
    app.config.update(config or {})
    Headway(app, **{"operations": offered(), **options})
    return app
