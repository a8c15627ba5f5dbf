"""What `flask headway doctor` checks of an application besides its streams: the settings, the server and the store."""

from __future__ import annotations

import importlib.util
import os
import resource
from collections.abc import Iterator
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal

from ..errors import HeadwayError
from ..settings import Settings
from ..stores.memory import MemoryStore
from ..variables import PREFIX, unknown_variables
from .heartbeat import FILES
from .transport import native_epoll

if TYPE_CHECKING:
    from .extension import Headway

Check = tuple[str, Literal["ok", "wrong", "note"], str, str]
"""The fields of the client's `Finding`: the check, its outcome, what was seen, and what to change."""

SERVER: Final = ("gunicorn", "packaging")
"""What the gevent worker of gunicorn needs, besides gevent."""


def examine(headway: Headway, settings: Settings) -> Iterator[Check]:
    """The checks of an application with these settings, as they are made."""
    yield from _check_variables()
    yield _check_keys(headway)
    yield _check_server()
    yield _check_files(settings.max_streams)
    yield _check_store(headway)


def _check_variables() -> Iterator[Check]:
    unknown = unknown_variables(os.environ)
    for name, near in unknown.items():
        yield "settings", "note", f"{name} is no setting of this application", f"{near}?" if near else ""
    if not unknown:
        given = sorted(name for name in os.environ if name.startswith(PREFIX))
        yield "settings", "ok", f"of the environment: {', '.join(given) or 'none'}", ""


def _check_keys(headway: Headway) -> Check:
    if headway.authorize is not None:
        return "keys", "ok", "each request is asked for its owner", ""
    message = "whoever reaches the service may start runs, and see all of them"
    return "keys", "note", message, "set HEADWAY_API_KEYS, or pass `authorize`, unless a proxy checks callers"


def _check_server() -> Check:
    missing = [name for name in SERVER if importlib.util.find_spec(name) is None]
    if missing:
        message = f"without {' and '.join(missing)} no gunicorn with a gevent worker can serve this"
        return "server", "note", message, "pip install 'gunicorn[gevent]'"
    if native_epoll is None:
        message = "this system has no epoll: a disconnect shows at the next heartbeat only"
        return "server", "note", message, "serve on Linux"
    return "server", "ok", f"gunicorn {version('gunicorn')} and its gevent worker are installed", ""


def _check_files(streams: int) -> Check:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit == resource.RLIM_INFINITY or limit - FILES >= streams:
        return "files", "ok", f"a process may open files for {streams} streams", ""
    message = f"a process may open {limit} files, {FILES} besides streams, and HEADWAY_MAX_STREAMS is {streams}"
    return "files", "note", message, "systemd: `LimitNOFILE=65536`; docker: `--ulimit nofile=65536`"


def _check_store(headway: Headway) -> Check:
    start = monotonic()
    try:
        runner = headway.runner
        runner.worker.call(runner.store.ready)
    except HeadwayError as error:
        return "store", "wrong", str(error), "see HEADWAY_STORE, and docs/stores.md"
    name = type(runner.store).__name__
    if isinstance(runner.store, MemoryStore):
        message = f"{name}: only the worker of a run sees it, and it ends with that worker"
        return "store", "note", message, "for more than one worker set HEADWAY_STORE=sqlite:///PATH, or redis://"
    return "store", "ok", f"{name} answers in {(monotonic() - start) * 1000:.0f} ms", ""
