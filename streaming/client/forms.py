"""The input of a start as the body of a request, without I/O but for its files.

An input with a file is sent as `multipart/form-data`, any other as JSON. In a form an object is its JSON as text.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from ..errors import FieldError
from .requests import json_body


@dataclass(frozen=True)
class File:
    """A file of an input, in memory: its name, bytes and media type. For a file on disk, pass a `Path`."""

    name: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


Input = Mapping[str, Any] | BaseModel | None
"""The fields of an input by name. Its files are paths, `File`s, bytes or files that are open in binary mode."""


def fields_of(input: Input) -> dict[str, Any]:
    """The fields of an input by name. A start may be sent again: what can be read only once is read here."""
    fields = _fields_of_model(input) if isinstance(input, BaseModel) else dict(input or {})
    return {name: _repeatable(name, value) for name, value in fields.items()}


@contextlib.contextmanager
def body_of(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The body of a start, as arguments for httpx; the files that it opens stay open until the block ends."""
    with contextlib.ExitStack() as stack:
        yield _form(fields, stack) if any(map(_has_file, fields.values())) else json_body(fields)


def refused_texts(fields: Mapping[str, Any], errors: Sequence[FieldError]) -> set[str]:
    """The refused fields that are a text, or a list of texts: they may be paths."""
    names = {str(error["loc"][0]) for error in errors if error["loc"]}
    return {name for name in names & fields.keys() if _are_texts(fields[name])}


def file_fields(schema: Any) -> set[str]:
    """The fields of an input that take files, by its JSON Schema."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return {name for name, part in properties.items() if _takes_file(part)} if isinstance(properties, dict) else set()


def with_paths(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The fields, with paths in place of the texts of these."""
    return {name: _as_paths(value) if name in names else value for name, value in fields.items()}


# -- files ------------------------------------------------------------------------------------------------------------


def _fields_of_model(model: BaseModel) -> dict[str, Any]:
    """The fields of a model that were set, as JSON has them, but for its files."""
    files = {name for name in model.model_fields_set if _has_file(getattr(model, name))}
    described = {
        name: info.serialization_alias or info.alias or name for name, info in type(model).model_fields.items()
    }
    data = model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=files)
    return data | {described.get(name, name): getattr(model, name) for name in files}


def _repeatable(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_repeatable(name, entry) for entry in value] if _has_file(value) else value
    if isinstance(value, bytes | bytearray | memoryview):
        return File(name, bytes(value))
    if hasattr(value, "read") and not (hasattr(value, "seekable") and value.seekable()):
        return File(_name_of(value, name), value.read())
    return value


def _has_file(value: Any) -> bool:
    return any(map(_is_file, _as_list(value)))


def _is_file(value: Any) -> bool:
    return isinstance(value, os.PathLike | File | bytes | bytearray | memoryview) or hasattr(value, "read")


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _are_texts(value: Any) -> bool:
    return bool(value) and all(isinstance(entry, str) for entry in _as_list(value))


def _as_paths(value: Any) -> Any:
    return Path(value) if isinstance(value, str) else [Path(entry) for entry in value]


def _takes_file(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    inner = [part.get("items"), *(entry for word in ("anyOf", "oneOf", "allOf") for entry in part.get(word) or ())]
    return part.get("format") == "binary" or any(map(_takes_file, inner))


def _name_of(file: Any, default: str) -> str:
    """The name of an open file for the service; one without a name has that of its field."""
    name = getattr(file, "name", None)
    return _utf8(Path(name).name) if isinstance(name, str) and name else default


def _utf8(name: str) -> str:
    """A name that a form can carry: that of a file may have bytes that are no text."""
    return name.encode(errors="replace").decode()


# -- forms ------------------------------------------------------------------------------------------------------------


def _form(fields: Mapping[str, Any], stack: contextlib.ExitStack) -> dict[str, Any]:
    files: list[tuple[str, tuple[str, Any] | tuple[str, Any, str]]] = []
    data: dict[str, list[str]] = {}
    for name, value in fields.items():
        for entry in _as_list(value):
            if isinstance(entry, os.PathLike):
                path = Path(entry)
                files.append((name, (_utf8(path.name), stack.enter_context(path.open("rb")))))
            elif isinstance(entry, File):
                files.append((name, (entry.name, entry.content, entry.content_type)))
            elif _is_file(entry):
                files.append((name, (_name_of(entry, name), entry)))
            elif entry is not None:
                data.setdefault(name, []).append(_form_text(name, entry))
    return {"files": files, "data": data}


def _form_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise ValueError(
            f"{name}: an input with a file may hold text and JSON besides, not a {type(value).__name__}"
        ) from None
