"""What a store keeps of a checkpoint: the value of the operation, and the progress that viewers saw last before it."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from ..protocol.events import Event, encode_json, make_event
from ..stores.base import Record


class KeptCheckpoint(NamedTuple):
    """A checkpoint: the number of the last event before it, its value, and the progress then, as JSON."""

    after: int = 0
    value: Any = None
    progress: bytes | None = None


BEGINNING: Final = KeptCheckpoint()
"""Where a run without a checkpoint starts again."""


def checkpoint_to_keep(value: bytes, progress: bytes | None) -> bytes:
    """A value as bytes for a store, with the progress; all are JSON."""
    return b'{"progress":%b,"value":%b}' % (progress or b"null", value)


def checkpoint_from_kept(kept: tuple[int, bytes] | None) -> KeptCheckpoint:
    """The checkpoint that a store has kept; of a run without one its beginning."""
    if kept is None:
        return BEGINNING
    after, body = kept
    members = json.loads(body)  # orjson refuses integers of more than 64 bits
    progress = members["progress"]
    return KeptCheckpoint(after, members["value"], None if progress is None else encode_json(progress))


def attempt_event(record: Record) -> Event:
    """The first event of another attempt."""
    reason = "shutdown" if record.left else "producer_lost"
    after = checkpoint_from_kept(record.checkpoint).after
    return make_event("attempt", {"attempt": record.attempt, "reason": reason, "after": after})
