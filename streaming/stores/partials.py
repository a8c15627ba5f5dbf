"""The values of the partials that a result refers to, out of the event log of its run.

They are nowhere else: the frames of a run are not trimmed any more once its result refers to any (`Fold.refers`), and a
result that refers to one that was trimmed before fails its run. So what bounds them is what is kept of one run.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Final

import orjson

from ..protocol.events import encode_json
from ..protocol.partials import MARK, PartialValues, fill, keys_in
from ..runtime.hub import give_way
from .base import Record, Store

RESOLVED_BYTES: Final = 67_108_864
"""Bytes of partials that a snapshot has in place of references; with more, a client reads them from the stream."""


def resolved(store: Store, record: Record, *, most: int | None = None) -> Record:
    """The record with the values of partials in its result, unless they have more than `most` bytes; in the hub."""
    fold, run = record.fold, record.info.id
    if fold.result is None or MARK not in fold.result:
        return record
    value = json.loads(fold.result)  # orjson would round integers of more than 64 bits
    found = read_partials(store, run, keys_in(value))
    if not found or (most is not None and sum(map(len, found.values())) > most):
        return record
    filled = fill(value, lambda key, reference: orjson.Fragment(found[key]) if key in found else reference)
    fold = fold.copy()
    fold.result = encode_json(filled)
    return replace(record, fold=fold)


def read_partials(store: Store, run: str, keys: Collection[str], after: int = 0) -> PartialValues:
    """The values of the partials of these keys, as far as they are kept after number `after`."""
    values, last = PartialValues(keys), after
    while keys:
        try:
            batch = store.read(run, last)
        except KeyError:
            break
        if not batch.block:
            break
        values.read(batch.block)
        last = batch.last
        give_way()
    return values


def lost_partials(store: Store, run: str, result: bytes) -> set[str]:
    """The keys of the partials that a result refers to, and that may have been trimmed; in the hub."""
    if MARK not in result or (oldest := store.oldest_kept(run)) <= 1:
        return set()
    keys = keys_in(json.loads(result))
    return keys - read_partials(store, run, keys, oldest - 1).keys()
