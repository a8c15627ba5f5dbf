"""What is measured: each measurement takes a fresh server and gives one or more figures of it.

A new row is a function from a server to figures, a `Figure` for each of them, and one entry in `MEASUREMENTS`.
"""

import json
import math
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import load
from bench.load import Viewer, blocks, delays, first_event, open_viewers, wait_for_event
from bench.servers import HOST, NAIVE, RUN, SSE_STARLETTE, STREAM, Contender, Server, get, in_front_of

Figures = dict[str, float]

PACE = 50.0
HEARTBEAT = 15.0
SHORT_HEARTBEAT = 5.0


@dataclass(frozen=True)
class Figure:
    """One row of the table; the goals are those of `stream()` and of a run, where there is one."""

    title: str
    unit: str
    goal: float | None = None
    run_goal: float | None = None
    more_is_better: bool = False


@dataclass(frozen=True)
class Measurement:
    """One visit to a server, how often it is paid, and to whom."""

    name: str
    measure: Callable[[Server], Figures]
    contenders: Sequence[Contender]
    repeat: int = 3
    quick: bool = True


FIGURES = {
    "rate 1": Figure("throughput, 1 stream", "k events/s", 400, 300, more_is_better=True),
    "rate cpu 1": Figure("processor time a million events, the same stream", "s"),
    "rate 100": Figure("throughput, 100 streams", "k events/s", 400, 300, more_is_better=True),
    "rate cpu 100": Figure("processor time a million events, the same streams", "s"),
    "delay p50": Figure("delivery delay p50, 200 streams of 50 events/s", "ms", 0.1),
    "delay p99": Figure("delivery delay p99, 200 streams of 50 events/s", "ms"),
    "delay cpu": Figure("processor time a million events, the same streams", "s", 30),
    "idle memory 2000": Figure("memory of an idle stream, 2,000 open", "KB", 15, 20),
    "idle cpu 2000": Figure("processor share, 2,000 idle streams", "%"),
    "idle memory 10000": Figure("memory of an idle stream, 10,000 open", "KB", 15, 20),
    "idle cpu 10000": Figure("processor share, 10,000 idle streams", "%", 1.5),
    "first event": Figure("first event on a fresh connection", "ms", 0.45, 1),
    "stop close": Figure("from a client's close to stopped work, silent producer", "ms", 1),
    "stop reset": Figure("from a client's reset to stopped work, silent producer", "ms", 1),
    "fan-out": Figure(
        "fan-out of one run, 1,000 offered to 1,000 viewers", "k frames/s", None, 500, more_is_better=True
    ),
    "added delay": Figure("delay p50 that a relay (a gateway) adds, 1 stream of 50 events/s", "ms", 1, 1),
    "passed memory": Figure("growth of a relay over a million events", "MB", 5),
    "passed rate": Figure("throughput through a relay, 1 stream", "k events/s", more_is_better=True),
    "passed cpu": Figure("processor time a million events, the relay's own", "s"),
    "beside p99": Figure("lateness p99 of a paced stream beside one that never waits", "ms", 20),
}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not pass (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def throughput(streams: int, seconds: float = 1.5) -> Callable[[Server], Figures]:
    """Finite streams that never wait, all asked for at once: they need not take turns for the figure to be fair."""

    def measure(server: Server) -> Figures:
        def run(count: int) -> float:
            return load.rate(server.port, server.request("pages", count=count), streams, expected=count * streams)

        count = int(run(20_000 // streams) * seconds / streams)
        cpu = server.cpu()
        rate = run(count) / 1000
        cpu = server.cpu() - cpu
        return {f"rate {streams}": rate, f"rate cpu {streams}": cpu / (count * streams) * 1e6}

    return measure


def delivery(server: Server, streams: int = 200, seconds: float = 4.0) -> Figures:
    """Delay from the sending of an event to its arrival, and what the worker spends on it."""
    viewers = open_viewers(server.port, server.request("paced", rate=PACE), streams)
    cpu = server.cpu()
    found = delays(viewers, seconds)
    cpu = server.cpu() - cpu
    if len(found) < 0.9 * streams * PACE * seconds:
        raise RuntimeError(f"{server.contender.name} sent {len(found)} paced events in {seconds} s")
    return {
        "delay p50": percentile(found, 0.5),
        "delay p99": percentile(found, 0.99),
        "delay cpu": cpu / len(found) * 1e6,
    }


def idle(streams: int) -> Callable[[Server], Figures]:
    """Growth of the worker for each open stream, and its processor share over one heartbeat of every stream."""

    def measure(server: Server) -> Figures:
        request = server.request("quiet", viewer=0, tell=0, heartbeat=HEARTBEAT)
        viewers = open_viewers(server.port, request, 50)
        memory = server.memory()
        viewers += open_viewers(server.port, request, streams)
        memory = server.memory() - memory
        settle(viewers, 1.0)
        cpu = server.cpu()
        settle(viewers, HEARTBEAT)
        cpu = server.cpu() - cpu
        for viewer in viewers:
            viewer.reset()
        return {f"idle memory {streams}": memory / streams / 1024, f"idle cpu {streams}": cpu / HEARTBEAT * 100}

    return measure


def settle(viewers: Sequence[Viewer], seconds: float) -> None:
    """Reads and forgets what arrives for `seconds`."""
    for _ in blocks(viewers, seconds):
        pass


def time_to_first(server: Server, connections: int = 200) -> Figures:
    """Fresh connections, one after another."""
    request = server.request("pages", count=1)
    for _ in range(20):
        first_event(server.port, request)
    return {"first event": statistics.median(first_event(server.port, request) for _ in range(connections))}


def stopping(server: Server, viewers: int = 10) -> Figures:
    """Viewers of silent producers leave soon after the first event; each producer's `finally` tells its time.

    The heartbeat is of 5 seconds here, because a server that learns of a disconnect by writing waits for one or two.
    """
    return {
        "stop close": statistics.median(stopped_after(server, viewers, Viewer.close)),
        "stop reset": statistics.median(stopped_after(server, viewers, Viewer.reset)),
    }


def stopped_after(server: Server, count: int, leave: Callable[[Viewer], None]) -> list[float]:
    """Milliseconds from each viewer's going until its producer had stopped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
        told.bind((HOST, 0))
        told.settimeout(4 * SHORT_HEARTBEAT)
        options = {"tell": told.getsockname()[1], "heartbeat": SHORT_HEARTBEAT}
        viewers = [Viewer(server.port, server.request("quiet", viewer=n, **options)) for n in range(count)]
        settle(viewers, 0.3)  # a close with unread bytes would be a reset
        left: list[int] = []
        stopped: dict[int, int] = {}
        for viewer in viewers:
            left.append(time.monotonic_ns())
            leave(viewer)
            time.sleep(0.01)
        while len(stopped) < count:
            number, when = map(int, told.recv(64).split())
            stopped[number] = when
    return [(stopped[n] - left[n]) / 1e6 for n in range(count)]


def beside_greedy(server: Server, seconds: float = 3.0) -> Figures:
    """How late a paced stream's events arrive, by its own timetable, while another stream never waits.

    An event that has not come when the time is over counts as late as that.
    """
    paced = open_viewers(server.port, server.request("paced", rate=PACE), 1)[0]
    first, seen = time.monotonic(), paced.events
    greedy = Viewer(server.port, server.request("pages", count=10**9))
    began = time.monotonic()
    arrivals = [0.0] * seen
    for viewer, block in blocks([paced, greedy], seconds):
        if viewer is paced:
            arrivals += [time.monotonic()] * paced.count(block)
    end = time.monotonic()
    greedy.reset()
    due = [(number, first + (number - seen + 1) / PACE) for number in range(seen, seen + int((end - first) * PACE))]
    arrivals += [end] * len(due)
    late = [arrivals[number] - when for number, when in due if when >= began]
    return {"beside p99": percentile(late, 0.99) * 1000}


def fan_out(server: Server, viewers: int = 1_000, tokens: float = 1_000, seconds: float = 3.0) -> Figures:
    """One run of 1,000 tokens a second: every frame that reaches a viewer counts, a million a second at the most."""
    run = json.loads(server.ask("POST", "/operations/tokens", rate=tokens))["id"]
    watching = open_viewers(server.port, get(f"/runs/{run}/events"), viewers)
    server.ask("GET", "/gate")
    wait_for_event(watching)
    frames = sum(viewer.count(block) for viewer, block in blocks(watching, seconds))
    return {"fan-out": frames / seconds / 1000}


def passing_on(server: Server, seconds: float = 4.0) -> Figures:
    """What a relay (for `stream()`) or a gateway (for a run) adds to the delay of the server that it stands before.

    Both servers share a core, so it is one stream: the events of several would wait for each other.
    """
    with Server(in_front_of(server, as_runs=server.contender.as_runs)) as between:
        medians = []
        for way in (server, between):
            viewers = open_viewers(way.port, way.request("paced", rate=PACE), 1)
            medians.append(percentile(delays(viewers, seconds), 0.5))
            for viewer in viewers:
                viewer.reset()
    return {"added delay": medians[1] - medians[0]}


def a_million(server: Server, count: int = 1_000_000) -> Figures:
    """Growth of a relay over a million events; a first hundred thousand fill its buffers."""
    with Server(in_front_of(server, as_runs=False)) as between:
        load.rate(between.port, between.request("pages", count=count // 10), 1, expected=count // 10)
        memory, cpu = between.memory(), between.cpu()
        rate = load.rate(between.port, between.request("pages", count=count), 1, expected=count)
        return {
            "passed memory": (between.memory() - memory) / 2**20,
            "passed rate": rate / 1000,
            "passed cpu": (between.cpu() - cpu) / count * 1e6,
        }


PEERS = (STREAM, NAIVE, SSE_STARLETTE)
ALL = (*PEERS, RUN)

MEASUREMENTS = (
    Measurement("throughput, 1 stream", throughput(1), ALL),
    Measurement("throughput, 100 streams", throughput(100), ALL),
    Measurement("delivery", delivery, ALL),
    Measurement("first event", time_to_first, ALL),
    Measurement("disconnect", stopping, ALL, repeat=2),
    Measurement("beside a greedy stream", beside_greedy, ALL),
    Measurement("fan-out", fan_out, (RUN,)),
    Measurement("gateway delay", passing_on, (STREAM, RUN)),
    Measurement("gateway memory", a_million, (STREAM,), repeat=1, quick=False),
    Measurement("2,000 idle streams", idle(2_000), ALL, repeat=1),
    Measurement("10,000 idle streams", idle(10_000), PEERS, repeat=2, quick=False),
)
