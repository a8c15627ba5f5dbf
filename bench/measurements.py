"""What is measured: each measurement takes a fresh server and returns one or more figures.

To add a row, write a function from a server to figures, a `Figure` for each of them, and an entry in `MEASUREMENTS`.
"""

import json
import math
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import load
from bench.load import Viewer, open_viewers, read_for
from bench.servers import NAIVE, REDIS, RUN, SQLITE, SSE_STARLETTE, STREAM, Contender, Server, get, in_front_of
from bench.workloads import HOST

Figures = dict[str, float]

PACE = 50.0
HEARTBEAT = 15.0
SHORT_HEARTBEAT = 5.0


@dataclass(frozen=True)
class Figure:
    """One row of the table, with the goals of `stream()` and of a run, where there are any."""

    title: str
    unit: str
    goal: float | None = None
    run_goal: float | None = None
    more_is_better: bool = False


@dataclass(frozen=True)
class Measurement:
    """What to measure, with which contenders, and how often."""

    name: str
    measure: Callable[[Server], Figures]
    contenders: Sequence[Contender]
    repeat: int = 3
    quick: bool = True


FIGURES = {
    "rate 1": Figure("throughput, 1 stream", "k events/s", 400, 300, more_is_better=True),
    "rate cpu 1": Figure("CPU time per million events, the same stream", "s"),
    "html cpu": Figure("CPU time per million progress events as HTML (`view=html`), 1 stream", "s"),
    "json cpu": Figure("CPU time per million of them as JSON", "s"),
    "rate 100": Figure("throughput, 100 streams", "k events/s", 400, 300, more_is_better=True),
    "rate cpu 100": Figure("CPU time per million events, the same streams", "s"),
    "paced p50": Figure("delivery delay p50, 200 streams of 50 `progress()` events/s", "ms", 0.1),
    "paced p99": Figure("delivery delay p99, the same streams", "ms"),
    "paced cpu": Figure("CPU time per million events, the same streams", "s", 30),
    "items p50": Figure("delivery delay p50, 200 streams of 50 `event()` events/s", "ms", 0.1),
    "items p99": Figure("delivery delay p99, the same streams", "ms"),
    "items cpu": Figure("CPU time per million events, the same streams", "s", 30),
    "idle memory 2000": Figure("memory of an idle stream, 2,000 open", "KB", 15, 20),
    "idle cpu 2000": Figure("CPU use, 2,000 idle streams", "%"),
    "idle memory 10000": Figure("memory of an idle stream, 10,000 open", "KB", 15, 20),
    "idle cpu 10000": Figure("CPU use, 10,000 idle streams", "%", 1.5),
    "first event": Figure("first event on a new connection", "ms", 0.45, 1),
    "small": Figure("streams of ten events, 8 viewers one after another", "streams/s", more_is_better=True),
    "small cpu": Figure("CPU time per thousand of them", "s"),
    "fresh": Figure("streams of one event on new connections, 100 at once", "streams/s", more_is_better=True),
    "fresh cpu": Figure("CPU time per thousand of them", "s"),
    "stop close": Figure("from a client's close to stopped work, silent producer", "ms", 1),
    "stop reset": Figure("from a client's reset to stopped work, silent producer", "ms", 1),
    "fan-out": Figure(
        "fan-out of one run, 1,000 events/s to 1,000 viewers", "k frames/s", None, 500, more_is_better=True
    ),
    "relay delay": Figure("delay p50 that a relay (a gateway) adds, 1 stream of 50 events/s", "ms", 1, 1),
    "relay memory": Figure("memory growth of a relay over a million events", "MB", 5),
    "relay rate": Figure("throughput through a relay, 1 stream", "k events/s", more_is_better=True),
    "relay cpu": Figure("CPU time per million events, the relay alone", "s"),
    "fairness": Figure("lateness p99 of a paced stream beside one that never waits", "ms", 20),
}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def throughput(streams: int, seconds: float = 1.5) -> Callable[[Server], Figures]:
    """Finite streams that never wait, all requested at once; the figure is fair even if they do not take turns."""

    def measure(server: Server) -> Figures:
        def run(count: int) -> float:
            return load.rate(server.port, server.request("pages", count=count), streams, expected=count * streams)

        count = int(run(20_000 // streams) * seconds / streams)
        cpu = server.cpu()
        rate = run(count) / 1000
        cpu = server.cpu() - cpu
        return {f"rate {streams}": rate, f"rate cpu {streams}": cpu / (count * streams) * 1e6}

    return measure


def rendered(server: Server, count: int = 20_000) -> Figures:
    """What an event costs that a template of Headway's renders, beside the same one as JSON."""

    def cpu(view: str) -> float:
        request = get(f"/pages?count={count}{view}")
        load.rate(server.port, request, 1, expected=count)  # the template is compiled
        before = server.cpu()
        load.rate(server.port, request, 1, expected=count)
        return (server.cpu() - before) / count * 1e6

    return {"html cpu": cpu("&view=html"), "json cpu": cpu("")}


def delivery(workload: str, streams: int = 200, seconds: float = 4.0) -> Callable[[Server], Figures]:
    """The delay from the sending of an event to its arrival, and the CPU time of the worker."""

    def measure(server: Server) -> Figures:
        cpu, delays = load.paced(server.port, server.request(workload, rate=PACE), streams, PACE, seconds, server.cpu)
        return {
            f"{workload} p50": percentile(delays, 0.5),
            f"{workload} p99": percentile(delays, 0.99),
            f"{workload} cpu": cpu / len(delays) * 1e6,
        }

    return measure


def idle(streams: int) -> Callable[[Server], Figures]:
    """The memory growth of the worker per open stream, and its CPU use over one heartbeat of every stream."""

    def measure(server: Server) -> Figures:
        request = server.request("quiet", viewer=0, port=0, heartbeat=HEARTBEAT)
        viewers = open_viewers(server.port, request, 50)
        memory = server.memory()
        viewers += open_viewers(server.port, request, streams)
        memory = server.memory() - memory
        read_for(viewers, 1.0)
        cpu = server.cpu()
        read_for(viewers, HEARTBEAT)
        cpu = server.cpu() - cpu
        for viewer in viewers:
            viewer.reset()
        return {f"idle memory {streams}": memory / streams / 1024, f"idle cpu {streams}": cpu / HEARTBEAT * 100}

    return measure


def first_event(server: Server, connections: int = 200) -> Figures:
    """New connections, one after another."""
    request = server.request("pages", count=1)
    for _ in range(20):
        load.time_to_first_event(server.port, request)
    times = [load.time_to_first_event(server.port, request) for _ in range(connections)]
    return {"first event": statistics.median(times)}


def connections(name: str, viewers: int, events: int, seconds: float = 3.0) -> Callable[[Server], Figures]:
    """Short streams, each on a new connection; each of `viewers` opens one as soon as its last one has ended."""

    def measure(server: Server) -> Figures:
        request = server.request("pages", count=events)
        load.rate_of_streams(server.port, request, viewers, 0.5)
        cpu = server.cpu()
        rate, ended = load.rate_of_streams(server.port, request, viewers, seconds)
        return {name: rate, f"{name} cpu": (server.cpu() - cpu) / ended * 1000}

    return measure


def disconnect(server: Server, viewers: int = 10) -> Figures:
    """Viewers of silent producers leave soon after the first event; each producer's `finally` reports its time.

    The heartbeat is 5 seconds, because a server that notices a disconnect only when it writes needs one or two.
    """
    return {
        "stop close": statistics.median(stop_times(server, viewers, Viewer.close)),
        "stop reset": statistics.median(stop_times(server, viewers, Viewer.reset)),
    }


def stop_times(server: Server, count: int, leave: Callable[[Viewer], None]) -> list[float]:
    """The milliseconds from the moment when each viewer leaves to that when its producer has stopped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reports:
        reports.bind((HOST, 0))
        reports.settimeout(4 * SHORT_HEARTBEAT)
        options = {"port": reports.getsockname()[1], "heartbeat": SHORT_HEARTBEAT}
        viewers = [Viewer(server.port, server.request("quiet", viewer=n, **options)) for n in range(count)]
        read_for(viewers, 0.3)  # closing with unread bytes would send a reset
        left_at: list[int] = []
        stopped_at: dict[int, int] = {}
        for viewer in viewers:
            left_at.append(time.monotonic_ns())
            leave(viewer)
            time.sleep(0.01)
        while len(stopped_at) < count:
            number, when = map(int, reports.recv(64).split())
            stopped_at[number] = when
    return [(stopped_at[n] - left_at[n]) / 1e6 for n in range(count)]


def fairness(server: Server, seconds: float = 3.0) -> Figures:
    """How late the events of a paced stream arrive while another stream never waits.

    They are late against the timetable of the stream; an event that has not arrived at the end counts until then.
    """
    paced = open_viewers(server.port, server.request("paced", rate=PACE), 1)[0]
    first_at, first = time.monotonic(), paced.events
    greedy = Viewer(server.port, server.request("pages", count=10**9))
    start = time.monotonic()
    arrivals = [0.0] * first
    for viewer, block in load.blocks([paced, greedy], seconds):
        if viewer is paced:
            arrivals += [time.monotonic()] * paced.count(block)
    end = time.monotonic()
    greedy.reset()
    last = first + int((end - first_at) * PACE)
    deadlines = [(number, first_at + (number - first + 1) / PACE) for number in range(first, last)]
    arrivals += [end] * len(deadlines)
    lateness = [arrivals[number] - deadline for number, deadline in deadlines if deadline >= start]
    return {"fairness": percentile(lateness, 0.99) * 1000}


def fan_out(server: Server, viewers: int = 1_000, tokens: float = 1_000, seconds: float = 3.0) -> Figures:
    """One run of 1,000 tokens a second: every frame that reaches a viewer counts, at most a million a second."""
    run = json.loads(server.fetch("POST", "/operations/tokens", rate=tokens))["id"]
    watching = open_viewers(server.port, get(f"/runs/{run}/events"), viewers)
    server.fetch("GET", "/gate")
    load.wait_for_event(watching)
    frames = sum(viewer.count(block) for viewer, block in load.blocks(watching, seconds))
    return {"fan-out": frames / seconds / 1000}


def relay_delay(server: Server, seconds: float = 4.0) -> Figures:
    """The delay that a relay (for `stream()`) or a gateway (for a run) adds to that of the server behind it.

    Both servers share a core, so there is one stream: the events of several would wait for each other.
    """
    with Server(in_front_of(server, as_runs=server.contender.as_runs)) as relay:
        medians = []
        for target in (server, relay):
            viewers = open_viewers(target.port, target.request("paced", rate=PACE), 1)
            medians.append(percentile(load.delays(viewers, seconds), 0.5))
            for viewer in viewers:
                viewer.reset()
    return {"relay delay": medians[1] - medians[0]}


def relay_memory(server: Server, count: int = 1_000_000) -> Figures:
    """The memory growth of a relay over a million events, after a hundred thousand that fill its buffers."""
    with Server(in_front_of(server, as_runs=False)) as relay:
        load.rate(relay.port, relay.request("pages", count=count // 10), 1, expected=count // 10)
        memory, cpu = relay.memory(), relay.cpu()
        rate = load.rate(relay.port, relay.request("pages", count=count), 1, expected=count)
        return {
            "relay memory": (relay.memory() - memory) / 2**20,
            "relay rate": rate / 1000,
            "relay cpu": (relay.cpu() - cpu) / count * 1e6,
        }


PEERS = (STREAM, NAIVE, SSE_STARLETTE)
ALL = (*PEERS, RUN)
STORES = (SQLITE, REDIS)
CONTENDERS = (*ALL, *STORES)

MEASUREMENTS = (
    Measurement("throughput, 1 stream", throughput(1), CONTENDERS),
    Measurement("throughput, 100 streams", throughput(100), CONTENDERS),
    Measurement("a rendered event", rendered, (STREAM,)),
    Measurement("delivery of progress()", delivery("paced"), CONTENDERS),
    Measurement("delivery of event()", delivery("items"), CONTENDERS),
    Measurement("first event", first_event, CONTENDERS),
    Measurement("small streams", connections("small", viewers=8, events=10), CONTENDERS),
    Measurement("fresh connections", connections("fresh", viewers=100, events=1), CONTENDERS),
    Measurement("disconnect", disconnect, ALL, repeat=2),
    Measurement("fairness", fairness, ALL),
    Measurement("fan-out", fan_out, (RUN, *STORES)),
    Measurement("relay delay", relay_delay, (STREAM, RUN)),
    Measurement("relay memory", relay_memory, (STREAM,), repeat=1, quick=False),
    Measurement("2,000 idle streams", idle(2_000), ALL, repeat=1),
    Measurement("10,000 idle streams", idle(10_000), ALL, repeat=2, quick=False),
)
