"""Tools of the deployment's own: Python functions by their names, and HTTP requests described in a file.

    HEADWAY_AGENT_TOOLS=my_tools:stock,my_tools:open_ticket
    HEADWAY_AGENT_TOOLS_FILE=/etc/headway/tools.toml      (or .json: {"tools": [...]})

    [[tools]]
    name = "stock"
    description = "How many pieces of a part a warehouse has."
    method = "GET"
    url = "https://erp.example.org/stock/{warehouse}"
    headers = {Authorization = "Bearer ${ERP_TOKEN}"}
    parameters = {type = "object", required = ["warehouse"], properties = {warehouse = {type = "string"}}}

Arguments fill the URL's placeholders; the others go into the query, or as JSON into the body of a method that has one.
`${NAME}` in a header is a variable of the environment. A request that changes something (any method but GET)
needs a person's yes, unless the entry says `approve = false`.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..settings import ServiceSettings
from .base import NAME, Json, Tool, ToolError, invalid, tool
from .schema import for_model
from .web import SAFE, request

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def own_tools(settings: ServiceSettings) -> Iterator[Tool]:
    """The tools that the settings name; raises `SettingError`."""
    yield from map(_imported, settings.agent_tools)
    if settings.agent_tools_file:
        yield from _described(settings.agent_tools_file)


# --- functions -------------------------------------------------------------------------------------------------------


def _imported(name: str) -> Tool:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
        return found if isinstance(found, Tool) else tool(found)
    except (ImportError, AttributeError, ValueError, NameError, TypeError) as error:
        raise ServiceSettings.error("agent_tools", name, _first_line(error)) from error


# --- entries of a file -----------------------------------------------------------------------------------------------


class Entry(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    description: Annotated[str, Field(min_length=1, max_length=500)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str
    parameters: Json = {"type": "object", "properties": {}}
    headers: dict[str, str] = {}
    approve: bool | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Entry:
        from jsonschema import Draft202012Validator, SchemaError

        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("url is an http or https URL without a password")
        if "{" in parts.netloc:
            raise ValueError("url names its host: a model does not choose it")
        try:
            Draft202012Validator.check_schema(self.parameters)
        except SchemaError as error:
            raise ValueError(f"parameters is no JSON Schema: {error.message}") from error
        try:
            for_model(self.parameters, bounded=True)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError("parameters has a reference that leads nowhere: they are #/$defs/NAME") from error
        unknown = set(_PLACEHOLDER.findall(self.url)) - set(self.parameters.get("properties", {}))
        if self.parameters.get("type") != "object" or unknown:
            raise ValueError("parameters describes an object with every placeholder of url among its properties")
        return self


class Entries(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    tools: list[Entry]


def _described(path: str) -> Iterator[Tool]:
    """The tools of a file; raises `SettingError` with what is wrong with it, in one line."""
    read: Callable[[str], Any] = json.loads if path.endswith(".json") else tomllib.loads
    try:
        entries = Entries.model_validate(read(Path(path).read_text()))
    except (OSError, ValueError) as error:
        raise ServiceSettings.error("agent_tools_file", path, _first_line(error)) from error
    return map(_tool_of, entries.tools)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0]


def _tool_of(entry: Entry) -> Tool:
    return Tool(
        entry.name,
        " ".join(entry.description.split()),
        entry.parameters,
        lambda arguments: _call(entry, arguments),
        approve=entry.method not in SAFE if entry.approve is None else entry.approve,
        reaches=entry.url,
    )


def _call(entry: Entry, arguments: Json) -> Any:
    given = _checked(entry, arguments)
    in_path = set(_PLACEHOLDER.findall(entry.url))
    url = _PLACEHOLDER.sub(lambda found: _segment(found[1], given.get(found[1])), entry.url)
    others = {name: value for name, value in given.items() if name not in in_path}
    headers = {name: Template(value).safe_substitute(os.environ) for name, value in entry.headers.items()}
    if entry.method in (*SAFE, "DELETE"):
        query = {name: json.dumps(value) if isinstance(value, bool | dict) else value for name, value in others.items()}
        return request(entry.method, url, params=query or None, headers=headers).content()
    return request(entry.method, url, body=others, headers=headers).content()


def _checked(entry: Entry, arguments: Json) -> Json:
    from jsonschema import Draft202012Validator

    required = entry.parameters.get("required", ())
    given = {name: value for name, value in arguments.items() if value is not None or name in required}
    complaints = [
        (".".join(map(str, error.absolute_path)), error.message)
        for error in Draft202012Validator(entry.parameters).iter_errors(given)
    ]
    unknown = set(given) - set(entry.parameters.get("properties", {}))
    complaints += [(name, "there is no such parameter") for name in sorted(unknown)]
    if complaints:
        raise invalid(complaints)
    return given


def _segment(name: str, value: Any) -> str:
    """A value as a part of the URL that cannot become more than that part."""
    text = "" if value is None else str(value)
    if text in (".", ".."):
        raise ToolError("invalid_arguments", f"{name} cannot be {text!r}")
    return quote(text, safe="")
