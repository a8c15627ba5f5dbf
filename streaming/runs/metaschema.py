"""The shape of a JSON Schema (2020-12): its size, which type each keyword's value has, and where it leads to itself.

The types are the metaschema as a model of pydantic, which checks a schema a hundred times as fast as jsonschema does by
the metaschema itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, create_model

MAX_VALUES: Final = 5_000
MAX_LEVELS: Final = 64
"""Values and levels of a schema."""
MAX_CHAIN: Final = 30
"""Schemas by which one value may be checked, each named by the one before (`$ref`, `allOf`, `if` ...)."""
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLE: Final = ("not", "if", "then", "else")
"""Keywords whose schemas are for the same value."""

_BRANCHES: Final = {bool: "a boolean", dict: "an object", list: "an array", str: "a string"}


def _either(**branches: Any) -> Any:
    """A value of one of two types, by their names in `_BRANCHES`; errors name its own only."""
    kinds = {kind: name for kind, name in _BRANCHES.items() if kind.__name__ in branches}
    tagged = [Annotated[branches[kind.__name__], Tag(name)] for kind, name in kinds.items()]
    message = f"Input should be {' or '.join(kinds.values())}"
    discriminator = Discriminator(
        lambda value: kinds.get(type(value)), custom_error_type="wrong_type", custom_error_message=message
    )
    return Annotated[tagged[0] | tagged[1], discriminator]


if TYPE_CHECKING:
    Subschema = Any
else:
    Subschema = _either(bool=bool, dict="Keywords")
Type = Literal["array", "boolean", "integer", "null", "number", "object", "string"]
Amount = Annotated[float, Field(ge=0)]

_KEYWORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment"), str),
    **dict.fromkeys(("title", "description", "format", "pattern", "contentEncoding", "contentMediaType"), str),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems"), bool),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), float),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxContains", "minContains"), Amount),
    **dict.fromkeys(("maxProperties", "minProperties"), Amount),
    **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "propertyNames", "contentSchema"), Subschema),
    **dict.fromkeys(("additionalProperties", "unevaluatedItems", "unevaluatedProperties"), Subschema),
    **dict.fromkeys(("$defs", "properties", "patternProperties", "dependentSchemas"), dict[str, Subschema]),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), Annotated[list[Subschema], Field(min_length=1)]),
    **dict.fromkeys(("enum", "examples"), list[Any]),
    "required": list[str],
    "dependentRequired": dict[str, list[str]],
    "multipleOf": Annotated[float, Field(gt=0)],
    "type": _either(str=Type, list=Annotated[list[Type], Field(min_length=1)]),
}
_FIELDS: Final[dict[str, Any]] = {
    f"keyword_{number}": (kind, Field(None, alias=name)) for number, (name, kind) in enumerate(_KEYWORDS.items())
}
_CONFIG: Final = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
Keywords: type[BaseModel] = create_model("Keywords", __config__=_CONFIG, __module__=__name__, **_FIELDS)
_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(Subschema)


def check_shape(schema: Any) -> None:
    """Raises `ValueError`, worded for the schema's author, for a keyword whose value has another type."""
    try:
        _ADAPTER.validate_python(schema)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = "".join(f"/{part}" for part in first["loc"] if part not in _BRANCHES.values())
        raise ValueError(f"not a JSON Schema: {path or 'the top'}: {first['msg']}"[:300]) from None


def check_size(schema: Any) -> None:
    """Raises `ValueError` for a schema of too many values or levels."""
    level, count = [schema], 0
    for _ in range(MAX_LEVELS):
        inner: list[Any] = []
        for part in level:
            inner += part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
        level, count = inner, count + len(inner)
        if count > MAX_VALUES:
            raise ValueError(f"the schema has more than {MAX_VALUES:,} values")
        if not level:
            return
    raise ValueError(f"the schema has more than {MAX_LEVELS} levels")


def for_the_same_value(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas inside of it that the value is checked by, too."""
    yield from (schema[key] for key in _SINGLE if key in schema)
    for key in _LISTS:
        yield from schema.get(key, ())
    yield from schema.get("dependentSchemas", {}).values()


def check_chains(following: Mapping[int, list[int]]) -> None:
    """Raises `ValueError` where a schema leads back to itself for the same value, or on in too many steps."""
    before = Counter(target for targets in following.values() for target in targets)
    ready, seen = [schema for schema in following if not before[schema]], 0
    for _ in range(MAX_CHAIN):
        seen += len(ready)
        reached: list[int] = []
        for schema in ready:
            for target in following.get(schema, ()):
                before[target] -= 1
                if not before[target] and target in following:
                    reached.append(target)
        ready = reached
    if seen < len(following):
        raise ValueError(f"the schema refers to itself without end, or on and on more than {MAX_CHAIN} times")
