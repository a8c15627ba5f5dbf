"""The tables of the sqlite store, and every statement on them.

Each function is one step of its caller's transaction, or one read, and runs in the thread that owns the connection.
`run` is the id of a run, `worker` that of a worker. The table `turn` counts the transactions; `runs.appended` and
`runs.asked` hold the number of the one that last changed the events of a run, or the requests to its producer.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ...errors import Conflict
from ...protocol.frames import BLOCK_BYTES, Batch, Block, join
from ...protocol.state import OVER, Fold, Reason
from ..base import Record, RunInfo, too_many_runs

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

MAX_LEASE: Final = 60
"""Seconds; a lease that expires later than this from now was written before the machine was restarted."""

ALIVE: Final = f"(SELECT id FROM workers WHERE expires BETWEEN :now AND :now + {MAX_LEASE})"  # noqa: S608  # constants
"""The workers whose lease has not expired at `:now`, in monotonic seconds."""

FOLD_COLUMNS: Final = ("state", "ending", "last", "updated", "progress", "result", "error", "question")
SET_FOLD: Final = ", ".join(f"{column} = :{column}" for column in FOLD_COLUMNS)
TRANSACTION: Final = "(SELECT number FROM turn)"
VIEWERS: Final = f"(SELECT total(count) FROM viewers WHERE viewers.run = runs.id AND worker IN {ALIVE})"  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Change:
    """The state of a run that another worker may have changed."""

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
    """A new connection to the file; `create` makes the folder and the tables where they are missing."""
    if create:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if create:
        # In one transaction, so that workers which start together wait for each other.
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    return connection


def outcome(work: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """The result of a command, or the error with which it refuses. An error of the file is raised."""
    try:
        return work(connection)
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001  # raised again for the caller of the command
        return refusal


def find_by_key(connection: sqlite3.Connection, info: RunInfo) -> RunInfo | None:
    """The run that the same owner and key have created, if any. Raises `Conflict` where it has another digest."""
    key = (info.owner, info.key)  # without a key nothing is found: NULL equals nothing
    row = connection.execute("SELECT * FROM runs WHERE owner = ? AND key = ?", key).fetchone()
    if row is None:
        return None
    if row["digest"] != info.digest:
        raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
    return _info(row)


def live(connection: sqlite3.Connection, client: str) -> int:
    """How many runs of a client have not ended."""
    query = "SELECT count(*) FROM runs WHERE client = ? AND ending IS NULL"
    return int(connection.execute(query, (client,)).fetchone()[0])


def create(connection: sqlite3.Connection, info: RunInfo, worker: str, limit: int | None) -> RunInfo:
    """Creates a run and returns `info`, or returns the run that the same owner and key have created.

    Raises `Conflict` where that has another digest, and `TooMany` where the client has `limit` live runs.
    """
    existing = find_by_key(connection, info)
    if existing is not None:
        return existing
    if limit is not None and live(connection, info.client) >= limit:
        raise too_many_runs()
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


def append(
    connection: sqlite3.Connection,
    run: str,
    worker: str,
    epoch: int,
    blocks: Sequence[Block],
    fold: Fold,
    ended: float | None,
) -> bool:
    """Appends blocks with the fold over them; false where the run is over, or another worker has taken it over."""
    frames = b"".join(frame for block in blocks for frame in block.frames)
    values = {column: getattr(fold, "last_event_id" if column == "last" else column) for column in FOLD_COLUMNS}
    updated = connection.execute(
        f"UPDATE runs SET {SET_FOLD}, size = size + :size, ended = :ended, appended = {TRANSACTION}"  # noqa: S608  # constants
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
    """Deletes the oldest blocks of a run that has grown beyond `keep` bytes, until an eighth of that is free."""
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
    """Requests a cancel; the first reason counts."""
    connection.execute(
        f"UPDATE runs SET cancel = ?, asked = {TRANSACTION} WHERE id = ? AND cancel IS NULL AND ending IS NULL",  # noqa: S608
        (reason, run),
    )


def abandon(connection: sqlite3.Connection, run: str, worker: str, now: float) -> bool:
    """Requests a cancel unless another worker, whose lease has not expired at `now`, has viewers of the run."""
    viewers_elsewhere = connection.execute(
        f"SELECT 1 FROM viewers WHERE run = :run AND worker <> :worker AND worker IN {ALIVE}",  # noqa: S608  # constants
        {"run": run, "worker": worker, "now": now},
    ).fetchone()
    if viewers_elsewhere is None:
        cancel(connection, run, "disconnected")
    return viewers_elsewhere is None


def answer(connection: sqlite3.Connection, run: str, question: str, body: bytes) -> bool:
    """Stores the answer to a question; false where there is one, or the run is over."""
    inserted = connection.execute(
        "INSERT OR IGNORE INTO answers SELECT id, ?, ? FROM runs WHERE id = ? AND ending IS NULL", (question, body, run)
    )
    connection.execute(f"UPDATE runs SET asked = {TRANSACTION} WHERE id = ?", (run,))  # noqa: S608  # constants
    return inserted.rowcount > 0


def count(connection: sqlite3.Connection, run: str, worker: str, count: int) -> None:
    """Sets how many viewers a run has on `worker`."""
    if count:
        connection.execute("INSERT OR REPLACE INTO viewers VALUES (?, ?, ?)", (run, worker, count))
    else:
        connection.execute("DELETE FROM viewers WHERE run = ? AND worker = ?", (run, worker))
    connection.execute(f"UPDATE runs SET watched = 1, asked = {TRANSACTION} WHERE id = ?", (run,))  # noqa: S608  # constants


def orphans(worker: str) -> tuple[str, dict[str, Any]]:
    """The query, with its values, for live runs whose worker's lease has expired."""
    return (
        f"SELECT * FROM runs WHERE ending IS NULL AND worker <> :worker AND worker NOT IN {ALIVE} LIMIT 100",  # noqa: S608
        {"worker": worker, "now": time.monotonic()},
    )


def adopt(connection: sqlite3.Connection, worker: str) -> list[tuple[Record, int]]:
    """Takes those runs over. Returns each as it was left, and its new epoch."""
    rows = connection.execute(*orphans(worker)).fetchall()
    connection.executemany(
        f"UPDATE runs SET worker = ?, epoch = epoch + 1, attempt = attempt + 1, appended = {TRANSACTION} WHERE id = ?",  # noqa: S608
        [(worker, row["id"]) for row in rows],
    )
    return [(_record(row, 0), row["epoch"] + 1) for row in rows]


def disown(connection: sqlite3.Connection, runs: Sequence[str], worker: str) -> None:
    """Makes live runs of a worker orphans, as if its lease had expired."""
    connection.executemany(
        "UPDATE runs SET worker = '' WHERE id = ? AND worker = ? AND ending IS NULL", [(run, worker) for run in runs]
    )


def renew(connection: sqlite3.Connection, worker: str, seconds: float) -> None:
    """Renews a worker's lease for so many seconds."""
    connection.execute("INSERT OR REPLACE INTO workers VALUES (?, ?)", (worker, time.monotonic() + seconds))


def release(connection: sqlite3.Connection, worker: str) -> None:
    """Deletes a worker's lease."""
    connection.execute("DELETE FROM workers WHERE id = ?", (worker,))


def sweep(connection: sqlite3.Connection, limit: float) -> None:
    """Deletes runs that ended before `limit` (seconds since 1970), and leases that expired long ago."""
    old = connection.execute("SELECT id FROM runs WHERE ended <= ? LIMIT 1000", (limit,)).fetchall()
    for table, column in (("blocks", "run"), ("answers", "run"), ("viewers", "run"), ("runs", "id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [tuple(row) for row in old])  # noqa: S608
    now = time.monotonic()
    connection.execute("DELETE FROM workers WHERE expires NOT BETWEEN ? AND ?", (now - MAX_LEASE, now + MAX_LEASE))


def read(connection: sqlite3.Connection, run: str, after: int, frames: int, merge: bool) -> Batch:
    """The frames after number `after`. Raises `KeyError` where there is no such run."""
    connection.execute("BEGIN")
    try:
        row = connection.execute("SELECT oldest, last, ending FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise KeyError(run)
        parts: list[bytes] = []
        first, size = 0, 0
        for block in connection.execute("SELECT * FROM blocks WHERE run = ? AND last > ? ORDER BY last", (run, after)):
            first = first or block["first"]
            parts += split(block["frames"])
            size += len(block["frames"])
            if size > BLOCK_BYTES or len(parts) > frames:
                break
    finally:
        connection.execute("COMMIT")
    skipped = max(after + 1 - first, 0)
    parts, first = parts[skipped : skipped + frames], first + skipped
    if not parts:
        return Batch(b"", max(after, row["oldest"] - 1), row["ending"] is not None, row["oldest"])
    over = row["ending"] is not None and first + len(parts) - 1 == row["last"]
    return join(parts, first, over, row["oldest"], merge)


def split(frames: bytes) -> list[bytes]:
    """Splits frames that were joined: each ends with the only blank line in it."""
    return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def find(connection: sqlite3.Connection, run: str) -> Record | None:
    """A run as it is now, or `None`."""
    row = connection.execute(
        f"SELECT *, {VIEWERS} AS viewers FROM runs WHERE id = :run",  # noqa: S608  # constants
        {"run": run, "now": time.monotonic()},
    ).fetchone()
    return None if row is None else _record(row, int(row["viewers"]))


def page(
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
    return list(islice((record for record in records if status in (None, record.status)), limit))


def alive(connection: sqlite3.Connection) -> str:
    """The workers whose lease has not expired, as one string to compare."""
    rows = connection.execute(f"SELECT id FROM {ALIVE} ORDER BY id", {"now": time.monotonic()})  # noqa: S608  # constants
    return " ".join(row["id"] for row in rows)


def changed_since(connection: sqlite3.Connection, transaction: int, worker: str) -> tuple[int, list[str]]:
    """The number of the last transaction, and the runs that others may have changed since number `transaction`."""
    connection.execute("BEGIN")
    try:
        (last,) = connection.execute(f"SELECT {TRANSACTION}").fetchone()  # constants
        rows = connection.execute(
            "SELECT id FROM runs WHERE appended > :transaction AND worker <> :worker"
            " UNION SELECT id FROM runs WHERE asked > :transaction",
            {"transaction": transaction, "worker": worker},
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    return last, [row["id"] for row in rows]


def changes(connection: sqlite3.Connection, wanted: dict[str, int | None], worker: str, now: float) -> list[Change]:
    """The `wanted` runs as they are now, each with the blocks after its number in `wanted`, if it has one.

    Viewers count on workers whose lease has not expired at `now` (monotonic seconds).
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
