"""How the cost grows with the events of a stream and the viewers of a run, and what the executors cost.

    python -m bench.growth --plots docs/figures

It prints three tables, and draws the first two as SVG. The counts are 10,000, 100,000 and 1,000,000 events, and 1, 10,
100 and 1,000 viewers. It takes about three minutes.
"""

import argparse
import gc
import json
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import load
from bench.load import allow_descriptors, open_viewers
from bench.measurements import percentile
from bench.plot import Lines, draw
from bench.servers import LOAD_CORE, NAIVE, REDIS, RUN, SQLITE, STREAM, Contender, Server, get, gunicorn

EVENTS = (10_000, 100_000, 1_000_000)
VIEWERS = (1, 10, 100, 1_000)
RATE = 50.0
EXECUTORS = Contender("executors", gunicorn("executors:app"), as_runs=True)


def main() -> None:
    """Measures, prints the tables, and draws the plots."""
    options = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    options.add_argument("--plots", type=Path, help="the folder for the plots")
    options.add_argument("--most-events", type=int, default=EVENTS[-1], help="leave longer streams out")
    chosen = options.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()
    events = [count for count in EVENTS if count <= chosen.most_events]
    by_events = {
        one.name: grown(one, lambda one: of_events(one, events)) for one in (NAIVE, STREAM, RUN, SQLITE, REDIS)
    }
    table("CPU s a million events; MB that the worker has grown", "events of one stream", events, by_events)
    by_viewers = {one.name: grown(one, of_viewers) for one in (RUN, SQLITE, REDIS)}
    table("CPU us a frame; delay p50 / p99, ms", "viewers of one run, 50 events/s", VIEWERS, by_viewers)
    of_executors()
    if chosen.plots:
        chosen.plots.mkdir(exist_ok=True)
        plot(chosen.plots / "events.svg", "CPU seconds a million events, by the length of a stream", events, by_events)
        plot(chosen.plots / "viewers.svg", "CPU microseconds a frame, by the viewers of a run", VIEWERS, by_viewers)


Rows = list[tuple[float, ...]]


def grown(one: Contender, measure: Callable[[Server], Rows]) -> Rows:
    """The rows of one contender, on a server of its own."""
    with Server(one) as server:
        return measure(server)


def of_events(server: Server, counts: Sequence[int]) -> Rows:
    """CPU seconds a million events, and the growth of the worker in MB, of one stream that never waits."""
    rows: Rows = []
    load.rate(server.port, server.request("pages", count=2_000), 1, expected=2_000)
    for count in counts:
        memory, cpu = server.memory(), server.cpu()
        load.rate(server.port, server.request("pages", count=count), 1, expected=count)
        rows.append(((server.cpu() - cpu) / count * 1e6, (server.memory() - memory) / 2**20))
    return rows


def of_viewers(server: Server, seconds: float = 3.0) -> Rows:
    """CPU microseconds a frame that reaches a viewer, and the delay of frames in milliseconds."""
    rows: Rows = []
    for count in VIEWERS:
        run = json.loads(server.fetch("POST", "/operations/items", rate=RATE))["id"]
        viewers = open_viewers(server.port, get(f"/runs/{run}/events"), count)
        load.read_for(viewers, load.SETTLE)
        cpu = server.cpu()
        delays = load.delays(viewers, seconds)
        cpu = server.cpu() - cpu
        for viewer in viewers:
            viewer.reset()
        server.fetch("DELETE", f"/runs/{run}")
        rows.append((cpu / len(delays) * 1e6, percentile(delays, 0.5), percentile(delays, 0.99)))
    return rows


def of_executors(count: int = 50_000, starts: int = 50) -> None:
    """Prints what an event and a start cost in each executor."""
    print("\n| executor | k events/s | CPU of the worker, s a million | first event, ms |\n|---|---:|---:|---:|")
    for name in ("greenlet", "asyncio", "thread", "process"):
        with Server(EXECUTORS) as server:
            load.rate(server.port, server.request(name, count=2_000), 1, expected=2_000)
            cpu = server.cpu()
            rate = load.rate(server.port, server.request(name, count=count), 1, expected=count)
            cpu = server.cpu() - cpu
            request = server.request(name, count=1)
            first = statistics.median(load.time_to_first_event(server.port, request) for _ in range(starts))
        print(f"| {name} | {rate / 1000:.0f} | {cpu / count * 1e6:.1f} | {first:.2f} |")


def table(what: str, of: str, counts: Sequence[int], rows: dict[str, Rows]) -> None:
    """Prints the rows of all contenders, one a line."""
    print(f"\n{what}\n\n| {of} | {' | '.join(f'{count:,}' for count in counts)} |")
    print("|---" * (len(counts) + 1) + "|")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join('; '.join(f'{value:.3g}' for value in each) for each in values)} |")


def plot(path: Path, title: str, counts: Sequence[int], rows: dict[str, Rows]) -> None:
    """Draws the first figure of all contenders."""
    lines: Lines = {
        name: [(count, each[0]) for count, each in zip(counts, values, strict=True)] for name, values in rows.items()
    }
    path.write_text(draw(title, lines))


if __name__ == "__main__":
    main()
