"""Where a stream begins, by what its request says that the viewer has seen."""

from __future__ import annotations

from flask import Request

from ..runs.runner import Runner
from ..stores.base import Record
from .preferences import bad_field, read_number


def last_event_id(request: Request) -> str:
    """The id of the last event that the client of a stream has seen; empty for none."""
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or ""


def begin_after(request: Request, runner: Runner, record: Record) -> tuple[int, bool]:
    """`read_cursor` for the stream of one run, which may begin with the newest event, unless its viewer comes back."""
    seen = last_event_id(request)
    if not seen and request.args.get("from") == "latest":
        return max(record.fold.last_event_id - 1, 0), False
    return read_cursor(runner, record, seen or "0")


def read_cursor(runner: Runner, record: Record, text: str) -> tuple[int, bool]:
    """The number of the event to go on after, and whether the viewer has seen events that are lost.

    That may be where a store has lost the last events of a producer that died with it (a fail-over). Raises
    `BadRequest`.
    """
    after = read_number(text, 15)
    if after is not None and after <= record.fold.last_event_id:
        return after, False
    stored = runner.worker.call(runner.store.last_event_id, record.info.id)
    if after is None or (after > stored and record.attempt == 1):
        raise bad_field("Last-Event-ID", "is the number of an event of this run")
    return min(after, stored), after > stored


def has_nothing_left(record: Record, after: int, rewound: bool) -> bool:
    """Whether a viewer that goes on after this number would get nothing."""
    return record.fold.over and after >= record.fold.last_event_id and not rewound
