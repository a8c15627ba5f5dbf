"""Tools out of functions: what a model is told of them, what it is held to, and how arguments are checked."""

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

SHIPPED = [*APIS, query, read]


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


def test_a_function_is_a_tool_by_its_signature_and_its_docstring() -> None:
    """Its name, the first paragraph of its docstring, and a parameter for each of its own."""
    made = tool(add)
    assert (made.name, made.description, made.approve) == ("add", "Adds two numbers.", False)
    assert made.parameters["required"] == ["a"]
    assert made.invoke({"a": 2}) == 3
    assert (publish_note.name, publish_note.approve) == ("publish", True)


def test_a_model_is_held_to_a_schema_without_references_and_options() -> None:
    """Every property is required, what may be left out may be null, and nothing else is let in."""
    held = for_model(paint.parameters, bounded=True)
    assert held["required"] == ["what", "colour", "size", "mood", "layers", "names"]
    assert held["additionalProperties"] is False
    assert held["properties"]["colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert held["properties"]["size"]["properties"]["height"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert {"type": "null"} in held["properties"]["mood"]["anyOf"]
    assert held["properties"]["layers"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert held["properties"]["names"]["anyOf"][0]["maxItems"] > 0
    money = for_model(exchange_rate.parameters, bounded=True)["properties"]
    assert money["base"] == {"type": "string", "minLength": 3, "maxLength": 3}
    assert money["day"]["anyOf"][0] == {"type": "string", "format": "date"}


@pytest.mark.parametrize("bounded", [True, False])
def test_strings_are_counted_only_where_the_server_can(bounded: bool) -> None:
    """`maxLength` is an error to some servers, and what keeps a small model from writing for ever on others."""

    def longest(schema: Any) -> int:
        if isinstance(schema, list):
            return sum(map(longest, schema))
        if not isinstance(schema, dict):
            return 0
        return ("maxLength" in schema) + ("minLength" in schema) + sum(map(longest, schema.values()))

    counted = longest(reply_schema(SHIPPED, ["1.1"], bounded=bounded))
    assert counted >= 5 if bounded else counted == 0


def test_a_parameter_may_have_the_name_of_a_keyword() -> None:
    """Properties are not taken for keywords."""

    @tool
    def odd(maxLength: int, type: str) -> None:  # noqa: N803
        """Odd."""

    assert list(for_model(odd.parameters, bounded=False)["properties"]) == ["maxLength", "type"]


def test_a_schema_without_an_end_has_one_for_models() -> None:
    """A type that holds itself is cut off some levels down."""
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["children"],
    }
    held = for_model({**tree, "$defs": {"Tree": tree}}, bounded=True)
    Draft202012Validator.check_schema(held)
    assert str(held).count("children") < 30


def test_a_model_is_told_of_a_tool_in_one_line() -> None:
    """Names, kinds, what may be left out, and what is said of each."""
    assert signature("paint", paint.parameters) == (
        "paint(what: string (a thing), colour: red | blue, size: object, mood?: glad | sad, layers?: integer, "
        "names?: list of string)"
    )


def test_nulls_stand_for_what_is_left_out() -> None:
    """A model that has to give every property gives null for those it does not mean."""
    given = {"what": "door", "colour": "red", "size": {"width": 1, "height": None}, "mood": None, "layers": None}
    assert paint.invoke({**given, "names": None}) == "door red 1 glad 1 None"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "what"),
        ({"what": None, "colour": "red", "size": {"width": 1}}, "what"),
        ({"what": "door", "colour": "green", "size": {"width": 1}}, "colour"),
        ({"what": "door", "colour": "red", "size": {"width": 1}, "layers": 9}, "layers"),
        ({"what": "door", "colour": "red", "size": {}, "nonsense": 1}, "nonsense"),
    ],
)
def test_arguments_that_do_not_fit_are_told_by_name(arguments: dict[str, Any], named: str) -> None:
    """The failure names the parameter, so that a model can mend it."""
    with pytest.raises(ToolError) as failed:
        paint.invoke(arguments)
    assert failed.value.code == "invalid_arguments"
    assert named in failed.value.message


def test_what_cannot_be_a_tool_is_refused() -> None:
    """Parameters without annotations or names, coroutines, and names that a model cannot repeat."""

    async def later() -> None:
        """Later."""

    def many(*all: int) -> None:
        """Many."""

    wrongs: dict[Callable[..., Any], str] = {(lambda x: x): "no annotation", later: "async", many: "have names"}
    for wrong, why in wrongs.items():
        with pytest.raises(ValueError, match=why):
            tool(wrong)
    with pytest.raises(ValueError, match="name"):
        Tool("No Name", "", {}, lambda _: None)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda shipped: shipped.name)
def test_every_tool_that_ships_says_what_it_is(shipped: Tool) -> None:
    """A description, and a schema that is one, before and after it is made simple."""
    assert shipped.description.endswith(".")
    Draft202012Validator.check_schema(shipped.parameters)
    Draft202012Validator.check_schema(for_model(shipped.parameters, bounded=True))


def test_a_reply_is_calls_or_an_answer() -> None:
    """The schema takes a list of calls of offered tools, or an answer, and nothing between or beside them."""
    valid = Draft202012Validator(reply_schema([tool(add)], ["1.1"], bounded=True)).is_valid
    call = {"for": "a sum", "tool": "add", "arguments": {"a": 1, "b": None}}
    parts = [{"part": "a sum", "observation": None}, {"part": "another", "observation": "1.1"}]
    assert valid({"parts": parts, "next": {"calls": [call, call]}})
    assert valid({"parts": parts, "next": {"answer": "3"}})
    assert not valid({"parts": parts, "next": {"calls": []}})
    assert not valid({"parts": parts, "next": {"calls": [call], "answer": "3"}})
    assert not valid({"parts": parts, "next": {"calls": [{**call, "tool": "subtract"}]}})
    assert not valid({"parts": parts, "next": {"calls": [{**call, "arguments": {"a": "1", "b": None}}]}})


def test_a_part_names_an_observation_that_there_is() -> None:
    """Where nothing has been observed, a model cannot say that it has; without tools, it can only answer."""
    valid = Draft202012Validator(reply_schema([], [], bounded=True)).is_valid
    unseen, seen = {"part": "a sum", "observation": None}, {"part": "a sum", "observation": "1.1"}
    assert valid({"parts": [unseen], "next": {"answer": "3"}})
    assert not valid({"parts": [seen], "next": {"answer": "3"}})
    assert not valid({"parts": [], "next": {"answer": "3"}})
    assert not valid(
        {"parts": [unseen], "next": {"calls": [{"for": "", "tool": "add", "arguments": {"a": 1, "b": None}}]}}
    )
    assert not Draft202012Validator(reply_schema([], ["1.1"], bounded=True)).is_valid(
        {"parts": [{"part": "a sum", "observation": "1.2"}], "next": {"answer": "3"}}
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["what", "colour", "size", "mood", "layers", "other"]), json_values))
def test_no_arguments_do_more_than_fail(arguments: dict[str, Any]) -> None:
    """Whatever a model makes up is taken or refused, and never an error of ours."""
    try:
        assert isinstance(paint.invoke(arguments), str)
    except ToolError as error:
        assert error.code == "invalid_arguments"  # noqa: PT017  # taking them would be as good
