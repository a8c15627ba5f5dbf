"""What relayed streams cost: many upstream streams of some events a second, beside a proxy of `requests`, and nginx.

    python -m bench.relay --only relay,memory,sqlite,nginx --streams 200 --rate 20 --seconds 8 --rounds 3

It prints, for each contender, the processor time of the worker for a million events, and how long an event takes from
the service behind it to its viewer. Every round measures every contender, so that noise affects all of them.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from bench import load
from bench.load import open_viewers
from bench.measurements import percentile
from bench.servers import ROOT, Contender, Server, gunicorn
from bench.side_by_side import compare, parser
from bench.workloads import HOST

CONTENDERS = {
    "naive": ("/naive", "memory"),
    "relay": ("/relay", "memory"),
    "memory": ("/operations/chat", "memory"),
    "sqlite": ("/operations/chat", "sqlite"),
    "nginx": ("/chat", "memory"),
}
SETTLE = 1.0
"""Seconds that the streams run before the measurement: all of them have caught up."""


def main() -> None:
    """Measures, and prints a table."""
    options = parser("relay", __doc__, "relay,memory,sqlite,nginx", 20.0).parse_args()
    with service(options.rate) as port:
        compare("relayed streams", options, lambda name: measure(name, port, options))


@contextmanager
def service(rate: float) -> Iterator[int]:
    """The service behind the contenders, in a process of its own beside the load; its port."""
    with closing(socket.create_server((HOST, 0))) as sock:
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "bench.apps.model_service", str(port), str(rate)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with closing(socket.socket()) as probe:
                    if not probe.connect_ex((HOST, port)):
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


def proxy(name: str, port: int) -> Contender:
    """The contender in front of the service on `port`."""
    if name == "nginx":
        command = [sys.executable, "-m", "bench.apps.nginx"]
        return Contender(name, lambda own: [*command, str(own), str(port)])
    return Contender(name, gunicorn(f"proxies:create({port})"), store=CONTENDERS[name][1])


def request(name: str) -> bytes:
    """The HTTP request that opens a relayed stream."""
    body = b'{"model":"m","stream":true}'
    head = f"POST {CONTENDERS[name][0]} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAccept: text/event-stream\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def measure(name: str, port: int, options: argparse.Namespace) -> Sequence[float]:
    """Seconds for a million events, and the milliseconds of the delivery: the median and the 99th percentile.

    Raises `RuntimeError` where the server did not send as many events as it should.
    """
    with Server(proxy(name, port)) as server:
        viewers = open_viewers(server.port, request(name), options.streams)
        load.read_for(viewers, SETTLE)
        cpu = server.cpu()
        delays = load.delays(viewers, options.seconds)
        cpu = server.cpu() - cpu
        for viewer in viewers:
            viewer.reset()
    if len(delays) < 0.8 * options.streams * options.rate * options.seconds:
        raise RuntimeError(f"{name} sent {len(delays)} events in {options.seconds} s")
    return cpu / len(delays) * 1e6, percentile(delays, 0.5), percentile(delays, 0.99)


if __name__ == "__main__":
    main()
