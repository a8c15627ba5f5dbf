"""Takes the figures of `costs`, each of processes that are new: workers of one process, a Redis, an nginx.

Events are `event("item", ...)` of about 190 bytes. What a process takes is read from the kernel: its processor time to
the nanosecond, its resident memory; what Redis takes, from its `INFO`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from bench import load, report
from bench.load import Viewer, open_viewers, read_for
from bench.scale import celery, machines, ports
from bench.scale.costs import Costs
from bench.servers import LOAD_CORE, REDIS, RUN, SQLITE, Process, Server, get, store_in
from bench.workloads import HOST

SECONDS: Final = 8.0
IDLE_SECONDS: Final = 15.0
"""One heartbeat of each stream."""

MANY: Final = 1_000
"""Idle viewers."""

NGINX: Final = """
daemon off; master_process off; pid nginx.pid; error_log stderr; worker_rlimit_nofile 20000;
events { worker_connections 10000; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:%d;
        location / { proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""

Figures = dict[str, float]


class RedisServer:
    """A Redis that is measured."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client: Any = Redis.from_url(url)

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        info = self._client.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def counts(self) -> tuple[int, int]:
        """The commands so far, those inside of scripts too, and the bytes in and out."""
        commands = sum(row["calls"] for row in self._client.info("commandstats").values())
        stats = self._client.info("stats")
        return commands, int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])

    def memory(self) -> int:
        """Bytes of what it keeps."""
        return int(self._client.info("memory")["used_memory_dataset"])

    @property
    def version(self) -> str:
        """Its version."""
        return str(self._client.info("server")["redis_version"])

    @property
    def connections(self) -> int:
        """Connections that others have to it."""
        return len(self._client.client_list()) - 1


class Paced(NamedTuple):
    """What some streams took while they were read: microseconds of processor time an event, and the rest for one."""

    events: int
    workers: tuple[float, ...]
    redis: float
    redis_bytes: float
    commands: float
    network: float


@contextmanager
def workers(number: int) -> Iterator[tuple[RedisServer, list[Server]]]:
    """So many servers of one worker on one Redis."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-bench-"))
        url = stack.enter_context(store_in("redis", Path(folder)))
        yield RedisServer(url), [stack.enter_context(Server(REDIS, url)) for _ in range(number)]


def measure() -> Costs:
    """All of them."""
    os.sched_setaffinity(0, {LOAD_CORE})
    load.allow_descriptors()
    average = os.getloadavg()[0]
    figures: Figures = {}
    for part in (*PARTS, celery.figures):
        figures |= _tried(part)
    with workers(0) as (redis, _):
        machine = f"{report.machine(average).rstrip('.')}; Redis {redis.version}, {_nginx_version()}."
    return Costs(machine=machine, ports=ports.local_ports(), **figures)


def _tried(part: Callable[[], Figures], tries: int = 4) -> Figures:
    """The figures of a part. A busy machine may fail it: a store that is late is away, and starts are refused."""
    for left in reversed(range(tries)):
        print(part.__name__, flush=True)
        try:
            return part()
        except (RuntimeError, TimeoutError, OSError) as error:
            if not left:
                raise
            print(f"{error}; once more", flush=True)
    raise AssertionError("there is a last try")


def _nginx_version() -> str:
    reply = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True, env=_path())
    return reply.stderr.strip().rpartition(": ")[2].replace("/", " ")


def _path() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


# Viewers


def viewers() -> Figures:
    """Viewers of a run each, on the worker that produces it; 15 s of silence."""
    with workers(1) as (redis, (server,)):
        before = server.memory()
        request = server.request("quiet")
        open_ones = open_viewers(server.port, request, 50, wave=10)
        memory = server.memory()
        open_ones += open_viewers(server.port, request, MANY, wave=20)
        figures = {
            "worker_mb": before / 2**20,
            "viewer_and_run_kb": (server.memory() - memory) / MANY / 1024,
            "redis_connections": redis.connections,
        }
        _reset(open_ones)
        return figures


def shared_viewers() -> Figures:
    """Viewers of one run that another worker produces."""
    with workers(2) as (_, (one, other)):
        run = _start(one, "quiet", viewer=0, port=0)
        request = get(f"/runs/{run}/events")
        open_ones = open_viewers(other.port, request, 50, wave=10)
        memory, kernel, files = other.memory(), _slab(), Process(other.worker).files()
        open_ones += open_viewers(other.port, request, MANY, wave=20)
        figures = {
            "viewer_kb": (other.memory() - memory) / MANY / 1024,
            # Both ends of each connection are on this machine.
            "viewer_kernel_kb": max(0, _slab() - kernel) / MANY / 2 / 1024,
            "viewer_files": (Process(other.worker).files() - files) / MANY,
        }
        read_for(open_ones, 2.0)
        cpu, start = other.cpu(), time.monotonic()
        read_for(open_ones, IDLE_SECONDS)
        share = (other.cpu() - cpu) / (time.monotonic() - start)
        figures["viewer_idle_percent"] = share * 100 * 1000 / len(open_ones)
        _reset(open_ones)
        return figures


def _reset(open_ones: Sequence[Viewer]) -> None:
    for viewer in open_ones:
        viewer.reset()


def _slab() -> int:
    """Bytes of the kernel's own objects (proc(5), meminfo)."""
    row = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Slab:"))
    return int(row.split()[1]) * 1024


# Events


def paced(redis: RedisServer, servers: Sequence[Server], open_ones: Sequence[Viewer]) -> Paced:
    """What the streams take for some seconds."""
    read_for(open_ones, 2.0)
    cpus, cpu, memory = [server.cpu() for server in servers], redis.cpu(), redis.memory()
    commands, network = redis.counts()
    events = sum(viewer.count(block) for viewer, block in load.blocks(open_ones, SECONDS))
    cpus = [server.cpu() - before for server, before in zip(servers, cpus, strict=True)]
    cpu, memory = redis.cpu() - cpu, redis.memory() - memory
    commands_now, network_now = redis.counts()
    _reset(open_ones)
    return Paced(
        events,
        tuple(each / events * 1e6 for each in cpus),
        cpu / events * 1e6,
        memory / events,
        (commands_now - commands) / events,
        (network_now - network) / events,
    )


def _start(server: Server, operation: str, **options: float) -> str:
    """Starts a run that nobody watches yet; gives its id. A worker that is busy may refuse it at first."""
    reply: dict[str, str] = {}
    for _ in range(20):
        reply = orjson.loads(server.fetch("POST", f"/operations/{operation}", **options))
        if "id" in reply:
            return reply["id"]
        time.sleep(0.5)
    raise RuntimeError(f"no run is started: {reply}")


def here(streams: int, rate: float) -> Paced:
    """Streams of runs of their own."""
    with workers(1) as (redis, servers):
        request = servers[0].request("items", rate=rate)
        return in_time(lambda: paced(redis, servers, open_viewers(servers[0].port, request, streams)), streams * rate)


def elsewhere(streams: int, rate: float, operation: str = "items", *, at_limit: bool = False) -> Paced:
    """Runs of one worker, whose viewers are on another one; these two are `workers` of the result, in this order."""

    def once() -> Paced:
        with workers(2) as (redis, (one, other)):
            return paced(redis, (one, other), _viewers_elsewhere(one, other, streams, rate, operation))

    return once() if at_limit else in_time(once, streams * rate)


def in_time(measure: Callable[[], Paced], rate: float, tries: int = 3) -> Paced:
    """A measurement in which so many events a second came, or the one that was nearest to it.

    Workers that lag write more events at once, which is cheaper; and then catch up.
    """
    results = list[Paced]()
    for _ in range(tries):
        results.append(measure())
        if 0.9 < results[-1].events / SECONDS / rate < 1.1:
            return results[-1]
        print(f"{results[-1].events / SECONDS:.0f} events a second instead of {rate:.0f}", flush=True)
    return min(results, key=lambda result: abs(result.events - rate * SECONDS))


def _viewers_elsewhere(one: Server, other: Server, streams: int, rate: float, operation: str) -> list[Viewer]:
    runs = [_start(one, operation, rate=rate) for _ in range(streams)]
    return [Viewer(other.port, get(f"/runs/{run}/events")) for run in runs]


def events_here() -> Figures:
    """10 and 50 events a second."""
    slow, fast = here(100, 10), here(20, 50)
    return {"here_10_us": slow.workers[0], "here_50_us": fast.workers[0], "redis_here_us": fast.redis}


def events_elsewhere() -> Figures:
    """50 events a second on 20 runs, gathered and not; one event a second on 500 runs; and more than they can."""
    usual, gathered = elsewhere(20, 50), elsewhere(20, 50, "gathered")
    many, limit = elsewhere(500, 1), elsewhere(250, 50, at_limit=True)
    return {
        "host_us": usual.workers[0],
        "web_us": usual.workers[1],
        "redis_us": usual.redis,
        "redis_event_bytes": usual.redis_bytes,
        "redis_event_commands": usual.commands,
        "redis_event_network_bytes": usual.network,
        "gathered_host_us": gathered.workers[0],
        "gathered_web_us": gathered.workers[1],
        "gathered_redis_us": gathered.redis,
        "many_host_us": many.workers[0],
        "many_web_us": many.workers[1],
        "many_redis_us": many.redis,
        "limit_host_us": limit.workers[0],
        "limit_web_us": limit.workers[1],
        "limit_redis_us": limit.redis,
    }


def events_in_sqlite() -> Figures:
    """50 events a second on 20 runs, and what the file grows by."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
        with store_in("sqlite", Path(folder)) as url, Server(SQLITE, url) as server:
            open_ones = open_viewers(server.port, server.request("items", rate=50), 20)
            read_for(open_ones, 2.0)
            cpu = server.cpu()
            events = sum(viewer.count(block) for viewer, block in load.blocks(open_ones, SECONDS))
            cpu = server.cpu() - cpu
            total = sum(viewer.events for viewer in open_ones)
            _reset(open_ones)
        with closing(sqlite3.connect(f"{folder}/runs.db")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = (
                file.execute("PRAGMA page_count").fetchone()[0] - file.execute("PRAGMA freelist_count").fetchone()[0]
            )
            size = pages * file.execute("PRAGMA page_size").fetchone()[0]
    return {"sqlite_50_us": cpu / events * 1e6, "sqlite_event_bytes": size / total}


def fan_out(viewers: int = 1_000, rate: float = 10) -> Figures:
    """One run, and 1,000 viewers on another worker."""
    with workers(2) as (_, (one, other)):
        run = _start(one, "items", rate=rate)
        open_ones = open_viewers(other.port, get(f"/runs/{run}/events"), viewers, wave=20)
        read_for(open_ones, 2.0)
        cpu, events, size = other.cpu(), 0, 0
        for viewer, block in load.blocks(open_ones, SECONDS):
            events += viewer.count(block)
            size += len(block)
        cpu = other.cpu() - cpu
        _reset(open_ones)
    return {"fan_out_us": cpu / events * 1e6, "frame_bytes": size / events}


# Runs


def runs(seconds: float = 5.0) -> Figures:
    """Runs of ten events, eight at a time, from the request to the end."""
    with workers(1) as (redis, (server,)):
        request = server.request("pages", count=10)
        load.rate_of_streams(server.port, request, 8, 1.0)
        cpu, redis_cpu, memory = server.cpu(), redis.cpu(), redis.memory()
        _, ended = load.rate_of_streams(server.port, request, 8, seconds)
        return {
            "run_us": (server.cpu() - cpu) / ended * 1e6,
            "run_redis_us": (redis.cpu() - redis_cpu) / ended * 1e6,
            "run_redis_bytes": (redis.memory() - memory) / ended,
        }


def idle(number: int = 500) -> Figures:
    """Redis alone, two workers that do nothing, and silent runs of one of them."""
    with workers(2) as (redis, (one, _)):
        time.sleep(3)
        nothing = _shares(redis, one)
        for _ in range(number):
            _start(one, "quiet", viewer=0, port=0)
        time.sleep(3)
        silent = _shares(redis, one)
    with workers(0) as (redis, _):
        cpu = redis.cpu()
        time.sleep(SECONDS)
        alone = (redis.cpu() - cpu) / SECONDS * 100
    return {
        "idle_worker_redis_percent": max(0.0, nothing[0] - alone) / 2,
        "idle_run_redis_percent": max(0.0, silent[0] - nothing[0]) * 1000 / number,
        "idle_run_percent": max(0.0, silent[1] - nothing[1]) * 1000 / number,
    }


def _shares(redis: RedisServer, server: Server) -> tuple[float, float]:
    """The shares of a core in percent that Redis and a worker take."""
    cpus, start = (redis.cpu(), server.cpu()), time.monotonic()
    time.sleep(SECONDS)
    seconds = time.monotonic() - start
    return (redis.cpu() - cpus[0]) / seconds * 100, (server.cpu() - cpus[1]) / seconds * 100


# The proxy


class Nginx(Process):
    """An nginx of one process on a port."""

    def __init__(self, pid: int, port: int) -> None:
        super().__init__(pid)
        self.port = port


@contextmanager
def nginx(upstream: int) -> Iterator[Nginx]:
    """An nginx in front of the server on this port."""
    with closing(socket.create_server((HOST, 0))) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
        (Path(folder) / "nginx.conf").write_text(NGINX % (port, upstream))
        command = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"]
        process = subprocess.Popen(command, env=_path(), stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield Nginx(process.pid, port)
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    """Waits until a server listens there. Raises `TimeoutError`."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def check() -> Figures:
    """All tiers at once: the workloads of `machines.CHECK`, producers on one worker, viewers on another, over nginx."""
    with workers(2) as (redis, (one, other)), nginx(other.port) as proxy:
        open_ones: list[Viewer] = []
        for workload, viewers in machines.CHECK:
            runs = round(viewers / workload.viewers_per_run)
            working = round(workload.runs(viewers))
            ids = [_start(one, "items", rate=workload.rate) for _ in range(working)]
            ids += [_start(one, "quiet", viewer=0, port=0) for _ in range(runs - working)]
            open_ones += [Viewer(proxy.port, get(f"/runs/{run}/events")) for run in ids * workload.viewers_per_run]
        read_for(open_ones, 3.0)
        parts: dict[str, Server | RedisServer | Nginx] = {"web": other, "host": one, "redis": redis, "nginx": proxy}
        cpus, start = {name: part.cpu() for name, part in parts.items()}, time.monotonic()
        read_for(open_ones, IDLE_SECONDS)
        seconds = time.monotonic() - start
        _reset(open_ones)
        return {f"check_{name}_percent": (part.cpu() - cpus[name]) / seconds * 100 for name, part in parts.items()}


def proxy() -> Figures:
    """Streams through nginx: 20 of 50 events a second, and idle ones."""
    with Server(RUN) as server, nginx(server.port) as proxy:
        open_ones = open_viewers(proxy.port, server.request("items", rate=50), 20)
        read_for(open_ones, 2.0)
        cpu = proxy.cpu()
        events = sum(viewer.count(block) for viewer, block in load.blocks(open_ones, SECONDS))
        cpu = proxy.cpu() - cpu
        _reset(open_ones)
        open_ones = open_viewers(proxy.port, server.request("quiet"), 50)
        memory = proxy.memory()
        open_ones += open_viewers(proxy.port, server.request("quiet"), MANY, wave=20)
        memory = proxy.memory() - memory
        _reset(open_ones)
    return {"nginx_us": cpu / events * 1e6, "nginx_viewer_kb": memory / MANY / 1024}


PARTS: Final = (
    viewers,
    shared_viewers,
    events_here,
    events_elsewhere,
    events_in_sqlite,
    fan_out,
    runs,
    idle,
    proxy,
    check,
)
"""Each gives some of the figures."""
