"""How runs make room in the file: slice by slice, since every page that is freed costs time under the lock."""

from __future__ import annotations

import sqlite3
from typing import Final

from .file import SQL, Connection

SLICE_BYTES: Final = 8 * 1024 * 1024
"""How much of finished runs one transaction deletes, so that others can write in between."""


SETTLED_BYTES: Final = 16 * 1024
"""About the size of a block that was made of small ones: what is dropped of a run at once."""


def total(db: Connection) -> int:
    """The bytes that all runs take."""
    return int(db.execute(SQL["room"]).fetchone()[0])


def erase(db: Connection, run: str) -> bool:
    """Deletes a finished run; false where there is none."""
    return db.execute(SQL["erase"], {"run": run}).rowcount > 0


def erase_some(db: Connection, row: sqlite3.Row) -> bool:
    """Deletes a finished run (`id`, `size`), of a large one its oldest blocks only; returns whether it is gone."""
    goal = row["size"] - SLICE_BYTES
    return not (goal > 0 and trim(db, row["id"], row["size"], goal)) and erase(db, row["id"])


def trim(db: Connection, run: str, size: int, goal: int) -> bool:
    """Deletes the oldest blocks of a run until it has `goal` bytes; one stays. False where there is no other."""
    oldest = 0
    for block in db.execute(SQL["block_sizes"], {"run": run}).fetchall()[:-1]:
        if size <= goal:
            break
        size -= block["size"]
        oldest = block["last"] + 1
    if oldest:
        drop_blocks(db, run, oldest)
        db.execute(SQL["trimmed"], {"run": run, "size": size, "oldest": oldest})
    return oldest > 0


def drop_blocks(db: Connection, run: str, oldest: int) -> None:
    """Deletes the blocks of a run before this event."""
    for table in ("settled", "newest"):
        db.execute(SQL[f"drop_{table}_blocks"], {"run": run, "oldest": oldest})


def settle(db: Connection) -> None:
    """Moves the newest blocks to those of their runs, and makes one of those that follow each other."""
    joined: list[tuple[str, int, int, bytes]] = []
    frames: list[bytes] = []
    run, first, last, size = "", 0, 0, 0
    for row in db.execute(SQL["newest"]):
        if (row["run"], row["first"]) != (run, last + 1) or size > SETTLED_BYTES:
            if frames:
                joined.append((run, first, last, b"".join(frames)))
            run, first, size, frames = row["run"], row["first"], 0, []
        last = row["last"]
        size += len(row["frames"])
        frames.append(row["frames"])
    if frames:
        joined.append((run, first, last, b"".join(frames)))
    db.executemany(SQL["settle"], joined)
    db.execute(SQL["drop_newest"])
