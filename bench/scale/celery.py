"""What a worker of Celery takes, with the gevent pool: a process that produces, for viewers on a web worker."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench import load
from bench.load import open_viewers, read_for
from bench.servers import SERVER_CORE, Contender, Process, Server, gunicorn, server_environment, store_in

SLOTS: Final = 2_000
SILENT: Final = 300
APP: Final = "bench.apps.fleet"


@contextmanager
def fleet() -> Iterator[tuple[Server, Process]]:
    """A web worker and a Celery worker on one Redis, with another one as the broker."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-bench-")) for _ in range(2)]
        store, broker = (stack.enter_context(store_in("redis", Path(folder))) for folder in folders)
        broker = broker.replace("unix://", "redis+socket://")
        env = {**server_environment(store), "HEADWAY_CELERY_BROKER": broker}
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-P", "gevent", "-c", str(SLOTS), "-l", "ERROR"]
        worker = stack.enter_context(started(command, env))
        serve = gunicorn("fleet:app")
        web = Contender(
            "web", lambda port: ["env", f"HEADWAY_CELERY_BROKER={broker}", *serve(port)], as_runs=True, store="redis"
        )
        yield stack.enter_context(Server(web, store)), worker


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[Process]:
    """A process on the core of the servers."""
    process = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), *command], env=env, stdout=subprocess.DEVNULL)
    try:
        yield Process(process.pid)
    finally:
        process.kill()
        process.wait()


def figures(seconds: float = 8.0) -> dict[str, float]:
    """Events of 20 runs, silent runs, and runs of ten events."""
    with fleet() as (web, worker):
        load.wait_for_event([viewer := load.Viewer(web.port, web.request("items", rate=1.0))])
        viewer.reset()
        time.sleep(2)
        base = worker.memory()
        silent = open_viewers(web.port, web.request("quiet"), SILENT, wave=20)
        live = worker.memory()
        for each in silent:
            each.reset()
        open_ones = open_viewers(web.port, web.request("items", rate=50.0), 20, wave=20)
        read_for(open_ones, 2.0)
        cpu = worker.cpu()
        events = sum(each.count(block) for each, block in load.blocks(open_ones, seconds))
        cpu = worker.cpu() - cpu
        for each in open_ones:
            each.reset()
        time.sleep(2)
        run_cpu = worker.cpu()
        _, ended = load.rate_of_streams(web.port, web.request("pages", count=10), 8, seconds)
        run_cpu = worker.cpu() - run_cpu
    return {
        "celery_us": cpu / events * 1e6,
        "celery_run_us": run_cpu / ended * 1e6,
        "celery_mb": base / 2**20,
        "celery_run_kb": (live - base) / SILENT / 1024,
    }
