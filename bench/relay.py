"""What relayed streams cost: many upstream streams of some events a second, beside a proxy made of `requests`.

    python -m bench.relay --only relay,memory,sqlite --streams 200 --rate 20 --seconds 8 --rounds 3

It prints, for each contender, the processor time of the worker for a million events, and how long an event takes from
the service behind it to its viewer. Every round measures every contender, so that noise affects all of them.
"""

import argparse
import gc
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from bench import load
from bench.load import allow_descriptors, open_viewers
from bench.measurements import percentile
from bench.servers import LOAD_CORE, ROOT, Contender, Server, gunicorn
from bench.workloads import HOST

CONTENDERS = {
    "naive": ("/naive", "memory"),
    "relay": ("/relay", "memory"),
    "memory": ("/operations/chat", "memory"),
    "sqlite": ("/operations/chat", "sqlite"),
}
SETTLE = 1.0
"""Seconds that the streams run before the measurement: all of them have caught up."""


def main() -> None:
    """Measures, and prints a table."""
    options = arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()
    names = ["naive", *options.only.split(",")]
    with service(options.rate) as port:
        rounds = [{name: measure(name, port, options) for name in names} for _ in range(options.rounds)]
    print(f"{options.streams} relayed streams of {options.rate:g} events/s, median of {options.rounds}")
    print(f"{'':8} {'x naive':>8} {'s/million':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name in names:
        cpu, p50, p99 = (statistics.median(each[name][at] for each in rounds) for at in range(3))
        ratio = statistics.median(each[name][0] / each["naive"][0] for each in rounds)
        print(f"{name:8} {ratio:8.2f} {cpu:10.1f} {p50:8.3f} {p99:8.3f}")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    parser.add_argument("--only", default="relay,memory,sqlite", help="the contenders beside the proxy of `requests`")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second on each stream")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


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


def measure(name: str, port: int, options: argparse.Namespace) -> Sequence[float]:
    """Seconds for a million events, and the milliseconds of the delivery: the median and the 99th percentile.

    Raises `RuntimeError` where the server did not send as many events as it should.
    """
    path, store = CONTENDERS[name]
    body = b'{"model":"m","stream":true}'
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAccept: text/event-stream\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with Server(Contender(name, gunicorn(f"proxies:create({port})"), store=store)) as server:
        viewers = open_viewers(server.port, request, options.streams)
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
