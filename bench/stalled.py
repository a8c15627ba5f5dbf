"""A viewer that reads nothing of a run that never waits: what it costs, and how late its neighbours' events are.

`python -m bench.stalled [STORE...]`
"""

import sys
import time
from typing import Final

from bench import load
from bench.load import Viewer, open_viewers, read_for
from bench.measurements import percentile
from bench.servers import REDIS, RUN, SQLITE, STREAM, Server

CONTENDERS: Final = {"stream": STREAM, "memory": RUN, "sqlite": SQLITE, "redis": REDIS}
NEIGHBOURS: Final = 20
RATE: Final = 20.0
SECONDS: Final = 10.0


def main() -> None:
    """Prints a row for each contender."""
    print("| store | neighbours' p50 / p99, ms | growth, MB | processor, % |\n|---|---:|---:|---:|")
    for name in sys.argv[1:] or CONTENDERS:
        p50, p99, growth, share = measure(name)
        print(f"| {name} | {p50:.2f} / {p99:.2f} | {growth:.1f} | {share:.0f} |", flush=True)


def measure(name: str) -> tuple[float, float, float, float]:
    """The neighbours' delays, the growth of the worker in megabytes, and its share of a core in percent."""
    with Server(CONTENDERS[name]) as server:
        neighbours = open_viewers(server.port, server.request("paced", rate=RATE), NEIGHBOURS)
        read_for(neighbours, 1.0)
        memory, cpu, start = server.memory(), server.cpu(), time.monotonic()
        stalled = Viewer(server.port, server.request("pages", count=10**9))
        delays = load.delays(neighbours, SECONDS)
        share = (server.cpu() - cpu) / (time.monotonic() - start) * 100
        growth = (server.memory() - memory) / 1e6
        stalled.reset()
    return percentile(delays, 0.5), percentile(delays, 0.99), growth, share


if __name__ == "__main__":
    main()
