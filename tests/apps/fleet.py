"""An application whose effects are recorded apart from its event logs, for the tests with a fleet of processes.

The record is a file (`FLEET_RECORD`) to which every process appends a line for each thing that it does; `O_APPEND`
keeps the lines of all of them whole and in order (write(2)). `FLEET_RUNS_IN` says where its operations run.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Generator
from typing import Any, Final

from flask import Flask
from pydantic import BaseModel

from streaming import Headway, checkpoint, current_run, delta, on_cancel, operation, progress

RECORD: Final = "FLEET_RECORD"
RUNS_IN: Final = "FLEET_RUNS_IN"
HOUR: Final = 3600.0

where: Any = os.environ.get(RUNS_IN, "greenlet")


class Steps(BaseModel):
    """`count` steps, with `pause` seconds after each."""

    count: int = 10
    pause: float = 0.1


def record(what: str, step: int = 0) -> None:
    """Appends what this process does, and for which run."""
    run = current_run()
    line = {
        "at": time.monotonic(),
        "pid": os.getpid(),
        "what": what,
        "run": run.id,
        "attempt": run.attempt,
        "step": step,
    }
    file = os.open(os.environ[RECORD], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
    finally:
        os.close(file)


@operation(linger=None, retries=1000, runs_in=where)
def steps(input: Steps) -> Generator[Any, Any, Any]:
    """Steps with an effect each, after which a checkpoint is kept."""
    done = current_run().checkpoint or 0
    record("begin", done)
    for step in range(done + 1, input.count + 1):
        record("effect", step)
        yield delta(f"{step} ")
        yield checkpoint(step)
        record("kept", step)
        time.sleep(input.pause)
    return {"steps": input.count}


@operation(linger=None, runs_in=where)
def silent() -> Generator[Any, Any, Any]:
    """One event, and then silence: in a thread, as Celery has some, `on_cancel` alone reaches it."""
    record("begin")
    cancelled = threading.Event()
    on_cancel(cancelled.set)
    try:
        yield progress("at work")
        cancelled.wait(HOUR)
    finally:
        record("stopped")


app = Flask(__name__)
headway = Headway(app, operations=[steps, silent])
