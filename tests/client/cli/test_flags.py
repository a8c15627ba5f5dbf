"""Command-line flags made from JSON Schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from streaming import Upload
from streaming.client import File
from streaming.client.cli.flags import command_of, fields_of, input_of


class Inner(BaseModel):
    """A nested object."""

    deep: int = 1


class Input(BaseModel):
    """A field of every kind."""

    text: str = "x"
    page_count: int | None = Field(None, description="How many pages.")
    share: float = 0.5
    tables: bool = True
    mode: Literal["fast", "good"] = "fast"
    level: Literal[1, 2, "max"] = 1
    tags: list[str] = []
    numbers: list[int] = []
    inner: Inner | None = None
    anything: Any = None
    either: int | str = 0
    url: str = ""
    files: list[Upload] = []
    cover: Upload | None = None


SCHEMA = Input.model_json_schema()


def parsed(*flags: str, schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    """The input from these arguments."""
    command = command_of("try", "Tries it.", schema)
    with command.make_context("try", list(flags)) as context:
        return input_of(context.params, schema)


def test_an_empty_command_line_sends_nothing() -> None:
    """Defaults are the service's."""
    assert parsed() == {}


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        (["--text", "a b"], {"text": "a b"}),
        (["--text="], {"text": ""}),
        (["--page-count", "3"], {"page_count": 3}),
        (["--page_count=3"], {"page_count": 3}),
        (["--share", "0.25"], {"share": 0.25}),
        (["--tables"], {"tables": True}),
        (["--no-tables"], {"tables": False}),
        (["--mode", "good"], {"mode": "good"}),
        (["--level", "2"], {"level": 2}),
        (["--level", "max"], {"level": "max"}),
        (["--tags", "a", "--tags", "b"], {"tags": ["a", "b"]}),
        (["--numbers", "1", "--numbers", "2"], {"numbers": [1, 2]}),
        (["--inner", '{"deep": 2}'], {"inner": {"deep": 2}}),
        (["--anything", "[1]"], {"anything": [1]}),
        (["--anything", "word"], {"anything": "word"}),
        (["--either", "5"], {"either": 5}),
        (["--input-url", "here"], {"url": "here"}),
    ],
)
def test_each_kind_of_field(flags: list[str], sent: dict[str, Any]) -> None:
    """The value of a flag has the type that its schema says."""
    assert parsed(*flags) == sent


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--page-count", "three"], "--page-count"),
        (["--share", "half"], "--share"),
        (["--mode", "slow"], "--mode"),
        (["--inner", "{"], "--inner"),
        (["--cover", "/no/such/file"], "--cover"),
        (["--nothing", "1"], "--nothing"),
    ],
)
def test_an_invalid_value_names_its_flag(flags: list[str], name: str) -> None:
    """The error comes before anything is sent."""
    with pytest.raises(click.UsageError) as caught:
        parsed(*flags)
    assert name in caught.value.format_message()


def test_files_go_to_the_file_fields(tmp_path: Path) -> None:
    """Arguments go to the fields in their order, flags to their own field."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_bytes(b"")
    a, b, c = map(str, paths)
    assert parsed(a, b) == {"files": [Path(a), Path(b)]}
    assert parsed("--cover", c, a) == {"files": [Path(a)], "cover": Path(c)}
    assert parsed("--files", a, "--files", b, c) == {"files": [Path(a), Path(b)], "cover": Path(c)}
    with pytest.raises(click.UsageError, match="one file too many"):
        parsed("--files", a, b, c)


def test_the_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name is `-`."""
    (tmp_path / "in").write_bytes(b"%PDF")
    with (tmp_path / "in").open() as standard_input:
        monkeypatch.setattr("sys.stdin", standard_input)
        assert parsed("--cover", "-") == {"cover": File("stdin", b"%PDF")}


def test_an_operation_without_files_takes_none() -> None:
    """An argument is wrong usage."""
    with pytest.raises(click.UsageError, match="unexpected extra argument"):
        parsed("stray", schema={"properties": {"a": {"type": "string"}}})


def test_the_help_comes_from_the_schema() -> None:
    """It has the description, the default, and whether the field is required."""
    fields = {field.name: field for field in fields_of(SCHEMA)}
    assert fields["page_count"].help == "How many pages."
    assert fields["text"].help == "Text [default: x]"
    (required,) = fields_of({"properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert required.help == "[required]"


def test_a_schema_that_refers_to_itself_is_json() -> None:
    """References are followed only so far."""
    whole = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#/no"}}}
    assert parsed("--x", "1", "--y", '"z"', schema=whole) == {"x": 1, "y": "z"}


def test_references_are_json_pointers() -> None:
    """With escaped names; one that leads nowhere is any JSON."""
    whole = {
        "$defs": {"a/b": {"type": "array", "items": {"$ref": "#/$defs/a~1b/prefixItems/0"}, "prefixItems": [INTEGER]}},
        "properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#/$defs/a~1b/type/z"}},
    }
    assert parsed("--x", "1", "--x", "2", "--y", "[3]", schema=whole) == {"x": [1, 2], "y": [3]}


def test_a_schema_may_be_true() -> None:
    """It allows any value (JSON Schema, section 4.3.2), also within another; what is no schema is taken as one."""
    parts: dict[str, Any] = {"x": True, "y": {"type": "array", "items": True}, "z": {"anyOf": [True, INTEGER]}}
    whole = {"properties": parts, "required": None}
    assert parsed("--x", "1", "--y", "2", "--y", "a", "--z", "3", schema=whole) == {"x": 1, "y": [2, "a"], "z": 3}
    assert parsed(schema={"properties": [1]}) == {}


INTEGER = {"type": "integer"}

names = st.text(min_size=1, max_size=8)
parts = st.sampled_from(
    [{"type": "string"}, {"type": "boolean"}, {"type": "array", "items": {}}, {}, {"enum": [1, "a"]}]
)


@given(st.dictionaries(names, parts, max_size=4))
def test_any_schema_makes_a_command(properties: dict[str, Any]) -> None:
    """Whatever the names of its fields are, and an empty command line sends nothing."""
    assert parsed(schema={"properties": properties}) == {}
