"""Command-line flags for the input of an operation: `click` options, made from its JSON Schema.

`fail_at` is `--fail-at` (or `--fail_at`); a boolean also has a `--no-` flag; a flag for an array may be repeated; an
object is JSON, typed, or read from `@FILE` or, for `-`, the standard input. Only the fields on the command line
are sent: defaults and checks are the service's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson

from ..forms import File

FILES: Final = "files"
RESERVED: Final = frozenset(
    (
        *("help", "url", "key", "owner", "header", "cacert", "insecure", "heartbeat", "attempts", "output"),
        *("json", "detach", "linger", "here"),
    )
)
"""Options of the command itself: a field of such a name has the flag `--input-NAME`."""


def read_source(source: str) -> str:
    """A text that is given as it is, by `@FILE`, or on the standard input by `-`; of a file without its mark (BOM).

    Raises `OSError`, and `UnicodeDecodeError` for what is no text.
    """
    if source != "-" and not source.startswith("@"):
        return source.removeprefix("\ufeff")
    data = sys.stdin.buffer.read() if source == "-" else Path(source[1:]).read_bytes()
    return data.decode(json.detect_encoding(data))


class JsonType(click.ParamType[Any]):
    """A JSON value, or its source; with `or_text`, an argument that is no JSON is a string."""

    name = "json"

    def __init__(self, *, or_text: bool = False) -> None:
        self._or_text = or_text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The decoded value."""
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value if self._or_text else read_source(value))
        except orjson.JSONDecodeError as error:
            if self._or_text:
                return value
            return self.fail(f"{value!r} is not JSON: {error}", param, ctx)
        except (OSError, UnicodeDecodeError) as error:
            return self.fail(f"{value!r} cannot be read: {error}", param, ctx)


class FileType(click.Path):
    """The path of a readable file, or `-` for the standard input."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `Path`, or a `File` with the standard input."""
        if value == "-":
            content = sys.stdin.buffer.read()
            return File("stdin", content) if content else self.fail("the standard input is empty", param, ctx)
        return super().convert(value, param, ctx)


class EnumType(click.Choice[str]):
    """One of a few values of any type."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = {value if isinstance(value, str) else orjson.dumps(value).decode(): value for value in values}
        super().__init__(list(self._values))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of the enumeration."""
        return self._values[super().convert(value, param, ctx)]


@dataclass(frozen=True)
class Field:
    """One property of an input: the type and the help of its flag."""

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
        """Whether it is a single boolean."""
        return isinstance(self.type, click.types.BoolParamType) and not self.several


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of an object's schema."""
    required = schema.get("required") or ()
    return [field_of(name, part, schema, name in required) for name, part in _object(schema.get("properties")).items()]


def field_of(name: str, schema: Any, whole: Mapping[str, Any], required: bool = False) -> Field:
    """The field for a part of a schema; `whole` has the definitions that the part refers to."""
    part = _object(schema)
    plain = _plain(part, whole)
    words = [str(part.get("description") or plain.get("description") or part.get("title") or "")]
    if part.get("default") not in (None, ""):
        words.append(f"[default: {_text(part['default'])}]")
    if required:
        words.append("[required]")
    description = " ".join(word for word in words if word)
    if plain.get("type") == "array":
        inner = field_of(name, plain.get("items", {}), whole)
        return Field(name, JsonType() if inner.several else inner.type, not inner.several, description, required)
    return Field(name, _type(plain), False, description, required)


def command_of(name: str, description: str, schema: Mapping[str, Any]) -> click.Command:
    """A command whose parameters are the fields of `schema`; `input_of` reads the `params` of its context."""
    fields = fields_of(schema)
    params: list[click.Parameter] = list(_options(fields))
    if any(field.is_file for field in fields):
        params.append(click.Argument([FILES], nargs=-1, type=FileType(), metavar="[FILE]..."))
    settings = {"token_normalize_func": lambda token: token.replace("_", "-")}
    return click.Command(name, params=params, help=description, context_settings=settings)


def input_of(params: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The input from a context's `params`. Files without a flag go to the file fields, in order."""
    fields = fields_of(schema)
    values = {field.name: params.get(variable(field)) for field in fields}
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    values = {name: value for name, value in values.items() if value is not None and value != []}
    files = list(params.get(FILES) or ())
    for field in fields:
        if field.is_file and files and field.name not in values:
            values[field.name] = [files.pop(0) for _ in range(len(files))] if field.several else files.pop(0)
    if files:
        extra = files[0]
        raise click.UsageError(f"one file too many: {extra.name if isinstance(extra, File) else extra}")
    return values


def variable(field: Field) -> str:
    """The name of a field's parameter, an identifier whatever the name of the field is."""
    return f"field_{field.name.encode().hex()}"


def _options(fields: Sequence[Field]) -> Iterator[click.Option]:
    """A flag for each field. One that another field already has is left out: `--json` can set that field."""
    used = {"--help"}
    for field in fields:
        if _flag(field) and used.isdisjoint((option := _option(field)).opts + option.secondary_opts):
            used.update(option.opts + option.secondary_opts)
            yield option


def _option(field: Field) -> click.Option:
    flag = _flag(field)
    if field.is_switch:
        names = [f"--{flag}/--no-{flag}", variable(field)]
        return click.Option(names, default=None, help=field.help, type=click.BOOL, is_flag=True)
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
    return f"input-{name}" if name in RESERVED else name


def _plain(part: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a schema with its references resolved, without `null` as an alternative."""
    for _ in range(8):  # a schema may refer to itself
        if "$ref" in part:
            part = _resolve(str(part["$ref"]), whole)
            continue
        schemas = [_object(schema) for keyword in ("anyOf", "oneOf", "allOf") for schema in part.get(keyword) or ()]
        schemas = [schema for schema in schemas if schema.get("type") != "null"]
        if len(schemas) != 1:
            break
        part = schemas[0]
    return part


def _object(schema: Any) -> Mapping[str, Any]:
    """A schema that is an object; `true` (JSON Schema, section 4.3.2) is one without members."""
    return schema if isinstance(schema, Mapping) else {}


def _resolve(reference: str, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference names within the schema; nothing else is read."""
    from referencing import Registry, exceptions, jsonschema

    root = jsonschema.DRAFT202012.create_resource(whole)
    try:
        value = Registry[Any]().resolver_with_root(root).lookup(reference).contents
    except (exceptions.Unresolvable, LookupError, TypeError, ValueError):  # a pointer through a number is a TypeError
        value = {}
    return _object(value)


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


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
