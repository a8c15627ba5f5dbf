"""The driver of the sqlite store: its verbs, over the statements of `statements.sql`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from ...clock import Clock
from ...protocol.frames import BLOCK_BYTES, Block
from ...protocol.limits import NO_LIMITS, Limits
from ...protocol.state import Fold, Reason
from ..base import EVICT_AFTER, Record, RunInfo
from ..driver import BUSY, FULL, NO_ROOM, QUEUE, QUEUED, Adopted, Kept, PutFile, State, Stored, is_bound
from ..files import FileInfo
from ..lists import list_of
from ..queues import WEIGHT, Waiting
from . import queue, room, rows
from .file import SQL, Connection, SqliteFile, on_queue, on_run, step, telling
from .hints import EVERYBODY

PAGES: Final = {
    (of_operation, of_list): SQL[name].replace("*", rows.SUMMARY, 1)
    for of_operation, of_list, name in (
        (False, False, "page"),
        (True, False, "page_of_operation"),
        (False, True, "page_of_list"),
        (True, True, "page_of_operation_and_list"),
    )
}
"""The statement of a page, by its filters: each has an index. Without results, which would all be read at once."""

SETTLE_AFTER: Final = 2_000
"""How many blocks a worker adds before it moves them to those of their runs."""

LARGE_BLOCK: Final = 4_096
"""Bytes of a block that is put there at once: it takes a page of its own anyway."""

NEWEST: Final = 2**63 - 1
"""The largest number that a run may have."""


def _queued_run(info: RunInfo, worker: str, *_: object, wait: bool = False, **__: object) -> str | None:
    return None if worker and not wait else EVERYBODY


class SqliteDriver(SqliteFile):
    """The verbs. Raises `StoreAway` for a file that cannot be opened."""

    gathers = 0.003

    def __init__(
        self, path: str, *, retention: float, keep_bytes: int, store_bytes: int, lease: float, clock: Clock
    ) -> None:
        super().__init__(path, lease)
        self._retention = retention
        self._keep_bytes = keep_bytes
        self._store_bytes = store_bytes
        self._clock = clock
        self._added = 0

    # -- runs ---------------------------------------------------------------------------------------------------

    @telling(_queued_run)
    def create(
        self,
        db: Connection,
        info: RunInfo,
        worker: str,
        limit: int | None = None,
        restored: Mapping[str, Any] | None = None,
        *,
        limits: Limits = NO_LIMITS,
        wait: bool = False,
        full: bool = False,
    ) -> RunInfo | str | None:
        values = {name: getattr(info, name) for name in RunInfo.__slots__}
        existing = db.execute(SQL["find_by_key"], values).fetchone()  # without a key nothing: NULL equals nothing
        if existing is not None and restored is None:
            return rows.info(existing)
        if existing is not None:
            values["key"] = None
        if limit is not None and db.execute(SQL["live"], values).fetchone()[0] >= limit:
            return FULL
        if restored is None and db.execute(SQL["room"]).fetchone()[0] >= self._store_bytes:
            return NO_ROOM
        asked = wait or not worker
        queued = asked or (restored is None and queue.must_wait(db, info, limits))
        if full and not queued:
            return BUSY
        state = {"epoch": 1, "attempt": 1, "cancel": None, "watched": 0, **(restored or {})}
        if not worker:
            db.execute(SQL["open_queue"], {"now": time.monotonic()})
        db.execute(
            SQL["create"],
            {**values, **state, "worker": worker or QUEUE, "queued": queued, "bound": is_bound(info, worker)},
        )
        if queued:
            db.execute(SQL["add_line"], values)
        elif limits.any:
            queue.serve(db, info.operation, info.client)
        return QUEUED if queued and not asked else None

    @step
    def find_by_key(self, db: Connection, owner: str, key: str) -> RunInfo | None:
        row = db.execute(SQL["find_by_key"], {"owner": owner, "key": key}).fetchone()
        return None if row is None else rows.info(row)

    @step
    def find(self, db: Connection, runs: Sequence[str]) -> list[Record | None]:
        now = time.monotonic()
        found = (db.execute(SQL["find"], {"run": run, "now": now}).fetchone() for run in runs)
        return [row and rows.record(row, int(row["viewers"]), rows.files(db, row["id"])) for row in found]

    @step
    def page(
        self, db: Connection, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> tuple[list[Record], str | None]:
        values = {"owner": owner, "operation": operation, "list": list_of(status), "limit": limit, "before": before}
        number = (NEWEST,) if before is None else db.execute(SQL["number"], values).fetchone()
        if number is None:
            return [], None
        statement = PAGES[operation is not None, status is not None]
        found = db.execute(statement, values | {"number": number[0], "now": time.monotonic()}).fetchall()
        records = [rows.record(row, int(row["viewers"]), rows.files(db, row["id"])) for row in found]
        return records, records[-1].info.id if len(records) == limit else None

    @step
    def live(self, db: Connection, client: str) -> int:
        return int(db.execute(SQL["live"], {"client": client}).fetchone()[0])

    # -- events -------------------------------------------------------------------------------------------------

    @telling(on_run)
    def append(
        self,
        db: Connection,
        run: str,
        worker: str,
        epoch: int,
        blocks: Sequence[Block],
        fold: Fold,
        gap: int | None = None,
        known: Fold | None = None,
    ) -> tuple[Kept, int]:
        frames = b"".join([frame for block in blocks for frame in block.frames])
        first = blocks[0].first if blocks else fold.last_event_id + 1
        if gap is None and fold.result is None and fold.error is None and not fold.over:
            last, size = fold.last_event_id, len(frames)
            grown = (fold.state, last, fold.updated, fold.progress, fold.question, fold.usage, size)
            if db.execute(SQL["grow"], (*grown, run, worker, epoch, first - 1, self._keep_bytes - size)).rowcount:
                self._add_block(db, run, first, last, frames)
                return "kept", last
        return self._append(db, run, worker, epoch, first, frames, fold, gap)

    def _append(
        self, db: Connection, run: str, worker: str, epoch: int, first: int, frames: bytes, fold: Fold, gap: int | None
    ) -> tuple[Kept, int]:
        """Appends whatever it is: the last events of a run, those after a gap, and to a run that is to be trimmed."""
        values = rows.values_of(fold)
        values |= {"run": run, "worker": worker, "epoch": epoch, "gap": gap, "size": len(frames), "first": first}
        values["ended"] = self._clock.now() if fold.over else None
        values["expires"] = values["ended"] + self._retention if fold.over else None
        if not db.execute(SQL["fold"], values).rowcount:
            return rows.refusal(db, run, worker, epoch)
        if gap is not None:
            room.drop_blocks(db, run, gap)
            db.execute(SQL["trimmed"], {**values, "oldest": gap})
        self._add_block(db, run, first, fold.last_event_id, frames)
        if fold.over:
            db.execute(SQL["drop_checkpoint"], values)
        (size,) = db.execute(SQL["size"], values).fetchone()
        if size > self._keep_bytes and not fold.refers:
            room.trim(db, run, size, self._keep_bytes - self._keep_bytes // 8)
        return "kept", fold.last_event_id

    def _add_block(self, db: Connection, run: str, first: int, last: int, frames: bytes) -> None:
        if not frames:  # of a run that was only compared
            return
        if len(frames) > LARGE_BLOCK:
            db.execute(SQL["add_settled"], (run, first, last, frames))
            return
        db.execute(SQL["add_block"], (run, first, last, frames))
        self._added += 1
        if self._added >= SETTLE_AFTER:
            self._added = 0
            room.settle(db)

    @step
    def read(self, db: Connection, run: str, after: int, frames: int) -> Stored | None:
        row = db.execute(SQL["bounds"], {"run": run}).fetchone()
        if row is None:
            return None
        blocks, size, last = list[tuple[int, bytes]](), 0, after
        for block in db.execute(SQL["blocks"], {"run": run, "after": after}):
            blocks.append((block["first"], block["frames"]))
            size += len(block["frames"])
            last = block["last"]
            if size > BLOCK_BYTES or last - after >= frames:
                break
        return Stored(row["oldest"], row["last"], row["ending"] is not None, blocks)

    @step
    def changes(self, db: Connection, worker: str, followed: Mapping[str, int | None]) -> list[State | None]:
        now = time.monotonic()
        return [rows.state(db, {"run": run, "worker": worker, "now": now}, last) for run, last in followed.items()]

    # -- requests to the producer -------------------------------------------------------------------------------

    @telling(on_run)
    def cancel(self, db: Connection, run: str, reason: Reason) -> None:
        db.execute(SQL["cancel"], {"run": run, "reason": reason})

    @telling(on_run)
    def abandon(self, db: Connection, run: str, worker: str, reliable: bool) -> bool:
        values = {"run": run, "worker": worker, "reliable": reliable, "now": time.monotonic()}
        if db.execute(SQL["viewers_elsewhere"], values).fetchone():
            return False
        db.execute(SQL["cancel"], {"run": run, "reason": "disconnected"})
        return True

    @telling(on_run)
    def answer(self, db: Connection, run: str, question: str, body: bytes) -> bool:
        first = db.execute(SQL["answer"], {"run": run, "question": question, "body": body}).rowcount > 0
        db.execute(SQL["asked"], {"run": run})
        return first

    @telling(on_run)
    def count(self, db: Connection, run: str, worker: str, count: int) -> None:
        values = {"run": run, "worker": worker, "count": count, "now": time.monotonic(), "lease": self._lease_seconds}
        for statement in ("count", "live_on") if count else ("no_viewers",):
            db.execute(SQL[statement], values)
        db.execute(SQL["watched"], values)

    @telling(on_run)
    def notify(self, db: Connection, run: str) -> None:
        db.execute(SQL["asked"], {"run": run})

    # -- producers ----------------------------------------------------------------------------------------------

    @step
    def queued(self, db: Connection, worker: str, operations: Mapping[str, Limits], most: int) -> list[str]:
        return [row["id"] for row in queue.next_of(db, worker, most, operations)]

    @telling(on_queue)
    def claim(
        self,
        db: Connection,
        worker: str,
        most: int,
        token: str,
        operations: Mapping[str, Limits],
        run: str | None = None,
    ) -> list[Adopted]:
        if run is None:
            claimed = queue.next_of(db, worker, most, operations)
        else:
            claimed = db.execute(SQL["queued"], {"run": run}).fetchall()
        for row in claimed:
            for statement in ("name_claim", "claim"):
                db.execute(SQL[statement], {"run": row["id"], "worker": worker, "token": token})
            queue.serve(db, row["operation"], row["client"])
        epochs = [row["epoch"] + (row["worker"] != worker) for row in claimed]
        return [
            Adopted(replace(rows.record(row), queued=False), epoch) for row, epoch in zip(claimed, epochs, strict=True)
        ]

    @telling(on_queue)
    def share(self, db: Connection, run: str, worker: str) -> None:
        db.execute(SQL["share"], {"run": run, "worker": worker})
        db.execute(SQL["queue_changed"])

    @telling(on_queue)
    def unclaim(self, db: Connection, worker: str, token: str) -> None:
        db.execute(SQL["unclaim"], {"worker": worker, "token": token})

    @telling(on_queue)
    def requeue(self, db: Connection, run: str, worker: str, attempt: int) -> None:
        db.execute(SQL["open_queue"], {"now": time.monotonic()})
        db.execute(SQL["requeue"], {"run": run, "worker": worker, "attempt": attempt})
        db.execute(SQL["add_line_of"], {"run": run})

    @step
    def waiting(self, db: Connection, operation: str, runs: Collection[str]) -> Waiting:
        return queue.waiting(db, operation, runs)

    @step
    def measure(self, db: Connection, operation: str, seconds: float) -> None:
        db.execute(SQL["measure"], {"operation": operation, "seconds": seconds, "weight": WEIGHT})

    @step
    def orphans(self, db: Connection, worker: str) -> list[tuple[str, str]]:
        values = {"worker": worker, "now": time.monotonic()}
        return [(row["id"], row["worker"]) for row in db.execute(SQL["orphans"], values)]

    @telling(on_run)
    def adopt(self, db: Connection, run: str, dead: str, worker: str) -> Adopted | None:
        values = {"run": run, "dead": dead, "worker": worker, "now": time.monotonic()}
        row = db.execute(SQL["orphan"], values).fetchone()
        if row is None:
            return None
        db.execute(SQL["adopt"], values)
        return Adopted(replace(rows.record(row), checkpoint=_checkpoint(db, run)), row["epoch"] + 1)

    @step
    def disown(self, db: Connection, run: str, worker: str) -> None:
        db.execute(SQL["disown"], {"run": run, "worker": worker})

    @step
    def keep(self, db: Connection, run: str, worker: str, epoch: int, after: int, value: bytes) -> bool:
        values = {"run": run, "worker": worker, "epoch": epoch, "after": after, "value": value}
        return db.execute(SQL["keep"], values).rowcount > 0

    @step
    def checkpoint(self, db: Connection, run: str) -> tuple[int, bytes] | None:
        return _checkpoint(db, run)

    # -- files and room -----------------------------------------------------------------------------------------

    @step
    def put_file(
        self, db: Connection, run: str, worker: str, epoch: int, info: FileInfo, body: bytes, limit: int
    ) -> tuple[PutFile, FileInfo | None]:
        values = {"run": run, "worker": worker, "epoch": epoch, "body": body, **info._asdict()}
        row = db.execute(SQL["get_file"], values).fetchone()
        if row is None and db.execute(SQL["count_files"], values).fetchone()[0] >= limit:
            return "full", None
        if not db.execute(SQL["put_file"], values | {"now": time.time_ns() // 1000}).rowcount:
            return "fenced", None
        return "kept", row and rows.file(row)

    @step
    def get_file(self, db: Connection, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        row = db.execute(SQL["get_file"], {"run": run, "name": name}).fetchone()
        return row and (rows.file(row), row["body"])

    @step
    def known(self, db: Connection, runs: Collection[str]) -> set[str]:
        return {row["id"] for row in db.execute(SQL["known"], {"runs": orjson.dumps(list(runs)).decode()})}

    @step
    def part(self, db: Connection) -> str:
        return str(db.execute(SQL["part"]).fetchone()[0])

    @step
    def drop_file(self, db: Connection, run: str, name: str) -> bool:
        return db.execute(SQL["drop_file"], {"run": run, "name": name}).rowcount > 0

    @step
    def erase(self, db: Connection, run: str) -> bool:
        return room.erase(db, run)

    @step
    def expire(self, db: Connection) -> bool:
        now = self._clock.now()
        db.execute(SQL["forget_workers"], {"now": time.monotonic()})
        db.execute(SQL["forget_lines"])
        goal = room.total(db) - room.SLICE_BYTES
        for row in db.execute(SQL["expired"], {"now": now, "before": now - self._retention}).fetchall():
            if room.total(db) <= goal or not room.erase_some(db, row):
                return True
        return False

    @step
    def room(self, db: Connection) -> int:
        return room.total(db)

    @step
    def evict(self, db: Connection, most: int) -> tuple[int, int]:
        total, count = room.total(db), 0
        goal = max(most, total - room.SLICE_BYTES)
        while total > goal:
            row = db.execute(SQL["oldest_finished"], {"before": self._clock.now() - EVICT_AFTER}).fetchone()
            if row is None:
                break
            count += room.erase_some(db, row)
            total = room.total(db)
        return total, count


def _checkpoint(db: Connection, run: str) -> tuple[int, bytes] | None:
    kept = db.execute(SQL["checkpoint"], {"run": run}).fetchone()
    return kept and tuple(kept)
