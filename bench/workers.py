"""Two workers on one store: what they cost while nothing happens, and how fast an event crosses from one to the other.

`python -m bench.workers [STORE...]`
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson

from bench import load
from bench.load import Viewer, open_viewers, read_for, wait_for_event
from bench.measurements import percentile
from bench.servers import REDIS, RUN, SQLITE, Server, get, store_in

STORES: Final = {"memory": RUN, "sqlite": SQLITE, "redis": REDIS}

RUNS: Final = 500
IDLE_SECONDS: Final = 15.0
"""One heartbeat of each stream."""

PACES: Final = ((1, 50), (40, 10))
"""Runs, and their events a second."""


def main() -> None:
    """Prints a row for each store."""
    print("| store | processor, both workers, 500 silent runs, % | events across, p50 / p99 ms: 1 x 50/s | 40 x 10/s |")
    print("|---|---:|---:|---:|")
    for store in sys.argv[1:] or STORES:
        with two_workers(store) as servers:
            share = idle_share(servers)
        across = [" / ".join(f"{value:.2f}" for value in delays(store, *pace)) for pace in PACES]
        print(f"| {store} | {share:.2f} | {' | '.join(across)} |", flush=True)


@contextmanager
def two_workers(store: str) -> Iterator[tuple[Server, Server]]:
    """Two servers of one worker each; those in memory share nothing."""
    with (
        tempfile.TemporaryDirectory(prefix="headway-bench-") as folder,
        store_in(store, Path(folder)) as url,
        Server(STORES[store], url) as one,
        Server(STORES[store], url) as other,
    ):
        yield one, other


def idle_share(servers: tuple[Server, Server]) -> float:
    """The share of one core that both workers take together, in percent, for silent runs with a viewer each."""
    viewers: list[Viewer] = []
    for server in servers:
        viewers += open_viewers(server.port, server.request("quiet"), RUNS // 2)
    read_for(viewers, 3.0)
    start, before = time.monotonic(), sum(server.cpu() for server in servers)
    read_for(viewers, IDLE_SECONDS)
    share = (sum(server.cpu() for server in servers) - before) / (time.monotonic() - start)
    for viewer in viewers:
        viewer.close()
    return share * 100


def delays(store: str, runs: int, rate: int, seconds: float = 6.0) -> tuple[float, float]:
    """The milliseconds from an event on one worker to its arrival at a viewer on the other one, p50 and p99."""
    if store == "memory":
        return float("nan"), float("nan")
    with two_workers(store) as (one, other):
        ids = [orjson.loads(one.fetch("POST", "/operations/paced", rate=rate))["id"] for _ in range(runs)]
        viewers = [Viewer(other.port, get(f"/runs/{run}/events")) for run in ids]
        wait_for_event(viewers)
        read_for(viewers, 2.0)
        values = load.delays(viewers, seconds)
        for viewer in viewers:
            viewer.close()
    return percentile(values, 0.5), percentile(values, 0.99)


if __name__ == "__main__":
    main()
