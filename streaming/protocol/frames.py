"""Encoded frames between a recorder, a store and a viewer: how they are grouped, bounded, merged and joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

BLOCK_FRAMES: Final = 1024
BLOCK_BYTES: Final = 256 * 1024
"""What one `read` gives at the most, so that a viewer's write stays bounded; a single larger frame comes alone."""


PROGRESS: Final = b"\nevent: progress\ndata: "
"""What follows the id in the frame of a progress."""


class Block(NamedTuple):
    """Frames that follow one another, from the number `first` on, and their bytes in all."""

    first: int
    frames: Sequence[bytes]
    size: int


class Batch(NamedTuple):
    """What `read` found: frames joined, the number of the last one, and whether the run's last event is among them.

    `oldest` is the number of the oldest frame kept; where it lies beyond what was asked for, there is a gap.
    """

    block: bytes
    last: int
    over: bool
    oldest: int = 1


def join(frames: Sequence[bytes], first: int, over: bool, oldest: int, merge: bool) -> Batch:
    """The batch of `frames`, of which `first` is the number of the first one; the shared half of every `read`."""
    taken = bounded(frames)
    whole = taken == len(frames)
    kept: Sequence[bytes] = frames if whole else frames[:taken]
    if merge:
        kept = merged(kept)
    return Batch(b"".join(kept), first + taken - 1, over and whole, oldest)


def bounded(frames: Sequence[bytes]) -> int:
    """How many of `frames` fit `BLOCK_BYTES`: one at least."""
    if sum(map(len, frames)) <= BLOCK_BYTES:
        return len(frames)
    size = 0
    for taken, frame in enumerate(frames):
        size += len(frame)
        if size > BLOCK_BYTES:
            return max(taken, 1)
    return len(frames)


def merged(frames: Sequence[bytes]) -> list[bytes]:
    """`frames` without each progress that a later one of the same step in it outdates; order stays."""
    seen: set[Any] = set()
    kept: list[bytes] = []
    for frame in reversed(frames):
        head, found, data = frame.partition(PROGRESS)
        if found and b"\n" not in head:
            step = _step_of(data)
            if step in seen:
                continue
            seen.add(step)
        kept.append(frame)
    kept.reverse()
    return kept


def _step_of(data: bytes) -> Any:
    """The step of a progress; of one that a gateway has passed on, and that is no such thing, a value of its own."""
    try:
        step = orjson.loads(data).get("step")
        hash(step)
    except (ValueError, AttributeError, TypeError):
        return object()
    return step
