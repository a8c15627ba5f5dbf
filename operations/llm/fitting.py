"""The value of an answer as a schema wants it: what fits after a conversion is converted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from streaming import JsonSchema

from .answers import without_nan


def fitted(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value, converted where the schema does not take it as it is. Raises `ValueError` if it cannot be.

    Unknown names are left out, names in other cases are found, what is wrapped in a list or an object of one is taken
    out, and numbers in strings are numbers.
    """
    checked = JsonSchema(schema)
    for each in (value, _converted(value, schema)):
        if without_nan(each) == each and checked.is_valid(each):
            return each
    raise ValueError("the answer does not satisfy the schema")


def _converted(value: Any, schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            return _as_object(value, schema.get("properties", {}))
        case "array":
            items = value if isinstance(value, list) else [value]
            return [_converted(each, schema.get("items", {})) for each in items]
        case "string" if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        case "number" | "integer" | "boolean" as kind if isinstance(value, str):
            return _scalar(value.strip(), kind)
        case "integer" if isinstance(value, float) and value.is_integer():
            return int(value)
        case "string" | "number" | "integer" | "boolean" if isinstance(value, list) and len(value) == 1:
            return _converted(value[0], schema)
        case _:
            return value


def _as_object(value: Any, properties: Mapping[str, Any]) -> Any:
    while isinstance(value, list | dict) and len(value) == 1:
        if isinstance(value, dict) and _plain(next(iter(value))) in map(_plain, properties):
            break
        [value] = value if isinstance(value, list) else value.values()
    if not isinstance(value, dict):
        return value
    known = {_plain(name): name for name in properties}
    named = {known[_plain(name)]: each for name, each in value.items() if _plain(name) in known}
    return {name: _converted(each, properties[name]) for name, each in named.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _scalar(text: str, kind: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.casefold(), text)
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        return text
    return int(text) if kind == "integer" and "." not in text else float(text)
