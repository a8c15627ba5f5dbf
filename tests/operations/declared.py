"""Whether an operation yields what its entry in the catalogue declares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from streaming import Event
from streaming.protocol.schema import EVENTS
from streaming.runs.operation import Operation


def undeclared(operation: Operation, events: Iterable[Event]) -> list[str]:
    """What is wrong with the partials and own events, by the catalogue; a member that it does not name is wrong too."""
    entry = operation.describe(0)
    schemas = dict(entry.get("events", {}))
    if "partials" in entry:
        schemas["partial"] = {
            "properties": {"value": _moved(entry["partials"])},
            "$defs": entry["partials"].get("$defs", {}),
        }
    faults = []
    for event in events:
        if event.name in schemas:
            validator = Draft202012Validator(_closed(schemas[event.name]))
            faults += [f"{event.name}: {error.message}" for error in validator.iter_errors(event.data)]
        elif event.name == "partial" or event.name not in EVENTS:
            faults.append(f"{event.name}: not in the catalogue")
    return faults


def _moved(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$defs"}


def _closed(schema: Any) -> Any:
    """The schema, whose objects with named properties have no others."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return (
        {**closed, "additionalProperties": False}
        if schema.get("type") == "object" and "properties" in schema
        else closed
    )
