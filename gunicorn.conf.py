"""How gunicorn serves the application: gevent workers, sized for streams that stay open.

gunicorn finds this file by itself when it is started in this folder. A name below that is one of its settings sets it;
the command line and `GUNICORN_CMD_ARGS` win over this file (`-b HOST:PORT`, `-k gevent_pywsgi`, `--certfile` ...). The
number of workers is gunicorn's own variable, `WEB_CONCURRENCY`.

This file runs in the master, which gevent does not patch, and the workers inherit what the master has imported: import
nothing of the application at its top, not even the settings.
"""

import atexit
import contextlib
import fcntl
import logging
import mmap
import os
import resource
import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn import glogging

FILES = 65_536
"""Files that a worker may open. A stream takes one; with a gateway or a process of its own, two or three."""

STOPPING = 12
"""Seconds between the end of the drain and the kill, for the last events of streams and for `finally` blocks."""

proc_name = "headway"

worker_class = "gevent"
# Open connections of one worker. Above HEADWAY_MAX_STREAMS (10,000), so that health checks and cancels get through
# when every stream is taken, and the application answers 503 itself instead of leaving callers in the backlog.
worker_connections = 12_000

# Seconds that a kept-alive connection may stay silent, and that a request's head may take. A stopping worker waits for
# idle connections this long, so it is short; a proxy in front has to give its own up sooner, or it sends a request
# into a connection that is just being closed.
keepalive = 5

# A worker shows that it lives by touching a file, which on a disk can block it, and in memory cannot.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  gunicorn makes an unguessable file

# gunicorn's management socket is one path per user, so a second instance would take it over from the first.
control_socket_disable = True


def drain_seconds() -> int:
    """`HEADWAY_DRAIN`; the application itself refuses one that cannot be read, and says what it takes."""
    with contextlib.suppress(ValueError, OverflowError):
        return max(0, int(float(os.environ.get("HEADWAY_DRAIN", "10"))))
    return 10


graceful_timeout = drain_seconds() + STOPPING


def raise_file_limit(files: int = FILES) -> None:
    """Raises the soft limit of open files as far as the hard one allows; the workers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


raise_file_limit()

# Connections that a worker has no files for would stay unanswered, and its store and uploads could open none.
worker_connections = max(16, min(worker_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 128))

# gevent remembers for each greenlet who spawned it and where, for its debugging tools: more than a kilobyte a stream.
os.environ.setdefault("GEVENT_TRACK_GREENLET_TREE", "false")

# ---------------------------------------------------------------------------------------------------- metrics
# The workers share their figures through files (streaming/http/metrics.py) in a folder, which the environment may name.

METRICS = "PROMETHEUS_MULTIPROC_DIR"
METRICS_FOLDER = "headway-metrics-"


def share_metrics() -> None:
    """Makes a folder for the figures of this master's workers, unless there is one, and removes it at the exit."""
    temporary = Path(tempfile.gettempdir())
    own = f"{METRICS_FOLDER}{os.getpid()}-"
    current = Path(os.environ.get(METRICS, "."))
    # After an upgrade (USR2) it may be the folder of the old master, which removes it at its own exit.
    inherited = (
        current.parent == temporary and current.name.startswith(METRICS_FOLDER) and not current.name.startswith(own)
    )
    if METRICS not in os.environ or inherited:
        for folder in temporary.glob(f"{METRICS_FOLDER}*"):  # of masters that were killed
            with contextlib.suppress(OSError):  # in use, another user's, or removed meanwhile
                os.close(lock_of(folder))
                shutil.rmtree(folder, ignore_errors=True)
        os.environ[METRICS] = tempfile.mkdtemp(prefix=own)
        lock_of(Path(os.environ[METRICS]))
        atexit.register(remove_metrics, os.environ[METRICS], os.getpid())


def lock_of(folder: Path) -> int:
    """Locks a folder while this process or a worker of it lives; raises `OSError` where another process holds it."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def remove_metrics(folder: str, master: int) -> None:
    """Removes the folder, in the master alone: its workers are forks of it, and run this at their exit too."""
    if os.getpid() == master:
        shutil.rmtree(folder, ignore_errors=True)


share_metrics()

ACCEPTED = mmap.mmap(-1, mmap.PAGESIZE)
"""Memory of all workers of this master: how many connections each has accepted of late."""


def child_exit(server: Any, worker: Any) -> None:
    """Removes the live gauges of a dead worker; its counters stay."""
    for file in Path(os.environ[METRICS]).glob(f"gauge_live*_{worker.pid}.db"):
        file.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------- logs
# They have the form that HEADWAY_LOG says. The access log is off, until `--access-logfile FILE` turns it on. Whatever
# its format shows, the path with its query, the Referer or a header: run tokens (`?token=`) and keys (`Authorization`)
# stay out of it, and out of the error log.

LOGS = runpy.run_path(str(Path(__file__).with_name("operations") / "logs.py"))  # of the standard library alone
hide_secrets = LOGS["hide_secrets"]


class Logger(glogging.Logger):
    """gunicorn's logger, whose lines have the form of the service's log."""

    def setup(self, cfg: Any) -> None:
        """Opens the logs; called again at a reload."""
        super().setup(cfg)
        formatter = LOGS["formatter"](os.environ.get("HEADWAY_LOG", ""))
        for log in (self.error_log, self.access_log):
            if handler := self._get_gunicorn_handler(log):  # those for syslog have a form of their own
                handler.setFormatter(formatter)


logger_class = Logger

# The time and the run stand around it. `%({headway.run}e)s` is the run in a format of one's own.
access_log_format = '%(h)s "%(r)s" %(s)s %(B)s %(L)s "%(f)s" "%(a)s"'

# One that cannot be read is for the application to refuse.
if os.environ.get("HEADWAY_LOG_LEVEL", "").strip().upper() in LOGS["LEVELS"]:
    loglevel = os.environ["HEADWAY_LOG_LEVEL"].strip().lower()

for name in ("gunicorn.access", "gunicorn.error"):
    logging.getLogger(name).filters = [hide_secrets]  # a reload (HUP) reads this file again

# ---------------------------------------------------------------------------------------------------- worker stop
# This runs in the worker, after gevent has patched it, and so imports the library inside the function.


def post_worker_init(worker: Any) -> None:
    """Has the library drain a worker that stops; gunicorn by itself waits for open streams, and then cuts them.

    And has the workers share new connections evenly.
    """
    from streaming.http.gunicorn import drain_with
    from streaming.http.sharing import share_connections

    drain_with(worker)
    share_connections(worker, ACCEPTED)
