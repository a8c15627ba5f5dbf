"""Operations that block their worker, or continue after their cancel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any, Final

import gevent
from flask import Flask, Response, request
from gevent import monkey
from pydantic import BaseModel

from streaming import Headway, operation, progress, stream
from tests.apps import notes

Work = Generator[Any, Any, Any]

native_sleep: Final[Callable[[float], None]] = monkey.get_original("time", "sleep")

MOST: Final = 30.0
"""Seconds after which each of them ends by itself, if its test has failed."""


class Task(BaseModel):
    """Work that continues until there is a note `go NOTE`, and leaves `NOTE` when it notices its cancel."""

    note: str = ""
    seconds: float = 1.0
    rounds: int = 1


def released(task: Task) -> bool:
    """Whether the work may end."""
    return notes.of_this_process().has(f"go {task.note}")


def too_late(task: Task) -> Work:
    """A note, and events after the cancel, which nobody may see."""
    notes.of_this_process().leave(task.note)
    yield progress("too late")
    yield progress("far too late")


@operation
def spinning(task: Task) -> Work:
    """Blocks its worker with a loop in Python, in several rounds."""
    for _ in range(task.rounds):
        yield progress("at work")
        end = time.monotonic() + task.seconds
        while time.monotonic() < end:
            pass


@operation
def stuck_in_c(task: Task) -> Work:
    """Blocks its worker with a call that gevent does not patch."""
    yield progress("at work")
    native_sleep(task.seconds)
    yield progress("done")


@operation
def polite(task: Task) -> Work:
    """Computes, and yields often enough."""
    for number in range(20):
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        yield progress(done=number + 1, total=20)


@operation
def clinging(task: Task) -> Work:
    """Catches every exception that would end it."""
    with contextlib.suppress(BaseException):  # its cancel may come before its next step
        yield progress("at work")
    end = time.monotonic() + MOST
    while not released(task) and time.monotonic() < end:
        with contextlib.suppress(BaseException):
            gevent.sleep(0.02)
    yield from too_late(task)


@operation
def answering_back(task: Task) -> Work:
    """Catches the exception that closes it, and yields again."""
    while True:
        try:
            yield progress("at work")
            gevent.sleep(0.01)
        except BaseException:  # noqa: BLE001  # this is what the test is about
            notes.of_this_process().leave(task.note)


@operation(runs_in="thread")
def thread_without_a_hook(task: Task) -> Work:
    """Waits in C code that no hook ends."""
    with contextlib.suppress(BaseException):  # its cancel may come before its next step
        yield progress("at work")
    end = time.monotonic() + MOST
    while not released(task) and time.monotonic() < end:
        native_sleep(0.02)
    yield from too_late(task)


@operation(runs_in="thread")
def thread_that_spins(task: Task) -> Work:
    """Computes in a thread."""
    with contextlib.suppress(BaseException):  # its cancel may come before its next step
        yield progress("at work")
    end = time.monotonic() + MOST
    while time.monotonic() < end and not released(task):
        for _ in range(100_000):
            pass
    yield from too_late(task)


@operation(runs_in="thread")
def thread_that_answers_back(task: Task) -> Work:
    """The same in a thread."""
    return answering_back(task)  # type: ignore[no-any-return]


@operation(runs_in="process")
def process_that_answers_back(task: Task) -> Work:
    """The same in a process."""
    return answering_back(task)  # type: ignore[no-any-return]


OPERATIONS: Final = [
    spinning,
    stuck_in_c,
    polite,
    clinging,
    answering_back,
    thread_without_a_hook,
    thread_that_spins,
    thread_that_answers_back,
    process_that_answers_back,
]

app = Flask(__name__)
Headway(app, operations=OPERATIONS, url_prefix="/api")


@app.get("/spinning")
def spinning_stream() -> Response:
    """The same without a run."""
    return stream(spinning(Task(seconds=request.args.get("seconds", 1.0, float))))


@app.get("/clinging")
def clinging_stream() -> Response:
    """The same without a run."""
    return stream(clinging(Task(note=request.args["note"])))
