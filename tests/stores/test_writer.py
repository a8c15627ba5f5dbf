"""The writer of a shared store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
import pytest
from gevent.event import Event

from streaming.errors import StoreAway
from streaming.logs import Outage
from streaming.stores import writer as writers
from streaming.stores.driver import Step
from streaming.stores.writer import Command, Writer
from tests.stores.contract import until


def test_a_command_that_was_given_up_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waited for a batch in flight, and longer than a request waits; its undo is."""
    monkeypatch.setattr(writers, "WRITE_TIMEOUT", 0.01)
    written, go_on = list[str](), Event()

    def write(batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        written.extend(step.call for steps in batch for step in steps)
        go_on.wait()
        return [None] * len(batch)

    writer = Writer(write, list, lambda: None, Outage("the store"))
    greenlet = gevent.spawn(writer.serve)
    try:
        writer.submit(Command(Step("first", bool)))
        gevent.sleep(0)
        with pytest.raises(StoreAway):
            writer.execute(Command(Step("start", bool), Step("undo", bool)))
        go_on.set()
        gevent.sleep(0.01)
    finally:
        greenlet.kill()
    assert written == ["first", "undo"]


def test_a_store_that_is_back_with_nothing_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that waited was given up, the next command is tried, and not refused for ever."""
    monkeypatch.setattr(writers, "WRITE_TIMEOUT", 0.05)
    away = [True]

    def write(batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        if away[0]:
            raise StoreAway("no route")
        return ["written"] * len(batch)

    writer = Writer(write, list, lambda: None, Outage("the store"))
    greenlet = gevent.spawn(writer.serve)
    try:
        with pytest.raises(StoreAway):
            writer.execute(Command(Step("expire", bool)))
        until(lambda: writer.idle, "it was given up")
        away[0] = False
        assert writer.execute(Command(Step("start", bool))) == "written"
    finally:
        greenlet.kill()
