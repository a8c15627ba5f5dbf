"""A tool: a function with a description for the model, and a schema for its arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ..errors import CodedError

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""A name that a model can repeat without a mistake."""

Json = dict[str, Any]


class ToolError(CodedError):
    """A failed call: `message` is for the model and the viewers, `code` for programs."""


@dataclass(frozen=True)
class Tool:
    """A function that a model can call.

    `parameters` is the JSON Schema of the arguments, an object. `invoke` checks the arguments of the model, and returns
    any JSON or raises `ToolError`. With `approve`, a person has to approve each call, whatever the input of the run
    says. One that changes nothing is `repeatable`: any other is never called twice with the same arguments, also where
    another worker goes on with the run. `url` is the address to which a tool sends its arguments; the host must be
    allowed.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    invoke: Callable[[Json], Any]
    approve: bool = False
    url: str = ""
    repeatable: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a tool's name: use lower-case letters, digits and _")


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, approve: bool = False, repeatable: bool = False
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a tool of a function: the docstring is its description, the annotated parameters are its schema.

    `Annotated[int, Field(ge=1, description="Pages from 1")]` describes a parameter further. Raises `ValueError` for a
    function that cannot be a tool.
    """
    return _tool_of(fn) if fn is not None else lambda function: _tool_of(function, **options)


def _tool_of(
    fn: Callable[..., Any], name: str | None = None, *, approve: bool = False, repeatable: bool = False
) -> Tool:
    if inspect.iscoroutinefunction(fn):
        raise ValueError(f"a tool is a function without `async`, not {fn!r}")
    model = _arguments_of(fn)

    def invoke(arguments: Json) -> Any:
        values = _check(model, arguments)
        return fn(**{field: getattr(values, field) for field in type(values).model_fields})

    description = " ".join((inspect.getdoc(fn) or "").split("\n\n")[0].split())
    return Tool(name or fn.__name__, description, model.model_json_schema(), invoke, approve, repeatable=repeatable)


def _arguments_of(fn: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(fn, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(f"{fn.__qualname__}: a tool's parameters have names, {parameter} has none")
        if parameter.name not in hints:
            raise ValueError(f"{fn.__qualname__}: the parameter {parameter.name!r} has no annotation")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    return create_model(fn.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def _check(model: type[BaseModel], arguments: Json) -> BaseModel:
    """The arguments for the function. A null counts as left out if the parameter is optional."""
    values = {
        name: value
        for name, value in arguments.items()
        if value is not None or name not in model.model_fields or model.model_fields[name].is_required()
    }
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()) from error


def invalid(errors: Iterable[tuple[str, str]]) -> ToolError:
    """The error for invalid arguments; `errors` are pairs of a place and a message."""
    text = "; ".join(f"{place}: {message}" if place else message for place, message in errors)
    return ToolError("invalid_arguments", f"Invalid arguments: {text}"[:500])
