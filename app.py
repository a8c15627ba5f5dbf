"""The service: Headway with every operation that ships with it, for `gunicorn app:app` and `flask run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import click
from flask import Flask
from flask.cli import run_command
from werkzeug.exceptions import HTTPException

from operations import llm, logs
from operations.agent import agent
from operations.analyze import analyze
from operations.extract import extract
from operations.settings import GatewayEntry, ServiceSettings, configure
from operations.simulate import simulate
from operations.think import think
from operations.tools.registry import registry
from streaming import Headway, Operation, RegistrationError, SettingError, from_anthropic, from_openai, gateway
from streaming.http.answers import Answer
from streaming.http.problems import problem_response

BOOT_ERROR = 3
"""The status with which a worker tells gunicorn to give up; after any other it starts the next one, for ever."""

DIALECTS = {"openai": from_openai, "anthropic": from_anthropic}

STORE = "sqlite:///var/headway.db"
"""Where runs are kept unless HEADWAY_STORE says otherwise: shared by all workers, and still there after a restart."""


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The Flask application. A setting that cannot be read, in `config` or the environment, stops the start."""
    app = Flask(__name__)
    app.response_class = Answer  # the console's files too are cut off where nobody reads them
    app.config.from_mapping(config)
    # Under no blueprint: what is said of a path that does not exist, or of a method that a path does not take.
    app.register_error_handler(HTTPException, problem_response)
    try:
        settings = configure(app.config)
        configure_logs(settings)
        llm.check_model_file(settings)
        offered = operations(settings)
        registry()  # reads the agent's tools, whose settings may have errors too
        Headway(app, operations=offered, store=STORE, standalone=True, console=True)
    except SettingError as error:
        sys.stderr.write(f"headway: {error}\n")
        raise SystemExit(BOOT_ERROR) from None
    llm.hold()
    return app


def configure_logs(settings: ServiceSettings) -> None:
    """Sets up the log of a process that serves: a command writes its warnings as Python does."""
    context = click.get_current_context(silent=True)
    if context is None or context.command is run_command:
        logs.configure(settings.log, settings.log_level)


def operations(settings: ServiceSettings) -> list[Operation]:
    """What this service offers under its settings. Raises `SettingError`."""
    offered: list[Operation] = [extract, think, agent, analyze]
    if settings.simulate:
        offered.append(simulate)
    for name, entry in (settings.gateway or {}).items():
        if name in {operation.name for operation in offered}:
            raise settings.error("gateway", name, "there is an operation of this name already")
        try:
            through = [DIALECTS[entry.dialect]] if entry.dialect else []
            auth = _auth(settings, entry)
            offered.append(
                gateway(entry.url, name=name, through=through, auth=auth, idle=entry.idle, total=entry.total)
            )
        except RegistrationError as error:
            raise settings.error("gateway", f"{name}={entry.url}", str(error)) from None
    return [_limited(operation, settings) for operation in offered]


def _limited(operation: Operation, settings: ServiceSettings) -> Operation:
    """The operation with the concurrency that the settings name, if they do."""
    number = (settings.concurrency or {}).get(operation.name)
    if number is None:
        return operation
    limited = copy(operation)
    limited.limits = replace(operation.limits, concurrency=number)
    return limited


def _auth(settings: ServiceSettings, entry: GatewayEntry) -> Callable[[], Mapping[str, str]] | None:
    """How a gateway sends its key, which is in a variable of the environment. Raises `SettingError` without one."""
    if not entry.key:
        return None
    key = os.environ.get(entry.key)
    if not key:
        raise settings.error("gateway", f"key={entry.key}", "there is no such variable, or it is empty")
    bearer = {"Authorization": f"Bearer {key}"}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"} if entry.dialect == "anthropic" else bearer
    return lambda: headers


app = create_app()
