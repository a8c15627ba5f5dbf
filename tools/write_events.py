"""Writes what is made of the schema of the events: the TypeScript client's types, and the table of the documents.

    python -m tools.write_events

`make format` runs it, and `tests/protocol/test_schema.py` fails where a file is not what it would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from streaming.protocol.schema import EVENTS, Snapshot, definitions
from tools.pages import table, write_part

ROOT: Final = Path(__file__).resolve().parent.parent
TYPES: Final = ROOT / "clients" / "typescript" / "src" / "schema.ts"
PAGE: Final = ROOT / "docs" / "reference" / "events.md"

BANNER: Final = """\
// The data of the library's events, and the snapshot of a run.
// Written by `make format` from streaming/protocol/schema.py: do not edit.
"""

Schema = dict[str, Any]


def main() -> None:
    """Writes both files."""
    TYPES.write_text(types())
    PAGE.write_text(page(PAGE.read_text()))


def types() -> str:
    """The module of the types: an interface for each model, and `EventData`, which has those of the events by name."""
    interfaces = [_interface(name, schema) for name, schema in definitions("").items()]
    names = "".join(f"  {event}: {model.__name__}\n" for event, model in EVENTS.items())
    all_events = f"/** The data of each of the library's events. */\nexport interface EventData {{\n{names}}}\n"
    return "\n".join([BANNER, *interfaces, all_events])


def page(text: str) -> str:
    """The page with its tables of the events and of the snapshot written anew."""
    schemas = definitions("")
    rows = [row for event, model in EVENTS.items() for row in _rows(f"`{event}`", schemas[model.__name__])]
    rows += _rows("the snapshot", schemas[Snapshot.__name__])
    return write_part(text, "events", table("event", "data", "", rows=rows))


def _interface(name: str, schema: Schema) -> str:
    fields = [f"  /** {text} */\n  {field}\n" for field, text in _fields(schema)]
    others = ["  [other: string]: unknown\n"] if schema.get("additionalProperties") else []
    return f"/** {schema['description']} */\nexport interface {name} {{\n{''.join([*fields, *others])}}}\n"


def _rows(event: str, schema: Schema) -> Iterator[tuple[str, str, str]]:
    yield event, "", schema["description"]
    for field, text in _fields(schema):
        if not field.startswith("timestamp?"):
            yield "", f"`{field}`", text


def _fields(schema: Schema) -> Iterator[tuple[str, str]]:
    """Each field with its type, as TypeScript writes it, and its description."""
    for name, field in schema["properties"].items():
        yield f"{name}{'' if name in schema.get('required', ()) else '?'}: {_type(field)}", field["description"]


def _type(schema: Schema) -> str:
    """The type of a value in TypeScript."""
    if "$ref" in schema:
        return str(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value).replace('"', "'") for value in schema["enum"])
    if schema.get("type") == "array":
        return f"{_type(schema['items'])}[]"
    name: str = schema.get("type", "unknown")
    return {"integer": "number", "object": "Record<string, unknown>"}.get(name, name)


if __name__ == "__main__":
    main()
