"""What can be declared an operation, what is refused, and the entry in the catalogue."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from flask import Flask
from pydantic import BaseModel, Field, ValidationError

from streaming import Event, Headway, Operation, RegistrationError, Upload, on_cancel, operation, progress
from streaming.runs.context import RunContext
from streaming.runs.operation import as_work, close_work
from streaming.runs.runner import Runner
from streaming.runs.signature import NoInput
from streaming.runtime.worker import Worker
from tests.sample_operations import hungry


class Pages(BaseModel):
    """A number of pages."""

    pages: int = Field(50, ge=1)


@operation(title="Count pages", linger=30)
def count(input: Pages) -> Iterator[Event]:
    """Counts pages.

    One after another.
    """
    for page in range(input.pages):
        yield progress(done=page + 1, total=input.pages)


@operation
def take_stock() -> str:
    """Takes no input."""
    return "all there"


@operation(
    runs_in="process",
    timeout=60,
    memory=10**9,
    flush="each",
    retries=2,
    concurrency=4,
    concurrency_per_owner=1,
    priority=-1,
    name="heavy-work",
)
def heavy(input: Pages) -> int:
    """Has every option."""
    return input.pages


# Declaring


def test_an_operation_is_named_after_its_function() -> None:
    """The name is the function's, the title comes from the name, the description is the docstring."""
    assert (count.name, count.title) == ("count", "Count pages")
    assert count.description == "Counts pages.\n\nOne after another."
    assert (take_stock.name, take_stock.title) == ("take_stock", "Take stock")
    assert (heavy.name, heavy.title) == ("heavy-work", "Heavy-work")


def test_the_catalogue_entry() -> None:
    """An entry has the contract's members; `input` is a JSON Schema."""
    entry = count.describe(linger=30)
    assert entry == {
        "name": "count",
        "title": "Count pages",
        "description": "Counts pages.\n\nOne after another.",
        "input": Pages.model_json_schema(),
        "linger": 30,
        "runs_in": "greenlet",
    }
    assert entry["input"]["properties"]["pages"] == {"default": 50, "minimum": 1, "title": "Pages", "type": "integer"}


@pytest.mark.parametrize(
    ("returned", "schema"),
    [
        (str, {"type": "string"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Generator[Event, Any, Pages], Pages.model_json_schema()),
        (Generator[Event, Any, Any], None),
        (Iterator[Event], None),
        (Generator, None),
        (Iterable[Event], None),
        (None, None),
        (Callable[[], int], None),
    ],
    ids=str,
)
def test_the_result_in_the_catalogue(returned: Any, schema: Any) -> None:
    """It is the schema of the return annotation; without one, or for one that has no schema, there is none."""

    def work(input: Pages) -> Any:
        """Some work."""

    work.__annotations__["return"] = returned
    assert operation(work).describe(0).get("result") == schema


def test_the_partials_and_events_in_the_catalogue() -> None:
    """They are the schemas of the declared types, for the types of clients."""

    @operation(partials=list[int], events={"chart": Pages})
    def work() -> None:
        """Some work."""

    entry = work.describe(0)
    assert entry["partials"] == {"type": "array", "items": {"type": "integer"}}
    assert entry["events"] == {"chart": Pages.model_json_schema()}


def test_an_operation_without_an_input() -> None:
    """A function that takes nothing has an input without fields."""
    assert take_stock.input is NoInput
    assert take_stock.describe(None)["input"]["properties"] == {}
    assert list(take_stock.begin(NoInput())) == []


def test_an_operation_is_still_its_function() -> None:
    """It can be called by tests and by other operations."""
    assert [event.data["done"] for event in count(Pages(pages=2))] == [1, 2]
    assert take_stock() == "all there"
    assert (count.__doc__, count.__name__, count.__module__) == (count.fn.__doc__, "count", __name__)
    assert repr(heavy) == "<Operation heavy-work in a process>"


def test_an_input_that_is_declared_beside_the_operation() -> None:
    """Annotations that are kept as text may name a model of the same function."""

    class Local(BaseModel):
        word: str

    @operation
    def local(input: Local) -> str:
        return input.word

    assert local.input is Local


def test_an_operation_may_run_where_its_input_says() -> None:
    """`where` selects the executor; the catalogue shows `runs_in`."""
    moving = operation(where=lambda pages: "thread" if pages.pages > 9 else "greenlet")(count.fn)
    assert [moving.where(Pages(pages=pages)) for pages in (9, 10)] == ["greenlet", "thread"]
    assert moving.describe(0)["runs_in"] == "greenlet"


# What is refused


def untyped(input) -> None:  # type: ignore[no-untyped-def]
    """No annotation."""


def two(input: Pages, other: Pages) -> None:
    """One parameter too many."""


def text(input: str) -> None:
    """No model."""


def unresolved(input: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    """A name that is not defined."""


def by_name(*, input: Pages) -> None:
    """A parameter that is not positional."""


def several(*input: Pages) -> None:
    """Any number of inputs."""


class Odd(BaseModel):
    """A model whose field has no JSON Schema."""

    call: Callable[[], int]


def odd(input: Odd) -> None:
    """No schema."""


async def coroutine(input: Pages) -> None:
    """Never awaited here."""


async def stream_of(input: Pages) -> AsyncIterator[Event]:
    """Never iterated here."""
    yield progress("never")


@pytest.mark.parametrize(
    "function",
    [untyped, two, text, unresolved, by_name, several, odd, functools.partial(two, Pages())],
    ids=lambda function: getattr(function, "__name__", "partial"),
)
def test_a_function_that_is_refused(function: Any) -> None:
    """A function that cannot be called with one checked input, or gives no events, is refused when it is declared."""
    with pytest.raises(RegistrationError):
        operation(function)


@pytest.mark.parametrize("function", [coroutine, stream_of])
def test_an_async_function_runs_in_asyncio(function: Any) -> None:
    """It is refused with another executor when it is declared, and any other function in this one."""
    with pytest.raises(RegistrationError, match="an `async def` runs in asyncio, not in a thread"):
        operation(runs_in="thread")(function)
    declared = operation(function)
    assert declared.describe(0)["runs_in"] == "asyncio"
    Runner.check([declared])


@pytest.mark.parametrize(
    ("runs_in", "way_out"),
    [
        ("celery", r"needs Headway\(app, celery=...\) with your Celery application, or HEADWAY_CELERY_BROKER"),
        ("asyncio", 'runs_in="asyncio" is for `async def`'),
    ],
)
def test_an_executor_that_is_not_there(runs_in: Any, way_out: str) -> None:
    """Its operations are refused when they are registered, in one line that says what to do."""
    with pytest.raises(RegistrationError, match=f"^count: .*{way_out}.*$"):
        Headway(Flask(__name__), operations=[operation(runs_in=runs_in)(count.fn)])


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "two words"},
        {"name": "näme"},
        {"name": "a/b"},
        {"name": "1st"},
        {"name": "x" * 65},
        {"name": 5},
        {"runs_in": "cloud"},
        {"runs_in": None},
        {"where": "thread"},
        {"flush": "often"},
        {"flush": -1},
        {"flush": float("inf")},
        {"flush": True},
        {"flush": None},
        {"linger": -1},
        {"linger": "30"},
        {"linger": float("nan")},
        {"linger": True},
        {"timeout": -1},
        {"timeout": "1 min"},
        {"timeout": float("inf")},
        {"memory": 10**9},
        {"memory": 1e9, "runs_in": "process"},
        {"memory": "1G", "runs_in": "process"},
        {"memory": -1, "runs_in": "process"},
        {"retries": -1},
        {"retries": 1.5},
        {"retries": None},
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"concurrency": True},
        {"concurrency": "4"},
        {"concurrency_per_owner": 0},
        {"concurrency_per_owner": -1},
        {"priority": 1.5},
        {"priority": None},
        {"priority": True},
    ],
    ids=str,
)
def test_a_declaration_that_is_refused(options: dict[str, Any]) -> None:
    """Options are checked when they are declared, and the error has the value."""
    with pytest.raises(RegistrationError) as caught:
        operation(**options)(count.fn)
    (value, *_) = options.values()
    assert repr(value) in str(caught.value) or "runs_in='process'" in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"linger": None}, {"linger": 0}, {"flush": 0}, {"flush": 0.25}, {"timeout": None}], ids=str
)
def test_a_declaration_that_is_accepted(options: dict[str, Any]) -> None:
    """The limits of the options."""
    declared = operation(**options)(count.fn)
    assert {name: getattr(declared, name) for name in options} == options


def test_a_time_limit_may_depend_on_the_input() -> None:
    """A number is the limit of every run, a callable gives that of an input."""
    declared = operation(timeout=lambda pages: 2.5 * pages.pages)(count.fn)
    assert declared.time_limit(Pages(pages=4)) == 10
    assert heavy.time_limit(Pages(pages=4)) == 60
    assert count.time_limit(Pages(pages=4)) is None


def test_a_process_has_to_find_its_operation() -> None:
    """A process cannot import an operation that is local to a function."""
    with pytest.raises(RegistrationError, match="top level of a module"):

        @operation(runs_in="process")
        def inner(input: Pages) -> None:
            """Out of reach."""


def test_the_operations_of_an_application_are_checked() -> None:
    """A plain function, and two operations of one name, are refused."""
    with pytest.raises(RegistrationError, match="decorate it with @operation"):
        Runner.check([count.fn])  # type: ignore[list-item]
    with pytest.raises(RegistrationError, match="two operations are named 'count'"):
        Runner.check([count, operation(name="count")(take_stock.fn)])
    assert list(Runner.check([count, take_stock])) == ["count", "take_stock"]


def weigh(input: Pages) -> int:
    """A function under the name of which there is no operation."""
    return input.pages


renamed = operation(runs_in="process", name="renamed")(weigh)
twin = operation(runs_in="process", name="twin")(heavy.fn)


def test_a_process_has_to_find_its_operation_by_name() -> None:
    """One under another name than its function's is refused: a process would find the function."""
    with pytest.raises(RegistrationError, match=r"renamed: .*test_operation\.weigh is another"):
        Runner.check([renamed])
    assert list(Runner.check([heavy, hungry, twin])) == ["heavy-work", "hungry", "twin"]


# What an operation may return


@pytest.mark.parametrize("value", [None, 0, "text", b"bytes", {"a": 1}, [1], (1,), {1}, Pages()])
def test_a_value_is_a_result(value: Any) -> None:
    """A function that returns a value has no events, and this result."""
    work = as_work(value)
    with pytest.raises(StopIteration) as end:
        next(work)
    assert end.value.value is value


def test_iterators_and_iterables_are_work() -> None:
    """Whatever can be iterated over, and is no JSON, has events."""
    events = [progress("a"), progress("b")]

    class Shelf:
        def __iter__(self) -> Iterator[Event]:
            return iter(events)

    assert list(as_work(iter(events))) == events
    assert list(as_work(Shelf())) == events
    assert list(as_work(event for event in events)) == events


def test_a_generator_that_will_not_close_is_closed_once_more() -> None:
    """One that yields when it is closed raises an error, and the `finally` blocks around have run."""
    done: list[str] = []

    def ignoring() -> Iterator[Event]:
        try:
            try:
                yield progress("at work")
            except GeneratorExit:
                yield progress("not yet")
        finally:
            done.append("tidied")

    work = ignoring()
    next(work)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        close_work(work)
    assert done == ["tidied"]
    close_work(work)
    close_work(object())


# Files


class Documents(BaseModel):
    """Files in every kind of field."""

    one: Upload
    perhaps: Upload | None = None
    noted: Annotated[Upload, Field(description="A file.")]
    renamed: Upload = Field(alias="file")
    many: list[Upload]
    more: tuple[Upload, ...] = ()
    some: Sequence[Upload] | None = None
    text: str = ""
    words: list[str] = Field(default_factory=list)


@operation
def read(input: Documents) -> None:
    """Reads files."""


def test_the_fields_that_take_files() -> None:
    """They are known by their type, and have the name of a request; with each, whether it takes several."""
    assert read.file_fields() == {
        "one": False,
        "perhaps": False,
        "noted": False,
        "file": False,
        "many": True,
        "more": True,
        "some": True,
    }


def test_files_in_the_schema() -> None:
    """A file is a binary string there, as in OpenAPI."""
    fields = read.describe(0)["input"]["properties"]
    assert fields["one"] == {"format": "binary", "title": "One", "type": "string"}
    assert fields["many"]["items"] == {"format": "binary", "type": "string"}


def test_a_file_cannot_be_sent_as_json() -> None:
    """Anything but an upload is refused, with a hint how to send one."""
    with pytest.raises(ValidationError, match="a file is sent as multipart/form-data"):
        Documents.model_validate({"one": "/etc/passwd", "noted": {}, "file": 5, "many": ["x"]})


def test_an_upload_describes_itself() -> None:
    """An upload has a short representation, and one as JSON."""
    upload = Upload(Path("/tmp/x"), "a.pdf", "application/pdf", 12)
    assert upload.as_dict() == {"path": "/tmp/x", "filename": "a.pdf", "content_type": "application/pdf", "size": 12}
    assert repr(upload) == "<Upload 'a.pdf' 12 bytes>"

    class One(BaseModel):
        file: Upload

    assert One(file=upload).model_dump(mode="json") == {"file": upload.as_dict()}


# Cancel hooks


def test_hooks_are_called_newest_first_and_once(caplog: pytest.LogCaptureFixture) -> None:
    """One that fails is logged, and the others are called; one that is added after the cancel is called at once."""
    called: list[str] = []
    context = RunContext(Worker())
    context.add_hook(lambda: called.append("first"))
    context.add_hook(lambda: 1 / 0)
    context.add_hook(lambda: called.append("last"))
    context.cancel()
    context.cancel()
    assert called == ["last", "first"]
    assert "an on_cancel hook failed" in caplog.text
    context.add_hook(lambda: called.append("late"))
    assert called == ["last", "first", "late"]


def test_hooks_outside_a_run_do_nothing() -> None:
    """`on_cancel` can be in code that is also called without a run."""
    called: list[str] = []
    with on_cancel(lambda: called.append("never")):
        pass
    on_cancel(lambda: called.append("never"))
    assert called == []


def test_the_public_class_is_what_the_decorator_gives() -> None:
    """`Operation` can be used in annotations."""
    assert isinstance(count, Operation)
