"""The tables of the sqlite event log, and every statement on them.

Each function is one step of a transaction that its caller has begun, or one read; it runs in the thread that owns the
connection. `run` is a run's id, `worker` a worker's.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import Conflict
from ...protocol.frames import BLOCK_BYTES, Batch, Block, join
from ...protocol.state import OVER, Fold, Reason
from ..base import Record, RunInfo, full

BUSY_MILLISECONDS: Final = 5000

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, owner TEXT NOT NULL, client TEXT NOT NULL, created TEXT NOT NULL,
  linger REAL, key TEXT, digest TEXT, input BLOB,
  worker TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 1, attempt INTEGER NOT NULL DEFAULT 1,
  queued INTEGER NOT NULL DEFAULT 0, watched INTEGER NOT NULL DEFAULT 0, cancel TEXT,
  state TEXT NOT NULL DEFAULT '', ending TEXT, last INTEGER NOT NULL DEFAULT 0, oldest INTEGER NOT NULL DEFAULT 1,
  size INTEGER NOT NULL DEFAULT 0, updated TEXT NOT NULL,
  progress BLOB, result BLOB, error BLOB, question BLOB, ended REAL,
  appended INTEGER NOT NULL DEFAULT 0, asked INTEGER NOT NULL DEFAULT 0,
  UNIQUE (owner, key)
);
CREATE INDEX IF NOT EXISTS runs_appended ON runs (appended);
CREATE INDEX IF NOT EXISTS runs_asked ON runs (asked);
CREATE TABLE IF NOT EXISTS turn (number INTEGER NOT NULL);
INSERT INTO turn SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM turn);
CREATE INDEX IF NOT EXISTS runs_live ON runs (client) WHERE ending IS NULL;
CREATE INDEX IF NOT EXISTS runs_ended ON runs (ended) WHERE ended IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_of ON runs (owner, number);
CREATE TABLE IF NOT EXISTS blocks (
  run TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, frames BLOB NOT NULL, PRIMARY KEY (run, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  run TEXT NOT NULL, question TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, question)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS viewers (
  run TEXT NOT NULL, worker TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (run, worker)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (id TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
"""

SENILE: Final = 60
"""Seconds from now beyond which a lease is of a worker long gone, or of a time before the machine was restarted."""

ALIVE: Final = f"(SELECT id FROM workers WHERE expires BETWEEN :now AND :now + {SENILE})"  # noqa: S608  # constants
"""The workers whose lease holds."""

FOLD: Final = ("state", "ending", "last", "updated", "progress", "result", "error", "question")
FOLDED: Final = ", ".join(f"{column} = :{column}" for column in FOLD)
TURN: Final = "(SELECT number FROM turn)"
VIEWERS: Final = f"(SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND worker IN {ALIVE})"  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Change:
    """A run as another worker may have changed it."""

    run: str
    worker: str
    epoch: int
    cancel: Reason | None
    watched: bool
    viewers_elsewhere: int
    answers: dict[str, bytes]
    fold: Fold
    blocks: list[Block]


def open_file(path: str, *, create: bool = False) -> sqlite3.Connection:
    """A connection of its own to the file; with `create`, the folder and the tables too."""
    if create:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if create:
        # In one transaction: workers that start together wait for each other here.
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    return connection


def outcome(work: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """What an order gives; its own refusal is an outcome, trouble with the file is not."""
    try:
        return work(connection)
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001  # it goes to whoever gave the order
        return refusal


def joined(connection: sqlite3.Connection, info: RunInfo) -> RunInfo | None:
    """The run that the same owner and key had opened, if any; `Conflict` where that had another body."""
    key = (info.owner, info.key)  # no key is equal to none here: NULL
    known = connection.execute("SELECT * FROM runs WHERE owner = ? AND key = ?", key).fetchone()
    if known is None:
        return None
    if known["digest"] != info.digest:
        raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
    return _info(known)


def live(connection: sqlite3.Connection, client: str) -> int:
    """How many runs of a client have not ended."""
    question = "SELECT count(*) FROM runs WHERE client = ? AND ending IS NULL"
    return int(connection.execute(question, (client,)).fetchone()[0])


def create(connection: sqlite3.Connection, info: RunInfo, worker: str, limit: int | None) -> RunInfo:
    """A run's row, or the run that the same owner and key had opened.

    Raises `Conflict` where that had another body, and `TooMany` where its client has `limit` live runs.
    """
    known = joined(connection, info)
    if known is not None:
        return known
    if limit is not None and live(connection, info.client) >= limit:
        raise full()
    connection.execute(
        "INSERT INTO runs (id, operation, owner, client, created, updated, linger, key, digest, input, worker)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            info.id,
            info.operation,
            info.owner,
            info.client,
            info.created,
            info.created,
            info.linger,
            info.key,
            info.digest,
            info.input,
            worker,
        ),
    )
    return info


def append(  # one row of two tables
    connection: sqlite3.Connection,
    run: str,
    worker: str,
    epoch: int,
    blocks: Sequence[Block],
    fold: Fold,
    ended: float | None,
) -> bool:
    """Keeps blocks with the fold over them; false where the run is over, or another worker's by now."""
    frames = b"".join(frame for block in blocks for frame in block.frames)
    values = {
        "state": fold.state,
        "ending": fold.ending,
        "last": fold.last_event_id,
        "updated": fold.updated,
        "progress": fold.progress,
        "result": fold.result,
        "error": fold.error,
        "question": fold.question,
    }
    updated = connection.execute(
        f"UPDATE runs SET {FOLDED}, size = size + :size, ended = :ended, appended = {TURN}"  # noqa: S608  # constants
        " WHERE id = :run AND worker = :worker AND epoch = :epoch AND ending IS NULL",
        {**values, "size": len(frames), "ended": ended, "run": run, "worker": worker, "epoch": epoch},
    )
    if not updated.rowcount:
        return False
    connection.execute(
        "INSERT INTO blocks (run, first, last, frames) VALUES (?, ?, ?, ?)",
        (run, blocks[0].first, fold.last_event_id, frames),
    )
    return True


def trim(connection: sqlite3.Connection, run: str, keep: int) -> None:
    """Drops the oldest blocks of a run that has grown beyond `keep` bytes, until an eighth of it is free."""
    row = connection.execute("SELECT size FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None or row["size"] <= keep:
        return
    size, oldest = row["size"], None
    blocks = connection.execute("SELECT last, length(frames) AS size FROM blocks WHERE run = ? ORDER BY last", (run,))
    for block in blocks.fetchall()[:-1]:
        if size <= keep - keep // 8:
            break
        size -= block["size"]
        oldest = block["last"] + 1
    if oldest is not None:
        connection.execute("DELETE FROM blocks WHERE run = ? AND last < ?", (run, oldest))
        connection.execute("UPDATE runs SET size = ?, oldest = ? WHERE id = ?", (size, oldest, run))


def cancel(connection: sqlite3.Connection, run: str, reason: Reason) -> None:
    """Asks for a cancel; the first reason stands."""
    connection.execute(
        f"UPDATE runs SET cancel = ?, asked = {TURN} WHERE id = ? AND cancel IS NULL AND ending IS NULL",  # noqa: S608
        (reason, run),
    )


def abandon(connection: sqlite3.Connection, run: str, worker: str, now: float) -> bool:
    """Asks for a cancel where no other worker whose lease holds at `now` (monotonic seconds) has viewers of the run."""
    elsewhere = connection.execute(
        f"SELECT 1 FROM viewers WHERE run = :run AND worker <> :worker AND worker IN {ALIVE}",  # noqa: S608  # constants
        {"run": run, "worker": worker, "now": now},
    ).fetchone()
    if elsewhere is None:
        cancel(connection, run, "disconnected")
    return elsewhere is None


def answer(connection: sqlite3.Connection, run: str, question: str, body: bytes) -> bool:
    """Keeps the answer to a question; false where there is one, or the run is over."""
    inserted = connection.execute(
        "INSERT OR IGNORE INTO answers SELECT id, ?, ? FROM runs WHERE id = ? AND ending IS NULL", (question, body, run)
    )
    connection.execute(f"UPDATE runs SET asked = {TURN} WHERE id = ?", (run,))  # noqa: S608  # constants
    return inserted.rowcount > 0


def count(connection: sqlite3.Connection, run: str, worker: str, count: int) -> None:
    """Says how many viewers `worker` has of a run."""
    if count:
        connection.execute("INSERT OR REPLACE INTO viewers VALUES (?, ?, ?)", (run, worker, count))
    else:
        connection.execute("DELETE FROM viewers WHERE run = ? AND worker = ?", (run, worker))
    connection.execute(f"UPDATE runs SET watched = 1, asked = {TURN} WHERE id = ?", (run,))  # noqa: S608  # constants


def lost(worker: str) -> tuple[str, dict[str, Any]]:
    """The question, with its values, for live runs whose worker's lease has lapsed."""
    return (
        f"SELECT * FROM runs WHERE ending IS NULL AND worker <> :worker AND worker NOT IN {ALIVE} LIMIT 100",  # noqa: S608
        {"worker": worker, "now": time.monotonic()},
    )


def adopt(connection: sqlite3.Connection, worker: str) -> list[tuple[Record, int]]:
    """Takes those runs over; each as it stands, with its new epoch."""
    rows = connection.execute(*lost(worker)).fetchall()
    connection.executemany(
        f"UPDATE runs SET worker = ?, epoch = epoch + 1, attempt = attempt + 1, appended = {TURN} WHERE id = ?",  # noqa: S608
        [(worker, row["id"]) for row in rows],
    )
    return [(_record(row, 0), row["epoch"] + 1) for row in rows]


def disown(connection: sqlite3.Connection, runs: Sequence[str], worker: str) -> None:
    """Takes live runs away from a worker, as if its lease had lapsed."""
    connection.executemany(
        "UPDATE runs SET worker = '' WHERE id = ? AND worker = ? AND ending IS NULL", [(run, worker) for run in runs]
    )


def renew(connection: sqlite3.Connection, worker: str, seconds: float) -> None:
    """A worker's sign of life, which holds for so many seconds."""
    connection.execute("INSERT OR REPLACE INTO workers VALUES (?, ?)", (worker, time.monotonic() + seconds))


def give_up(connection: sqlite3.Connection, worker: str) -> None:
    """Takes it back."""
    connection.execute("DELETE FROM workers WHERE id = ?", (worker,))


def sweep(connection: sqlite3.Connection, limit: float) -> None:
    """Deletes runs that ended before `limit` (seconds since 1970), and workers that are long gone."""
    old = connection.execute("SELECT id FROM runs WHERE ended <= ? LIMIT 1000", (limit,)).fetchall()
    for table, column in (("blocks", "run"), ("answers", "run"), ("viewers", "run"), ("runs", "id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [tuple(row) for row in old])  # noqa: S608
    now = time.monotonic()
    connection.execute("DELETE FROM workers WHERE expires NOT BETWEEN ? AND ?", (now - SENILE, now + SENILE))


def read(connection: sqlite3.Connection, run: str, after: int, frames: int, merge: bool) -> Batch:
    """The frames after a number; raises `KeyError` where there is no such run."""
    connection.execute("BEGIN")
    try:
        row = connection.execute("SELECT oldest, last, ending FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise KeyError(run)
        found: list[bytes] = []
        first, size = 0, 0
        for block in connection.execute("SELECT * FROM blocks WHERE run = ? AND last > ? ORDER BY last", (run, after)):
            first = first or block["first"]
            found += split(block["frames"])
            size += len(block["frames"])
            if size > BLOCK_BYTES or len(found) > frames:
                break
    finally:
        connection.execute("COMMIT")
    skipped = max(after + 1 - first, 0)
    found, first = found[skipped : skipped + frames], first + skipped
    if not found:
        return Batch(b"", max(after, row["oldest"] - 1), row["ending"] is not None, row["oldest"])
    over = row["ending"] is not None and first + len(found) - 1 == row["last"]
    return join(found, first, over, row["oldest"], merge)


def split(frames: bytes) -> list[bytes]:
    """A frame ends with the only blank line in it."""
    return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def find(connection: sqlite3.Connection, run: str) -> Record | None:
    """A run as it stands, or `None`."""
    row = connection.execute(
        f"SELECT *, {VIEWERS} AS viewers FROM runs WHERE id = :run",  # noqa: S608  # constants
        {"run": run, "now": time.monotonic()},
    ).fetchone()
    return None if row is None else _record(row, int(row["viewers"]))


def page(  # what one may ask for
    connection: sqlite3.Connection,
    owner: str,
    operation: str | None,
    status: str | None,
    limit: int,
    before: str | None,
) -> list[Record]:
    """An owner's runs, newest first."""
    rows = connection.execute(
        f"SELECT *, {VIEWERS} AS viewers FROM runs WHERE owner = :owner"  # noqa: S608  # constants
        " AND (:operation IS NULL OR operation = :operation)"
        " AND (:ending IS NULL OR ending = :ending) AND (NOT :live OR ending IS NULL)"
        " AND (:before IS NULL OR number < (SELECT number FROM runs WHERE id = :before AND owner = :owner))"
        " ORDER BY number DESC",
        {
            "owner": owner,
            "operation": operation,
            "ending": status if status in OVER else None,
            "live": status is not None and status not in OVER,
            "before": before,
            "now": time.monotonic(),
        },
    )
    records = (_record(row, int(row["viewers"])) for row in rows)
    wanted = (record for record in records if status in (None, record.status))
    return [record for record, _ in zip(wanted, range(limit), strict=False)]


def alive(connection: sqlite3.Connection) -> str:
    """The workers whose lease holds, as one string to compare."""
    rows = connection.execute(f"SELECT id FROM {ALIVE} ORDER BY id", {"now": time.monotonic()})  # noqa: S608  # constants
    return " ".join(row["id"] for row in rows)


def touched(connection: sqlite3.Connection, turn: int, worker: str) -> tuple[int, list[str]]:
    """The number of the last transaction, and the runs that others may have changed since number `turn`."""
    connection.execute("BEGIN")
    try:
        (now,) = connection.execute(f"SELECT {TURN}").fetchone()  # constants
        rows = connection.execute(
            "SELECT id FROM runs WHERE appended > :turn AND worker <> :worker"
            " UNION SELECT id FROM runs WHERE asked > :turn",
            {"turn": turn, "worker": worker},
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    return now, [row["id"] for row in rows]


def changes(connection: sqlite3.Connection, wanted: dict[str, int | None], worker: str, now: float) -> list[Change]:
    """Runs as they stand now, each with the blocks after the number that `wanted` has for it, if any.

    Viewers are counted on workers whose lease had not lapsed at `now` (monotonic seconds).
    """
    connection.execute("BEGIN")
    try:
        return [change for run, last in wanted.items() if (change := _change(connection, run, last, worker, now))]
    finally:
        connection.execute("COMMIT")


def _change(connection: sqlite3.Connection, run: str, last: int | None, worker: str, now: float) -> Change | None:
    row = connection.execute(
        "SELECT *, (SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND viewers.worker <> :worker"  # noqa: S608
        f" AND viewers.worker IN {ALIVE}) AS elsewhere FROM runs WHERE id = :run",
        {"run": run, "worker": worker, "now": now},
    ).fetchone()
    if row is None:
        return None
    answers = connection.execute("SELECT question, body FROM answers WHERE run = ?", (run,)).fetchall()
    return Change(
        run,
        row["worker"],
        row["epoch"],
        row["cancel"],
        bool(row["watched"]),
        int(row["elsewhere"]),
        {answer["question"]: answer["body"] for answer in answers},
        _fold(row),
        [] if last is None else _blocks(connection, run, last),
    )


def _blocks(connection: sqlite3.Connection, run: str, after: int) -> list[Block]:
    rows = connection.execute("SELECT * FROM blocks WHERE run = ? AND last > ? ORDER BY last", (run, after))
    blocks = []
    for row in rows:
        frames = split(row["frames"])[max(after + 1 - row["first"], 0) :]
        blocks.append(Block(max(row["first"], after + 1), frames, sum(map(len, frames))))
    return blocks


def _fold(row: sqlite3.Row) -> Fold:
    return Fold(
        state=row["state"],
        ending=row["ending"],
        last_event_id=row["last"],
        updated=row["updated"],
        progress=row["progress"],
        result=row["result"],
        error=row["error"],
        question=row["question"],
    )


def _info(row: sqlite3.Row) -> RunInfo:
    return RunInfo(
        id=row["id"],
        operation=row["operation"],
        created=row["created"],
        owner=row["owner"],
        client=row["client"],
        linger=row["linger"],
        key=row["key"],
        digest=row["digest"],
        input=row["input"],
    )


def _record(row: sqlite3.Row, viewers: int) -> Record:
    return Record(_info(row), _fold(row), viewers, bool(row["queued"]), row["cancel"] is not None, row["attempt"])
