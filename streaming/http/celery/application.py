"""The Celery application of a Headway: the one that it is given, or one of its own for `HEADWAY_CELERY_BROKER`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from ...errors import RegistrationError
from ...extras import needs
from ...runs.operation import Operation
from ...settings import Settings

if TYPE_CHECKING:
    from celery import Celery

    from ..extension import Headway

OWN: Final = {
    "task_default_queue": "headway",  # no other application's tasks, on a broker that several share
    "task_ignore_result": True,
    "worker_prefetch_multiplier": 1,  # what waits in a worker waits behind its runs
    "worker_send_task_events": False,
    "broker_connection_retry_on_startup": True,
}
"""The configuration of our own application. What the task needs stands at the task, for any application."""


def celery_for(celery: Any, settings: Settings, operations: Iterable[Operation], *, in_memory: bool) -> Any:
    """The Celery application to send to: `celery`, or one for the broker of the settings; `None` without either.

    Raises `RegistrationError` for operations that could not run there, and `SettingError`.
    """
    named = [operation.name for operation in operations if operation.runs_in == "celery"]
    if celery is None and settings.celery_broker is not None:
        celery = _own(settings)
    if celery is not None:
        _check_type(celery)
    if named and celery is None:
        raise RegistrationError(
            f'{named[0]}: runs_in="celery" needs Headway(app, celery=...) with your Celery application, or '
            "HEADWAY_CELERY_BROKER with the URL of a broker"
        )
    if named and in_memory:
        raise RegistrationError(
            f'{named[0]}: runs_in="celery" needs a store that other processes see, and HEADWAY_STORE is memory: '
            "set it to redis://HOST:PORT/DB, or to sqlite:///PATH on one machine"
        )
    return celery


def _check_type(celery: Any) -> None:
    from celery import Celery

    if not isinstance(celery, Celery):
        raise RegistrationError(f"celery= is a Celery application, not {celery!r}")


def _own(settings: Settings) -> Celery:
    """A Celery application for the broker of the settings. Raises `SettingError`."""
    broker = settings.celery_broker or ""

    def refuse(reason: str) -> Exception:
        return settings.error("celery_broker", broker, reason)

    with needs("celery", "HEADWAY_CELERY_BROKER", refuse):
        from celery import Celery
        from kombu.transport import resolve_transport
    try:
        resolve_transport(broker.partition("://")[0].partition("+")[0])  # redis+socket:///PATH, sqla+mysql://HOST
    except Exception as error:  # noqa: BLE001  # any transport's own
        raise refuse(str(error)) from None
    celery = Celery("headway", broker=broker, set_as_current=False)
    celery.conf.update(OWN)
    return celery


def let_command_find(headway: Headway) -> None:
    """Has `celery -A MODULE` take the Celery application where the module's `app` is the Flask application.

    Celery looks for an attribute `app` before one that is a Celery application. It loads the module in its command,
    and makes the context of all subcommands afterwards.
    """
    command = sys.modules.get("celery.bin.celery")
    if command is None:
        return
    make_context = command.CLIContext

    def context(app: Any, **options: Any) -> Any:
        return make_context(app=headway.celery if isinstance(app, Flask) and app is headway.app else app, **options)

    command.CLIContext = context  # type: ignore[attr-defined]
