"""What the replies of the scripts stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ...protocol.frames import BLOCK_BYTES, Block
from ...protocol.state import Fold
from ..base import Record, RunInfo
from ..driver import FULL, NO_ROOM, Adopted, State, Stored, sizes, split
from .scripts import Argument

BODIES: Final = frozenset({"input", "shown", "progress", "result", "error", "question"})
"""The fields that are bytes."""

FIELDS: Final = {*RunInfo.__slots__, *Fold.__slots__, "last", "queued", "cancel", "attempt"}
"""The fields that make a record; a later version may add others, whatever is in them."""


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """The fields and values of a hash."""
    return zip(flat[::2], flat[1::2], strict=True)


def record(row: Sequence[bytes], viewers: int = 0) -> Record:
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
    )


def records(rows: Sequence[Any]) -> list[Record | None]:
    """Records with their viewers."""
    return [record(row[0], row[1]) if row else None for row in rows]


def page(reply: Sequence[Any]) -> tuple[list[Record], str | None]:
    """The records of a page, and where to go on."""
    before, rows = reply
    return [each for each in records(rows) if each is not None], before.decode() or None


def created(reply: Any) -> RunInfo | str | None:
    """The outcome of `create`, and of `find_by_key`."""
    if reply in (-1, -2):
        return FULL if reply == -1 else NO_ROOM
    return record(reply).info if reply else None


def claimed(row: Sequence[bytes]) -> Adopted:
    """A run and its epoch."""
    return Adopted(record(row), int(dict(pairs(row))[b"epoch"]))


def adopted(reply: Sequence[Any] | None) -> Adopted | None:
    """A run as its last producer left it, and its new epoch."""
    if not reply:
        return None
    row, (after, value) = reply
    now, epoch = claimed(row)
    checkpoint = None if value is None else (int(after), value)
    return Adopted(replace(now, attempt=now.attempt - 1, checkpoint=checkpoint), epoch)


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


def file(reply: bytes | None) -> tuple[str, bytes] | None:
    """The media type and the bytes of a file."""
    if reply is None:
        return None
    media_type, _, body = reply.partition(b"\0")
    return media_type.decode(), body


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
