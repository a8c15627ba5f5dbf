"""Operations: how a generator function is declared, checked, described and called."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, PydanticUserError, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from ..errors import RegistrationError
from ..protocol.events import Event, Flush

if TYPE_CHECKING:
    from ..runtime.worker import Worker
    from .handshake import Handshake

Where = Literal["greenlet", "thread", "process", "celery"]
FlushPolicy = Literal["each", "ready"] | float
Work = Generator[Event | Flush, Any, Any]

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.IGNORECASE)
BY_PLACE: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda _: "the setting's"})()


class Upload:
    """A file that came with a request, spooled to disk: a field type for inputs.

    `path` is where it lies until the run has ended, `filename` what the client called it (never a path to trust),
    `content_type` what it said it was, `size` its bytes.
    """

    __slots__ = ("content_type", "filename", "path", "size")

    def __init__(self, path: Path, filename: str, content_type: str, size: int) -> None:
        self.path = path
        self.filename = filename
        self.content_type = content_type
        self.size = size

    def as_dict(self) -> dict[str, Any]:
        """The upload as JSON, for a child that reads the same disk."""
        return {
            "path": str(self.path),
            "filename": self.filename,
            "content_type": self.content_type,
            "size": self.size,
        }

    def __repr__(self) -> str:
        return f"<Upload {self.filename!r} {self.size} bytes>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._checked, serialization=core_schema.plain_serializer_function_ser_schema(cls.as_dict)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}

    @classmethod
    def _checked(cls, value: Any) -> Upload:
        if isinstance(value, Upload):
            return value
        raise ValueError("a file is sent as multipart/form-data")


class NoInput(BaseModel):
    """The input of an operation that takes none."""


class Operation:
    """A named kind of work, as the catalogue shows it and the runner calls it.

    `where` picks the place by the input, for the rare operation that runs in several; the catalogue shows `runs_in`.
    `timeout` is in seconds, or picks them by the input, and `memory` in bytes of the child of a process operation;
    `None` sets no limit.
    `retries` says how often a run begins anew after its producer was lost.
    """

    def __init__(  # one keyword for each thing that can be said of an operation
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        title: str | None = None,
        linger: float | None = UNSET,
        runs_in: Where = "greenlet",
        where: Callable[[Any], Where] | None = None,
        flush: FlushPolicy = "ready",
        timeout: float | Callable[[Any], float] | None = None,
        memory: int | None = None,
        retries: int = 0,
    ) -> None:
        self.fn = fn
        self.name = _name_of(fn, name)
        self.title = title or self.name.replace("_", " ").capitalize()
        self.description = inspect.getdoc(fn) or ""
        self.linger = linger
        self.runs_in = runs_in
        self.where = where or (lambda _: runs_in)
        self.flush = flush
        self.timeout = timeout
        self.memory = memory
        self.retries = retries
        self.input = _input_of(fn)
        self.result = _result_of(fn)
        self.__doc__ = fn.__doc__
        self.__name__ = self.name
        self.__module__ = fn.__module__
        self._check()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, for tests and for other operations (`yield from count(input)`)."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Operation {self.name} in a {self.runs_in}>"

    def begin(self, checked: BaseModel) -> Iterator[Any]:
        """The generator that does the work on an input."""
        return as_work(self.fn(checked) if self.takes_input else self.fn())

    def time_limit(self, checked: BaseModel) -> float | None:
        """How many seconds a run on an input may take."""
        return self.timeout(checked) if callable(self.timeout) else self.timeout

    def with_headers(self, checked: BaseModel, header: Callable[[str], str | None]) -> BaseModel:
        """The input for `begin`, with what it takes from the headers of its request; a gateway passes some on."""
        return checked

    def handshake(self, checked: BaseModel, worker: Worker) -> Handshake | None:
        """What a start waits for before it is answered; a gateway waits for its upstream's answer."""
        return None

    @property
    def takes_input(self) -> bool:
        """Whether the function has a parameter for it."""
        return self.input is not NoInput

    def describe(self, linger: float | None) -> dict[str, Any]:
        """The entry of the catalogue; `result` is the JSON Schema of what the function says that it returns."""
        entry = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "input": self.input.model_json_schema(),
            "linger": linger,
            "runs_in": self.runs_in,
        }
        return entry if self.result is None else {**entry, "result": self.result}

    def file_fields(self) -> dict[str, bool]:
        """The fields of the input that take files, and whether each takes several."""
        return dict(_file_fields(self.input))

    def is_found_by_name(self) -> bool:
        """Whether a process finds it by the module and the name of its function."""
        found: Any = sys.modules.get(self.fn.__module__)
        for part in self.fn.__qualname__.split("."):
            found = getattr(found, part, None)
        return isinstance(found, Operation) and found.fn is self.fn

    def _check(self) -> None:
        if self.runs_in not in get_args(Where):
            raise RegistrationError(
                f"{self.name}: runs_in is one of {', '.join(get_args(Where))}, not {self.runs_in!r}"
            )
        check_flush(self.flush)
        for field, limit in (("linger", self.linger), ("timeout", None if callable(self.timeout) else self.timeout)):
            if limit is not UNSET and limit is not None and not _is_amount(limit, int | float):
                raise RegistrationError(f"{self.name}: {field} is 0 or more seconds, or None, not {limit!r}")
        for field, number in (("memory", 0 if self.memory is None else self.memory), ("retries", self.retries)):
            if not _is_amount(number, int):
                raise RegistrationError(f"{self.name}: {field} is a whole number of 0 or more, not {number!r}")
        if self.memory is not None and self.runs_in != "process":
            raise RegistrationError(f"{self.name}: memory is a limit on a process of its own; say runs_in='process'")
        if self.runs_in == "process" and ("<locals>" in self.fn.__qualname__ or self.fn.__module__ == "__main__"):
            raise RegistrationError(
                f"{self.name}: a process finds its operation by import, so it stands at the top of a module"
            )
        try:
            self.input.model_json_schema()
        except PydanticUserError as error:
            raise RegistrationError(f"{self.name}: its input has no JSON Schema: {error}") from error


@overload
def operation(fn: Callable[..., Any], /) -> Operation: ...
@overload
def operation(
    *,
    name: str | None = None,
    title: str | None = None,
    linger: float | None = UNSET,
    runs_in: Where = "greenlet",
    where: Callable[[Any], Where] | None = None,
    flush: FlushPolicy = "ready",
    timeout: float | Callable[[Any], float] | None = None,
    memory: int | None = None,
    retries: int = 0,
) -> Callable[[Callable[..., Any]], Operation]: ...
def operation(fn: Callable[..., Any] | None = None, /, **said: Any) -> Any:
    """Declares a generator function an operation; its docstring is its description, its one parameter its input.

    Raises `RegistrationError` for what cannot be offered.
    """
    if fn is not None:
        return Operation(fn)
    return lambda function: Operation(function, **said)


def check_flush(policy: Any) -> FlushPolicy:
    """A flush policy, or `RegistrationError`."""
    if policy in ("each", "ready"):
        return policy  # type: ignore[no-any-return]
    if isinstance(policy, int | float) and not isinstance(policy, bool) and 0 <= policy < float("inf"):
        return policy
    raise RegistrationError(f"flush is 'each', 'ready' or a number of seconds, not {policy!r}")


def as_work(made: Any) -> Iterator[Any]:
    """What an operation gave, as an iterator of events; a function that only returns has its value for a result."""
    if isinstance(made, Iterator):
        return made
    if isinstance(made, Iterable) and not isinstance(made, str | bytes | Mapping | BaseModel | list | tuple | set):
        return iter(made)
    return _only_result(made)


def close_work(work: Any) -> None:
    """Closes what `as_work` gave, where it can be closed.

    A generator that yields instead of ending is closed once more, so that the `finally` blocks around that run too.
    """
    close = getattr(work, "close", None)
    if close is None:
        return
    try:
        close()
    except RuntimeError:
        close()
        raise


def _name_of(fn: Callable[..., Any], name: str | None) -> str:
    if not hasattr(fn, "__qualname__") or inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise RegistrationError(f"an operation is a function without `async`, not {fn!r}")
    found = fn.__name__ if name is None else name
    if not isinstance(found, str) or not NAME.fullmatch(found):
        raise RegistrationError(f"an operation's name is letters, digits, - and _, not {found!r}")
    return found


def _is_amount(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value < float("inf")


def _only_result(value: Any) -> Work:
    return value
    yield


def _input_of(fn: Callable[..., Any]) -> type[BaseModel]:
    parameters = list(inspect.signature(fn).parameters.values())
    if not parameters:
        return NoInput
    model = _hints(fn).get(parameters[0].name)
    required = [parameter for parameter in parameters[1:] if parameter.default is parameter.empty]
    required += [parameter for parameter in parameters[:1] if parameter.kind not in BY_PLACE]
    if required or not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise RegistrationError(f"{fn.__qualname__}: its one parameter is a pydantic model, annotated as such")
    return model


def _result_of(fn: Callable[..., Any]) -> dict[str, Any] | None:
    """The JSON Schema of the result: what a plain function returns, or a generator, as its third type argument.

    `None` where that is not said, or has no JSON Schema.
    """
    try:
        returned = _hints(fn).get("return", Any)
        if _is_iteration(returned):
            returned = get_args(returned)[2] if len(get_args(returned)) > 2 else Any
        return None if returned in (Any, type(None)) else TypeAdapter(returned).json_schema(mode="serialization")
    except (PydanticUserError, RegistrationError):
        return None


def _is_iteration(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return kind is Iterable or (isinstance(kind, type) and issubclass(kind, Iterator))


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(fn)
    except NameError:
        return _hints_with_locals(fn)


def _hints_with_locals(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations kept as text may name a model that stands inside the function that declares the operation."""
    frame = inspect.currentframe()
    while frame is not None:
        try:
            return get_type_hints(fn, localns=frame.f_locals)
        except NameError:
            frame = frame.f_back
    raise RegistrationError(f"{fn.__qualname__}: the annotation of its input cannot be resolved")


def _file_fields(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    for name, described in model.model_fields.items():
        kinds = list(_flat(described.annotation))
        if Upload in kinds:
            several = any(isinstance(kind, type) and issubclass(kind, Collection) for kind in kinds)
            yield described.alias or name, several


def _flat(annotation: Any) -> Iterator[Any]:
    yield get_origin(annotation) or annotation
    for argument in get_args(annotation):
        yield from _flat(argument)
