"""The service: Headway with every operation that ships with it, for `gunicorn app:app` and `flask run`."""

from __future__ import annotations

import os
import sys

from flask import Flask
from werkzeug.exceptions import HTTPException

import console
from operations import llm, turns
from operations.agent import agent
from operations.analyze import analyze
from operations.extract import extract
from operations.simulate import simulate
from operations.think import think
from operations.tools.box import box
from streaming import Headway, Operation, RegistrationError, SettingError, gateway
from streaming.http.extension import problem_response
from streaming.settings import Settings

BOOT_ERROR = 3
"""The status with which a worker tells gunicorn to give up; after any other it starts the next one, for ever."""

STORE = "sqlite:///var/headway.db"
"""Where runs are kept unless HEADWAY_STORE says otherwise: shared by all workers, and still there after a restart."""


def create_app() -> Flask:
    """The Flask application. A setting that cannot be read stops the start with one line."""
    try:
        settings = Settings.read(os.environ)
        turns.limits()  # read at each turn; one that cannot be is told at the start
        box()  # so are the agent's tools, of whose settings it has some
        offered = operations(settings)
    except SettingError as error:
        sys.stderr.write(f"headway: {error}\n")
        raise SystemExit(BOOT_ERROR) from None
    llm.hold()
    app = Flask(__name__)
    # Under no blueprint: what is said of a path that does not exist, or of a method that a path does not take.
    app.register_error_handler(HTTPException, problem_response)
    Headway(app, operations=offered, store=STORE)
    app.register_blueprint(console.blueprint)
    return app


def operations(settings: Settings) -> list[Operation]:
    """What this service offers under its settings. Raises `SettingError`."""
    offered: list[Operation] = [extract, think, agent, analyze]
    if settings.simulate:
        offered.append(simulate)
    for name, url in (settings.gateway or {}).items():
        if name in {operation.name for operation in offered}:
            raise SettingError(f"HEADWAY_GATEWAY names {name!r}, which there is already; it takes name=URL,name=URL")
        try:
            offered.append(gateway(url, name=name))
        except RegistrationError as error:
            raise SettingError(f"HEADWAY_GATEWAY names {name!r}; it takes name=URL,name=URL: {error}") from None
    return offered


app = create_app()
