"""Operations that misbehave in every way, at the top level of a module, where a process finds them.

`scripted` performs the acts that its input lists, in a greenlet, a thread, a process or an event loop. The others are
for what acts cannot do: functions that are not generators, limits, and processes that end outside Python.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import gevent
from gevent import monkey
from greenlet import GreenletExit, getcurrent
from pydantic import BaseModel, Field
from sqlalchemy.util.concurrency import await_only, greenlet_spawn

from streaming import (
    Event,
    Operation,
    OperationError,
    Upload,
    ask,
    delta,
    event,
    file,
    flush,
    on_cancel,
    operation,
    partial,
    progress,
    result,
)
from streaming.protocol.events import Flush, RawEvent
from streaming.runs.operation import as_work, close_work

HOUR: Final = 3600.0

EXITS: Final = (GeneratorExit, GreenletExit, asyncio.CancelledError)
"""What an operation sees of its cancel."""

Acts = Generator[Event | Flush, Any, Any]


class Script(BaseModel):
    """The acts to perform, and where. `file` is a path to which acts add lines, or from which they read them."""

    acts: list[str] = Field(default_factory=list)
    runs_in: Literal["greenlet", "thread", "process", "asyncio"] = "greenlet"
    file: str = ""

    def leave(self, line: str) -> None:
        """Adds a line to the file."""
        with Path(self.file).open("a") as file:
            file.write(line + "\n")


def as_asked(input: Any) -> Literal["greenlet", "thread", "process", "asyncio"]:
    """The executor that the input names."""
    runs_in: Literal["greenlet", "thread", "process", "asyncio"] = input.runs_in
    return runs_in


class Anywhere(Operation):
    """An operation of plain functions that runs in an event loop too, where its `wait` and its `pause` are awaited."""

    is_async = True

    def call(self, checked: BaseModel) -> Any:
        """Calls the function; for an event loop in the greenlets of `bridged`."""
        call = super().call
        return bridged(lambda: call(checked)) if getattr(checked, "runs_in", "") == "asyncio" else call(checked)


def anywhere(**options: Any) -> Callable[[Callable[..., Any]], Anywhere]:
    """Declares an operation that runs where its input says."""
    return lambda function: Anywhere(function, where=as_asked, **options)


async def bridged(begin: Callable[[], Any]) -> AsyncIterator[Any]:
    """The events of plain code, as an async generator; the code awaits in greenlets, as SQLAlchemy's does."""
    work = await in_greenlet(lambda: as_work(begin()))
    send, answer = getattr(work, "send", None), None

    def step() -> tuple[bool, Any]:
        try:
            return True, send(answer) if send else next(work)
        except StopIteration as end:
            return False, end.value

    try:
        while (stepped := await in_greenlet(step))[0]:
            answer = yield stepped[1]
        yield result(stepped[1])
    finally:
        await in_greenlet(lambda: close_work(work))


async def in_greenlet(call: Callable[[], Any]) -> Any:
    """What `call()` returns or raises, in a greenlet, which does not raise its `GreenletExit` by itself."""

    def guarded() -> Any:
        try:
            return call(), None
        except BaseException as error:  # noqa: BLE001  # raised again below
            return None, error

    value, error = await greenlet_spawn(guarded)
    if error is not None:
        raise error
    return value


def in_loop() -> bool:
    """Whether the caller runs in an event loop."""
    return asyncio._get_running_loop() is not None


def wait() -> None:
    """Waits for an hour, as work of each executor does; in a thread it waits in C code, which only its hook can end."""
    if in_loop():
        await_only(asyncio.sleep(HOUR))
    elif getcurrent().parent is not None:
        gevent.sleep(HOUR)
    elif os.getpid() == IMPORTED_BY:
        lock = monkey.get_original("_thread", "allocate_lock")()
        lock.acquire()
        with on_cancel(lock.release):
            lock.acquire(timeout=HOUR)
    else:
        time.sleep(HOUR)


IMPORTED_BY: Final = os.getpid()


# Acts after which the operation continues


def _progress(script: Script) -> Acts:
    yield progress("A step", done=1, total=2)


def _delta(script: Script) -> Acts:
    yield delta("some text")


def _partial(script: Script) -> Acts:
    yield partial("page", {"number": 1})


def _event(script: Script) -> Acts:
    yield event("chart", {"points": [1, 2]})


def _text(script: Script) -> Acts:
    yield event("text", "no JSON")


def _flush(script: Script) -> Acts:
    yield flush()


def _rest(script: Script) -> Acts:
    yield from ()
    time.sleep(0.001)


def _many(script: Script) -> Acts:
    for number in range(3000):
        yield progress(done=number, total=3000)


def _print(script: Script) -> Acts:
    print("a stray print", flush=True)  # noqa: T201  the point of it
    os.write(1, b"a stray write e\0\0\0\0")
    yield from ()


def _file(script: Script) -> Acts:
    yield file("a.txt", b"text")


def _file_at_a_path(script: Script) -> Acts:
    with tempfile.NamedTemporaryFile() as temporary:
        temporary.write(b"p" * 100_000)
        temporary.flush()
        yield file("page 1.png", temporary.name, type="image/png")


def _large_file(script: Script) -> Acts:
    yield file("large.bin", bytearray(b"x" * 3_000_000))
    yield event("kept")


def _unsafe_file(script: Script) -> Acts:
    yield file("../a.txt", b"text")


def _file_of_no_room(script: Script) -> Acts:
    yield file("huge.bin", b"x" * 5_000_000)
    yield event("kept")


def _ask(script: Script) -> Acts:
    answer = yield ask("Go on?", schema={"type": "boolean"})
    yield event("heard", {"answer": answer})


def _ask_briefly(script: Script) -> Acts:
    answer = yield ask("Go on?", within=0.05)
    yield event("heard", {"answer": answer})


def _wait(script: Script) -> Acts:
    yield progress("waiting")
    wait()


# Acts that end the operation


def _refuse(script: Script) -> Acts:
    yield from ()
    raise OperationError("no_pages", "The document has no pages.", retryable=True)


def _fail(script: Script) -> Acts:
    yield from ()
    raise ZeroDivisionError("a secret of the server's")


def _fail_with_eof(script: Script) -> Acts:
    yield from ()
    raise EOFError("a secret of the server's")


def _fail_with_a_broken_pipe(script: Script) -> Acts:
    yield from ()
    raise BrokenPipeError("a secret of the server's")


def _exit(script: Script) -> Acts:
    yield from ()
    sys.exit("a secret of the server's")


def _interrupt(script: Script) -> Acts:
    yield from ()
    raise KeyboardInterrupt


def _generator_exit(script: Script) -> Acts:
    yield from ()
    raise GeneratorExit


def _greenlet_exit(script: Script) -> Acts:
    yield from ()
    raise GreenletExit


def _stop_iteration(script: Script) -> Acts:
    yield from ()
    raise StopIteration("a secret of the server's")


def _endless_recursion(script: Script) -> Acts:
    yield from ()
    _deeper()


def _deeper() -> None:
    _deeper()


def _memory_error(script: Script) -> Acts:
    yield from ()
    raise MemoryError


def _group(script: Script) -> Acts:
    yield from ()
    raise BaseExceptionGroup("several", [GreenletExit(), ZeroDivisionError("a secret of the server's")])


class _Mute:
    def __str__(self) -> str:
        raise RuntimeError("a secret of the server's")

    __repr__ = __str__


class _MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("a secret of the server's")

    __repr__ = __str__


def _fail_without_words(script: Script) -> Acts:
    yield from ()
    raise _MuteError


REFUSALS: Final[dict[str, tuple[Any, Any]]] = {
    "refuse_with_a_number": (404, "The number is the code."),
    "refuse_with_nothing": (None, None),
    "refuse_with_an_object": (object(), ["a", "list"]),
    "refuse_with_a_surrogate": ("bad", "\ud800"),
    "refuse_without_words": (_Mute(), _Mute()),
    "refuse_with_bytes": (b"code", b"message"),
    "refuse_with_lines": ("a\nb\r\u2028", "c\nd\r\u2028"),
}


def _refusing(code: Any, message: Any) -> Callable[[Script], Acts]:
    def refuse(script: Script) -> Acts:
        yield from ()
        raise OperationError(code, message)

    return refuse


RUBBISH: Final[dict[str, Any]] = {
    "yield_none": None,
    "yield_a_dict": {"done": 1},
    "yield_text": "text",
    "yield_a_class": Event,
    "yield_itself": _progress,
    "yield_without_words": _Mute(),
    "yield_a_start": Event("start", b"{}"),
    "yield_a_question": Event("question", b"{}"),
    "yield_a_result": Event("result", b'{"result":1}'),
    "yield_a_done": Event("done", b'{"status":"succeeded","elapsed":0}'),
}


def _yielding(rubbish: Any) -> Callable[[Script], Acts]:
    def play(script: Script) -> Acts:
        yield rubbish

    return play


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


NO_JSON: Final[dict[str, Callable[[], Any]]] = {
    "return_an_object": object,
    "return_nan": lambda: {"mean": float("nan")},
    "return_infinity": lambda: [float("inf")],
    "return_a_surrogate": lambda: "\ud800",
    "return_bytes": lambda: b"bytes",
    "return_a_set": lambda: {1, 2},
    "return_odd_keys": lambda: {1: "one"},
    "return_a_generator": lambda: (number for number in range(3)),
    "return_too_deep": lambda: _nested(100_000),
    "return_a_circle": _circle,
    "return_without_words": _Mute,
    "return_too_long_a_number": lambda: 10**5000,
}

JSON: Final[dict[str, Any]] = {
    "return_nothing": None,
    "return_false": False,
    "return_empty_text": "",
    "return_a_number": 12.5,
    "return_a_long_number": 2**80,
    "return_words": "naïve \u2028 \u0085 \0 \r\n 😀",
    "return_a_list": [1, [2, {"three": None}]],
    "return_three_megabytes": "x" * 3_000_000,
}


class StopPlaying(Exception):
    """Ends `scripted` with a result."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def _returning(make: Callable[[], Any]) -> Callable[[Script], Acts]:
    def play(script: Script) -> Acts:
        yield from ()
        raise StopPlaying(make())

    return play


# Acts around all that follow


def _tidy(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    finally:
        script.leave("tidied")


def _fail_in_finally(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    finally:
        raise LookupError("a secret of the server's")


def _yield_in_finally(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    finally:
        yield progress("a last word")


def _ignore_exits(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    except EXITS:
        yield progress("not yet")
        return "gone on"


def _return_on_exit(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    except EXITS:
        return "gone on"


def _fail_on_exit(script: Script, rest: Acts) -> Acts:
    try:
        return (yield from rest)
    except EXITS:
        raise OperationError("too_late", "It failed on its way out.") from None


def _never_stop(script: Script, rest: Acts) -> Acts:
    yield from rest
    while True:
        yield progress("on and on")


AROUND: Final[dict[str, Callable[[Script, Acts], Acts]]] = {
    "tidy": _tidy,
    "fail_in_finally": _fail_in_finally,
    "yield_in_finally": _yield_in_finally,
    "ignore_exits": _ignore_exits,
    "return_on_exit": _return_on_exit,
    "fail_on_exit": _fail_on_exit,
    "never_stop": _never_stop,
}

GOING_ON: Final[dict[str, Callable[[Script], Acts]]] = {
    "progress": _progress,
    "delta": _delta,
    "partial": _partial,
    "event": _event,
    "text": _text,
    "flush": _flush,
    "rest": _rest,
    "many": _many,
    "file": _file,
    "file_at_a_path": _file_at_a_path,
    "print": _print,
}

ENDING: Final[dict[str, Callable[[Script], Acts]]] = {
    "refuse": _refuse,
    "fail": _fail,
    "fail_without_words": _fail_without_words,
    "fail_with_eof": _fail_with_eof,
    "fail_with_a_broken_pipe": _fail_with_a_broken_pipe,
    "exit": _exit,
    "interrupt": _interrupt,
    "generator_exit": _generator_exit,
    "greenlet_exit": _greenlet_exit,
    "stop_iteration": _stop_iteration,
    "endless_recursion": _endless_recursion,
    "memory_error": _memory_error,
    "group": _group,
    **{name: _refusing(*refusal) for name, refusal in REFUSALS.items()},
    **{name: _yielding(rubbish) for name, rubbish in RUBBISH.items()},
    **{name: _returning(make) for name, make in NO_JSON.items()},
    **{name: _returning(lambda value=value: value) for name, value in JSON.items()},  # type: ignore[misc]
}

WAITING: Final = {"ask": _ask, "ask_briefly": _ask_briefly, "wait": _wait}

FILES: Final = {"large_file": _large_file, "unsafe_file": _unsafe_file, "file_of_no_room": _file_of_no_room}

PLAIN: Final = {**GOING_ON, **ENDING, **WAITING, **FILES}


def play(script: Script, acts: list[str]) -> Acts:
    """Performs acts in order; one that is around the rest calls it."""
    for number, act in enumerate(acts):
        if act in AROUND:
            return (yield from AROUND[act](script, play(script, acts[number + 1 :])))
        yield from PLAIN[act](script)
    return {"acts": len(script.acts)}


@anywhere()
def scripted(input: Script) -> Acts:
    """Performs the acts of a script."""
    try:
        return (yield from play(input, input.acts))
    except StopPlaying as end:
        return end.result


# Processes that end outside Python


class Death(BaseModel):
    """How a process ends."""

    by: str


DEATHS: Final[dict[str, Callable[[], Any]]] = {
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGABRT": os.abort,
    "a real-time signal": lambda: os.kill(os.getpid(), signal.SIGRTMIN + 3),
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "closed descriptors": lambda: os.closerange(0, 1000),
}


@operation(runs_in="process")
def dying(input: Death) -> Acts:
    """A process that ends between two lines."""
    yield progress("alive")
    DEATHS[input.by]()
    yield progress("never said")


@operation(runs_in="process", memory=400_000_000)
def hungry() -> Acts:
    """A process that exceeds its memory limit."""
    yield progress("hungry")
    return len(bytearray(4_000_000_000))


@operation(runs_in="process", memory=400_000_000)
def modest() -> Acts:
    """A process that stays within its memory limit."""
    yield progress("modest")
    return "fed"


@operation(runs_in="process")
def whereabouts(input: Script) -> Acts:
    """A process that sends its id, and performs acts."""
    yield partial("pid", os.getpid())
    yield from play(input, input.acts)


@operation(runs_in="process")
def hard_of_hearing(input: Script) -> Acts:
    """A process that ignores the first SIGTERM."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        yield progress("waiting")
        signal.sigwait({signal.SIGTERM})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        time.sleep(HOUR)
    finally:
        input.leave("tidied")


@operation(runs_in="process")
def portrait() -> dict[str, Any]:
    """A process that describes itself."""
    descriptors = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "group": os.getpgid(0),
        "session": os.getsid(0),
        "nice": os.nice(0),
        "imported by": IMPORTED_BY,
        "descriptors": descriptors,
        "cores": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "gevent": monkey.is_module_patched("time"),
        "signals": [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGCHLD, signal.SIGPIPE)],
    }


@operation(runs_in="process")
def passing() -> Acts:
    """A process that passes on an event of another service."""
    yield RawEvent("done", b"[DONE]", "7")


class Parcel(BaseModel):
    """A large input."""

    content: str


@operation(runs_in="process")
def echoing(input: Parcel) -> Acts:
    """Sends its input back as an event, and the answer to its question as its result."""
    yield partial("content", input.content)
    return (yield ask("And now?"))


@operation(runs_in="process")
def forking(input: Script) -> Acts:
    """A process that leaves a child behind, which keeps every descriptor open."""
    child = os.fork()
    if child == 0:
        time.sleep(HOUR)
        os._exit(0)
    yield partial("pid", child)
    yield from play(input, input.acts)


@operation(runs_in="process")
def daemonizing(input: Script) -> Acts:
    """A process that leaves a child behind, in a session of its own."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(HOUR)
        os._exit(0)
    while os.getsid(child) != child:  # until then it would be stopped with the run's own session
        time.sleep(0.001)
    yield partial("pid", child)
    yield from play(input, input.acts)


@operation(runs_in="process")
def spawning(input: Script) -> Acts:
    """A process that leaves another program behind."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HOUR})"])
    yield partial("pid", child.pid)
    yield from play(input, input.acts)


# Functions that are not generators


class Where(BaseModel):
    """The executor of an operation."""

    runs_in: Literal["greenlet", "thread", "process", "asyncio"] = "greenlet"


@anywhere()
def plain(input: Where) -> dict[str, str]:
    """A function that yields nothing, and returns its result."""
    return {"from": "a plain function"}


@anywhere()
def plain_wait(input: Script) -> None:
    """A function that waits, and has a `finally` block."""
    try:
        input.leave("waiting")
        wait()
    finally:
        input.leave("tidied")


@anywhere()
def plain_list(input: Where) -> list[Event]:
    """A list is a result, whatever it holds; this one is not JSON."""
    return [progress("never an event")]


@anywhere()
def plain_failure(input: Where) -> None:
    """A function that fails before it returns anything to iterate over."""
    raise OperationError("closed", "There is nothing today.")


class Countdown:
    """An iterator with `__next__` alone: no `send`, no `close`."""

    def __init__(self) -> None:
        self._left = 3

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if not self._left:
            raise StopIteration("lift-off")
        self._left -= 1
        return progress(done=3 - self._left, total=3)


@anywhere()
def iterating(input: Where) -> Iterator[Event]:
    """An iterator that is not a generator."""
    return Countdown()


class Shelf:
    """An iterable that is not an iterator."""

    def __iter__(self) -> Iterator[Event]:
        yield progress("from a shelf")


@anywhere()
def iterable(input: Where) -> Shelf:
    """An iterable that is not an iterator."""
    return Shelf()


class Unruly:
    """An iterator whose `close` fails."""

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return progress("more")

    def close(self) -> None:
        """Fails."""
        raise OSError("a secret of the server's")


@anywhere()
def unruly(input: Where) -> Iterator[Event]:
    """An iterator without an end, whose `close` fails."""
    return Unruly()


@anywhere(timeout=0.2)
def slow(input: Where) -> Acts:
    """Work that exceeds its timeout."""
    yield progress("slow")
    wait()


@anywhere()
def hooked(input: Script) -> Acts:
    """Work with a cancel hook to its end."""
    on_cancel(lambda: input.leave("hook"))
    yield from play(input, input.acts)


@anywhere()
def hooked_block(input: Script) -> Acts:
    """Work with a cancel hook for each of two blocks: one that has ended, and one in which it waits."""
    with on_cancel(lambda: input.leave("over")):
        pass
    lock = monkey.get_original("_thread", "allocate_lock")()
    lock.acquire()

    def hook() -> None:
        input.leave("block")
        lock.release()

    with on_cancel(hook):
        yield from play(input, input.acts)
        if in_loop() or getcurrent().parent is not None:
            wait()
        lock.acquire(timeout=HOUR)


@anywhere()
def stubborn(input: Script) -> Acts:
    """Work that ignores its cancel until its file exists, and then yields again."""
    yield progress("at work")
    while not Path(input.file).exists():
        try:
            pause()
        except EXITS:
            continue
    yield progress("still here")


def pause() -> None:
    """Waits for a moment, and lets the hub run where there is one."""
    if in_loop():
        await_only(asyncio.sleep(0.005))
    elif getcurrent().parent is not None:
        gevent.sleep(0.005)
    else:
        monkey.get_original("time", "sleep")(0.005)


@anywhere()
def paced(input: Script) -> Acts:
    """Yields an event for each line that is added to its file, or flushes at `flush`, until a line is `end`."""
    count = 0
    while True:
        lines = Path(input.file).read_text().splitlines()
        for line in lines[count:]:
            if line == "end":
                return "ended"
            yield flush() if line == "flush" else event("line", {"text": line})
        count = len(lines)
        pause()


gathering = operation(flush=5, name="gathering")(paced.fn)
each = operation(flush="each", name="each")(paced.fn)


@operation(timeout=60)
def limited() -> Acts:
    """Work that takes an hour, with a timeout of a minute."""
    yield progress("at work")
    wait()


@operation(linger=None)
def lasting() -> Acts:
    """Work that goes on without viewers."""
    yield progress("at work")
    wait()


@operation(linger=30)
def patient() -> Acts:
    """Work that lingers for half a minute."""
    yield progress("at work")
    wait()


@operation(linger=0)
def hasty() -> Acts:
    """Work that stops with its last viewer, whatever the settings say."""
    yield progress("at work")
    wait()


@operation
def plain_wish() -> Acts:
    """Work whose linger is the setting's."""
    yield progress("at work")
    wait()


@operation
def asking() -> Acts:
    """Work with a question that is open for ten minutes."""
    answer = yield ask("Go on?", schema={"type": "boolean"}, within=600)
    return answer


class Unpicklable(BaseModel):
    """An input that cannot be pickled."""

    where: Literal["process"] = "process"

    def __reduce__(self) -> Any:
        raise TypeError("a secret of the server's")


@operation(runs_in="process")
def unsendable(input: Unpicklable) -> Acts:
    """An operation whose input cannot be sent to its process."""
    yield progress("never said")


@operation(where=lambda _: str(1 / 0))  # type: ignore[arg-type, return-value]
def lost() -> Acts:
    """An operation whose `where` fails."""
    yield progress("never said")


@operation(timeout=lambda _: 1 / 0)
def endless() -> Acts:
    """An operation whose `timeout` fails."""
    yield progress("never said")


class Elsewhere(BaseModel):
    """Where to run; anything is taken."""

    where: Any


def _nowhere(input: Elsewhere) -> Acts:
    yield progress("never said")


# Its name is not that of its function, so a process does not find it.
nowhere = operation(name="nowhere", where=lambda elsewhere: elsewhere.where)(_nowhere)


# Files


class Files(BaseModel):
    """One file, and perhaps more."""

    file: Upload
    more: list[Upload] = Field(default_factory=list)
    acts: list[str] = Field(default_factory=list)
    runs_in: Literal["greenlet", "thread", "process", "asyncio"] = "greenlet"


@anywhere()
def filed(input: Files) -> Acts:
    """Yields the paths and contents of its files, and performs acts."""
    for upload in [input.file, *input.more]:
        yield partial(upload.filename, {**upload.as_dict(), "text": upload.path.read_text()})
    return (yield from play(Script(acts=input.acts), input.acts))
