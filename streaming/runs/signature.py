"""What the signature of an operation's function says: the model of its input, the schema of its result, its kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter

from ..errors import RegistrationError

POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class NoInput(BaseModel):
    """The input of an operation that takes none."""


def input_of(fn: Callable[..., Any]) -> type[BaseModel]:
    """The model of its one parameter, `NoInput` without one. Raises `RegistrationError` for another signature."""
    parameters = list(inspect.signature(fn).parameters.values())
    if not parameters:
        return NoInput
    model = _hints(fn).get(parameters[0].name)
    required = [parameter for parameter in parameters[1:] if parameter.default is parameter.empty]
    required += [parameter for parameter in parameters[:1] if parameter.kind not in POSITIONAL]
    if required or not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise RegistrationError(f"{fn.__qualname__}: its one parameter is annotated with a pydantic model")
    return model


def result_of(fn: Callable[..., Any]) -> Any:
    """The type of the result, from the return annotation; of a generator, its third type argument.

    `Any` where there is no annotation.
    """
    try:
        returned = _hints(fn).get("return", Any)
    except RegistrationError:
        return Any
    if _is_iteration(returned):  # an async generator's type does not say what its result is
        return get_args(returned)[2] if len(get_args(returned)) > 2 else Any
    return returned


def schema_of(declared: Any) -> dict[str, Any]:
    """The JSON Schema of what a type is sent as. Raises `PydanticUserError` for a type without one."""
    return TypeAdapter(declared).json_schema(mode="serialization")


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether it is written with `async def`."""
    return inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)


def _is_iteration(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return kind is Iterable or (isinstance(kind, type) and issubclass(kind, Iterator | AsyncIterable))


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations kept as text may name a model that is local to the function which declares the operation."""
    frame, names = inspect.currentframe(), dict[str, Any]()
    while frame is not None:
        try:
            return get_type_hints(fn, localns=names)
        except NameError:
            frame = frame.f_back
            names = frame.f_locals if frame is not None else names
    raise RegistrationError(f"{fn.__qualname__}: the annotation of its input cannot be resolved")


def types_in(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, unions and the arguments of generics taken apart."""
    yield get_origin(annotation) or annotation
    for argument in get_args(annotation):
        yield from types_in(argument)
