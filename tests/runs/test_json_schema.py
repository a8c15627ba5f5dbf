"""JSON Schemas that somebody else wrote: references stay within them, and every check has an end."""

from __future__ import annotations

import json
import random
import re
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from operations.form.schema import form_of
from streaming import JsonSchema
from streaming.runs.metaschema import check_shape
from tests.apps.apis import Apis

LONG = "takes too long to check"
ENDLESS = "refers to itself without end, or on and on more than 30 times"


def nested(levels: int, value: Any = None) -> Any:
    """Lists in lists."""
    for _ in range(levels):
        value = [value]
    return value


def test_nothing_is_fetched() -> None:
    """Neither by a check of a value nor by a form, whichever keyword has the reference."""
    with Apis() as apis:
        elsewhere = {"$ref": f"{apis.url}/schema"}
        assert not JsonSchema({"not": elsewhere}).is_valid("x")
        for part in (elsewhere, {"type": "string", "not": elsewhere}):
            with pytest.raises(ValueError, match="reference"):
                form_of({"type": "object", "properties": {"it": part}})
    assert apis.seen == []


NOWHERE = (
    *("#/$defs/no", "#/type", "#/type/0", "#/type/x", "#/minProperties/x", "#/required/x", "#/required/9", "#/%"),
    *("#no", "no", "/", "https://example.org/#/$defs/it"),
)


@pytest.mark.parametrize("reference", NOWHERE)
def test_a_reference_that_leads_nowhere(reference: str) -> None:
    """The error names it, also where the pointer passes through a value that is no schema."""
    schema = {"type": "object", "required": ["it"], "minProperties": 1, "$defs": {"it": {"type": "string"}}}
    assert JsonSchema(schema).follow("#/$defs/it") == {"type": "string"}
    with pytest.raises(ValueError, match="leads nowhere in this schema") as failure:
        JsonSchema(schema).follow(reference)
    assert repr(reference) in str(failure.value)


def test_references_in_a_schema() -> None:
    """Those of all keywords that hold schemas, and none in values."""
    schema: dict[str, Any] = {
        "properties": {"$ref": {"$ref": "#a"}, "b": {"items": {"if": {"$dynamicRef": "#b"}}}},
        "const": {"$ref": "#c"},
        "anyOf": [{"$ref": "#d"}, True],
    }
    assert sorted(JsonSchema(schema).references()) == ["#a", "#b", "#d"]


# The schema itself


SHAPES: list[tuple[Any, bool]] = [
    (True, True),
    ({}, True),
    (Draft202012Validator.META_SCHEMA, True),
    ({"type": ["string", "null"], "enum": ["a", None], "const": {}, "default": [], "x-own": 1}, True),
    ({"properties": {"type": {"type": "string"}}, "prefixItems": [True, {}], "items": False}, True),
    ({"minLength": 2.0, "multipleOf": 0.01, "minimum": -1, "required": ["a"], "uniqueItems": True}, True),
    ({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": True}, "$defs": {"a": {"$anchor": "b"}}}, True),
    (5, False),
    ([], False),
    ({"type": "tuple"}, False),
    ({"type": []}, False),
    ({"type": 5}, False),
    ({"properties": {"it": 1}}, False),
    ({"properties": []}, False),
    ({"items": [{}]}, False),
    ({"allOf": []}, False),
    ({"anyOf": {}}, False),
    ({"enum": 5}, False),
    ({"minLength": -1}, False),
    ({"minLength": "1"}, False),
    ({"minLength": True}, False),
    ({"multipleOf": 0}, False),
    ({"required": [1]}, False),
    ({"$ref": 5}, False),
    ({"uniqueItems": 1}, False),
    ({"not": {"if": {"then": {"pattern": 5}}}}, False),
]


@pytest.mark.parametrize(("schema", "right"), SHAPES, ids=lambda value: json.dumps(value)[:40])
def test_the_shape_of_a_schema(schema: Any, right: bool) -> None:
    """It is right where it is by the metaschema, which is far slower."""
    assert Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema) is right
    if right:
        check_shape(schema)
    else:
        with pytest.raises(ValueError, match=r"^not a JSON Schema: (the top|/)"):
            check_shape(schema)


def fan_out(count: int, levels: int) -> dict[str, Any]:
    """A small schema whose references make very many schemas."""
    definitions: dict[str, Any] = {f"d{levels}": {"type": "string"}}
    for level in range(levels):
        inner = {"$ref": f"#/$defs/d{level + 1}"}
        definitions[f"d{level}"] = {"properties": {f"p{number}": inner for number in range(count)}}
    return {"$defs": definitions, "properties": {"it": {"$ref": "#/$defs/d0"}}}


def chain(length: int) -> dict[str, Any]:
    """A schema that refers to one that refers to one ..."""
    definitions: dict[str, Any] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {"$defs": {**definitions, f"d{length}": {}}, "$ref": "#/$defs/d0"}


def doubling(keyword: str, **more: Any) -> dict[str, Any]:
    """A schema that is applied twice at each of many levels."""
    definitions: dict[str, Any] = {"d13": {"type": "integer"}}
    for level in range(13):
        definitions[f"d{level}"] = {keyword: [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
    return {"$defs": definitions, "$ref": "#/$defs/d0", **more}


REFUSED = {
    "itself": ({"$ref": "#"}, ENDLESS),
    "itself, by an anchor": ({"$ref": "#a", "$anchor": "a"}, ENDLESS),
    "itself, twice": ({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, ENDLESS),
    "itself, by another": ({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"if": {"$ref": "#"}}}}, ENDLESS),
    "itself, of dependent schemas": ({"unevaluatedItems": False, "dependentSchemas": {"a": {"$ref": "#"}}}, ENDLESS),
    "a chain": (chain(100), ENDLESS),
    "a chain of unevaluated properties": ({**chain(400), "unevaluatedProperties": False}, ENDLESS),
    "unevaluated properties that depend": ({"$dynamicRef": "#", "unevaluatedProperties": False}, "does not go with"),
    "doubling anyOf": (doubling("anyOf"), LONG),
    "doubling oneOf": (doubling("oneOf"), LONG),
    "doubling allOf": (doubling("allOf", unevaluatedProperties=False, type="object"), LONG),
    "levels": (json.loads('{"items":' * 100 + "{}" + "}" * 100), "more than 64 levels"),
    "levels of a value": ({"const": nested(100)}, "more than 64 levels"),
    "values": ({"enum": list(range(100_000))}, "more than 5,000 values"),
    "a pattern": ({"pattern": "(?=a)"}, "look-around"),
    "a pattern below": ({"properties": {"a": {"items": {"pattern": r"(a)\1"}}}}, "backreferences"),
    "a pattern of properties": ({"patternProperties": {"(?!a)": {}}}, "look-around"),
    "a number in a pattern": ({"pattern": "a{99999999999999999999}"}, "too large"),
    "patterns": ({"properties": {f"p{n}": {"pattern": rf"\w{{100}}{n}"} for n in range(50)}}, LONG),
    "a pattern in an example": ({"$ref": "#/examples/0", "examples": [{"pattern": "("}]}, "unclosed group"),
    "another draft inside": ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "only the top"),
    "an id that is no URL": ({"$id": "http://[", "items": {"$ref": "#"}}, "URL"),
    "1e400": ({"minimum": float("inf")}, "finite number"),
}


@pytest.mark.parametrize(("schema", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_schema_that_is_refused(schema: dict[str, Any], reason: str) -> None:
    """Within a time that a hub can spare, and in one line."""
    start = time.process_time()
    with pytest.raises(ValueError, match=reason) as failure:
        JsonSchema(schema).check()
    assert "\n" not in str(failure.value)
    assert time.process_time() - start < 2


def test_a_large_schema_is_checked_at_once() -> None:
    """Hundreds of definitions, each with an anchor that is referred to."""
    definitions = {f"d{number}": {"$anchor": f"a{number}", "type": "string"} for number in range(800)}
    schema = {"$defs": definitions, "properties": {f"p{number}": {"$ref": f"#a{number}"} for number in range(800)}}
    start = time.process_time()
    JsonSchema(schema).check()
    assert time.process_time() - start < 2


def test_a_form_of_very_many_fields_is_refused_at_once() -> None:
    """Also if each level is within the limit of references."""
    start = time.process_time()
    for count in (7, 20, 100):
        with pytest.raises(ValueError, match="more than 60 values"):
            form_of(fan_out(count, 3))
    assert time.process_time() - start < 2


# Values


TREE = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}}

SLOW: dict[str, tuple[dict[str, Any], Any]] = {
    "a pattern that backtracks": ({"pattern": "^(a+)+$"}, "a" * 3_000_000 + "b"),
    "a pattern of properties that backtracks": (
        {"patternProperties": {"^(a+)+$": True}, "additionalProperties": False},
        {"a" * 5000 + "b": 1},
    ),
    "a pattern of many states": ({"items": {"pattern": "[ab]*a[ab]{500}c"}}, ["ab" * 100_000] * 10),
    "items, all compared": ({"uniqueItems": True, "items": False}, [{"a": number} for number in range(50_000)]),
    "items, nested": (
        {"$defs": {"a": {"uniqueItems": True, "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        nested(50, list(range(100_000))),
    ),
    "very many values": (TREE, [[1]] * 100_000),
    "very long messages": (TREE, nested(50, "x" * 3_000_000)),
    "branches": (
        {"$defs": {"a": {"anyOf": [{"items": {"$ref": "#/$defs/a"}, "maxItems": 0}] * 3}}, "$ref": "#/$defs/a"},
        nested(60),
    ),
}


@pytest.mark.parametrize(("schema", "value"), SLOW.values(), ids=SLOW)
def test_a_value_that_would_take_long(schema: dict[str, Any], value: Any) -> None:
    """It does not fit, which is known soon."""
    JsonSchema(schema).check()
    start = time.process_time()
    errors = JsonSchema(schema).errors(value)
    assert time.process_time() - start < 2
    assert errors
    assert all(len(error["msg"]) <= 500 for error in errors)


@pytest.mark.parametrize("levels", [49, 500])
def test_levels_of_a_value(levels: int) -> None:
    """Python's recursion never ends in a check: what jsonschema keeps in Rust panics then, past every `except`."""
    errors = JsonSchema(TREE).errors(nested(levels, "x"))
    assert errors
    assert (errors[0]["msg"] == f"{LONG} by its schema") is (levels > 49)


def test_what_takes_long_says_so() -> None:
    """The error is about the whole value."""
    assert JsonSchema(TREE).errors([[1]] * 100_000) == [{"loc": [], "msg": f"{LONG} by its schema"}]


@pytest.mark.parametrize("value", [1e300, 10**400, -(10**400), 1e-320])
def test_numbers_beyond_a_float(value: float) -> None:
    """They are checked, or do not fit; nothing is raised."""
    for schema in ({"multipleOf": 0.1}, {"multipleOf": 1e-320}, {"multipleOf": 7}, {"maximum": 1e308}):
        JsonSchema(schema).errors(value)


def test_errors_are_listed_up_to_a_number() -> None:
    """Twenty, each with its path."""
    errors = JsonSchema({"items": {"type": "string"}}).errors(list(range(1000)))
    assert [error["loc"] for error in errors] == [[number] for number in range(20)]


@pytest.mark.parametrize(
    ("value", "unique"),
    [
        ([1, 2, "1", True, None, [], {}, [1], {"a": 1}], True),
        ([1, 1.0], False),
        ([0, False], True),
        ([[1, {"a": [True]}], [1, {"a": [1]}]], True),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], False),
        ([{"a": 1}, [["a", 1]]], True),
    ],
)
def test_unique_items(value: list[Any], unique: bool) -> None:
    """As JSON Schema has it, and jsonschema in quadratic time."""
    assert JsonSchema({"uniqueItems": True}).is_valid(value) is unique
    assert Draft202012Validator({"uniqueItems": True}).is_valid(value) is unique


@pytest.mark.parametrize(
    ("value", "fits"),
    [({"ax": "a", "n": 1}, True), ({"ax": 1}, False), ({"n": "1"}, False), ({"n": 1, "other": 2}, False), (5, True)],
)
def test_properties_by_pattern(value: Any, fits: bool) -> None:
    """They are no additional properties."""
    schema = {
        "properties": {"n": {"type": "integer"}},
        "patternProperties": {"^a": {"type": "string"}},
        "additionalProperties": False,
    }
    JsonSchema(schema).check()
    assert JsonSchema(schema).is_valid(value) is fits
    assert Draft202012Validator(schema).is_valid(value) is fits


def test_a_draft_at_the_top_counts_for_nothing() -> None:
    """References to the top would else be followed by the rules of that draft, which backtrack."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": {"$ref": "#"}, "pattern": "^(a+)+$"}
    JsonSchema(schema).check()
    assert not JsonSchema(schema).is_valid(["a" * 5000 + "b"])


def test_formats() -> None:
    """Those that can be checked in linear time count where they are asked for; others never do."""
    schema = {"properties": {"day": {"format": "date"}, "pattern": {"format": "regex"}}}
    value = {"day": "tomorrow", "pattern": "a{99999999999999999999}"}
    assert JsonSchema(schema).is_valid(value)
    assert [error["loc"] for error in JsonSchema(schema, formats=True).errors(value)] == [["day"]]


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("date-time", "2026-11-29T18:30:00.125Z", True),
        ("date-time", "2026-11-29t18:30:00-08:00", True),
        ("date-time", "2026-11-29T18:30:00", False),
        ("date-time", "2026-02-30T18:30:00Z", False),
        ("date-time", "2026-11-29 18:30:00Z", False),
        ("date-time", "２026-11-29T18:30:00Z", False),
        ("date-time", 5, True),
        ("time", "18:30:00+01:00", True),
        ("time", "18:30", False),
        ("time", "25:30:00Z", False),
        ("time", None, True),
    ],
)
def test_times(name: str, value: object, right: bool) -> None:
    """They are those of RFC 3339, with a zone; jsonschema knows them only beside another package."""
    assert JsonSchema({"format": name}, formats=True).is_valid(value) is right


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"minimum": 1e400}', "NaN", "\ud800", '{"a":' * 100_000])
def test_text_that_is_no_schema(text: str) -> None:
    """A form has the schema as text."""
    with pytest.raises(ValueError, match=r"not JSON|levels|values|names|surrogates"):
        JsonSchema.decode(text)


def random_value(source: random.Random, levels: int) -> Any:
    """A small JSON value."""
    kind = source.randrange(6) if levels else 5
    if kind == 0:
        return [random_value(source, levels - 1) for _ in range(source.randrange(4))]
    if kind == 1:
        return {source.choice("abc"): random_value(source, levels - 1) for _ in range(source.randrange(3))}
    return source.choice([0, 1, 1.0, True, False, None, "a", "ab", "", 2.5, -1])


def random_schema(source: random.Random, levels: int) -> Any:
    """A schema of any keywords."""
    if not levels:
        return source.choice([True, False, {}])

    def inner() -> Any:
        return random_schema(source, levels - 1)

    keywords: dict[str, Any] = {
        **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "propertyNames"), inner),
        **dict.fromkeys(("additionalProperties", "unevaluatedItems", "unevaluatedProperties"), inner),
        **dict.fromkeys(("anyOf", "oneOf", "allOf"), lambda: [inner(), inner()]),
        **dict.fromkeys(("properties", "dependentSchemas"), lambda: {source.choice("abc"): inner()}),
        **dict.fromkeys(("minLength", "maxItems", "minContains", "minProperties", "minimum"), lambda: 1),
        "patternProperties": lambda: {source.choice(["^a", "b"]): inner()},
        "pattern": lambda: source.choice(["^a", "b$", "a.b", "[ab]+"]),
        "prefixItems": lambda: [inner()],
        "type": lambda: source.choice(["string", "integer", "array", "object", ["number", "null"]]),
        "enum": lambda: [random_value(source, 1), random_value(source, 1)],
        "const": lambda: random_value(source, 1),
        "uniqueItems": lambda: True,
        "multipleOf": lambda: source.choice([2, 0.5]),
        "required": lambda: ["a"],
        "dependentRequired": lambda: {"a": ["b"]},
        "$ref": lambda: source.choice(["#/$defs/x", "#/$defs/y"]),
    }
    names = source.sample(sorted(keywords), source.randrange(1, 4))
    return {name: keywords[name]() for name in names}


def test_it_agrees_with_jsonschema(long: bool) -> None:
    """Of any schema that it takes, and any value."""
    source, compared, refusals = random.Random(7), 0, set[str]()
    for _ in range(10_000 if long else 150):
        schema = {**random_schema(source, 3), "$defs": {name: random_schema(source, 1) for name in "xy"}}
        try:
            JsonSchema(schema).check()
        except ValueError as refusal:
            refusals.add(str(refusal))
            continue
        for _ in range(5):
            value = random_value(source, 3)
            compared += 1
            fits = Draft202012Validator(schema, registry=Registry()).is_valid(value)
            assert JsonSchema(schema).is_valid(value) is fits, (schema, value)
    assert compared > 400
    assert all(re.search(f"{ENDLESS}|{LONG}|does not go with", refusal) for refusal in refusals), refusals
