"""The classes of events: their fields, and how they are made from their data."""

from __future__ import annotations

import builtins
import json
import re
import types
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from streaming import client
from streaming.client import Delta, Other, Progress, RunEvent
from streaming.protocol import schema
from streaming.protocol.events import LIFECYCLE, TYPED
from streaming.protocol.typed import CLASSES, make_event, read_event
from tests.client.service import TIMESTAMP

TYPESCRIPT: Final = Path(__file__).parents[2] / "clients" / "typescript" / "src"

OF_EVERY_EVENT: Final = {field.name for field in fields(RunEvent)} | {"timestamp"}
"""What an object of each class has: the `type` in the data of a file is not among its fields."""


def test_every_event_of_the_schema_has_a_class() -> None:
    """It is exported, and there are two more: the base of all, and that of events with other names."""
    exported = [getattr(client, name) for name in client.__all__]
    classes = {value for value in exported if isinstance(value, type) and issubclass(value, RunEvent)}
    assert list(CLASSES) == list(schema.EVENTS)
    assert classes == {*CLASSES.values(), RunEvent, Other}


@pytest.mark.parametrize(
    ("described", "known"),
    [pytest.param(model, CLASSES[name], id=name) for name, model in schema.EVENTS.items()]
    + [pytest.param(schema.Snapshot, client.Snapshot, id="snapshot")],
)
def test_a_class_has_the_fields_of_the_schema(described: type[BaseModel], known: Any) -> None:
    """It has each of them and no other, of its type or a wider one, and with a default where it may be absent."""
    common = OF_EVERY_EVENT if issubclass(known, RunEvent) else set()
    theirs = {field.alias or name: field for name, field in described.model_fields.items()}
    ours, hints = {field.name: field for field in fields(known)}, get_type_hints(known)
    assert set(ours) - common == set(theirs) - common
    for name in set(ours) - common:
        absent = set() if theirs[name].is_required() else {NoneType}
        assert Any in types_in(hints[name]) or types_in(hints[name]) >= types_in(theirs[name].annotation) - absent, name
        assert theirs[name].is_required() or ours[name].default is not MISSING, name


def types_in(hint: Any) -> set[Any]:
    """The types that a union consists of: that of literals is `str`, that of a model is `dict`."""
    parts = get_args(hint)
    match get_origin(hint):
        case typing.Union | types.UnionType:
            return {each for part in parts for each in types_in(part)}
        case typing.Literal:
            return {str}
        case typing.Annotated:
            return types_in(parts[0])
        case builtins.list:
            return {(list, *types_in(parts[0]))}
        case None:
            return {dict if isinstance(hint, type) and issubclass(hint, BaseModel) else hint}
        case origin:
            return {origin}


def test_names_whose_data_must_be_an_object() -> None:
    """The TypeScript client refuses other data of the names that an operation cannot use, as the Python client does."""
    (names,) = re.findall(r"LIBRARY = /\^\(([\w|]+)\)", (TYPESCRIPT / "parse.ts").read_text())
    assert set(names.split("|")) == LIFECYCLE | TYPED


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
        ("warning", {"text": "a word that an operation chose for itself"}),
        ("note", {"colour": "blue"}),
    ],
)
def test_an_event_whose_data_does_not_fit_its_name_is_an_other(name: str, data: dict[str, Any]) -> None:
    """It keeps its name and its data."""
    event = make_event(2, name, data)
    assert type(event) is Other
    assert (event.type, event.data) == (name, data)


def test_names_that_an_operation_may_use_with_text() -> None:
    """The library keeps these names for itself later: until then their data may be text."""
    for name in sorted(set(CLASSES) - LIFECYCLE - TYPED):
        assert read_event(2, name, "text") == Other(id=2, type=name, data="text")


def test_a_step_may_be_a_number() -> None:
    """As in `progress(step=2)`."""
    assert isinstance(event := make_event(1, "progress", {"step": 2}), Progress)
    assert event.step == 2


@given(st.sampled_from(["start", "progress", "delta", "done", "error", "reset", "note"]), st.text())
def test_any_data_can_be_read(name: str, text: str) -> None:
    """Any text gives an event with its name and number, or none."""
    event = read_event(3, name, text)
    assert event is None or (event.id, event.type) == (3, name)


def test_the_default_channel_of_a_delta() -> None:
    """It is `text`."""
    assert isinstance(event := make_event(1, "delta", {"text": "a"}), Delta)
    assert (event.text, event.channel) == ("a", "text")
