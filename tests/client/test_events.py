"""The classes of events, made from their data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import client
from streaming.client import Delta, Other, Progress, RunEvent
from streaming.client.events import make_event, read_event
from streaming.http.openapi import DATA
from streaming.protocol.events import LIFECYCLE, TYPED
from tests.client.service import TIMESTAMP

TYPESCRIPT: Final = Path(__file__).parents[2] / "clients" / "typescript" / "src"


def test_the_library_and_its_clients_have_the_same_events() -> None:
    """OpenAPI describes each event, the Python client exports its class, and the TypeScript client has its data."""
    events = LIFECYCLE | TYPED
    assert {*DATA, "result"} == events
    exported = [getattr(client, name) for name in client.__all__]
    classes = [value for value in exported if isinstance(value, type) and issubclass(value, RunEvent)]
    assert {value.__name__.lower() for value in classes} == {*events, "runevent", "other"}
    (data,) = re.findall(r"(?ms)interface EventData.*?\{\n(.*?)^\}", (TYPESCRIPT / "events.ts").read_text())
    assert set(re.findall(r"(?m)^  (\w+):", data)) == events
    (names,) = re.findall(r"LIBRARY = /\^\(([\w|]+)\)", (TYPESCRIPT / "parse.ts").read_text())
    assert set(names.split("|")) == events


def test_an_event_has_the_class_of_its_name() -> None:
    """Its fields come from its data, which is kept unchanged."""
    data = {"timestamp": TIMESTAMP, "done": 1, "total": 4, "unit": "pages", "extra": True}
    event = read_event(7, "progress", json.dumps(data))
    assert isinstance(event, Progress)
    assert (event.id, event.type, event.data, event.timestamp) == (7, "progress", data, TIMESTAMP)
    assert (event.done, event.total, event.unit, event.step, event.percent) == (1, 4, "pages", None, 25)


@pytest.mark.parametrize(("done", "total"), [(None, 4), (1, None), (1, 0)])
def test_percent_needs_done_and_total(done: float | None, total: float | None) -> None:
    """Where either is unknown, `percent` is `None`."""
    assert Progress(id=1, type="progress", data={}, done=done, total=total).percent is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("delta", {"channel": "text"}),
        ("delta", {"text": 3}),
        ("partial", {"value": 1}),
        ("progress", {"done": "half"}),
        ("question", {}),
        ("note", {"colour": "blue"}),
    ],
)
def test_an_event_whose_data_does_not_fit_its_name_is_an_other(name: str, data: dict[str, Any]) -> None:
    """It keeps its name and its data."""
    event = make_event(2, name, data)
    assert type(event) is Other
    assert (event.type, event.data) == (name, data)


@given(st.sampled_from(["start", "progress", "delta", "done", "error", "reset", "note"]), st.text())
def test_any_data_can_be_read(name: str, text: str) -> None:
    """Any text gives an event with its name and number, or none."""
    event = read_event(3, name, text)
    assert event is None or (event.id, event.type) == (3, name)


def test_the_default_channel_of_a_delta() -> None:
    """It is `text`."""
    assert isinstance(event := make_event(1, "delta", {"text": "a"}), Delta)
    assert (event.text, event.channel) == ("a", "text")
