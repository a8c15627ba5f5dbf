"""A tool: what a model is told of a function, and how its arguments are checked before it is called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from streaming import Upload

if TYPE_CHECKING:
    from .web import Web

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What a model can tell apart and repeat."""

Json = dict[str, Any]


class ToolError(Exception):
    """A call that failed, in words that the model and the viewers may read; `code` is a stable word for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Surroundings:
    """What a call finds around it: the run's files, its web, and the moment (`time.monotonic()`) it has to be over."""

    files: Sequence[Upload]
    web: Web
    deadline: float


surroundings: ContextVar[Surroundings] = ContextVar("headway_tool_surroundings")


@dataclass(frozen=True)
class Tool:
    """Something that a model may call.

    `parameters` is the JSON Schema of the arguments, an object. `invoke` takes the arguments as the model gave them,
    checks them, and gives any JSON; it raises `ToolError` where that is to be told. `approve` says that each call
    needs a person's yes, whatever the run's input says. `reaches` is the URL that
    arguments are sent to, for a tool whose host has to be on the list.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    invoke: Callable[[Json], Any]
    approve: bool = False
    reaches: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name is lower-case letters, digits and _, not {self.name!r}")


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...
@overload
def tool(*, name: str | None = None, approve: bool = False) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(fn: Callable[..., Any] | None = None, /, **said: Any) -> Any:
    """Makes a tool of a function: its docstring is the description, its annotated parameters the schema.

    `Annotated[int, Field(ge=1, description="Pages from 1")]` says more of a parameter. Raises `ValueError` for a
    function that cannot be one.
    """
    return _tool_of(fn) if fn is not None else lambda function: _tool_of(function, **said)


def _tool_of(fn: Callable[..., Any], name: str | None = None, *, approve: bool = False) -> Tool:
    if inspect.iscoroutinefunction(fn):
        raise ValueError(f"a tool is a function without `async`, not {fn!r}")
    model = _arguments_of(fn)

    def invoke(arguments: Json) -> Any:
        checked = _checked(model, arguments)
        return fn(**{field: getattr(checked, field) for field in type(checked).model_fields})

    description = " ".join((inspect.getdoc(fn) or "").split("\n\n")[0].split())
    return Tool(name or fn.__name__, description, model.model_json_schema(), invoke, approve)


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


def _checked(model: type[BaseModel], arguments: Json) -> BaseModel:
    """The arguments as the function takes them. A null for what may be left out is as good as leaving it out."""
    given = {
        name: value
        for name, value in arguments.items()
        if value is not None or name not in model.model_fields or model.model_fields[name].is_required()
    }
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid((".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()) from error


def invalid(complaints: Any) -> ToolError:
    """Arguments that do not fit: pairs of the place and what is wrong there."""
    told = "; ".join(f"{place}: {wrong}" if place else wrong for place, wrong in complaints)
    return ToolError("invalid_arguments", f"The arguments do not fit: {told}"[:500])
