"""A tool's schema as servers can enforce it, and as a line of text for the prompt.

Servers that constrain a model's output support different parts of JSON Schema. All support this dialect, and a small
model copes with it: every property is required (an optional one may be null), there are no other properties, no
references and no defaults. Bounds that the dialect lacks still hold: the arguments are checked before the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streaming import JsonSchema

Json = dict[str, Any]

KEYWORDS: Final = ("type", "enum", "const", "minItems", "maxItems", "minimum", "maximum")
"""Keywords that are kept unchanged, besides those that contain schemas."""
FORMATS: Final = ("date", "date-time", "time", "uuid")
"""Formats that are kept: servers that support formats support these."""
LENGTHS: Final = ("minLength", "maxLength")
MAX_LENGTH: Final = 200
"""Characters of a string without `maxLength`: a small model may never end one by itself."""
MAX_ITEMS: Final = 10
"""Items of an array without `maxItems`."""
MAX_DEPTH: Final = 10
"""Levels of a schema; a recursive one is cut off there."""

NULL: Final[Json] = {"type": "null"}


def for_model(schema: Mapping[str, Any], *, bounded: bool) -> Json:
    """The schema of an object, in the dialect above.

    `bounded` keeps the lengths of strings, for servers that support them (for others `maxLength` is an error). Raises
    `ValueError` for a reference that leads nowhere, and for a parameter without a schema (`true` is one, but no type).
    """
    result = _narrow(schema, JsonSchema(schema), MAX_DEPTH)
    return result if bounded else _without_lengths(result)


def _without_lengths(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_lengths(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A parameter may have the name of a keyword; its value is a schema then, and not a number.
    return {
        key: _without_lengths(value) for key, value in schema.items() if key not in LENGTHS or isinstance(value, dict)
    }


def _narrow(schema: Any, references: JsonSchema, levels: int) -> Json:
    if not levels:
        return dict(NULL)
    if not isinstance(schema, Mapping):
        raise ValueError("each parameter needs a schema with its type")
    if "$ref" in schema:
        return _narrow(references.follow(schema["$ref"]), references, levels - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return _any_of([_narrow(part, references, levels - 1) for part in schema[keyword]])
    result = {keyword: schema[keyword] for keyword in KEYWORDS if keyword in schema}
    if schema.get("format") in FORMATS:
        return {**result, "format": schema["format"]}
    if schema.get("type") == "object" or "properties" in schema:
        return _object(schema, references, levels)
    if schema.get("type") == "array":
        items = _narrow(schema.get("items", {"type": "string"}), references, levels - 1)
        return {"maxItems": MAX_ITEMS, **result, "items": items}
    if schema.get("type") == "string" and "enum" not in schema and "const" not in schema:
        return {**result, **_lengths(schema)}
    return result or {"type": "string", "maxLength": MAX_LENGTH}


def _lengths(schema: Mapping[str, Any]) -> Json:
    longest = min(schema.get("maxLength", MAX_LENGTH), 4 * MAX_LENGTH)
    shortest = min(schema.get("minLength", 0), longest)
    return {**({"minLength": shortest} if shortest else {}), "maxLength": longest}


def _any_of(parts: Sequence[Json]) -> Json:
    return dict(parts[0]) if len(parts) == 1 else {"anyOf": list(parts)}


def _object(schema: Mapping[str, Any], references: JsonSchema, levels: int) -> Json:
    required = schema.get("required", ())
    properties = {}
    for name, described in schema.get("properties", {}).items():
        result = _narrow(described, references, levels - 1)
        properties[name] = result if name in required else _or_null(result)
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _or_null(schema: Json) -> Json:
    parts = schema.get("anyOf", [schema])
    return schema if NULL in parts else {"anyOf": [*parts, dict(NULL)]}


# --- as text ---------------------------------------------------------------------------------------------------------


def signature(name: str, schema: Mapping[str, Any]) -> str:
    """A tool in one line, as in `weather(latitude: number, longitude: number, days?: integer)`."""
    required = schema.get("required", ())
    references = JsonSchema(schema)
    parameters = [
        f"{field}{'' if field in required else '?'}: {_described(part, references)}"
        for field, part in schema.get("properties", {}).items()
    ]
    return f"{name}({', '.join(parameters)})"


def _described(schema: Mapping[str, Any], references: JsonSchema) -> str:
    """The type of a value in a few words, with its description."""
    description = f" ({schema['description']})" if schema.get("description") else ""
    return _kind(schema, references, MAX_DEPTH) + description


def _kind(schema: Mapping[str, Any], references: JsonSchema, levels: int) -> str:
    if not levels:
        return "any"
    if "$ref" in schema:
        return _kind(references.follow(schema["$ref"]), references, levels - 1)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(_kind(part, references, levels - 1) for part in parts if part != NULL)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), references, levels - 1)}"
    return str(schema.get("type", "any"))
