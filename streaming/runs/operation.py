"""Operations: how a function, mostly a generator, is declared, checked, described and called."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Literal,
    ParamSpec,
    Protocol,
    cast,
    get_args,
    overload,
)

from pydantic import BaseModel, PydanticUserError

from ..errors import RegistrationError
from ..protocol.events import Event, Flush
from ..protocol.limits import Limits
from .signature import NoInput, input_of, is_async, result_of, schema_of, types_in
from .upload import Upload

if TYPE_CHECKING:
    from ..runtime.worker import Worker
    from .handshake import Handshake

Where = Literal["greenlet", "thread", "process", "asyncio", "celery"]
"""The names of `runs_in`; `executors.start.EXECUTORS` has those that this release runs."""
FlushPolicy = Literal["each", "ready"] | float
Events = Generator[Event | Flush, Any, Any]
"""What an operation returns that is a generator function: `def count(input: Input) -> Events`."""
P = ParamSpec("P")

ASYNC_WAY_OUT: Final = (
    "make it an operation that is written with `async def`, which Headway runs in an event loop of its own"
)
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.IGNORECASE)
HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, section 5.6.2)."""
UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda _: "the setting's"})()


class Operation:
    """A named kind of work, as the catalogue shows it and the runner starts it.

    `where` selects the executor by the input, for the rare operation that runs in several; the catalogue shows
    `runs_in`, which is `"asyncio"` for an `async def`. `timeout` is in seconds, or selects them by the input, and
    `memory` is in bytes of the child of a process operation; `None` sets no limit. `retries` is how often a run starts
    again after its producer was lost. `concurrency` is how many runs are at work at a time over all workers of the
    store, `concurrency_per_owner` how many of one owner; others wait, and of several operations those of a higher
    `priority` begin first. `headers` names those of the start's request that `current_run()` gives, and
    `request_context=True` copies that request's context for the work. `partials` is the type of the values of its
    partials, and `events` has those of the data of its own events by their names: both are for the catalogue alone.
    """

    def __init__(  # one keyword for each option
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
        concurrency: int | None = None,
        concurrency_per_owner: int | None = None,
        priority: int = 0,
        headers: Sequence[str] = (),
        request_context: bool = False,
        partials: Any = None,
        events: Mapping[str, Any] | None = None,
    ) -> None:
        self.fn = fn
        self.name: str = _name_of(fn, name)
        self.title: str = title or self.name.replace("_", " ").capitalize()
        self.description: str = inspect.getdoc(fn) or ""
        self.linger = linger
        self.runs_in: Where = "asyncio" if is_async(fn) and runs_in == "greenlet" else runs_in
        self.where: Callable[[Any], Where] = where or (lambda _: self.runs_in)
        self.flush = flush
        self.timeout = timeout
        self.memory = memory
        self.retries = retries
        self.limits: Limits = Limits(concurrency, concurrency_per_owner, priority)
        self.headers = headers
        self.request_context = request_context
        self.input: type[BaseModel] = input_of(fn)
        self._returned = result_of(fn)
        self.partials: dict[str, Any] | None = None if partials is None else schema_of(partials)
        self.events: dict[str, dict[str, Any]] = {name: schema_of(data) for name, data in (events or {}).items()}
        self.__doc__ = fn.__doc__
        self.__name__: str = self.name
        self.__module__ = fn.__module__
        self._check()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, in tests and in other operations (`yield from count(input)`)."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Operation {self.name} in a {self.runs_in}>"

    def begin(self, checked: BaseModel) -> Iterator[Any]:
        """Calls the function with an input, and gives an iterator of events."""
        return as_work(self.call(checked))

    def call(self, checked: BaseModel) -> Any:
        """Calls the function with an input; an `async def` gives its coroutine or async generator."""
        return self.fn(checked) if self.takes_input else self.fn()

    def time_limit(self, checked: BaseModel) -> float | None:
        """How many seconds a run on an input may take."""
        return self.timeout(checked) if callable(self.timeout) else self.timeout

    def with_headers(self, checked: BaseModel, header: Callable[[str], str | None]) -> BaseModel:
        """The input for `begin`, with the headers that it needs from the request; a gateway passes some on."""
        return checked

    def checked_input(self, checked: BaseModel) -> BaseModel:
        """The input that the function declares, of what `with_headers` gives."""
        return checked

    def portable(self, checked: BaseModel) -> BaseModel | None:
        """The input for a worker that has not the start's request; `None` where no other worker could begin the run."""
        return None if self.request_context else checked

    def handshake(self, checked: BaseModel, worker: Worker) -> Handshake | None:
        """What the answer to a start waits for; a gateway waits for its upstream's answer."""
        return None

    @property
    def is_async(self) -> bool:
        """Whether its function is written with `async def`, under whatever decorators."""
        return is_async(inspect.unwrap(self.fn))

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """The JSON Schema of the result, if its type has one; made when it is asked for, which takes time."""
        try:
            return None if self._returned in (Any, type(None)) else schema_of(self._returned)
        except PydanticUserError:
            return None

    @property
    def takes_input(self) -> bool:
        """Whether the function has a parameter for its input."""
        return self.input is not NoInput

    def describe(self, linger: float | None) -> dict[str, Any]:
        """The entry of the catalogue; `result`, `partials` and `events` are JSON Schemas, where they are declared."""
        declared = {"result": self.result, "partials": self.partials, "events": self.events or None}
        entry = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "input": self.input.model_json_schema(),
            "linger": linger,
            "runs_in": self.runs_in,
        }
        return entry | {name: schema for name, schema in declared.items() if schema is not None}

    @cached_property
    def form_fields(self) -> dict[str, Literal["array", "json", "text"]]:
        """What each text of a form is: an item of an array, an object as JSON, or the value itself."""
        properties = self.input.model_json_schema().get("properties", {})  # takes milliseconds
        return {name: _form_field(schema) for name, schema in properties.items()}

    def file_fields(self) -> dict[str, bool]:
        """The fields of the input that take files, with whether each takes several."""
        fields = {}
        for name, field in self.input.model_fields.items():
            types = list(types_in(field.annotation))
            if Upload in types:
                several = any(isinstance(kind, type) and issubclass(kind, Collection) for kind in types)
                fields[field.alias or name] = several
        return fields

    def is_found_by_name(self) -> bool:
        """Whether another process finds it by the module and the name of its function."""
        target: Any = None if self.fn.__module__ == "__main__" else sys.modules.get(self.fn.__module__)
        for part in self.fn.__qualname__.split("."):
            target = getattr(target, part, None)
        return isinstance(target, Operation) and target.fn is self.fn

    def _check(self) -> None:
        self._check_where()
        self._check_request()
        check_flush(self.flush)
        for field, limit in (("linger", self.linger), ("timeout", None if callable(self.timeout) else self.timeout)):
            if limit is not UNSET and limit is not None and not _is_amount(limit, int | float):
                raise RegistrationError(f"{self.name}: {field} is 0 or more seconds, or None, not {limit!r}")
        for field, number in (("memory", 0 if self.memory is None else self.memory), ("retries", self.retries)):
            if not _is_amount(number, int):
                raise RegistrationError(f"{self.name}: {field} is a whole number of 0 or more, not {number!r}")
        self._check_limits()
        try:
            self.input.model_json_schema()
        except PydanticUserError as error:
            raise RegistrationError(f"{self.name}: its input has no JSON Schema: {error}") from error

    def _check_limits(self) -> None:
        limits = self.limits
        for field, limit in (("concurrency", limits.concurrency), ("concurrency_per_owner", limits.per_client)):
            if limit is not None and not (_is_amount(limit, int) and limit > 0):
                raise RegistrationError(f"{self.name}: {field} is a whole number of 1 or more, or None, not {limit!r}")
        if not isinstance(limits.priority, int) or isinstance(limits.priority, bool):
            raise RegistrationError(f"{self.name}: priority is a whole number, not {limits.priority!r}")

    def _check_where(self) -> None:
        if self.runs_in not in get_args(Where):
            raise RegistrationError(
                f"{self.name}: runs_in is one of {', '.join(get_args(Where))}, not {self.runs_in!r}"
            )
        if not callable(self.where):
            raise RegistrationError(f"{self.name}: where is a function of the input, not {self.where!r}")
        if is_async(self.fn) and self.runs_in != "asyncio":
            raise RegistrationError(f"{self.name}: an `async def` runs in asyncio, not in a {self.runs_in}")
        if self.memory is not None and self.runs_in != "process":
            raise RegistrationError(f"{self.name}: memory limits a process of its own, which needs runs_in='process'")
        if self.runs_in == "process" and ("<locals>" in self.fn.__qualname__ or self.fn.__module__ == "__main__"):
            raise RegistrationError(
                f"{self.name}: a process imports its operation, so define it at the top level of a module"
            )

    def _check_request(self) -> None:
        names = self.headers
        if not isinstance(names, tuple | list) or not all(HEADER.fullmatch(str(name)) for name in names):
            raise RegistrationError(f"{self.name}: headers is a tuple of names of headers, not {names!r}")
        if not self.request_context:
            return
        if self.runs_in in ("process", "celery"):
            raise RegistrationError(
                f"{self.name}: request_context=True copies the request within its process, so it cannot run in a "
                f"{self.runs_in}; headers=(...) names what goes along"
            )
        if self.retries:
            raise RegistrationError(
                f"{self.name}: retries starts a run again without its request, so it excludes request_context=True"
            )


class Declare(Protocol[P]):
    """The types of `operation`, bare or with options."""

    @overload
    def __call__(self, fn: Callable[..., Any], /) -> Operation: ...
    @overload
    def __call__(self, *args: P.args, **options: P.kwargs) -> Callable[[Callable[..., Any]], Operation]: ...


def _with_options_of(
    _: Callable[Concatenate[Callable[..., Any], P], Operation],
) -> Callable[[Callable[..., Any]], Declare[P]]:
    """Gives a function the types of `Declare`, so that the options are listed once."""
    return lambda function: cast("Declare[P]", function)


@_with_options_of(Operation)
def operation(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes an operation of a generator function; its docstring is the description, its one parameter the input.

    The options are those of `Operation`. Raises `RegistrationError` for a wrong declaration.
    """
    if fn is not None:
        return Operation(fn)
    return lambda function: Operation(function, **options)


def check_flush(policy: Any) -> FlushPolicy:
    """Returns `policy`; raises `RegistrationError` where it is no flush policy."""
    if policy in ("each", "ready"):
        return policy  # type: ignore[no-any-return]
    if isinstance(policy, int | float) and not isinstance(policy, bool) and 0 <= policy < float("inf"):
        return policy
    raise RegistrationError(f"flush is 'each', 'ready' or a number of seconds, not {policy!r}")


def as_work(value: Any) -> Iterator[Any]:
    """What a function returned, as an iterator of events; any other value, a list too, is a result.

    Raises `TypeError` for what `async def` gives.
    """
    refuse_async(value)
    if isinstance(value, Iterator):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | BaseModel | list | tuple | set):
        return iter(value)
    return _only_result(value)


def refuse_async(value: Any) -> None:
    """Raises `TypeError` for an async generator or a coroutine, where a generator or a value is expected."""
    if isinstance(value, AsyncIterable | Awaitable):
        if isinstance(value, Coroutine):
            value.close()  # or Python warns that nobody has awaited it
        raise TypeError(f"{type(value).__name__} needs an event loop: {ASYNC_WAY_OUT}")


def close_work(work: Any) -> None:
    """Closes an iterator of events, if it has a `close`.

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
    if not hasattr(fn, "__qualname__"):
        raise RegistrationError(f"an operation is a function, not {fn!r}")
    name = fn.__name__ if name is None else name
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise RegistrationError(f"an operation's name is letters, digits, - and _, not {name!r}")
    return name


def _is_amount(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value < float("inf")


def _only_result(value: Any) -> Events:
    return value
    yield


def _form_field(schema: Mapping[str, Any]) -> Literal["array", "json", "text"]:
    types = {kind.get("type") for kind in (schema, *schema.get("anyOf", ()))}
    return "array" if "array" in types else "json" if "object" in types else "text"
