"""Whether a process serves, which decides who works on the runs that it starts, and what it leaves at its exit."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from typing import TYPE_CHECKING, Final

import click
import gevent
from flask import Flask, request_started
from flask.cli import run_command
from flask.helpers import get_debug_flag
from gevent import monkey
from werkzeug.serving import is_running_from_reloader

from ..errors import HeadwayError
from ..runtime.hub import start_native_thread
from ..runtime.worker import Worker

if TYPE_CHECKING:
    from .extension import Headway

log: Final = logging.getLogger("headway")

WAKE: Final = 0.1
"""Seconds between two looks whether all runs are over; a signal is handled in between."""


def find_out(app: Flask, headway: Headway) -> None:
    """Lets `headway` know once this process serves: at once under `flask run`, else with the first request.

    gunicorn's hook says so for a worker of gunicorn.
    """
    request_started.connect(headway.found_serving, app)
    if _is_flask_run():
        headway.found_serving()
        open_soon(headway)


def open_soon(headway: Headway) -> None:
    """Opens the store beside the start of a server: queued and interrupted runs wait for a worker."""
    if monkey.is_module_patched("threading"):
        gevent.spawn(open_store_of, headway)
    else:
        start_native_thread(open_store_of, (headway,))


def open_store_of(headway: Headway) -> None:
    """Opens the store in a process that serves."""
    headway.found_serving()
    try:
        headway.runner  # noqa: B018  # made on first use
    except HeadwayError as error:
        log.warning("the store of the runs is not open yet: %s", error)


def close_at_exit(headway: Headway) -> None:
    """Has a process that does not serve wait for the runs in its memory before it ends, and close its store."""
    if not headway.serving and not headway.in_celery and not headway.closes_at_exit:
        headway.closes_at_exit = True
        atexit.register(_close, weakref.ref(headway), os.getpid())


def _close(reference: weakref.ref[Headway], pid: int) -> None:
    headway = reference()
    if headway is None or headway.serving or os.getpid() != pid:  # a server closes its stores itself
        return
    try:
        if headway.unfinished:
            log.warning("this process waits for %d runs, which are in its memory alone", headway.unfinished)
        while headway.unfinished:
            headway.worker.signal().wait(WAKE)
    finally:
        headway.close()
        Worker.current().close()


def _is_flask_run() -> bool:
    """Whether the application is loaded by `flask run`; not in the process that only restarts the one that serves."""
    context = click.get_current_context(silent=True)
    if context is None or context.command is not run_command:
        return False
    reloads = context.params.get("reload")
    return is_running_from_reloader() or not (get_debug_flag() if reloads is None else reloads)
