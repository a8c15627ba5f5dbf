"""Operations in the event loop of their worker: one for each thing that gevent's patching could break."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import anyio
import anyio.to_thread
import httpx
import trustme
from flask import Flask, Response, current_app, stream_with_context
from pydantic import BaseModel

from streaming import Headway, OperationError, ask, current_run, on_cancel, operation, progress, result, stream
from tests.apps import notes

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HASH_ROUNDS: Final = 200_000
"""Some tenths of a second in C code that lets go of the interpreter's lock."""


@asynccontextmanager
async def serving(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of the loopback address."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends a line back."""
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a request of HTTP."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


async def line_over(port: int, **options: Any) -> str:
    """What the server at a port answers to a line."""
    reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET, **options)
    writer.write(b"hello\n")
    await writer.drain()
    line = await reader.readline()
    writer.close()
    return line.decode().strip()


async def sleep() -> str:
    """Ten sleeps at once."""
    start = time.monotonic()
    await asyncio.gather(*(asyncio.sleep(0.05) for _ in range(10)))
    assert time.monotonic() - start < 0.45
    return "slept"


async def sockets() -> str:
    """A server and its client."""
    async with serving(echo) as port:
        return await line_over(port)


async def tls() -> str:
    """The same with TLS on both sides."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    async with serving(echo, server) as port:
        return await line_over(port, ssl=client)


async def dns() -> list[str]:
    """The addresses of a name, and the name of an address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM, family=socket.AF_INET)
    _, service = await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)
    return [str(found[0][4][0]), service]


async def timeout() -> str:
    """A timeout around a wait."""
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "in time"
    raise AssertionError


async def to_thread() -> str:
    """Functions in threads of their own: they wait, compute, fail, and know the context."""
    start = time.monotonic()
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.2) for _ in range(4)))
    assert time.monotonic() - start < 0.75
    with_context = await asyncio.to_thread(lambda: (current_run().operation, current_app.name))
    assert with_context == ("capable", __name__), with_context
    try:
        await asyncio.to_thread(lambda: 1 / 0)
    except ZeroDivisionError:
        return "threads"
    raise AssertionError


async def compute() -> str:
    """C code that computes in a thread lets the loop run."""
    ticks, task = 0, asyncio.create_task(asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", b"a", b"b", HASH_ROUNDS))
    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 3, ticks
    return "computed"


async def executor() -> list[int]:
    """`run_in_executor` with the loop's executor, and with one of its own."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as own:
        return [await loop.run_in_executor(None, abs, -1), await loop.run_in_executor(own, abs, -2)]


async def subprocesses() -> list[Any]:
    """Child processes: what they write, their exit codes, their end by a signal, and one that is not there."""
    cat = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    written, _ = await cat.communicate(b"x" * 100_000)
    sleeper = await asyncio.create_subprocess_exec("sleep", "3600")
    sleeper.terminate()
    shells = [await asyncio.create_subprocess_shell(f"exit {number}") for number in range(10)]
    codes = [await shell.wait() for shell in shells]
    assert codes == list(range(10)), codes
    try:
        await asyncio.create_subprocess_exec("/there/is/no/such/program")
    except FileNotFoundError:
        return [len(written), cat.returncode, await sleeper.wait()]
    raise AssertionError


TALKER: Final = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"


async def stdio() -> str:
    """A child that is talked to over its standard streams, as SDKs do that start a server of their own."""
    async with await anyio.open_process([sys.executable, "-c", TALKER]) as child:
        assert child.stdin
        assert child.stdout
        await child.stdin.send(b"hello\n")
        answer = await child.stdout.receive()
        child.terminate()
    return answer.decode().strip()


async def client() -> str:
    """`httpx.AsyncClient`."""
    async with serving(hello) as port, httpx.AsyncClient(trust_env=False) as web:
        return (await web.get(f"http://localhost:{port}/")).text


async def with_anyio() -> list[Any]:
    """anyio's task groups, timeouts, memory streams and threads."""
    send, receive = anyio.create_memory_object_stream[int](1)
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(send.send, 7)
        received = await receive.receive()
    with anyio.move_on_after(0.05) as scope:
        await anyio.sleep(3600)
    return [received, scope.cancelled_caught, await anyio.to_thread.run_sync(abs, -3)]


async def busy() -> str:
    """A loop that always has work lets the threads that libraries start do theirs."""

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    spinning = asyncio.create_task(spin())
    await anyio.to_thread.run_sync(time.sleep, 0.05)
    spinning.cancel()
    return "both"


async def own_thread() -> bool:
    """Whether the loop has a thread of its own."""
    return threading.get_native_id() != MAIN_THREAD


MAIN_THREAD: Final = threading.get_native_id()

CAPABILITIES: Final[dict[str, tuple[Callable[[], Awaitable[Any]], Any]]] = {
    "sleep": (sleep, "slept"),
    "sockets": (sockets, "hello"),
    "tls": (tls, "hello"),
    "dns": (dns, ["127.0.0.1", "http"]),
    "timeout": (timeout, "in time"),
    "to_thread": (to_thread, "threads"),
    "compute": (compute, "computed"),
    "executor": (executor, [1, 2]),
    "subprocesses": (subprocesses, [100_000, 0, -15]),
    "stdio": (stdio, "HELLO"),
    "httpx": (client, "hello"),
    "anyio": (with_anyio, [7, True, 3]),
    "busy": (busy, "both"),
    "thread": (own_thread, True),
}
"""What has to work, each with its result."""


class Wanted(BaseModel):
    """One of the capabilities, or an operation's note."""

    name: str


@operation
async def capable(wanted: Wanted) -> Any:
    """Does what its input names, and returns it."""
    return await CAPABILITIES[wanted.name][0]()


@operation
async def conversing() -> AsyncIterator[Any]:
    """An async generator with every kind of ending."""
    yield progress("at work", done=1, total=2)
    answer = yield ask("Go on?", schema={"type": "boolean"})
    if not answer:
        raise OperationError("refused", "Nobody wants it.")
    yield result({"app": current_app.name, "run": current_run().id})


@operation
async def waiting(wanted: Wanted) -> AsyncIterator[Any]:
    """Waits for an hour in a context manager, and leaves notes of how it is stopped."""
    note = notes.of_this_process()
    on_cancel(lambda: note.leave(f"{wanted.name} hook"))
    try:
        async with leaving(f"{wanted.name} context"):
            yield progress("waiting")
            await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)
        note.leave(f"{wanted.name} finally")


@asynccontextmanager
async def leaving(name: str) -> AsyncIterator[None]:
    """Leaves a note at the end of a block."""
    try:
        yield
    finally:
        notes.of_this_process().leave(name)


@operation
async def clinging(wanted: Wanted) -> None:
    """Ignores its cancel until there is a note."""
    while not notes.of_this_process().has(f"go {wanted.name}"):
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            notes.of_this_process().leave(f"{wanted.name} ignored")


class Place(BaseModel):
    """Where an operation runs that calls `asyncio.run`."""

    runs_in: Literal["greenlet", "thread", "process"]


@operation(where=lambda place: place.runs_in)
def running(place: Place) -> str:
    """Calls `asyncio.run`."""
    return asyncio.run(sleep())


def work() -> Iterator[Any]:
    """A generator of a stream that calls `asyncio.run`."""
    yield progress("at work")
    asyncio.run(sleep())


app = Flask(__name__)
Headway(app, operations=[capable, conversing, waiting, clinging, running], url_prefix="/api")


@app.get("/stream/<kind>")
def streams(kind: str) -> Response:
    """Streams that are refused: an async generator, a coroutine, and a generator that calls `asyncio.run`."""
    try:
        if kind == "generator":
            return stream(conversing.fn())
        if kind == "coroutine":
            return stream(timeout())
        return stream(stream_with_context(work()))
    except TypeError as error:
        return Response(str(error), 500)
