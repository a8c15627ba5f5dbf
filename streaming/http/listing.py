"""`GET /runs`: the caller's runs, page by page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, get_args

import orjson
from flask import g, request

from ..errors import NotFound
from ..protocol.state import Status
from ..runs.runner import Runner
from ..stores.base import Record
from ..stores.partials import resolved
from .preferences import bad_field, read_number

MAX_PAGE: Final = 100
STATUSES: Final = get_args(Status)

RESULT_BYTES: Final = 16_777_216
"""Bytes of a page with results, which ends before the run that exceeds them; the first run is there in any case."""

LIST_BYTES: Final = 67_108_864
"""The same without results: a run may have handed over 10,000 files."""


def list_runs(runner: Runner) -> bytes:
    """The JSON of the answer. Raises `BadRequest`."""
    query = request.args
    status, fields = query.get("status"), query.get("fields")
    if status is not None and status not in STATUSES:
        raise bad_field("status", f"is one of {', '.join(STATUSES)}")
    if fields not in (None, "result"):
        raise bad_field("fields", "is `result`, or is left out")

    def page() -> list[Record]:
        return runner.store.page(
            owner=owner, operation=query.get("operation"), status=status, limit=limit, before=query.get("before")
        )

    owner, limit = g.headway_owner, _limit()
    records = runner.worker.call(page)
    snapshots = _with_results(runner, owner, records) if fields else (each.snapshot(result=False) for each in records)
    most = RESULT_BYTES if fields else LIST_BYTES
    return orjson.dumps({"runs": [orjson.Fragment(snapshot) for snapshot in _fitting(snapshots, most)]})


def _with_results(runner: Runner, owner: str, records: Iterable[Record]) -> Iterator[bytes]:
    """The snapshots with results, each read by itself: no more than one stands in memory twice."""
    for record in records:
        with contextlib.suppress(NotFound):  # expired meanwhile
            found = runner.worker.call(runner.find, record.info.id, owner)
            yield runner.worker.call(partial(resolved, runner.store, found, most=RESULT_BYTES)).snapshot()


def _fitting(snapshots: Iterable[bytes], most: int) -> Iterator[bytes]:
    """As many snapshots as fit into `most` bytes."""
    size = 0
    for snapshot in snapshots:
        if size and size + len(snapshot) > most:
            return
        size += len(snapshot)
        yield snapshot


def _limit() -> int:
    limit = read_number(request.args.get("limit", "20"), 8) or 0
    if not 1 <= limit <= MAX_PAGE:
        raise bad_field("limit", f"is 1 to {MAX_PAGE}")
    return limit
