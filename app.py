"""The service: Headway with every operation that ships with it, for `gunicorn app:app` and `flask run`."""

from __future__ import annotations

import os
import sys

from flask import Flask
from werkzeug.exceptions import HTTPException

from operations.extract import extract
from operations.simulate import simulate
from streaming import Headway, Operation, SettingError
from streaming.blueprint import problem_response
from streaming.settings import Settings

BOOT_ERROR = 3
"""The status with which a worker tells gunicorn to give up; after any other it starts the next one, for ever."""

STORE = "sqlite:///var/headway.db"
"""Where runs are kept unless HEADWAY_STORE says otherwise: shared by all workers, and still there after a restart."""


def create_app() -> Flask:
    """The Flask application. A setting that cannot be read stops the start with one line."""
    try:
        settings = Settings.read(os.environ)
    except SettingError as error:
        sys.stderr.write(f"headway: {error}\n")
        raise SystemExit(BOOT_ERROR) from None
    app = Flask(__name__)
    # Under no blueprint: what is said of a path that does not exist, or of a method that a path does not take.
    app.register_error_handler(HTTPException, problem_response)
    Headway(app, operations=operations(settings), store=STORE)
    return app


def operations(settings: Settings) -> list[Operation]:
    """What this service offers under its settings."""
    offered: list[Operation] = [extract]
    if settings.simulate:
        offered.append(simulate)
    return offered


app = create_app()
