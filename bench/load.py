"""The viewers: raw sockets in one epoll loop.

It has to be much faster than the servers it measures, so nothing is parsed: events are counted in whole blocks, by the
`data: ` that each frame holds exactly once, and the times of sending are picked out by one regular expression. A canned
server (`ceiling`) shows how much it can take.
"""

import re
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from bench.servers import HOST

BLOCK = 1 << 18
MARK = b"data: "
SENT = re.compile(rb"sent (\d+) ns")
PATIENCE = 60.0
NO_LINGER = struct.pack("ii", 1, 0)


class Viewer:
    """One connection that reads one stream."""

    __slots__ = ("events", "sock", "tail")

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection((HOST, port), timeout=PATIENCE)
        self.sock.sendall(request)
        self.tail = b""
        self.events = 0

    def count(self, block: bytes) -> int:
        """Counts the events of `block`, one whose mark was cut in two by the end of the last block included."""
        joined = self.tail + block
        self.tail = joined[1 - len(MARK) :]
        found = joined.count(MARK)
        self.events += found
        return found

    def close(self) -> None:
        """Leaves as a browser does: the server reads an end of file."""
        self.sock.close()

    def reset(self) -> None:
        """Leaves with a reset (SO_LINGER of zero seconds), which also keeps the port out of TIME_WAIT."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.sock.close()


def allow_descriptors() -> None:
    """Raises the soft limit on descriptors to the hard one, for this process and the servers it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def blocks(viewers: Sequence[Viewer], seconds: float = PATIENCE) -> Iterator[tuple[Viewer, bytes]]:
    """Gives what arrives, as it arrives, until every stream has ended or `seconds` are over."""
    by_number = {viewer.sock.fileno(): viewer for viewer in viewers}
    end = time.monotonic() + seconds
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while by_number and (left := end - time.monotonic()) > 0:
            for number, _ in poll.poll(left):
                viewer = by_number[number]
                if block := viewer.sock.recv(BLOCK):
                    yield viewer, block
                else:
                    poll.unregister(number)
                    del by_number[number]


def wait_for_event(viewers: Sequence[Viewer]) -> None:
    """Reads until each viewer has got an event from now on.

    Raises:
        TimeoutError: one of them got none.
    """
    blind = set(viewers)
    for viewer, block in blocks(viewers):
        if viewer.count(block):
            blind.discard(viewer)
        if not blind:
            return
    raise TimeoutError(f"{len(blind)} of {len(viewers)} streams sent no event")


def open_viewers(port: int, request: bytes, count: int, wave: int = 100) -> list[Viewer]:
    """Opens `count` streams, a wave at a time so that no accept queue overflows; each has seen its first event."""
    viewers: list[Viewer] = []
    while len(viewers) < count:
        fresh = [Viewer(port, request) for _ in range(min(wave, count - len(viewers)))]
        wait_for_event(fresh)
        viewers += fresh
    return viewers


def rate(port: int, request: bytes, streams: int, expected: int) -> float:
    """Reads `streams` streams to their ends and gives the events per second, from the first block to the last.

    Raises:
        RuntimeError: fewer than `expected` events came.
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
        raise RuntimeError(f"{events} events came where {expected} were sent")
    return events / (last - first)


def delays(viewers: Sequence[Viewer], seconds: float) -> list[float]:
    """Gives, for `seconds`, the milliseconds from the sending of each event to its arrival."""
    began = time.monotonic_ns()
    found: list[float] = []
    for _, block in blocks(viewers, seconds):
        now = time.monotonic_ns()
        # What was sent earlier has waited in the socket for this function to be called.
        found += [(now - sent) / 1e6 for sent in map(int, SENT.findall(block)) if sent >= began]
    return found


def first_event(port: int, request: bytes) -> float:
    """Milliseconds from the start of a fresh connection to its first event."""
    began = time.monotonic_ns()
    viewer = Viewer(port, request)
    with closing(viewer.sock):
        while not viewer.count(viewer.sock.recv(BLOCK)):
            pass
    return (time.monotonic_ns() - began) / 1e6


def ceiling(seconds: float = 1.0) -> float:
    """Events per second that the load generator counts from a peer that only sends ready-made blocks."""
    with closing(socket.create_server((HOST, 0))) as server:
        threading.Thread(target=_send_canned, args=(server, seconds), daemon=True).start()
        return rate(server.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n", streams=1, expected=1)


def _send_canned(server: socket.socket, seconds: float) -> None:
    block = (b"id: 17\nevent: progress\ndata: " + b"x" * 129 + b"\n\n") * 400
    sock, _ = server.accept()
    end = time.monotonic() + seconds
    with closing(sock):
        sock.recv(BLOCK)
        while time.monotonic() < end:
            sock.sendall(block)
