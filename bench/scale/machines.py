"""The calculation: what so many viewers of a workload take of each tier, and what runs out first.

It multiplies what `costs` has for one viewer, run and event. It knows nothing of the work of an operation itself, of
TLS, and of what a network adds between machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bench.scale.costs import Costs

STREAMS: Final = 10_000
"""`HEADWAY_MAX_STREAMS`, of a web worker."""

FILES: Final = 65_536
"""Descriptors of a worker (`gunicorn.conf.py`)."""

STORE_BYTES: Final = 2**30
"""`HEADWAY_STORE_BYTES`."""

RETENTION: Final = 3600.0
CONNECTIONS: Final = 10_000
"""`maxclients` of Redis."""

PACKET_BYTES: Final = 66
"""Headers of Ethernet, IP and TCP with timestamps; each event is a packet of its own."""

CORES: Final = 16
MEMORY_KB: Final = 64 * 2**20
NETWORK: Final = 1.25e9
"""Bytes a second of a machine: 10 Gbit/s."""

SHARE: Final = 0.6
"""How much of a core, of a thread and of a network is planned for; the rest is for bursts, and for what others lose."""


@dataclass(frozen=True)
class Workload:
    """What viewers watch: `rate` events a second for `seconds` on each run that is `working`; the others are queued."""

    name: str
    rate: float
    seconds: float
    viewers_per_run: int = 1
    working: float = 1.0
    gathered: bool = False
    """Whether events are written ten times a second (`flush=0.1`), and not one by one."""
    together: bool = False
    """Whether the proxy sends all viewers of a run to the same web worker."""

    def runs(self, viewers: int) -> float:
        """The runs at work while so many watch."""
        return viewers / self.viewers_per_run * self.working

    def starts(self, viewers: int) -> float:
        """The runs that begin in a second, where as many end."""
        return self.runs(viewers) / self.seconds


CHAT: Final = Workload("chat", rate=50, seconds=20)
DOCUMENTS: Final = Workload("documents", rate=2, seconds=30, working=0.1)
BROADCAST: Final = Workload("broadcast", rate=10, seconds=3600, viewers_per_run=1_000)
WORKLOADS: Final = (
    CHAT,
    replace(CHAT, name="chat, `flush=0.1`", gathered=True),
    DOCUMENTS,
    BROADCAST,
    replace(BROADCAST, name="broadcast, a run's viewers together", together=True),
)
CHECK: Final = (
    (replace(CHAT, seconds=math.inf), 20),
    (replace(DOCUMENTS, seconds=math.inf), 200),
    (replace(BROADCAST, seconds=math.inf, viewers_per_run=200), 200),
)
"""Workloads and their viewers that are measured all at once; none of their runs begins or ends meanwhile."""

SIZES: Final = (1_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Limit:
    """Something of which a tier needs `needed`, and one process, or one machine, has `one`."""

    what: str
    needed: float
    one: float

    @property
    def number(self) -> float:
        """How many processes or machines have as much."""
        return self.needed / self.one


@dataclass(frozen=True)
class Tier:
    """What a tier needs; a `unit` is a process, a Redis or a machine."""

    name: str
    limits: tuple[Limit, ...]

    @property
    def breaks(self) -> Limit:
        """What runs out first."""
        return max(self.limits, key=lambda limit: limit.number)

    @property
    def units(self) -> int:
        """How many are needed."""
        return max(1, math.ceil(self.breaks.number - 1e-9))


@dataclass(frozen=True)
class Plan:
    """The tiers for so many viewers of a workload."""

    workload: Workload
    viewers: int
    web: Tier
    hosts: Tier
    redis: Tier
    proxy: Tier
    kept: float
    """Seconds for which a finished run is still kept, with the store bytes of the setting on each Redis."""

    @property
    def machines(self) -> int:
        """Machines of `CORES` cores: a worker has a core, a Redis two with what the kernel does for it."""
        cores = (self.web.units, self.hosts.units, 2 * self.redis.units)
        return sum(math.ceil(each / CORES) for each in cores) + self.proxy.units


def plan(workload: Workload, viewers: int, costs: Costs) -> Plan:
    """What a workload takes, with the producers in workers of their own, all on one kind of machine."""
    web, readers = web_tier(workload, viewers, costs, 1), 1.0
    for _ in range(20):  # how often an event is read depends on the number of web workers, and that on how often
        readers = 1.0 if workload.together else min(float(workload.viewers_per_run), float(web.units))
        web = web_tier(workload, viewers, costs, readers)
    hosts = host_tier(workload, viewers, costs)
    redis = redis_tier(workload, viewers, costs, readers, web.units + hosts.units)
    live, finished = store_bytes(workload, viewers, costs)
    room = max(0.0, STORE_BYTES * redis.units - live)
    kept = min(RETENTION, room / finished) if finished else RETENTION
    proxy = proxy_tier(workload, viewers, costs, math.ceil(web.units / CORES))
    return Plan(workload, viewers, web, hosts, redis, proxy, kept)


def web_tier(workload: Workload, viewers: int, costs: Costs, readers: float) -> Tier:
    """The web workers. An event is read by `readers` of them; each sends it to its own viewers."""
    runs = workload.runs(viewers)
    reads = runs * workload.rate * readers
    frames = viewers * workload.working * workload.rate
    first = costs.gathered_web_us if workload.gathered else costs.web_us
    micros = reads * first + max(0.0, frames - reads) * costs.fan_out_us
    micros += workload.starts(viewers) * costs.run_us
    micros += viewers / 1000 * costs.viewer_idle_percent * 1e4
    viewer_kb = costs.viewer_and_run_kb if workload.viewers_per_run == 1 else costs.viewer_kb
    memory = MEMORY_KB / CORES - costs.worker_mb * 1024
    return Tier(
        "web worker",
        (
            Limit("processor", micros, 1e6 * SHARE),
            Limit("streams (`HEADWAY_MAX_STREAMS`)", viewers, STREAMS),
            Limit("memory", viewers * (viewer_kb + costs.viewer_kernel_kb), memory * SHARE),
            Limit("descriptors", viewers * costs.viewer_files, FILES),
        ),
    )


def host_tier(workload: Workload, viewers: int, costs: Costs) -> Tier:
    """The workers that produce: their part of each event, without the work of the operation."""
    runs = workload.runs(viewers)
    event = costs.celery_us or costs.host_us
    if workload.gathered:
        event *= costs.gathered_host_us / costs.host_us
    micros = runs * workload.rate * event + workload.starts(viewers) * (costs.celery_run_us or costs.run_us)
    micros += runs / 1000 * costs.idle_run_percent * 1e4
    run_kb = costs.celery_run_kb or costs.viewer_and_run_kb - costs.viewer_kb
    memory = MEMORY_KB / CORES - (costs.celery_mb or costs.worker_mb) * 1024
    return Tier(
        "Celery worker",
        (
            Limit("processor", micros, 1e6 * SHARE),
            Limit("memory", runs * run_kb, memory * SHARE),
        ),
    )


def redis_tier(workload: Workload, viewers: int, costs: Costs, readers: float, workers: int) -> Tier:
    """The Redis that keeps the runs: an event is written once and read by each worker that has viewers of its run."""
    runs = workload.runs(viewers)
    written = costs.redis_here_us
    both = costs.gathered_redis_us if workload.gathered else costs.redis_us
    read = max(both - written, both / 4)
    micros = runs * workload.rate * (both + (readers - 1) * read)
    micros += workload.starts(viewers) * costs.run_redis_us
    micros += (runs / 1000 * costs.idle_run_redis_percent + workers * costs.idle_worker_redis_percent) * 1e4
    network = runs * workload.rate * costs.redis_event_network_bytes * (1 + readers) / 2
    live, _ = store_bytes(workload, viewers, costs)
    return Tier(
        "Redis",
        (
            Limit("its one thread", micros, 1e6 * SHARE),
            Limit("bytes of live runs (`HEADWAY_STORE_BYTES`)", live, STORE_BYTES),
            Limit("network", network, NETWORK * SHARE),
            Limit("connections (`maxclients`)", workers * costs.redis_connections, CONNECTIONS),
        ),
    )


def store_bytes(workload: Workload, viewers: int, costs: Costs) -> tuple[float, float]:
    """What live runs take on average, half of whose events have come, and what a second adds of finished ones."""
    events = workload.rate * workload.seconds * costs.redis_event_bytes
    runs = workload.runs(viewers)
    queued = viewers / workload.viewers_per_run - runs
    live = runs * (costs.run_redis_bytes + events / 2) + queued * costs.run_redis_bytes
    return live, workload.starts(viewers) * (costs.run_redis_bytes + events)


def proxy_tier(workload: Workload, viewers: int, costs: Costs, upstreams: int) -> Tier:
    """The machines with nginx, on all their cores, in front of so many addresses: one for each machine of workers."""
    frames = viewers * workload.working * workload.rate
    return Tier(
        "nginx machine",
        (
            Limit("processor", frames * costs.nginx_us, 1e6 * SHARE * CORES),
            Limit("network", frames * (costs.frame_bytes + PACKET_BYTES) * 2, NETWORK * SHARE),
            Limit("memory", viewers * (costs.nginx_viewer_kb + 2 * costs.viewer_kernel_kb), MEMORY_KB * SHARE),
            Limit("ports to one upstream address", viewers, costs.ports * upstreams),
        ),
    )


def shares(costs: Costs) -> dict[str, float]:
    """What `CHECK` takes of a core by this calculation, in percent, with a web worker as the producers' worker."""
    costs, total = replace(costs, celery_us=0.0), dict.fromkeys(("web", "host", "redis", "nginx"), 0.0)
    for number, (workload, viewers) in enumerate(CHECK):
        tiers = {
            "web": web_tier(workload, viewers, costs, 1),
            "host": host_tier(workload, viewers, costs),
            "redis": redis_tier(workload, viewers, costs, 1, 0 if number else 2),
            "nginx": proxy_tier(workload, viewers, costs, 1),
        }
        for name, tier in tiers.items():
            total[name] += tier.limits[0].needed / 1e4
    return total


def capacity(tier: Callable[[int], Tier]) -> tuple[int, Limit]:
    """How many viewers one unit of a tier takes, and what is then used up."""
    few, many = 1, 2
    while tier(many).breaks.number <= 1:
        few, many = many, many * 2
    while many - few > max(1, few // 1000):
        middle = (few + many) // 2
        few, many = (middle, many) if tier(middle).breaks.number <= 1 else (few, middle)
    return few, tier(many).breaks
