"""The queued runs in the file: whether a run has to wait, and which are next."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping

import orjson

from ...protocol.limits import Limits
from ..base import RunInfo
from ..queues import Line, Waiting, is_over, next_runs
from .file import SQL, Connection


def must_wait(db: Connection, info: RunInfo, limits: Limits) -> bool:
    """Whether a new run has to wait: its operation or its client has its runs, or others would begin before it."""
    if not limits.any:
        return False

    def at_work(operation: str, client: str | None) -> int:
        return _at_work(db, operation, client)

    return is_over(limits, info.operation, info.client, at_work) or bool(next_of(db, None, 1, {info.operation: limits}))


def next_of(db: Connection, worker: str | None, most: int, operations: Mapping[str, Limits]) -> list[sqlite3.Row]:
    """The next runs to begin; those that only another worker can begin are left out, unless `worker` is `None`."""
    values = {"operations": orjson.dumps(list(operations)).decode(), "worker": worker}
    lines = [Line(*row) for row in db.execute(SQL["lines"], values)]

    def at_work(operation: str, client: str | None) -> int:
        return _at_work(db, operation, client)

    def runs(line: Line) -> Iterator[sqlite3.Row]:
        return db.execute(SQL["line"], {**line._asdict(), "worker": worker})

    return [row for _, row in next_runs(lines, most, operations, at_work, runs)]


def _at_work(db: Connection, operation: str, client: str | None) -> int:
    statement = "at_work" if client is None else "at_work_of_client"
    return int(db.execute(SQL[statement], {"operation": operation, "client": client}).fetchone()[0])


def serve(db: Connection, operation: str, client: str) -> None:
    """Notes that a run of a client begins: it is the other clients' turn."""
    db.execute(SQL["count_served"])
    db.execute(SQL["serve"], {"operation": operation, "client": client})


def waiting(db: Connection, operation: str, runs: Collection[str]) -> Waiting:
    """The queued runs of an operation, with the positions of some."""
    values = {"operation": operation, "runs": orjson.dumps(list(runs)).decode()}
    clients = {row["client"]: row["count"] for row in db.execute(SQL["clients"], values)}
    positions = {row["id"]: (row["client"], row["before"]) for row in db.execute(SQL["positions"], values)}
    row = db.execute(SQL["duration"], values).fetchone()
    return Waiting(clients, positions, _at_work(db, operation, None), row and row["seconds"])
