"""What the rows of the sqlite store stand for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ...protocol.frames import Block, split
from ...protocol.state import Fold
from ..base import Record, RunInfo
from ..driver import Kept, State, sizes
from ..files import FileInfo, handed_over
from .file import SQL, Connection

COLUMNS = {name: "last" if name == "last_event_id" else name for name in Fold.__slots__}
"""The column of each field of a fold."""

SUMMARY = ", ".join(
    "NULL AS result" if name == "result" else name
    for name in (*RunInfo.__slots__, *COLUMNS.values(), "queued", "cancel", "attempt", "claimed")
)
"""What `record` reads of a row, but for the result."""


def info(row: sqlite3.Row) -> RunInfo:
    """What does not change about a run."""
    return RunInfo(**{name: row[name] for name in RunInfo.__slots__})


def values_of(fold: Fold) -> dict[str, Any]:
    """The fields of a fold by their names; spelt out, because every batch of a run needs them."""
    return {
        "state": fold.state,
        "ending": fold.ending,
        "last_event_id": fold.last_event_id,
        "updated": fold.updated,
        "progress": fold.progress,
        "result": fold.result,
        "error": fold.error,
        "question": fold.question,
        "usage": fold.usage,
    }


def record(row: sqlite3.Row, viewers: int = 0, files: Sequence[FileInfo] = ()) -> Record:
    """A run as it is now."""
    fold = Fold(**{name: row[column] for name, column in COLUMNS.items()})
    cancelling = row["cancel"] is not None
    begun = row["claimed"] is None or row["last"] > row["claimed"]
    return Record(info(row), fold, viewers, bool(row["queued"]), cancelling, row["attempt"], files=files, begun=begun)


def file(row: sqlite3.Row) -> FileInfo:
    """A file of a run."""
    return FileInfo(row["name"], row["type"], row["size"], row["sha256"])


def files(db: Connection, run: str) -> list[FileInfo]:
    """The files that a run has handed over."""
    return handed_over(map(file, db.execute(SQL["files"], {"run": run})))


def state(db: Connection, values: dict[str, Any], last: int | None) -> State | None:
    """The state of `run` for `worker`, with the blocks after number `last`; `values` have `now` too."""
    row = db.execute(SQL["state"], values).fetchone()
    if row is None:
        return None
    return State(
        worker=row["worker"],
        epoch=row["epoch"],
        cancel=row["cancel"],
        watched=bool(row["watched"]),
        viewers_here=int(row["here"]),
        viewers_alive=int(row["living"]),
        viewers_known=int(row["known"]),
        answers={answer["question"]: answer["body"] for answer in db.execute(SQL["answers"], values)},
        blocks=[] if last is None else blocks(db, values["run"], last),
        adopted=row["adopted"],
        over=row["ending"] is not None,
    )


def blocks(db: Connection, run: str, after: int) -> list[Block]:
    """The blocks that have the frames after number `after`."""
    rows = db.execute(SQL["blocks"], {"run": run, "after": after})
    split_rows = ((row["first"], split(row["frames"])) for row in rows)
    return [Block(first, frames, sizes(frames)) for first, frames in split_rows]


def refusal(db: Connection, run: str, worker: str, epoch: int) -> tuple[Kept, int]:
    """Why an `append` has changed nothing."""
    row = db.execute(SQL["producer"], {"run": run}).fetchone()
    if row is None:
        return "gone", 0
    fenced = (row["worker"], row["epoch"]) != (worker, epoch) or row["ending"] is not None
    return ("fenced", 0) if fenced else ("behind", row["last"])
