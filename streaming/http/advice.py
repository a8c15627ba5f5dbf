"""What is weaker under a configuration of gunicorn, and settings that nothing reads, said once in the log."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import SettingError
from ..settings import Settings
from ..variables import unknown_variables

if TYPE_CHECKING:
    from .extension import Headway

log: Final = logging.getLogger("headway")


def advise(gunicorn_worker: Any, mounted: list[Headway]) -> None:
    """Warns of what this worker's configuration makes weaker; the first worker of a master speaks for all."""
    if gunicorn_worker.age > 1:
        return
    cfg, drain = gunicorn_worker.cfg, _drain_seconds(mounted)
    if not hasattr(gunicorn_worker, "timeout_ctx"):
        log.warning(_weaker_class(cfg))
    if cfg.workers > 1 and any(headway.operations and headway.in_memory for headway in mounted):
        log.warning(
            "HEADWAY_STORE is memory: and gunicorn has %d workers: a run is known to one of them alone, and the others "
            "answer 404 for it. Set HEADWAY_STORE to sqlite:///PATH, or start one worker.",
            cfg.workers,
        )
    if "h2" in cfg.http_protocols and (cfg.is_ssl or cfg.http2_cleartext != "off"):
        log.warning(
            "gunicorn speaks HTTP/2 itself: it serves the requests of a connection one after another, so that a stream "
            "holds up whatever its page asks for. Let a proxy speak HTTP/2, and take h2 out of http_protocols."
        )
    if drain >= cfg.graceful_timeout:
        log.warning(
            "HEADWAY_DRAIN is %g s, but gunicorn kills a worker %d s after it stops it: set --graceful-timeout to "
            "more than that.",
            *(drain, cfg.graceful_timeout),
        )


def warn_of_unknown(config: Mapping[str, Any]) -> None:
    """Warns of variables of the environment and an application's `config` that look like settings and are none."""
    from .gunicorn import is_further_worker  # which imports this module

    if is_further_worker():
        return
    for name, near in unknown_variables(os.environ, config).items():
        log.warning("there is no setting %s%s", name, f": do you mean {near}?" if near else "")


def _drain_seconds(mounted: list[Headway]) -> float:
    if mounted:
        return max(headway.settings.drain for headway in mounted)
    try:
        return Settings.read(os.environ).drain
    except SettingError:  # the drain itself says so
        return Settings().drain


def _weaker_class(cfg: Any) -> str:
    name = cfg.worker_class_str
    if name == "sync":
        weaker = (
            f"serves one request at a time: a stream keeps everybody else from the worker, and after {cfg.timeout} s "
            "gunicorn kills it"
        )
    elif name == "gthread":
        weaker = f"serves as many requests at once as it has threads ({cfg.threads}), and a stream keeps one to its end"
    else:
        weaker = "is not one that Headway knows"
    return f"gunicorn's worker {name} {weaker}. Start gunicorn with -k gevent, which serves thousands of streams."
