"""How a runner ends with its application, such as one of a test: it keeps neither that nor the extension alive."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask
from flask.ctx import AppContext

from ..runs.runner import Runner

if TYPE_CHECKING:
    from .extension import Headway


def context_of(app: Flask) -> Callable[[], AppContext]:
    """What makes a context of an application."""
    reference = weakref.ref(app)

    def context() -> AppContext:
        app = reference()
        assert app is not None  # the runner is closed with it
        return app.app_context()

    return context


def serving_of(headway: Headway) -> Callable[[], bool]:
    """What says whether an extension serves."""
    reference = weakref.ref(headway)
    return lambda: (alive := reference()) is not None and alive.serving


def close_with(headway: Headway, runner: Runner) -> weakref.finalize[Any, Headway]:
    """Closes `runner` once nobody refers to `headway` any more, unless what this returns is detached before."""
    finalizer = weakref.finalize(headway, _close, runner)
    finalizer.atexit = False
    return finalizer


def _close(runner: Runner) -> None:
    # In whatever thread collects the garbage.
    if runner.worker.pid == os.getpid():
        runner.worker.soon(gevent.spawn, runner.close)
