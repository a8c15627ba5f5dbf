"""Operations that leave a note when they are stopped, and a route that counts what is in the process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import gevent
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from gevent import monkey
from greenlet import getcurrent, greenlet
from pydantic import BaseModel

from streaming import Event, Headway, ask, delta, on_cancel, operation, partial, progress, stream
from streaming.http.heartbeat import Heartbeat
from streaming.http.viewer import Viewer
from streaming.runs.executors.greenlet import GreenletWork
from streaming.runs.executors.process.fork_server import Child
from streaming.runs.executors.process.work import ProcessWork
from streaming.runs.executors.thread import ThreadWork
from streaming.runs.producer import Producer
from streaming.runs.run import Run
from streaming.runtime.worker import Worker
from tests.apps import notes

HOUR: Final = 3600.0
EPOLLRDHUP: Final = 0x2000
OURS: Final = (Viewer, Run, Producer, GreenletWork, ThreadWork, ProcessWork, Child)

Work = Generator[Event, Any, Any]


class Task(BaseModel):
    """`note` is left when the work ends, for whatever reason; none where it is empty.

    `place` is the executor, for operations that run in any.
    """

    note: str = ""
    place: Literal["greenlet", "thread", "process"] = "greenlet"


@contextlib.contextmanager
def noted(task: Task) -> Iterator[None]:
    """Leaves the task's note at the end."""
    try:
        yield
    finally:
        leave_note(task)


def leave_note(task: Task) -> None:
    """Leaves the task's note, if it has one."""
    if task.note:
        notes.of_this_process().leave(task.note)


def wait() -> None:
    """Waits in the hub where there is one, else in C code, which only its hook can end."""
    if getcurrent().parent is not None:
        gevent.sleep(HOUR)
        return
    lock = monkey.get_original("_thread", "allocate_lock")()
    lock.acquire()
    with on_cancel(lock.release):
        lock.acquire(timeout=HOUR)


@operation
def silent(task: Task) -> Work:
    """One event, and then silence."""
    with noted(task):
        yield progress("at work")
        wait()


@operation(runs_in="thread")
def thread(task: Task) -> Work:
    """The same in a thread."""
    return silent(task)  # type: ignore[no-any-return]


@operation(runs_in="thread")
def drowsy(task: Task) -> Work:
    """A thread that sleeps again and again, with `time.sleep` as it is or as gevent patches it."""
    with noted(task):
        while True:
            yield progress("tick")
            time.sleep(0.001)


@operation
def pooled(task: Task) -> Work:
    """A greenlet that waits for C code in gevent's pool of threads, which only a hook can end."""
    lock = monkey.get_original("_thread", "allocate_lock")()
    lock.acquire()

    def block() -> None:
        with noted(task):
            lock.acquire(timeout=HOUR)

    yield progress("at work")
    with on_cancel(lock.release):
        gevent.get_hub().threadpool.apply(block)


@operation
def hooked(task: Task) -> Work:
    """Ends by itself, with a hook for a cancel that never comes."""
    on_cancel(lambda: leave_note(task))
    yield progress("at work")


@operation(runs_in="process")
def sleeping(task: Task) -> Work:
    """A process that sleeps; its event has its pid."""
    with noted(task):
        yield partial("pid", os.getpid())
        time.sleep(HOUR)


@operation(runs_in="process")
def burning(task: Task) -> Work:
    """A process that burns a processor."""
    with noted(task):
        yield partial("pid", os.getpid())
        while True:
            pass


@operation(runs_in="process")
def ignoring(task: Task) -> Work:
    """A process that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return sleeping(task)  # type: ignore[no-any-return]


@operation(runs_in="process")
def stuck(task: Task) -> Work:
    """A process in C code that never returns to Python, where signals are handled: it waits for its own lock."""
    with noted(task):
        yield partial("pid", os.getpid())
        libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
        libc.pthread_mutex_lock(lock)
        libc.pthread_mutex_lock(lock)


@operation(runs_in="process")
def parent(task: Task) -> Work:
    """A process with a child of its own, which has its descriptors and which it never waits for."""
    child = os.fork()
    if child == 0:
        time.sleep(HOUR)
        os._exit(0)
    with noted(task):
        yield partial("pid", child)
        time.sleep(HOUR)


@operation(runs_in="process")
def printing(task: Task) -> Work:
    """A process that writes to its standard output in every way, beside its events."""
    with noted(task):
        for number in range(1, 4):
            print("stray print", number, flush=True)  # noqa: T201  the point of it
            os.write(1, b"stray write e\0\0\0\0 without an end")
            subprocess.run(["echo", "stray child"], check=True)
            sys.stdout.write("stray text without an end")
            yield partial("number", number)
        return "done"


@operation
def ticking(task: Task) -> Work:
    """An event each millisecond."""
    with noted(task):
        while True:
            yield progress("tick")
            gevent.sleep(0.001)


@operation
def pouring(task: Task) -> Work:
    """Events without a pause."""
    with noted(task):
        while True:
            yield delta("x" * 1000)


@operation
def patient(task: Task) -> Work:
    """Continues once its test has left the note `go NOTE`."""
    with noted(task):
        yield progress("at work")
        while not notes.of_this_process().has(f"go {task.note}"):
            gevent.sleep(0.005)
        yield progress("continuing")
        return "done"


@operation(where=lambda task: task.place)
def asking(task: Task) -> Work:
    """Waits for an answer."""
    with noted(task):
        yield ask("Go on?", schema={"type": "boolean"})


@operation(where=lambda task: task.place)
def tidying(task: Task) -> Work:
    """Its `finally` takes a while."""
    with noted(task):
        try:
            while True:
                yield progress("at work")
                time.sleep(0.01)
        finally:
            time.sleep(0.2)


@operation(linger=0.3)
def lingering(task: Task) -> Work:
    """Runs on for a while without viewers."""
    return silent(task)  # type: ignore[no-any-return]


@operation(linger=None)
def lasting(task: Task) -> Work:
    """Runs on without viewers."""
    return silent(task)  # type: ignore[no-any-return]


OPERATIONS: Final = [
    silent,
    thread,
    drowsy,
    pooled,
    hooked,
    sleeping,
    burning,
    ignoring,
    stuck,
    parent,
    printing,
    ticking,
    pouring,
    patient,
    asking,
    tidying,
    lingering,
    lasting,
]

app = Flask(__name__)
headway = Headway(app, operations=OPERATIONS)


@app.after_request
def throw_away(response: Response) -> Response:
    """In place of code of the application that fails."""
    if "Throw-Away" in request.headers and response.status_code == 200:
        raise ValueError("the response is thrown away")
    return response


@app.get("/streamed")
def streamed() -> Response:
    """A silent stream without a run."""
    return stream(silent(Task(note=request.args.get("note", ""))))


@app.get("/inside")
def inside() -> ResponseReturnValue:
    """Counts everything in this process that a stream could leave behind."""
    gc.collect()
    return {
        "pid": os.getpid(),
        "greenlets": sum(issubclass(type(each), greenlet) and not each.dead for each in gc.get_objects()),
        "objects": sum(type(each) in OURS for each in gc.get_objects()),
        "threads": count("/proc/self/task"),
        "descriptors": count("/proc/self/fd"),
        "viewers": len(Worker.current().part(Heartbeat).viewers),
        "runs": headway.runner.live,
        "watched": watched(),
    }


def count(folder: str) -> int:
    """How many entries a folder has."""
    return len(list(Path(folder).iterdir()))


def watched() -> int:
    """How many descriptors are in an epoll set for their hang-up alone (proc(5), fdinfo)."""
    lines = "".join(info for path in Path("/proc/self/fdinfo").iterdir() if "tfd:" in (info := read(path)))
    return sum(int(line.split()[3], 16) & EPOLLRDHUP != 0 for line in lines.splitlines() if line.startswith("tfd:"))


def read(path: Path) -> str:
    """A file of /proc, or nothing where it is gone by now."""
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


@app.get("/patience")
def patience() -> ResponseReturnValue:
    """Milliseconds that the kernel waits for an acknowledgement on this request's socket; 0 is its default."""
    own = next(request.environ[key] for key in ("gunicorn.socket", "gunicorn.sock") if key in request.environ)
    return {"milliseconds": own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)}
