"""Operations that run in the workers of a Celery, and one that does not, for real servers and workers.

`FLEET_LEASE` sets the lease of the store in seconds.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any, Final, cast

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from streaming import Events, Headway, ask, current_run, on_cancel, operation, progress
from streaming.stores.lease import LEASE
from streaming.stores.redis.store import RedisStore
from tests.apps import notes

cast(dict[str, Any], RedisStore.__init__.__kwdefaults__)["lease"] = float(os.environ.get("FLEET_LEASE", LEASE))


class Steps(BaseModel):
    """`steps` steps, with `pause` seconds before each; the work leaves NOTE-begun-ATTEMPT, NOTE-ended and NOTE-pid."""

    steps: int = 3
    pause: float = 0.02
    note: str = ""


def work(input: Steps) -> Events:
    """Says where it is at each step, and in its result where that was."""
    run = current_run()
    leave(input, f"begun-{run.attempt}")
    try:
        for step in range(input.steps):
            time.sleep(input.pause)
            yield progress(f"Step {step + 1}", done=step + 1, total=input.steps)
        return {"pid": os.getpid(), "app": current_app.name, "attempt": run.attempt, "headers": dict(run.headers)}
    finally:
        leave(input, "ended")


def leave(input: Steps, what: str) -> None:
    """Leaves a note, unless its name is empty."""
    if input.note:
        (notes.of_this_process().folder / f"{input.note}-pid").write_text(str(os.getpid()))
        notes.of_this_process().leave(f"{input.note}-{what}")


@operation(runs_in="celery", linger=None, headers=("X-Colour",))
def talks(input: Steps) -> Events:
    """Needs no viewer."""
    return work(input)


@operation(runs_in="celery", linger=0)
def watched(input: Steps) -> Events:
    """Stops with its last viewer."""
    return work(input)


@operation(runs_in="celery", linger=None, retries=2)
def retried(input: Steps) -> Events:
    """Is taken over where its worker dies."""
    return work(input)


@operation(runs_in="celery", linger=None, concurrency=1)
def limited(input: Steps) -> Events:
    """Is at work once at a time, over all workers."""
    return work(input)


@operation(runs_in="celery", linger=None)
def silent(input: Steps) -> Events:
    """Says nothing, and waits for a socket that its hook shuts down."""
    ours, theirs = socket.socketpair()
    leave(input, "begun-1")
    try:
        with ours, theirs, on_cancel(lambda: theirs.shutdown(socket.SHUT_WR)):
            ours.recv(1)
        return "woken"
        yield
    finally:
        leave(input, "ended")


@operation(runs_in="celery", linger=None, where=lambda _: "process")
def computes(input: Steps) -> Events:
    """Computes in a process of its own, and says nothing."""
    leave(input, "begun-1")
    try:
        while True:
            sum(range(1000))
        yield
    finally:
        leave(input, "ended")


@operation(runs_in="celery", linger=None)
def asks() -> Events:
    """Asks for a boolean, which is its result."""
    return (yield ask("Go on?", schema={"type": "boolean"}, within=600))


@operation(linger=None)
def here(input: Steps) -> Events:
    """Runs where it is started."""
    return work(input)


OPERATIONS: Final = [talks, watched, retried, limited, silent, computes, asks, here]

app = Flask(__name__)
headway = Headway(app, operations=OPERATIONS)


@app.get("/worker")
def worker() -> ResponseReturnValue:
    """This worker, and how many live runs it has."""
    return {"pid": os.getpid(), "runs": headway.runner.live}
