"""An application whose operations say in which contexts they work, and whose teardown functions say how they ended."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

from flask import Flask, Response, current_app, g, has_request_context, request, session, stream_with_context, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user
from greenlet import GreenletExit
from pydantic import BaseModel

from streaming import Event, Headway, RunFilter, current_run, event, operation, stream

TRACE: Final[ContextVar[str]] = ContextVar("trace", default="none")
"""As the libraries for tracing have one."""

log = logging.getLogger("tests.contexts")


class Act(BaseModel):
    """What the operation does once it has said where it is; its teardown functions write to `path`."""

    act: Literal["return", "fail", "exit", "wait", "log"] = "return"
    path: str = ""
    slow: float = 0.0


class User(UserMixin):  # type: ignore[misc]  # ships no types
    """A user, made new each time that one is loaded."""

    def __init__(self, name: str) -> None:
        self.id = name


def act(input: Act) -> Iterator[Event]:
    """The work of all operations."""
    yield event("here", describe())
    if input.act == "fail":
        raise ValueError("it fails")
    if input.act == "exit":
        raise GreenletExit
    if input.act == "log":
        log.warning("at work")
    while input.act == "wait":
        time.sleep(0.01)
        yield event("waiting", {})


def describe() -> dict[str, Any]:
    """Where this code runs."""
    record = logging.makeLogRecord({})
    RunFilter().filter(record)
    run = current_run()
    return {
        "app": current_app.name,
        "g": sorted(g),
        "request": has_request_context(),
        "trace": TRACE.get(),
        "run": [run.id, run.operation, run.owner, run.attempt, run.checkpoint],
        "input": run.input.model_dump(),
        "language": run.headers.get("accept-LANGUAGE"),
        "headers": dict(run.headers),
        "record": [record.run, record.operation, record.owner],  # type: ignore[attr-defined]
    }


HEADERS: Final = ("Accept-Language", "X-Missing")


@operation(headers=HEADERS)
def greenlet(input: Act) -> Iterator[Event]:
    """In a greenlet."""
    return act(input)


@operation(headers=HEADERS, runs_in="thread")
def thread(input: Act) -> Iterator[Event]:
    """In a thread."""
    return act(input)


@operation(headers=HEADERS, runs_in="process")
def process(input: Act) -> Iterator[Event]:
    """In a process."""
    return act(input)


@operation(headers=HEADERS, name="asyncio")
async def in_loop(input: Act) -> AsyncIterator[Event]:
    """In an event loop."""
    for item in act(input):
        yield item
        await asyncio.sleep(0)


@operation(runs_in="process")
def counted() -> Iterator[Event]:
    """In a process: how often this process has made the application, and who made it."""
    yield event("made", {"made": MADE, "here": os.getpid()})


@operation(request_context=True)
def asked() -> Iterator[Event]:
    """Says what is left of the request, after its end."""
    while ENDED.get("latest", "") != request.headers["X-Number"]:
        time.sleep(0.001)
        yield event("waiting", {})
    yield event(
        "request",
        {
            "path": request.path,
            "url": url_for("whoami", _external=True),
            "g": {name: g.get(name) for name in g if not name.startswith("_")},
            "session": session.get("colour"),
            "user": current_user.id,
            "body": [request.get_data(as_text=True), request.stream.read().decode(), dict(request.form)],
            "mark": request.mark,  # type: ignore[attr-defined]
            "language": request.headers["Accept-Language"],
        },
    )


@operation(request_context=True, runs_in="thread")
def asked_in_a_thread() -> Iterator[Event]:
    """The same in a thread."""
    yield from asked()


@operation(request_context=True)
async def asked_in_a_loop() -> AsyncIterator[Event]:
    """The same in an event loop."""
    for item in asked():
        yield item
        await asyncio.sleep(0)


OPERATIONS: Final = (greenlet, thread, process, in_loop, counted, asked, asked_in_a_thread, asked_in_a_loop)
MADE: Final[list[tuple[int, str | None]]] = []
"""The processes that have made an application, with its `process_app`, up to this one."""
ENDED: Final[dict[str, str]] = {}


def create_app(process_app: str | None = "tests.apps.contexts:create_app", **options: Any) -> Flask:
    """The application; its teardown functions write how a run has ended to the path in its input."""
    MADE.append((os.getpid(), process_app))
    app = Flask("shop")
    app.config["SECRET_KEY"] = "secret"
    LoginManager(app).user_loader(User)
    app.before_request(prepare)
    app.teardown_request(close)
    app.teardown_appcontext(note)
    app.add_url_rule("/whoami", "whoami", lambda: {"user": current_user.get_id()})
    for name, route in STREAMS.items():
        app.add_url_rule(f"/streams/{name}", name, route)
    Headway(app, operations=OPERATIONS, process_app=process_app, **options)
    return app


def prepare() -> None:
    """Before a request: what an application puts into its contexts."""
    TRACE.set(request.headers.get("X-Trace", "none"))
    g.tenant, g.connection, session["colour"] = "acme", BytesIO(), "green"
    request.mark = "set"  # type: ignore[attr-defined]
    request.get_data()
    if "X-User" in request.headers:
        login_user(User(request.headers["X-User"]))


def close(error: BaseException | None) -> None:
    """After a request: closes what it has opened."""
    if "connection" in g:
        g.pop("connection").close()
    ENDED["latest"] = request.headers.get("X-Number", "")


def note(error: BaseException | None) -> None:
    """After a context: notes how a stream has ended, or a run."""
    if "stream" in g:
        TORN.append((g.stream, type(error).__name__))
    try:
        act = current_run().input
    except RuntimeError:
        return
    if isinstance(act, Act) and act.path:
        with Path(act.path).open("a") as file:
            file.write(f"{type(error).__name__}\n")
        time.sleep(act.slow)
        Path(f"{act.path}.torn").touch()


# Streams

TORN: Final[list[tuple[str, str]]] = []
"""The contexts of streams that were torn down, with the kind of what was raised."""


def plain() -> Response:
    """In an application context, without the request."""

    endless = "endless" in request.args

    def events() -> Generator[Event, Any, list[Any]]:
        g.stream = "plain"
        yield from here(endless)
        return ["plain"]

    return stream(events())


def with_context() -> Response:
    """With the request, by Flask's own wrapper."""

    def events() -> Generator[Event, Any, list[Any]]:
        g.stream = "with_context"
        yield from here("endless" in request.args)
        return ["with", request.args["word"]]

    return stream(stream_with_context(events()))


def here(endless: bool) -> Iterator[Event]:
    """Where this runs; goes on as long as the request says."""
    yield event("here", {"app": current_app.name, "request": has_request_context(), "g": sorted(g)})
    yield event("run", {"error": why_no_run()})
    while endless:
        time.sleep(0.01)
        yield event("waiting", {})


def why_no_run() -> str:
    """What `current_run()` says."""
    try:
        current_run()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("a stream has no run")


STREAMS: Final = {"plain": plain, "with_context": with_context}
