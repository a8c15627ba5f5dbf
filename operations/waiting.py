"""Sleeping, wherever an operation runs."""

from __future__ import annotations

from typing import Any, Final

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists

_native_sleep: Final[Any] = monkey.get_original("time", "sleep")


def sleep(seconds: float) -> None:
    """Sleeps so that a cancel can end it: in the thread's hub if it has one; in a child process a signal does."""
    if get_hub_if_exists() is None:
        _native_sleep(seconds)
    else:
        gevent.sleep(seconds)
