"""The schema of events: which there are, what the library writes, what its JSON Schema allows, and what is made of it.

`tests/client/test_events.py` compares the classes of the Python client with it, `tests/http/test_openapi.py` OpenAPI.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from streaming import ManualClock
from streaming.protocol.events import LIFECYCLE, PROGRESS_KEYS, TYPED, Event, ask, delta, partial, progress
from streaming.protocol.recorder import Recorder, question
from streaming.protocol.schema import EVENTS, Progress, Snapshot, definitions
from tests.clients import parse_frames
from tests.worlds import assert_described
from tools import write_events

RECORDED: Final = sorted((Path(__file__).parents[1] / "streams" / "recorded").glob("*.json"))

MADE: Final = [
    progress("Page 3", done=3, total=50, unit="pages", step="read", eta=12.5),
    progress(step=2),
    progress(),
    delta("some text"),
    delta("a thought", "thinking"),
    partial("page", {"number": 1}),
    partial("", None),
    question(ask("Go on?", schema={"type": "boolean"}), 1, None),
    question(ask("Go on?", within=60), 2, "2026-11-23T09:30:00.125Z"),
]


def allows(name: str, data: dict[str, Any]) -> bool:
    """Whether the JSON Schema of a model allows the data."""
    schema = {"$ref": f"#/$defs/{name}", "$defs": definitions("#/$defs/")}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(data))


def test_it_has_every_event() -> None:
    """Those whose names the library keeps to itself, and three that an operation may yield by these names."""
    assert set(EVENTS) == LIFECYCLE | TYPED | {"file", "warning", "usage"}


@pytest.mark.parametrize("event", MADE, ids=lambda event: event.name)
def test_what_the_makers_make(event: Event) -> None:
    """The frame of each event that a maker has made fits the schema."""
    recorder = Recorder(ManualClock(), lifecycle=False)
    recorder.add(event)
    (message,) = parse_frames(b"".join(recorder.take().frames))
    assert_described(message)


def test_the_arguments_of_progress() -> None:
    """They are its fields, but for those that the library fills in."""
    assert set(Progress.model_fields) - {"timestamp", "place"} == PROGRESS_KEYS


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_a_service_has_written(path: Path) -> None:
    """The recorded runs fit, and so do their snapshots."""
    recording = json.loads(path.read_text())
    messages = parse_frames("".join(recording["frames"]).encode())
    assert len(messages) == len(recording["events"])
    for message in messages:
        assert_described(message)
    Snapshot.model_validate(recording["snapshot"], strict=True, extra="forbid")


@pytest.mark.parametrize(
    ("name", "data", "fits"),
    [
        ("Progress", {}, True),
        ("Progress", {"step": 2, "news": True}, True),
        ("Progress", {"done": None}, False),
        ("Progress", {"step": 1.5}, False),
        ("Delta", {"text": "a"}, False),
        ("PartialResult", {"key": "a", "value": None}, True),
        ("PartialResult", {"key": "a"}, False),
        ("Question", {"question": "q1", "prompt": "?", "schema": {}, "expires": None}, True),
        ("Question", {"question": "q1", "prompt": "?", "schema": {}}, False),
        ("Answer", {"question": "q1"}, True),
        ("Usage", {"input_tokens": 1, "cached_tokens": 2}, True),
    ],
)
def test_what_the_json_schema_allows(name: str, data: dict[str, Any], fits: bool) -> None:
    """A field with a default may be absent, but not null; fields that it does not name are allowed."""
    assert allows(name, data) is fits


def test_the_types_of_the_typescript_client_are_written_from_it() -> None:
    """They have every event and every field, and no other: `make format` writes them anew."""
    assert write_events.TYPES.read_text() == write_events.types()


def test_the_table_of_the_documents_is_written_from_it() -> None:
    """It has every event and every field, and no other: `make format` writes it anew."""
    text = write_events.PAGE.read_text()
    assert text == write_events.page(text)
