"""What the replies of the scripts stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from ...protocol.frames import BLOCK_BYTES, Block, split
from ...protocol.state import Fold
from ..base import Record, RunInfo
from ..driver import BUSY, FULL, NO_ROOM, QUEUED, Adopted, PutFile, State, Stored, sizes
from ..files import FileInfo, handed_over
from ..queues import Waiting
from .scripts import Argument

BODIES: Final = frozenset({"input", "shown", "progress", "result", "error", "question", "usage"})
"""The fields that are bytes."""

FIELDS: Final = {*RunInfo.__slots__, *Fold.__slots__, "last", "queued", "cancel", "attempt", "claimed"}
"""The fields that make a record; a later version may add others, whatever is in them."""

SHOWN: Final = sorted(FIELDS - {"result", "input", "last_event_id"})
"""The fields of the runs in a page."""

CREATED: Final = {-1: FULL, -2: NO_ROOM, -3: QUEUED, -4: BUSY}
"""The outcomes of `create` that are no run."""

OUTCOMES: Final[Mapping[int, PutFile]] = {1: "kept", 0: "fenced", -1: "full"}


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """The fields and values of a hash."""
    return zip(flat[::2], flat[1::2], strict=True)


def record(row: Sequence[bytes], viewers: int = 0, kept: Sequence[bytes] = ()) -> Record:
    """The record of a run's hash."""
    fields: dict[str, Any] = {
        name: value if name in BODIES else value.decode()
        for name, value in ((name.decode(), value) for name, value in pairs(row))
        if name in FIELDS
    }
    info: dict[str, Any] = {name: fields.get(name) for name in RunInfo.__slots__}
    fold = {name: fields[name] for name in Fold.__slots__ if name in fields}
    return Record(
        RunInfo(**info | {"linger": float(fields["linger"]) if "linger" in fields else None}),
        Fold(**fold, last_event_id=int(fields["last"])),
        viewers,
        fields.get("queued") == "1",
        "cancel" in fields,
        int(fields["attempt"]),
        files=files(kept),
        begun="claimed" not in fields or int(fields["last"]) > int(fields["claimed"]),
    )


def records(rows: Sequence[Any]) -> list[Record | None]:
    """Records with their viewers and files."""
    return [record(*row) if row else None for row in rows]


def page(reply: Sequence[Any]) -> tuple[list[Record], str | None]:
    """The records of a page, and where to go on."""
    before, rows = reply
    return [record(_named(row), viewers, kept) for row, viewers, kept in rows], before.decode() or None


def _named(values: Sequence[bytes | None]) -> list[bytes]:
    """The fields of `SHOWN` that a run has, each before its value."""
    named = zip(SHOWN, values, strict=True)
    return [part for name, value in named if value is not None for part in (name.encode(), value)]


def created(reply: Any) -> RunInfo | str | None:
    """The outcome of `create`, and of `find_by_key`."""
    if isinstance(reply, int):
        return CREATED[reply]
    return record(reply).info if reply else None


def claimed(row: Sequence[bytes]) -> Adopted:
    """A run and its epoch."""
    return Adopted(record(row), int(dict(pairs(row))[b"epoch"]))


def adopted(reply: Sequence[Any] | None) -> Adopted | None:
    """A run as its last producer left it, and its new epoch."""
    if not reply:
        return None
    row, kept = reply
    now, epoch = claimed(row)
    return Adopted(replace(now, attempt=now.attempt - (not now.queued), checkpoint=checkpoint(kept)), epoch)


def checkpoint(fields: Sequence[Any]) -> tuple[int, bytes] | None:
    """A checkpoint, by its number and value."""
    after, value = fields
    return None if value is None else (int(after), value)


def waiting(reply: Sequence[Any]) -> Waiting:
    """The queued runs of an operation."""
    lines, positions, at_work, seconds = reply
    return Waiting(
        {client.decode(): count for client, count, *_ in lines},
        {run.decode(): (client.decode(), before) for run, client, before in positions},
        at_work,
        None if seconds is None else float(seconds),
    )


def stored(reply: Sequence[Any] | None) -> Stored | None:
    """The reply of `read`."""
    if reply is None:
        return None
    oldest, last, ending, blocks = reply
    firsts = [int(first) for first in blocks[::2]]
    return Stored(int(oldest), int(last), bool(ending), list(zip(firsts, blocks[1::2], strict=True)))


def state(reply: Sequence[Any] | None) -> State | None:
    """One run of the reply of `changes`."""
    if not reply:
        return None
    (worker, epoch, cancel, watched, found), here, living, known, answers = reply
    return State(
        worker=worker.decode(),
        epoch=int(epoch),
        cancel=cancel.decode() if cancel else None,
        watched=watched is not None,
        adopted=None if found is None else int(found),
        viewers_here=int(here),
        viewers_alive=int(living),
        viewers_known=int(known),
        answers={question.decode(): body[16:] for question, body in pairs(answers)},
    )


def block(entry: Sequence[Any]) -> tuple[Block, bool]:
    """An entry of a stream, and whether it ends the run."""
    fields = entry[1]
    frames = split(fields[3])
    return Block(int(fields[1]), frames, sizes(frames)), bool(fields[5])


def file(name: str, row: bytes) -> FileInfo:
    """A file of a run, by its row: the time, size, media type and digest."""
    _, size, media_type, sha256 = orjson.loads(row)
    return FileInfo(name, media_type, size, sha256)


def files(flat: Sequence[bytes]) -> list[FileInfo]:
    """The files that a run has handed over."""
    rows = sorted((orjson.loads(row)[0], name.decode(), row) for name, row in pairs(flat))
    return handed_over(file(name, row) for _, name, row in rows)


def get_file(name: str, reply: Sequence[bytes | None]) -> tuple[FileInfo, bytes] | None:
    """The reply of `get_file`."""
    row, body = reply
    return None if row is None else (file(name, row), body or b"")


def put_file(reply: Sequence[Any]) -> tuple[PutFile, FileInfo | None]:
    """The outcome of `put_file`."""
    outcome, name, replaced = reply
    return OUTCOMES[outcome], file(name.decode(), replaced) if replaced else None


def entries(blocks: Iterable[Block]) -> Iterable[Argument]:
    """Blocks as entries of a stream: last number, first number, frames. Small ones are joined, up to `BLOCK_BYTES`."""
    first, frames, size = 0, list[bytes](), 0
    for block in blocks:
        if frames and size + block.size > BLOCK_BYTES:
            yield from (first + len(frames) - 1, first, b"".join(frames))
            frames, size = [], 0
        if not frames:
            first = block.first
        frames += block.frames
        size += block.size
    if frames:
        yield from (first + len(frames) - 1, first, b"".join(frames))
