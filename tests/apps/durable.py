"""An application whose runs outlive connections and workers, for tests of faults.

`DURABLE_LEASE` sets the lease of its store in seconds, `DURABLE_KEEP` how many bytes of a run it keeps.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, Final

import gevent
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from streaming import Headway, ask, checkpoint, current_run, delta, operation, partial, progress
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker
from streaming.stores.base import Store
from streaming.stores.lease import LEASE
from streaming.stores.sqlite.store import KEEP_BYTES, SqliteStore
from tests.apps import notes

Work = Generator[Any, Any, Any]

HOUR: Final = 3600.0


class Count(BaseModel):
    """`count` events of `size` bytes, with `pause` seconds after each; at its end the work leaves `note`.

    With a `gate` it waits for the note of that name before the first.
    """

    count: int = 10
    size: int = 10
    pause: float = 0
    note: str = ""
    gate: str = ""


class Question(BaseModel):
    """A question that is open for `within` seconds."""

    within: float = 600
    note: str = ""


def numbers(input: Count) -> Work:
    """Deltas with their number as text, so that a hole or a repeat shows in the data as well as in the ids."""
    try:
        while input.gate and not notes.of_this_process().has(input.gate):
            gevent.sleep(0.05)
        for number in range(1, input.count + 1):
            yield delta(f"{number}".ljust(input.size))
            gevent.sleep(input.pause)
        return input.count
    finally:
        leave(input.note)


def leave(note: str) -> None:
    """Leaves a note, unless its name is empty."""
    if note:
        notes.of_this_process().leave(note)


@operation(linger=None)
def counting(input: Count) -> Work:
    """Needs no viewer."""
    return numbers(input)


@operation(linger=0)
def fleeting(input: Count) -> Work:
    """Stops with its last viewer."""
    return silently(input)


@operation(linger=1)
def lingering(input: Count) -> Work:
    """Runs on for a second without viewers."""
    return silently(input)


@operation(linger=None)
def silent(input: Count) -> Work:
    """Needs no viewer, and is silent after its first event."""
    return silently(input)


@operation(linger=0)
def watched(input: Count) -> Work:
    """Numbers, as long as it has a viewer."""
    return numbers(input)


def silently(input: Count) -> Work:
    """One event, and then silence."""
    try:
        yield progress("at work")
        gevent.sleep(HOUR)
    finally:
        leave(input.note)


@operation(linger=None, retries=1)
def again(input: Count) -> Work:
    """Waits in its first attempt, and ends in the second."""
    first = not notes.of_this_process().has(input.note)
    leave(input.note)
    yield progress("at work")
    if first:
        gevent.sleep(HOUR)
    return "the second time"


@operation(linger=None, retries=1)
def stubborn(input: Count) -> Work:
    """Waits in each attempt."""
    return silently(input)


@operation(linger=None, retries=1)
def paged(input: Count) -> Work:
    """Pages, with a checkpoint after each; in its first attempt it waits after one more event."""
    run = current_run()
    first = run.checkpoint or 1
    for page in range(first, input.count + 1):
        yield partial(f"page-{page}", page)
        yield checkpoint(page + 1)
        if page == 2 and run.attempt == 1:
            yield delta("comes too late")
            gevent.sleep(HOUR)
    return {"first": first, "pages": [{"$partial": f"page-{page}"} for page in range(1, input.count + 1)]}


@operation(linger=None)
def curious(input: Question) -> Work:
    """Asks for a colour, which is its result."""
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    return (yield ask("Which colour?", schema=schema, within=input.within))


@operation(linger=None, retries=1)
def tallied(input: Count) -> Work:
    """Numbers, and a line in the note of that name each time that it begins: the run, and its attempt."""
    run = current_run()
    with (notes.of_this_process().folder / input.note).open("a") as tally:
        tally.write(f"{run.id} {run.attempt}\n")
    return numbers(input.model_copy(update={"note": ""}))


OPERATIONS: Final = [counting, fleeting, lingering, silent, watched, again, stubborn, paged, curious, tallied]


def special_log() -> Store | None:
    """The store of the settings, with the lease and the bytes of the variables; `None` without them."""
    url = os.environ.get("HEADWAY_STORE", "")
    lease = float(os.environ.get("DURABLE_LEASE", LEASE))
    keep = int(os.environ.get("DURABLE_KEEP", KEEP_BYTES))
    if (lease, keep) == (LEASE, KEEP_BYTES):
        return None
    if url.startswith("redis:"):
        from streaming.stores.redis.store import RedisStore

        return RedisStore(url, lease=lease, keep_bytes=keep)
    return SqliteStore(url.removeprefix("sqlite:///"), lease=lease, keep_bytes=keep)


app = Flask(__name__)
headway = Headway(app, operations=OPERATIONS, log=special_log())


@app.after_request
def sign(response: Response) -> Response:
    """Names the worker that answers."""
    response.headers["Worker"] = str(os.getpid())
    return response


@app.get("/worker")
def worker() -> ResponseReturnValue:
    """This worker, and how many streams and live runs it has."""
    return {"pid": os.getpid(), "streams": len(Worker.current().part(Heartbeat).viewers), "runs": headway.runner.live}


PAGE: Final = """<!doctype html><title>EventSource</title><script>
const seen = [], opened = [];
const source = new EventSource("/runs/" + new URLSearchParams(location.search).get("run") + "/events");
source.onopen = () => opened.push(performance.now());
for (const name of ["start", "delta", "result", "done", "reset"])
  source.addEventListener(name, (event) => seen.push({id: event.lastEventId, name, data: JSON.parse(event.data)}));
source.onerror = () => {
  if (source.readyState !== EventSource.CLOSED) return;
  fetch("/told", {method: "POST", body: JSON.stringify({seen, opened: opened.length})});
};
</script>"""


@app.get("/page")
def page() -> ResponseReturnValue:
    """A page with a native EventSource on a run, which posts its events here once it has closed by itself."""
    return PAGE


@app.post("/told")
def told() -> ResponseReturnValue:
    """Keeps the events of a page as a note."""
    unfinished = notes.of_this_process().folder / "told.unfinished"
    unfinished.write_bytes(request.get_data())
    unfinished.rename(unfinished.with_suffix(""))
    return "", 204
