"""From measured values to the Markdown page: medians, ratios to the peers, goals."""

import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.rows import FIGURES, Figure
from bench.servers import NAIVE, RUN, SSE_STARLETTE, STREAM, Contender

PACKAGES = ("gunicorn", "gevent", "flask", "uvicorn", "uvloop", "httptools", "starlette", "sse-starlette", "orjson")

HOW_TO_READ = """\
## How to read it

- Each cell is the median of a few visits to fresh servers, one contender after the other in turns, so that a noisy
  minute falls on all of them. *spread* is the distance between our own best and worst visit, against the median.
- *x naive* and *x sse-starlette* say how many times better we are than that peer in the same run: 2 is twice the
  throughput, or half the memory, time or delay. Ratios hold better than absolute figures, which belong to the machine.
- A goal is a figure that the project set itself; *missed* is a figure to work on, and no failure of the run.
- One worker is pinned to one core, the viewers to another: raw sockets that count frames and parse nothing.
  What they can take from a peer that sends ready-made blocks stands above the tables.
- *naive Flask* is the helper that everyone writes: `json.dumps`, an f-string, `gevent.sleep`, on gunicorn's gevent
  worker. *sse-starlette* is an `EventSourceResponse` over an async generator, on uvicorn (its faster loop and parser,
  uvloop and httptools, where they are named above). *run* is the same generator as an operation,
  started by `POST /operations/NAME`, its event log in memory: what resume, sharing and linger cost. (For throughput a
  run's events are no `progress`, which may be merged and then not counted.)
- Processor time is that of the worker's process. It holds where throughput does not, on a machine that others use too.
- The delay runs from the making of an event in the generator to its arrival at the viewer. The lateness beside a stream
  that never waits is counted against the stream's timetable, as its producer may not get to make events at all.
- A worker that learns of a disconnect only by writing needs a heartbeat or two; in that row it is one of 5 seconds, and
  of 15 seconds everywhere else.
- Memory is the growth of the worker's resident set for each stream, processor share is over one heartbeat of each.
"""


class Results:
    """The values found so far, by figure and contender."""

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


def page(results: Results, ceiling: float, busy: float) -> str:
    """The whole page: the machine, the tables and how to read them."""
    about = "# Benchmarks\n\nWritten by `make bench`; `python -m bench --quick` prints shorter tables.\n\n"
    viewers = f"The viewers alone take at least {number(ceiling / 1e6)} million events/s.\n\n"
    return about + machine(busy) + "\n" + viewers + "\n".join(tables(results)) + "\n\n" + HOW_TO_READ


def tables(results: Results) -> Iterator[str]:
    """The lines of both tables."""
    yield "## `stream()` beside its peers\n"
    yield from table(results, STREAM, (NAIVE, SSE_STARLETTE))
    yield "\n## The same as a run\n"
    yield from table(results, RUN, (STREAM,))


def table(results: Results, ours: Contender, peers: Sequence[Contender]) -> Iterator[str]:
    """The lines of one table: a row for each figure of `ours`, with its peers, ratios, goal and verdict."""
    head = ["figure", ours.name, "spread", *(peer.name for peer in peers), *(f"x {peer.name}" for peer in peers)]
    yield row([*head, "goal", ""])
    yield "|---" + "|---:" * (len(head)) + "|---|"
    for key, figure in FIGURES.items():
        if (value := results.median(key, ours)) is None:
            continue
        others = [results.median(key, peer) for peer in peers]
        goal = figure.run_goal if ours.as_runs else figure.goal
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
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    """Three significant digits, no exponent; nothing for no value."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(figure: Figure, ours: float, other: float | None) -> str:
    """How many times better than the other we are."""
    if not ours or not other:
        return ""
    return number(ours / other if figure.more_is_better else other / ours)


def verdict(figure: Figure, value: float, goal: float | None) -> str:
    """Whether the goal was met, where there is one."""
    if goal is None:
        return ""
    return "met" if (value >= goal if figure.more_is_better else value <= goal) else "missed"


def machine(busy: float) -> str:
    """What it ran on, by kind; never by name."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return (
        f"Measured on {os.cpu_count()} cores ({model.partition(':')[2].strip()}), {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(installed())}; load average {busy:.1f} at the start."
    )


def installed() -> Iterator[str]:
    """Name and version of each package that a figure depends on."""
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
