"""An application on Flask-SQLAlchemy, whose operations use its sessions, over a pool that tells when it is used up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from flask import Flask, Response
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel
from sqlalchemy import QueuePool, text

from streaming import Event, Headway, Operation, ask, event, operation, progress, stream

URL: Final = "DATABASE_URL"
POOL: Final = {"poolclass": QueuePool, "pool_size": 15, "max_overflow": 0, "pool_timeout": 5}
QUERY: Final = text("SELECT count(*) FROM orders")

db = SQLAlchemy()


class Work(BaseModel):
    """How long a transaction stays open."""

    seconds: float = 0.05


def querying(input: Work) -> Iterator[Event]:
    """Holds a connection in an open transaction, and leaves both to its teardown."""
    yield event("found", {"orders": db.session.execute(QUERY).scalar_one()})
    end = time.monotonic() + input.seconds
    while time.monotonic() < end:
        time.sleep(0.01)
        yield progress("in a transaction")


def waiting() -> Any:
    """Gives its connection back before it waits for people."""
    db.session.execute(QUERY)
    db.session.commit()
    db.session.remove()
    answer = yield ask("Go on?", schema={"type": "boolean"})
    db.session.execute(QUERY)
    return answer


async def querying_async(input: Work) -> AsyncIterator[Event]:
    """The same in an event loop, which a wait for a connection would hold up."""
    for item in querying(input):
        yield item
        await asyncio.sleep(0)


async def waiting_async() -> AsyncIterator[Event]:
    """The same in an event loop."""
    db.session.execute(QUERY)
    db.session.commit()
    db.session.remove()
    yield ask("Go on?", schema={"type": "boolean"})
    db.session.execute(QUERY)


def in_each(name: str, function: Any, in_loop: Any) -> Iterator[Operation]:
    """The operation in each executor of this process."""
    yield operation(name=f"{name}-greenlet", linger=0)(function)
    yield operation(name=f"{name}-thread", linger=0, runs_in="thread")(function)
    yield operation(name=f"{name}-asyncio", linger=0)(in_loop)


OPERATIONS: Final = (
    *in_each("querying", querying, querying_async),
    *in_each("waiting", waiting, waiting_async),
)


def create_app() -> Flask:
    """The application, on the database of the environment."""
    app = Flask(__name__)
    app.config |= {"SQLALCHEMY_DATABASE_URI": os.environ[URL], "SQLALCHEMY_ENGINE_OPTIONS": POOL}
    db.init_app(app)
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS orders (number INTEGER)"))
        db.engine.dispose()  # before gunicorn forks its workers
    app.add_url_rule("/pool", "pool", lambda: {"out": db.engine.pool.checkedout()})  # type: ignore[attr-defined]
    app.add_url_rule("/query", "query", query)
    app.add_url_rule("/stream", "stream", lambda: stream(querying(Work(seconds=30))))
    Headway(app, operations=OPERATIONS, max_runs=400, max_runs_per_client=400)
    return app


def query() -> dict[str, Any] | Response:
    """Whether the session of this request is a new one, and the seconds until it has a connection."""
    begun = time.monotonic()
    old = db.session().in_transaction()
    db.session.execute(QUERY)
    return {"old": old, "seconds": time.monotonic() - begun}
