"""The form that a JSON Schema describes: objects, lists, and values of one type each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streaming import JsonSchema

Json = dict[str, Any]

MAX_FIELDS: Final = 60
"""Values that a schema may ask for: a small model loses track long before."""
MAX_DEPTH: Final = 8
"""Levels of objects, lists and references."""
NOT_AN_OBJECT: Final = 'not a JSON Schema of an object: {"type": "object", "properties": {...}}'
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
    if not isinstance(schema, dict):
        raise ValueError(NOT_AN_OBJECT)
    checked = JsonSchema(schema)
    checked.check()
    form = _Reader(checked).field(schema, 0)
    if not isinstance(form, ObjectField):
        raise ValueError(NOT_AN_OBJECT)
    return form


class _Reader:
    """Makes fields of schemas, and counts: references may make very many fields of a small schema."""

    def __init__(self, schema: JsonSchema) -> None:
        self._schema = schema
        self._visited = 0
        self._values = 0

    def field(self, schema: Any, depth: int) -> Field:
        self._visited += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"objects, lists and references nest deeper than {MAX_DEPTH} levels")
        if self._visited > MAX_FIELDS * MAX_DEPTH:
            raise ValueError(f"more than {MAX_FIELDS} values")
        if not isinstance(schema, dict):
            raise ValueError("each field needs a schema with its type")
        if target := self._target(schema):
            own = {name: schema[name] for name in ("description",) if name in schema}
            return self.field({**target, **own}, depth + 1)
        return self._field(schema, depth)

    def _field(self, schema: Json, depth: int) -> Field:
        description = schema.get("description", "")
        match schema.get("type", "object" if "properties" in schema else "string"):
            case "object":
                properties = schema.get("properties") or {}
                if not properties:
                    raise ValueError("an object needs `properties`: the fields to look for")
                return ObjectField(
                    {name: self.field(part, depth + 1) for name, part in properties.items()}, description
                )
            case "array":
                return ListField(self.field(schema.get("items"), depth + 1), description)
            case str(kind) if kind in TYPES:
                self._values += 1
                if self._values > MAX_FIELDS:
                    raise ValueError(f"more than {MAX_FIELDS} values")
                if any(JsonSchema(schema).references()):
                    raise ValueError("a value's schema has references only in the place of a type")
                return ValueField({**schema, "type": kind})
            case kind:
                raise ValueError(f"a field is a string, number, integer, boolean, object or array, not {kind!r}")

    def _target(self, schema: Json) -> Json | None:
        """The schema that this one stands for, if it is a reference, or only adds null to another schema."""
        if "$ref" in schema:
            return dict(self._schema.follow(schema["$ref"]))
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
