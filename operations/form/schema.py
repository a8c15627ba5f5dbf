"""The form that a JSON Schema describes: objects, lists, and values of one type each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..schemas import References, check_schema, references_in

Json = dict[str, Any]

MAX_FIELDS: Final = 60
"""Values that a schema may ask for: a small model loses track long before."""
MAX_DEPTH: Final = 8
"""Levels of objects, lists and references."""
TYPES: Final = frozenset({"string", "number", "integer", "boolean"})


@dataclass(frozen=True)
class ValueField:
    """One value; `schema` is the caller's."""

    schema: Json


@dataclass(frozen=True)
class ObjectField:
    """Fields by their names."""

    fields: Mapping[str, Field]
    description: str = ""


@dataclass(frozen=True)
class ListField:
    """Any number of items, each the same field."""

    item: Field
    description: str = ""


Field: TypeAlias = ValueField | ObjectField | ListField


def form_of(schema: Any) -> ObjectField:
    """The form that a JSON Schema describes. Raises `ValueError`, worded for the schema's author, if there is none."""
    check_schema(schema)
    form = _field(schema, References(schema), 0)
    if not isinstance(form, ObjectField):
        raise ValueError('not a JSON Schema of an object: {"type": "object", "properties": {...}}')
    if _count(form) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} values")
    return form


def _field(schema: Any, references: References, depth: int) -> Field:
    if depth > MAX_DEPTH:
        raise ValueError(f"objects, lists and references nest deeper than {MAX_DEPTH} levels")
    if not isinstance(schema, dict):
        raise ValueError("each field needs a schema with its type")
    if references.followed > MAX_FIELDS * MAX_DEPTH:  # definitions that double at each level
        raise ValueError(f"more than {MAX_FIELDS} values")
    if target := _target(schema, references):
        own = {name: schema[name] for name in ("description",) if name in schema}
        return _field({**target, **own}, references, depth + 1)
    description = schema.get("description", "")
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            properties = schema.get("properties") or {}
            if not properties:
                raise ValueError("an object needs `properties`: the fields to look for")
            return ObjectField(
                {name: _field(part, references, depth + 1) for name, part in properties.items()}, description
            )
        case "array":
            return ListField(_field(schema.get("items"), references, depth + 1), description)
        case str(kind) if kind in TYPES:
            if any(references_in(schema)):
                raise ValueError("a value's schema has references only in the place of a type")
            return ValueField({**schema, "type": kind})
        case kind:
            raise ValueError(f"a field is a string, number, integer, boolean, object or array, not {kind!r}")


def _target(schema: Json, references: References) -> Json | None:
    """The schema that this one stands for, if it is a reference, or only adds null to another schema."""
    if "$ref" in schema:
        return dict(references.follow(schema["$ref"]))
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            parts = [part for part in schema[keyword] if part != {"type": "null"}]
            if len(parts) != 1:
                raise ValueError(f"a field has one type: `{keyword}` may add null to it, and nothing else")
            return dict(parts[0])
    types = schema.get("type")
    if isinstance(types, list):
        types = [kind for kind in types if kind != "null"]
        if len(types) != 1:
            raise ValueError("a field has one type, and may also be null")
        return {**schema, "type": types[0]}
    return None


def _count(field: Field) -> int:
    match field:
        case ObjectField(fields):
            return sum(map(_count, fields.values()))
        case ListField(item):
            return _count(item)
        case _:
            return 1
