"""Command-line flags out of a JSON Schema: what an operation takes, as `click` options.

`fail_at` is `--fail-at` (or `--fail_at`); a boolean has a `--no-` twin; what takes several is given several times; an
object is given as JSON. Only what was given is sent: defaults and checks are the service's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson

from ..requests import File

POSITIONAL: Final = "files"
OWN: Final = frozenset({"help", "url", "key", "json", "output", "detach", "heartbeat", "attempts"})
"""Names that the command itself takes: a field of such a name has the flag `--input-NAME`."""


class JsonType(click.ParamType[Any]):
    """A value written as JSON; with `or_text`, what is no JSON is taken as the text that it is."""

    name = "json"

    def __init__(self, *, or_text: bool = False) -> None:
        self._or_text = or_text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The decoded value."""
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            if self._or_text:
                return value
            return self.fail(f"{value!r} is no JSON: {error}", param, ctx)


class FileType(click.Path):
    """The path of a file that can be read, or `-` for what stands on the standard input."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `Path`, or a `File` with what was read."""
        if value == "-":
            return File("stdin", sys.stdin.buffer.read())
        return super().convert(value, param, ctx)


class EnumType(click.Choice[str]):
    """One of a few values, which need not be text."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = {value if isinstance(value, str) else orjson.dumps(value).decode(): value for value in values}
        super().__init__(list(self._values))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value behind the word."""
        return self._values[super().convert(value, param, ctx)]


@dataclass(frozen=True)
class Field:
    """One property of an input: how it is given, and what is said of it."""

    name: str
    type: click.ParamType[Any]
    several: bool = False
    help: str = ""
    required: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it takes a file."""
        return isinstance(self.type, FileType)

    @property
    def is_switch(self) -> bool:
        """Whether it is a boolean by itself."""
        return isinstance(self.type, click.types.BoolParamType) and not self.several


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The properties of an object's schema."""
    required = schema.get("required", ())
    return [field_of(name, part, schema, name in required) for name, part in schema.get("properties", {}).items()]


def field_of(name: str, part: Mapping[str, Any], whole: Mapping[str, Any], required: bool = False) -> Field:
    """The field that a part of a schema describes; `whole` holds what it refers to."""
    plain = _plain(part, whole)
    said = [str(part.get("description") or plain.get("description") or part.get("title") or "")]
    if part.get("default") not in (None, ""):
        said.append(f"[default: {_words(part['default'])}]")
    if required:
        said.append("[required]")
    text = " ".join(word for word in said if word)
    if plain.get("type") == "array":
        inner = field_of(name, plain.get("items", {}), whole)
        return Field(name, JsonType() if inner.several else inner.type, not inner.several, text, required)
    return Field(name, _type(plain), False, text, required)


def command_of(name: str, description: str, schema: Mapping[str, Any]) -> click.Command:
    """A command whose parameters are the fields of `schema`; its context's `params` go to `input_of`."""
    fields = fields_of(schema)
    params: list[click.Parameter] = list(_options(fields))
    if any(field.is_file for field in fields):
        params.append(click.Argument([POSITIONAL], nargs=-1, type=FileType(), metavar="[FILE]..."))
    either = {"token_normalize_func": lambda token: token.replace("_", "-")}
    return click.Command(name, params=params, help=description, context_settings=either)


def input_of(params: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The input that was given: flags by their fields, and files in the order of the fields that take them."""
    fields = fields_of(schema)
    given = {field.name: params.get(variable(field)) for field in fields}
    chosen = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    chosen = {name: value for name, value in chosen.items() if value is not None and value != []}
    files = list(params.get(POSITIONAL) or ())
    for field in fields:
        if field.is_file and files and field.name not in chosen:
            chosen[field.name] = [files.pop(0) for _ in range(len(files))] if field.several else files.pop(0)
    if files:
        raise click.UsageError(f"one file too many: {shown(files[0])}")
    return chosen


def shown(file: Path | File) -> str:
    """A file's name."""
    return file.name if isinstance(file, File) else str(file)


def variable(field: Field) -> str:
    """The name of a field among a context's parameters, which has to be an identifier, whatever the field is called."""
    return f"field_{field.name.encode().hex()}"


def _options(fields: Sequence[Field]) -> Iterator[click.Option]:
    """A flag for each field, but for those whose flag is another's already; they are left to `--json`."""
    taken = {"--help"}
    for field in fields:
        if _flag(field) and taken.isdisjoint((option := _option(field)).opts + option.secondary_opts):
            taken.update(option.opts + option.secondary_opts)
            yield option


def _option(field: Field) -> click.Option:
    flag = _flag(field)
    if field.is_switch:
        twins = [f"--{flag}/--no-{flag}", variable(field)]
        return click.Option(twins, default=None, help=field.help, type=click.BOOL, is_flag=True)
    default = () if field.several else None
    return click.Option(
        [f"--{flag}", variable(field)],
        type=field.type,
        multiple=field.several,
        default=default,
        help=field.help,
        metavar=None if isinstance(field.type, EnumType) else field.type.name.upper(),
    )


def _flag(field: Field) -> str:
    name = re.sub(r"[^a-zA-Z0-9]+", "-", field.name).strip("-")
    return f"input-{name}" if name in OWN else name


def _plain(part: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a schema without references, wrappers and the alternative of being null."""
    for _ in range(8):  # a schema may refer to itself
        if "$ref" in part:
            part = _referred(str(part["$ref"]), whole)
            continue
        kinds = [kind for word in ("anyOf", "oneOf", "allOf") for kind in part.get(word, ())]
        kinds = [kind for kind in kinds if kind.get("type") != "null"]
        if len(kinds) != 1:
            break
        part = kinds[0]
    return part


def _referred(reference: str, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = whole
    for word in reference.removeprefix("#/").split("/"):
        found = found.get(word, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _type(plain: Mapping[str, Any]) -> click.ParamType[Any]:
    if "enum" in plain:
        return EnumType(plain["enum"])
    if plain.get("type") == "string" and plain.get("format") == "binary":
        return FileType()
    simple = {"string": click.STRING, "integer": click.INT, "number": click.FLOAT, "boolean": click.BOOL}
    kind = plain.get("type")
    if isinstance(kind, str):
        return simple.get(kind, JsonType())
    return JsonType(or_text=True)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
