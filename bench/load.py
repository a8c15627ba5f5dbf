"""The viewers: raw sockets in one epoll loop.

They must be much faster than the servers, so nothing is parsed: events are counted by the `data: ` that each frame has
exactly once, and the times of sending are found with one regular expression. `ceiling` measures how fast they are.
"""

import re
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from bench.workloads import HOST

BLOCK = 1 << 18
MARK = b"data: "
SENT = re.compile(rb"sent (\d+) ns")
TIMEOUT = 60.0
SETTLE = 1.0
"""Seconds that paced streams run before they are measured: until all of them have caught up."""
NO_LINGER = struct.pack("ii", 1, 0)


class Viewer:
    """One connection that reads one stream."""

    __slots__ = ("events", "remainder", "sock")

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self.sock.sendall(request)
        self.remainder = b""
        self.events = 0

    def count(self, block: bytes) -> int:
        """Counts the events of `block`, with one whose mark began in the block before."""
        joined = self.remainder + block
        self.remainder = joined[1 - len(MARK) :]
        events = joined.count(MARK)
        self.events += events
        return events

    def close(self) -> None:
        """Closes the connection as a browser does: the server reads an end of file."""
        self.sock.close()

    def reset(self) -> None:
        """Resets the connection (SO_LINGER of 0 seconds), which also keeps the port out of TIME_WAIT."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.sock.close()


def allow_descriptors() -> None:
    """Raises the soft limit of file descriptors to the hard one, for this process and its servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def blocks(viewers: Sequence[Viewer], seconds: float = TIMEOUT) -> Iterator[tuple[Viewer, bytes]]:
    """Yields blocks as they arrive, until every stream has ended or `seconds` are over."""
    by_number = {viewer.sock.fileno(): viewer for viewer in viewers}
    end = time.monotonic() + seconds
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while by_number and (remaining := end - time.monotonic()) > 0:
            for number, _ in poll.poll(remaining):
                viewer = by_number[number]
                if block := viewer.sock.recv(BLOCK):
                    yield viewer, block
                else:
                    poll.unregister(number)
                    del by_number[number]


def read_for(viewers: Sequence[Viewer], seconds: float) -> None:
    """Reads for `seconds`, and drops what arrives."""
    for _ in blocks(viewers, seconds):
        pass


def wait_for_event(viewers: Sequence[Viewer]) -> None:
    """Reads until each viewer has received another event.

    Raises:
        TimeoutError: one of them received none.
    """
    waiting = set(viewers)
    for viewer, block in blocks(viewers):
        if viewer.count(block):
            waiting.discard(viewer)
        if not waiting:
            return
    raise TimeoutError(f"{len(waiting)} of {len(viewers)} streams sent no event")


def open_viewers(port: int, request: bytes, count: int, wave: int = 100) -> list[Viewer]:
    """Opens `count` streams and reads their first events, a wave at a time, so that no accept queue overflows."""
    viewers: list[Viewer] = []
    while len(viewers) < count:
        opened = [Viewer(port, request) for _ in range(min(wave, count - len(viewers)))]
        wait_for_event(opened)
        viewers += opened
    return viewers


def rate(port: int, request: bytes, streams: int, expected: int) -> float:
    """Reads `streams` streams to their ends; returns the events per second, from the first block to the last.

    Raises:
        RuntimeError: fewer than `expected` events arrived.
    """
    viewers = [Viewer(port, request) for _ in range(streams)]
    events, first, last = 0, 0.0, 0.0
    for viewer, block in blocks(viewers):
        last = time.monotonic()
        first = first or last
        events += viewer.count(block)
    for viewer in viewers:
        viewer.close()
    if events < expected:
        raise RuntimeError(f"{events} of {expected} events arrived")
    return events / (last - first)


def rate_of_streams(port: int, request: bytes, viewers: int, seconds: float) -> tuple[float, int]:
    """Reads streams to their ends for `seconds`, `viewers` at a time; returns the streams per second, and their number.

    Raises:
        RuntimeError: a stream ended without an event.
    """
    ended, start = 0, time.monotonic()
    with select.epoll() as poll:
        open_ones: dict[int, Viewer] = {}
        while True:
            while len(open_ones) < viewers:
                viewer = Viewer(port, request)
                open_ones[viewer.sock.fileno()] = viewer
                poll.register(viewer.sock, select.EPOLLIN)
            for number, _ in poll.poll(TIMEOUT):
                viewer = open_ones[number]
                if block := viewer.sock.recv(BLOCK):
                    viewer.count(block)
                    continue
                if not viewer.events:
                    raise RuntimeError("a stream ended without an event")
                poll.unregister(number)
                del open_ones[number]
                viewer.close()
                ended += 1
            if (elapsed := time.monotonic() - start) >= seconds:
                for viewer in open_ones.values():
                    viewer.reset()
                return ended / elapsed, ended


def delays(viewers: Sequence[Viewer], seconds: float) -> list[float]:
    """The milliseconds from the sending of each event to its arrival, measured for `seconds`."""
    start = time.monotonic_ns()
    values: list[float] = []
    for _, block in blocks(viewers, seconds):
        now = time.monotonic_ns()
        # Earlier events have waited in the socket for this function to be called.
        values += [(now - sent) / 1e6 for sent in map(int, SENT.findall(block)) if sent >= start]
    return values


def paced(
    port: int, request: bytes, streams: int, rate: float, seconds: float, cpu: Callable[[], float]
) -> tuple[float, list[float]]:
    """What `cpu` grows by while `streams` streams are read for `seconds`, and the delays of their events.

    Raises:
        RuntimeError: they sent fewer than nine tenths of `rate` events a second.
    """
    viewers = open_viewers(port, request, streams)
    read_for(viewers, SETTLE)
    before = cpu()
    values = delays(viewers, seconds)
    used = cpu() - before
    if len(values) < 0.9 * streams * rate * seconds:
        raise RuntimeError(f"{len(values)} events in {seconds:g} s")
    return used, values


def time_to_first_event(port: int, request: bytes) -> float:
    """Milliseconds from the start of a new connection to its first event."""
    start = time.monotonic_ns()
    viewer = Viewer(port, request)
    with closing(viewer.sock):
        while not viewer.count(viewer.sock.recv(BLOCK)):
            pass
    return (time.monotonic_ns() - start) / 1e6


def ceiling(seconds: float = 1.0) -> float:
    """Events per second that the viewers count from a server that sends the same block again and again."""
    with closing(socket.create_server((HOST, 0))) as server:
        threading.Thread(target=_send_blocks, args=(server, seconds), daemon=True).start()
        return rate(server.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n", streams=1, expected=1)


def _send_blocks(server: socket.socket, seconds: float) -> None:
    block = (b"id: 17\nevent: progress\ndata: " + b"x" * 129 + b"\n\n") * 400
    sock, _ = server.accept()
    end = time.monotonic() + seconds
    with closing(sock):
        sock.recv(BLOCK)
        while time.monotonic() < end:
            sock.sendall(block)
