"""A tool's schema in the dialect that models are held to, and in the words that they are told of it.

Servers that constrain what a model writes know a part of JSON Schema each. What all of them know, and what a small
model copes with: every property required (what may be left out may be null instead), no property besides, no
reference, no default. The bounds that are lost on the way still hold: the arguments are checked before the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]

KEPT: Final = ("type", "enum", "const", "minItems", "maxItems", "minimum", "maximum")
"""Keywords that go over as they are, besides those that hold other schemas."""
FORMATS: Final = ("date", "date-time", "time", "uuid")
"""Formats that go over: the servers that know any know these."""
LENGTHS: Final = ("minLength", "maxLength")
LONGEST: Final = 200
"""Characters of a string that says nothing of its length: a small model may never find the end of one by itself."""
MOST_ITEMS: Final = 10
"""Items of an array that says nothing of its length."""
DEEPEST: Final = 10
"""Levels of a schema; a model that describes a tree goes no deeper."""

NULL: Final[Json] = {"type": "null"}


def for_model(schema: Mapping[str, Any], *, bounded: bool) -> Json:
    """The schema of an object, in the dialect above.

    `bounded` holds every string to its lengths, for servers that count (to others `maxLength` is an error).
    """
    narrowed = _narrowed(schema, schema.get("$defs", {}), DEEPEST)
    return narrowed if bounded else _unbounded(narrowed)


def _unbounded(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_unbounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A parameter may have the name of a keyword; what it stands for is a schema then, and no number.
    return {key: _unbounded(value) for key, value in schema.items() if key not in LENGTHS or isinstance(value, dict)}


def _narrowed(schema: Mapping[str, Any], definitions: Mapping[str, Any], levels: int) -> Json:
    if not levels:
        return dict(NULL)
    if "$ref" in schema:
        return _narrowed(definitions[schema["$ref"].rpartition("/")[2]], definitions, levels - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return _joined([_narrowed(part, definitions, levels - 1) for part in schema[keyword]])
    narrowed = {keyword: schema[keyword] for keyword in KEPT if keyword in schema}
    if schema.get("format") in FORMATS:
        return {**narrowed, "format": schema["format"]}
    if schema.get("type") == "object" or "properties" in schema:
        return _object(schema, definitions, levels)
    if schema.get("type") == "array":
        items = _narrowed(schema.get("items", {"type": "string"}), definitions, levels - 1)
        return {"maxItems": MOST_ITEMS, **narrowed, "items": items}
    if schema.get("type") == "string" and "enum" not in schema and "const" not in schema:
        return {**narrowed, **_lengths(schema)}
    return narrowed or {"type": "string", "maxLength": LONGEST}


def _lengths(schema: Mapping[str, Any]) -> Json:
    longest = min(schema.get("maxLength", LONGEST), 4 * LONGEST)
    shortest = min(schema.get("minLength", 0), longest)
    return {**({"minLength": shortest} if shortest else {}), "maxLength": longest}


def _joined(parts: Sequence[Json]) -> Json:
    return dict(parts[0]) if len(parts) == 1 else {"anyOf": list(parts)}


def _object(schema: Mapping[str, Any], definitions: Mapping[str, Any], levels: int) -> Json:
    required = schema.get("required", ())
    properties = {}
    for name, described in schema.get("properties", {}).items():
        narrowed = _narrowed(described, definitions, levels - 1)
        properties[name] = narrowed if name in required else _or_null(narrowed)
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _or_null(schema: Json) -> Json:
    parts = schema.get("anyOf", [schema])
    return schema if NULL in parts else {"anyOf": [*parts, dict(NULL)]}


# --- in words --------------------------------------------------------------------------------------------------------


def signature(name: str, schema: Mapping[str, Any]) -> str:
    """A tool in one line, as in `weather(latitude: number, longitude: number, days?: integer)`."""
    required = schema.get("required", ())
    told = [
        f"{field}{'' if field in required else '?'}: {kind(described, schema.get('$defs', {}))}"
        for field, described in schema.get("properties", {}).items()
    ]
    return f"{name}({', '.join(told)})"


def kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a value is, in a word or a few, with what its description adds."""
    said = f" ({schema['description']})" if schema.get("description") else ""
    return _kind(schema, definitions) + said


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(_kind(part, definitions) for part in parts if part != NULL)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), definitions)}"
    return str(schema.get("type", "any"))
