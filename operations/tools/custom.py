"""Custom tools: Python functions that a setting names, and HTTP requests described in a file.

    HEADWAY_AGENT_TOOLS=my_tools:stock,my_tools:open_ticket
    HEADWAY_AGENT_TOOLS_FILE=/etc/headway/tools.toml      (or .json: {"tools": [...]})

    [[tools]]
    name = "stock"
    description = "How many pieces of a part a warehouse has."
    method = "GET"
    url = "https://erp.example.org/stock/{warehouse}"
    headers = {Authorization = "Bearer ${ERP_TOKEN}"}
    parameters = {type = "object", required = ["warehouse"], properties = {warehouse = {type = "string"}}}

Arguments fill the placeholders of the URL; the others go into the query, or as JSON into the body if the method has
one. `${NAME}` in a header is an environment variable. A person has to approve each request that changes something (any
method but GET), unless the entry says `approve = false`. Such a request is never made twice with the same arguments,
also where another worker goes on with the run, unless the entry says `repeatable = true`; a function of Python says so
by `@tool(repeatable=True)`.
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

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streaming import JsonSchema

from ..hosts import SAFE
from ..settings import ServiceSettings
from .base import NAME, Json, Tool, invalid, tool
from .context import request
from .schema import for_model
from .web import segment

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def custom_tools(settings: ServiceSettings) -> Iterator[Tool]:
    """The custom tools of the settings; raises `SettingError`."""
    yield from map(_from_function, settings.agent_tools)
    if settings.agent_tools_file:
        yield from _from_file(settings.agent_tools_file)


# --- functions -------------------------------------------------------------------------------------------------------


def _from_function(name: str) -> Tool:
    module, _, attribute = name.partition(":")
    try:
        value: Any = getattr(importlib.import_module(module), attribute)
        return value if isinstance(value, Tool) else tool(value)
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
    repeatable: bool | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Entry:
        _check_url(self.url)
        try:
            JsonSchema(self.parameters).check()
            for_model(self.parameters, bounded=True)
        except ValueError as error:
            raise ValueError(f"parameters: {error}") from error
        unknown = set(_PLACEHOLDER.findall(self.url)) - set(self.parameters.get("properties", {}))
        if self.parameters.get("type") != "object" or unknown:
            raise ValueError("parameters must describe an object, with a property for each placeholder of url")
        return self


def _check_url(text: str) -> None:
    """Raises `ValueError` unless `text` is the URL of one host, in the eyes of the client that will call it."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"url is not a URL: {error}") from error
    if not 0 < (url.port or 1) < 1 << 16:
        raise ValueError("the port in url is above 65535")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise ValueError("url must be an http or https URL without a password")
    if "{" in url.host:
        raise ValueError("the host in url must not have a placeholder")


class Entries(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    tools: list[Entry]


def _from_file(path: str) -> Iterator[Tool]:
    """The tools of a file; raises `SettingError`, whose message has one line."""
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
        url=entry.url,
        repeatable=entry.method in SAFE if entry.repeatable is None else entry.repeatable,
    )


def _call(entry: Entry, arguments: Json) -> Any:
    values = _check(entry, arguments)
    in_path = set(_PLACEHOLDER.findall(entry.url))
    url = _PLACEHOLDER.sub(lambda match: segment(match[1], values.get(match[1])), entry.url)
    others = {name: value for name, value in values.items() if name not in in_path}
    headers = {name: Template(value).safe_substitute(os.environ) for name, value in entry.headers.items()}
    if entry.method in (*SAFE, "DELETE"):
        query = {name: json.dumps(value) if isinstance(value, bool | dict) else value for name, value in others.items()}
        return request(entry.method, url, params=query or None, headers=headers).content()
    return request(entry.method, url, body=others, headers=headers).content()


def _check(entry: Entry, arguments: Json) -> Json:
    required = entry.parameters.get("required", ())
    values = {name: value for name, value in arguments.items() if value is not None or name in required}
    errors = [(".".join(map(str, error["loc"])), error["msg"]) for error in JsonSchema(entry.parameters).errors(values)]
    unknown = set(values) - set(entry.parameters.get("properties", {}))
    errors += [(name, "there is no such parameter") for name in sorted(unknown)]
    if errors:
        raise invalid(errors)
    return values
