"""Tools made of functions: their schemas for servers and prompts, and the check of arguments."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from operations.tools import ToolError, tool
from operations.tools.apis import APIS, exchange_rate
from operations.tools.base import Tool
from operations.tools.data import query
from operations.tools.documents import read
from operations.tools.plans import reply_schema
from operations.tools.schema import for_model, signature
from tests.apps.agent_calls import add, publish_note

BUILT_IN = [*APIS, query, read]


class Colour(Enum):
    """A reference in the schema."""

    RED = "red"
    BLUE = "blue"


class Size(BaseModel):
    """An object in an object."""

    width: int
    height: int | None = None


@tool
def paint(
    what: Annotated[str, Field(description="a thing")],
    colour: Colour,
    size: Size,
    mood: Literal["glad", "sad"] = "glad",
    layers: Annotated[int, Field(ge=1, le=5)] = 1,
    names: list[str] | None = None,
) -> str:
    """Paints it."""
    return f"{what} {colour.value} {size.width} {mood} {layers} {names}"


def test_a_function_becomes_a_tool() -> None:
    """The tool has its name, the first paragraph of its docstring, and its parameters."""
    adder = tool(add)
    assert (adder.name, adder.description, adder.approve) == ("add", "Adds two numbers.", False)
    assert adder.parameters["required"] == ["a"]
    assert adder.invoke({"a": 2}) == 3
    assert (publish_note.name, publish_note.approve) == ("publish", True)


def test_the_schema_for_servers_has_no_references_and_no_options() -> None:
    """Every property is required, an optional one may be null, and there are no others."""
    schema = for_model(paint.parameters, bounded=True)
    assert schema["required"] == ["what", "colour", "size", "mood", "layers", "names"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert schema["properties"]["size"]["properties"]["height"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert {"type": "null"} in schema["properties"]["mood"]["anyOf"]
    assert schema["properties"]["layers"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert schema["properties"]["names"]["anyOf"][0]["maxItems"] > 0
    money = for_model(exchange_rate.parameters, bounded=True)["properties"]
    assert money["base"] == {"type": "string", "minLength": 3, "maxLength": 3}
    assert money["day"]["anyOf"][0] == {"type": "string", "format": "date"}


@pytest.mark.parametrize("bounded", [True, False])
def test_lengths_are_kept_only_for_servers_that_support_them(bounded: bool) -> None:
    """`maxLength` is an error for some servers; on others it keeps a small model from writing for ever."""

    def count(schema: Any) -> int:
        if isinstance(schema, list):
            return sum(map(count, schema))
        if not isinstance(schema, dict):
            return 0
        return ("maxLength" in schema) + ("minLength" in schema) + sum(map(count, schema.values()))

    lengths = count(reply_schema(BUILT_IN, ["1.1"], "any", bounded=bounded))
    assert lengths >= 5 if bounded else lengths == 0


def test_a_parameter_may_have_the_name_of_a_keyword() -> None:
    """Properties are not keywords."""

    @tool
    def odd(maxLength: int, type: str) -> None:  # noqa: N803
        """Odd."""

    assert list(for_model(odd.parameters, bounded=False)["properties"]) == ["maxLength", "type"]


def test_a_recursive_schema_is_cut_off() -> None:
    """A type that contains itself ends after some levels."""
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["children"],
    }
    schema = for_model({**tree, "$defs": {"Tree": tree}}, bounded=True)
    Draft202012Validator.check_schema(schema)
    assert str(schema).count("children") < 30


def test_a_list_of_itself_has_a_signature() -> None:
    """A reference in a circle ends after some levels there too."""
    nested = {"type": "array", "items": {"$ref": "#/$defs/Nested"}}
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/Nested"}}, "$defs": {"Nested": nested}}
    assert signature("sort", schema).startswith("sort(x?: list of list of")


def test_the_signature_of_a_tool() -> None:
    """It has names, types and descriptions, and marks optional parameters."""
    assert signature("paint", paint.parameters) == (
        "paint(what: string (a thing), colour: red | blue, size: object, mood?: glad | sad, layers?: integer, "
        "names?: list of string)"
    )


def test_null_counts_as_left_out() -> None:
    """A model has to give every property, and gives null for those that it leaves out."""
    arguments = {"what": "door", "colour": "red", "size": {"width": 1, "height": None}, "mood": None, "layers": None}
    assert paint.invoke({**arguments, "names": None}) == "door red 1 glad 1 None"


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({}, "what"),
        ({"what": None, "colour": "red", "size": {"width": 1}}, "what"),
        ({"what": "door", "colour": "green", "size": {"width": 1}}, "colour"),
        ({"what": "door", "colour": "red", "size": {"width": 1}, "layers": 9}, "layers"),
        ({"what": "door", "colour": "red", "size": {}, "nonsense": 1}, "nonsense"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], parameter: str) -> None:
    """The error names the parameter, so that a model can correct it."""
    with pytest.raises(ToolError) as failure:
        paint.invoke(arguments)
    assert failure.value.code == "invalid_arguments"
    assert parameter in failure.value.message


def test_functions_that_cannot_be_tools() -> None:
    """Parameters without annotations or names, coroutines, and invalid names are errors."""

    async def later() -> None:
        """Later."""

    def many(*all: int) -> None:
        """Many."""

    functions: dict[Callable[..., Any], str] = {(lambda x: x): "no annotation", later: "async", many: "have names"}
    for function, message in functions.items():
        with pytest.raises(ValueError, match=message):
            tool(function)
    with pytest.raises(ValueError, match="name"):
        Tool("No Name", "", {}, lambda _: None)


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda built_in: built_in.name)
def test_built_in_tools_are_described(built_in: Tool) -> None:
    """They have a description and a valid schema, also in the dialect for servers."""
    assert built_in.description.endswith(".")
    Draft202012Validator.check_schema(built_in.parameters)
    Draft202012Validator.check_schema(for_model(built_in.parameters, bounded=True))


def test_a_reply_has_calls_or_an_answer() -> None:
    """The schema allows either calls of offered tools or an answer."""
    valid = Draft202012Validator(reply_schema([tool(add)], ["1.1"], "any", bounded=True)).is_valid
    call = {"for": "a sum", "tool": "add", "arguments": {"a": 1, "b": None}}
    parts = [{"part": "a sum", "observation": None}, {"part": "another", "observation": "1.1"}]
    assert valid({"parts": parts, "next": {"calls": [call, call]}})
    assert valid({"parts": parts, "next": {"values": [], "answer": "3"}})
    assert not valid({"parts": parts, "next": {"calls": []}})
    assert not valid({"parts": parts, "next": {"calls": [call], "values": [], "answer": "3"}})
    assert not valid({"parts": parts, "next": {"calls": [{**call, "tool": "subtract"}]}})
    assert not valid({"parts": parts, "next": {"calls": [{**call, "arguments": {"a": "1", "b": None}}]}})


def test_a_part_names_an_existing_observation() -> None:
    """Without observations a part has none; without tools the reply is an answer."""
    valid = Draft202012Validator(reply_schema([], [], "answer", bounded=True)).is_valid
    without, with_one = {"part": "a sum", "observation": None}, {"part": "a sum", "observation": "1.1"}
    assert valid({"parts": [without], "next": {"values": [], "answer": "3"}})
    assert not valid({"parts": [with_one], "next": {"values": [], "answer": "3"}})
    assert not valid({"parts": [], "next": {"values": [], "answer": "3"}})
    assert not valid(
        {"parts": [without], "next": {"calls": [{"for": "", "tool": "add", "arguments": {"a": 1, "b": None}}]}}
    )
    assert not Draft202012Validator(reply_schema([], ["1.1"], "answer", bounded=True)).is_valid(
        {"parts": [{"part": "a sum", "observation": "1.2"}], "next": {"values": [], "answer": "3"}}
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["what", "colour", "size", "mood", "layers", "other"]), json_values))
def test_any_arguments_are_accepted_or_refused(arguments: dict[str, Any]) -> None:
    """No arguments raise another error than `ToolError`."""
    try:
        assert isinstance(paint.invoke(arguments), str)
    except ToolError as error:
        assert error.code == "invalid_arguments"  # noqa: PT017  # accepting them is fine too
