"""What the workloads of all applications share.

`pages` yields events as fast as it can, `paced` and `items` at a fixed rate with the time of sending in each message,
and `quiet` yields one event and then nothing; it reports by a datagram when its `finally` runs.
"""

import itertools
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

HOST = "127.0.0.1"
FOREVER = 3600.0


def page(message: str, done: int, total: int) -> dict[str, Any]:
    """The data of one event, as written by hand: about 160 bytes on the connection."""
    return stamped({"message": message, "done": done, "total": total, "unit": "pages"})


def stamped(data: dict[str, Any]) -> dict[str, Any]:
    """The data of an event, as written by hand, with the time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**data, "timestamp": now}


def item(number: int) -> dict[str, Any]:
    """The data of an event of about 190 bytes on the connection, with the time of sending."""
    return {"message": sent(), "number": number, "kind": "paragraph", "text": "the words of one item of a result"}


def pace(rate: float) -> Iterator[tuple[int, float]]:
    """Yields the number of the next event and the seconds to wait for it, 0 where it is late."""
    start = time.monotonic()
    for number in itertools.count(1):
        yield number, max(0.0, start + number / rate - time.monotonic())


def sent() -> str:
    """The message of a paced event. The monotonic clock is the same in every process of a machine."""
    return f"sent {time.monotonic_ns()} ns"


def report_stop(viewer: int, port: int) -> None:
    """Sends the load generator, at UDP `port`, the time when the work for `viewer` stopped (monotonic nanoseconds)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(f"{viewer} {time.monotonic_ns()}".encode(), (HOST, port))
