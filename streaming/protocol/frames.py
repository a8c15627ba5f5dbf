"""Encoded frames between a recorder, a store and a viewer: how they are grouped, limited, merged and joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

BLOCK_FRAMES: Final = 1024
BLOCK_BYTES: Final = 256 * 1024
"""The limits of one `read`, and so of a viewer's write; a single larger frame comes alone."""

PROGRESS: Final = b"\nevent: progress\ndata: "
"""What follows the id in the frame of a progress."""

MARK: Final = b" "
"""What ends the JSON of the first event after a checkpoint, before its brace: nothing is merged across it.

An attempt that begins at the checkpoint drops what came after it, and keeps what came before.
"""
MARKED: Final = MARK + b"}\n\n"

DELTA: Final = re.compile(
    rb'(?m)^(?P<head>id: (?P<run>[^\n:]*:)?\d[^\n]*\nevent: delta\ndata: {"timestamp":"[^"]*","text":")'
    rb'(?P<text>[^"\\]*(?:\\.[^"\\]*)*)'
    rb'(?P<tail>","channel":"(?P<channel>\w+)"(?P<mark> ?)}\n\n)'
)
"""The frame of a delta; on a stream of several runs its id begins with its run."""


class Block(NamedTuple):
    """Consecutive frames, of which the first has the number `first`; `size` is their length in bytes."""

    first: int
    frames: Sequence[bytes]
    size: int


class Batch(NamedTuple):
    """The result of a `read`: frames, joined, the number of the last one, and whether the run ends with it.

    `oldest` is the number of the oldest frame that is kept; where the reader's next one is older, there is a gap.
    """

    block: bytes
    last: int
    over: bool
    oldest: int = 1


def join(frames: Sequence[bytes], first: int, over: bool, oldest: int, merge: bool) -> Batch:
    """The batch of as many `frames` as fit; the part of `read` that all stores share.

    `first` is the number of the first frame; `over` says whether the last one ends the run.
    """
    if len(frames) == 1:
        return Batch(frames[0], first, over, oldest)
    count = count_fitting(frames)
    complete = count == len(frames)
    fitting: Sequence[bytes] = frames if complete else frames[:count]
    if merge:
        fitting = merge_progress(fitting)
    return Batch(b"".join(fitting), first + count - 1, over and complete, oldest)


def count_fitting(frames: Sequence[bytes]) -> int:
    """How many of `frames` fit into `BLOCK_BYTES`: one at least."""
    if sum(map(len, frames)) <= BLOCK_BYTES:
        return len(frames)
    size = 0
    for count, frame in enumerate(frames):
        size += len(frame)
        if size > BLOCK_BYTES:
            return max(count, 1)
    return len(frames)


def merge_progress(frames: Sequence[bytes]) -> list[bytes]:
    """`frames` without each progress that is followed by a later one of the same step, up to the next mark."""
    steps: set[Any] = set()
    merged: list[bytes] = []
    for frame in reversed(frames):
        head, separator, data = frame.partition(PROGRESS)
        if separator and b"\n" not in head:
            step = _step_of(data)
            if step in steps and not frame.endswith(MARKED):
                continue
            steps.add(step)
        if frame.endswith(MARKED):
            steps.clear()
        merged.append(frame)
    merged.reverse()
    return merged


def split(frames: bytes) -> list[bytes]:
    """Splits frames that were joined: each ends with the only blank line in it."""
    return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def merge_deltas(block: bytes) -> bytes:
    """`block` with successive deltas of one channel as one: the last of them, with the text of all.

    The texts are joined as they are encoded, since two strings of JSON one after the other are one. A delta of another
    form, of a gateway's upstream, stays as it is.
    """
    merged: list[bytes] = []
    texts: list[bytes] = []
    end = 0
    last: re.Match[bytes] | None = None
    for found in DELTA.finditer(block):
        if last is not None and (found.start() != end or found["mark"] or _stream(found) != _stream(last)):
            merged.append(_joined(last, texts))
            texts.clear()
        merged.append(block[end : found.start()])
        texts.append(found["text"])
        last, end = found, found.end()
    if last is None:
        return block
    merged += (_joined(last, texts), block[end:])
    return b"".join(merged)


def _stream(found: re.Match[bytes]) -> Any:
    return found.group("run", "channel")


def _joined(last: re.Match[bytes], texts: list[bytes]) -> bytes:
    return b"%b%b%b" % (last["head"], b"".join(texts), last["tail"])


def _step_of(data: bytes) -> Any:
    """The step of a progress; a unique value for one from a gateway's upstream that has another form."""
    try:
        step = orjson.loads(data).get("step")
        hash(step)
    except (ValueError, AttributeError, TypeError):
        return object()
    return step
