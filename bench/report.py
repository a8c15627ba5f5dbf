"""The Markdown page: medians, ratios to the peers, and goals."""

import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measurements import FIGURES, Figure
from bench.servers import NAIVE, REDIS, RUN, SQLITE, SSE_STARLETTE, STREAM, Contender

PACKAGES = ("gunicorn", "gevent", "flask", "uvicorn", "uvloop", "httptools", "starlette", "sse-starlette", "orjson")

HOW_TO_READ = """\
## How to read it

- Each cell is the median of a few measurements, each on a new server. The contenders take turns, so that a noisy minute
  affects all of them. *spread* is the difference between our best and worst value, relative to the median.
- *x naive Flask* and *x sse-starlette* say how many times better we are than that peer in the same run: 2 is twice the
  throughput, or half the memory, time or delay. Ratios are more reliable than absolute figures, which depend on the
  machine.
- A goal is set by the project itself; a *missed* one is something to work on, not a failure of the run.
- The worker is pinned to one core, the viewers to another. The viewers are raw sockets that count frames and parse
  nothing; what they can read from a server that repeats one block is given above the tables.
- *naive Flask* is the helper that everyone writes: `json.dumps`, an f-string and `gevent.sleep`, on gunicorn's gevent
  worker. *sse-starlette* is an `EventSourceResponse` over an async generator, on uvicorn with uvloop and httptools,
  where they are listed above. *run* is the same generator as an operation, started by `POST /operations/NAME`, with its
  event log in memory: it shows the cost of resume, fan-out and linger. (For throughput the events of a run are not
  `progress`, which may be merged and then cannot be counted.)
- *run in sqlite* and *run in Redis* are the same runs with that store, on the machine's disk and through a unix socket.
  The Redis process, whose CPU time is not counted, shares the core of the viewers.
- CPU time is that of the worker's process. It is reliable even where other processes use the machine.
- The delay is the time from the making of an event in the generator to its arrival at the viewer. The lateness beside a
  stream that never waits is measured against the timetable of the stream, because its producer may not run at all.
- A worker that notices a disconnect only when it writes needs one or two heartbeats; in these rows a heartbeat is 5
  seconds, in all others 15.
- Memory is the growth of the worker's resident set per stream; CPU use is measured over one heartbeat of each stream.
"""


class Results:
    """The values measured so far, by figure and contender."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, contender: Contender, figures: dict[str, float]) -> None:
        for key, value in figures.items():
            self._values[key, contender.name].append(value)

    def median(self, key: str, contender: Contender) -> float | None:
        values = self._values.get((key, contender.name))
        return statistics.median(values) if values else None

    def spread(self, key: str, contender: Contender) -> str:
        values = self._values.get((key, contender.name), [])
        return f"{(max(values) - min(values)) / statistics.median(values):.0%}" if len(values) > 1 else ""


def page(results: Results, ceiling: float, load_average: float) -> str:
    """The whole page: the machine, the tables and how to read them."""
    intro = "# Benchmarks\n\nWritten by `make bench`; `python -m bench --quick` prints shorter tables.\n\n"
    viewers = f"The viewers can read at least {number(ceiling / 1e6)} million events/s.\n\n"
    return intro + machine(load_average) + "\n" + viewers + "\n".join(tables(results)) + "\n\n" + HOW_TO_READ


def tables(results: Results) -> Iterator[str]:
    """The lines of all tables."""
    yield "## `stream()` beside its peers\n"
    yield from table(results, STREAM, (NAIVE, SSE_STARLETTE))
    yield "\n## The same workloads as runs\n"
    yield from table(results, RUN, (STREAM,))
    yield "\n## Runs in the stores that outlive their worker\n"
    yield from table(results, SQLITE, (REDIS, RUN))


def table(results: Results, ours: Contender, peers: Sequence[Contender]) -> Iterator[str]:
    """The lines of one table: a row for each figure of `ours`, with the peers, the ratios, the goal and its verdict."""
    head = ["figure", ours.name, "spread", *(peer.name for peer in peers), *(f"x {peer.name}" for peer in peers)]
    yield row([*head, "goal", ""])
    yield "|---" + "|---:" * (len(head)) + "|---|"
    for key, figure in FIGURES.items():
        if (value := results.median(key, ours)) is None:
            continue
        others = [results.median(key, peer) for peer in peers]
        goal = {STREAM: figure.goal, RUN: figure.run_goal}.get(ours)
        yield row(
            [
                f"{figure.title}, {figure.unit}",
                f"**{number(value)}**",
                results.spread(key, ours),
                *(number(other) for other in others),
                *(ratio(figure, value, other) for other in others),
                number(goal),
                verdict(figure, value, goal),
            ]
        )


def row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    """Three significant digits without an exponent, "" for `None`."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(figure: Figure, ours: float, other: float | None) -> str:
    """How many times better `ours` is."""
    if not ours or not other:
        return ""
    return number(ours / other if figure.more_is_better else other / ours)


def verdict(figure: Figure, value: float, goal: float | None) -> str:
    """Whether the goal is met, "" where there is none."""
    if goal is None:
        return ""
    return "met" if (value >= goal if figure.more_is_better else value <= goal) else "missed"


def machine(load_average: float) -> str:
    """The processor and the versions, without the name of the machine."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return (
        f"Measured on {os.cpu_count()} cores ({model.partition(':')[2].strip()}), {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(installed())}; load average {load_average:.1f} at the start."
    )


def installed() -> Iterator[str]:
    """Name and version of each package that affects the figures."""
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
