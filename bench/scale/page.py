"""`docs/scale.md`, from the figures and the calculation; the sentences around them are in `page.md`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.report import number, row
from bench.scale import machines, waiting
from bench.scale.costs import Costs
from bench.scale.machines import BROADCAST, CHAT, DOCUMENTS, SIZES, WORKLOADS, Plan, Tier, Workload, capacity, plan
from bench.servers import ROOT

PAGE: Final = ROOT / "docs" / "scale.md"
TEMPLATE: Final = Path(__file__).with_name("page.md")

NAMES: Final = {"web": "web worker", "host": "worker of the producers", "redis": "Redis", "nginx": "nginx"}


def write(costs: Costs) -> None:
    """Writes the page."""
    PAGE.write_text(page(costs))


def page(costs: Costs) -> str:
    """The page."""
    parts = {
        "machine": costs.machine,
        "viewer": table(("one viewer", "measured by", ""), viewer_rows(costs)),
        "event": table(
            ("one event of 190 bytes, microseconds of processor time", "web worker", "its producer's worker", "Redis"),
            event_rows(costs),
        ),
        "run": table(("one run, and what is always there", "measured by", ""), run_rows(costs)),
        "breaks": table(("", *(workload.name for workload in (CHAT, DOCUMENTS, BROADCAST))), break_rows(costs)),
        "plans": "\n\n".join(f"**{workload.name}**\n\n{plans(workload, costs)}" for workload in WORKLOADS),
        "checks": table(("tier", "calculated, % of a core", "measured, % of a core"), check_rows(costs)),
        "waits": table(("slots", "busy", "queued, on average", "wait, mean s", "wait, p99 s"), wait_rows()),
        "ports": f"{costs.ports:,}",
        "share": f"{machines.SHARE:.0%}",
        "cores": str(machines.CORES),
        "memory": str(machines.MEMORY_KB // 2**20),
    }
    text = TEMPLATE.read_text()
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, figures on the right."""
    return "\n".join([row(head), f"|---{'|---:' * (len(head) - 1)}|", *map(row, rows)])


def viewer_rows(costs: Costs) -> Iterator[Sequence[str]]:
    """One viewer."""
    yield (
        "memory of a web worker, viewer of a run that others watch too, KB",
        "`shared_viewers`",
        number(costs.viewer_kb),
    )
    yield "the same with a run of its own, produced there, KB", "`viewers`", number(costs.viewer_and_run_kb)
    yield "memory of the kernel, one connection, KB", "`shared_viewers`", number(costs.viewer_kernel_kb)
    yield "descriptors of a web worker", "`shared_viewers`", number(costs.viewer_files)
    yield (
        "share of a core while nothing comes, 1,000 viewers, heartbeats each 15 s, %",
        "`shared_viewers`",
        number(costs.viewer_idle_percent),
    )
    yield "memory of nginx, both connections, KB", "`proxy`", number(costs.nginx_viewer_kb)


def event_rows(costs: Costs) -> Iterator[Sequence[str]]:
    """One event on each tier."""
    n = number
    yield (
        "made and sent in one worker, 50 a second (`events_here`)",
        f"**{n(costs.here_50_us)}**",
        "",
        n(costs.redis_here_us),
    )
    yield "the same, 10 a second", n(costs.here_10_us), "", ""
    yield "the same in sqlite, 50 a second (`events_in_sqlite`)", n(costs.sqlite_50_us), "", ""
    yield (
        "produced elsewhere, 20 runs of 50 a second (`events_elsewhere`)",
        f"**{n(costs.web_us)}**",
        f"**{n(costs.host_us)}**",
        f"**{n(costs.redis_us)}**",
    )
    yield "the same by `flush=0.1`", n(costs.gathered_web_us), n(costs.gathered_host_us), n(costs.gathered_redis_us)
    yield "500 runs of one a second", n(costs.many_web_us), n(costs.many_host_us), n(costs.many_redis_us)
    yield (
        "far behind: what has gathered is written at once",
        n(costs.limit_web_us),
        n(costs.limit_host_us),
        n(costs.limit_redis_us),
    )
    yield "to each further viewer of a run on the worker (`fan_out`)", n(costs.fan_out_us), "", ""
    yield "through nginx (`proxy`)", f"{n(costs.nginx_us)} (nginx)", "", ""
    if costs.celery_us:
        yield "produced in a Celery worker (`celery`)", "", n(costs.celery_us), ""


def run_rows(costs: Costs) -> Iterator[Sequence[str]]:
    """One run, one event's bytes, one worker."""
    yield (
        "processor time of a web worker for a run of ten events, from the request to the end, ms",
        "`runs`",
        number(costs.run_us / 1000),
    )
    yield "of Redis, ms", "`runs`", number(costs.run_redis_us / 1000)
    if costs.celery_run_us:
        yield "of a Celery worker, from the message to the end, ms", "`celery`", number(costs.celery_run_us / 1000)
    yield "memory of Redis for that run once it is over, bytes", "`runs`", number(costs.run_redis_bytes)
    yield "memory of Redis for an event, bytes", "`events_elsewhere`", number(costs.redis_event_bytes)
    yield "file of sqlite for an event, bytes", "`events_in_sqlite`", number(costs.sqlite_event_bytes)
    yield (
        "network of Redis for an event, in and out, bytes",
        "`events_elsewhere`",
        number(costs.redis_event_network_bytes),
    )
    yield (
        "commands of Redis for an event, those of scripts too",
        "`events_elsewhere`",
        number(costs.redis_event_commands),
    )
    yield "share of a core of its worker for 1,000 silent runs, %", "`idle`", number(costs.idle_run_percent)
    yield "of Redis for them, %", "`idle`", number(costs.idle_run_redis_percent)
    yield "of Redis for a worker that does nothing, %", "`idle`", number(costs.idle_worker_redis_percent)
    yield "connections of a worker to Redis", "`viewers`", number(costs.redis_connections)
    yield "memory of a web worker without viewers, MB", "`viewers`", number(costs.worker_mb)
    if costs.celery_mb:
        yield "memory of a Celery worker process without runs, MB", "`celery`", number(costs.celery_mb)
        yield "memory of a Celery worker for a live run, KB", "`celery`", number(costs.celery_run_kb)


def break_rows(costs: Costs) -> Iterator[Sequence[str]]:
    """How many viewers one of each tier takes, and what then runs out."""

    def cells(name: str, tier: Callable[[Workload, int], Tier]) -> Sequence[str]:
        found = [capacity(functools.partial(tier, workload)) for workload in (CHAT, DOCUMENTS, BROADCAST)]
        return [f"one {name}", *(f"{viewers:,} viewers: {limit.what}" for viewers, limit in found)]

    yield cells("web worker", lambda workload, viewers: machines.web_tier(workload, viewers, costs, 1))
    yield cells("Celery worker process", lambda workload, viewers: machines.host_tier(workload, viewers, costs))
    yield cells("Redis", lambda workload, viewers: plan(workload, viewers, costs).redis)
    yield cells(
        "nginx machine, one upstream", lambda workload, viewers: machines.proxy_tier(workload, viewers, costs, 1)
    )


def plans(workload: Workload, costs: Costs) -> str:
    """What a workload takes at each size."""
    head = (
        "viewers at once",
        "events/s",
        "web workers",
        "Celery workers",
        "Redis",
        "nginx",
        "machines",
        "a finished run is kept",
    )
    return table(head, (plan_row(plan(workload, viewers, costs)) for viewers in SIZES))


def plan_row(each: Plan) -> Sequence[str]:
    """One line of it."""
    kept = f"{number(each.kept)} s" if each.kept < machines.RETENTION else "1 h"
    events = each.workload.runs(each.viewers) * each.workload.rate
    tiers = (cell(tier) for tier in (each.web, each.hosts, each.redis, each.proxy))
    return f"{each.viewers:,}", number(events), *tiers, f"{each.machines:,}", kept


def cell(tier: Tier) -> str:
    """How many units, and what they are needed for."""
    return f"{tier.units:,}" if tier.breaks.number < 0.5 else f"{tier.units:,} ({tier.breaks.what.partition(' (')[0]})"


def check_rows(costs: Costs) -> Iterator[Sequence[str]]:
    """The calculation beside a measurement of all tiers at once."""
    measured = (costs.check_web_percent, costs.check_host_percent, costs.check_redis_percent, costs.check_nginx_percent)
    for (name, calculated), share in zip(machines.shares(costs).items(), measured, strict=True):
        yield NAMES[name], number(calculated), number(share)


def wait_rows() -> Iterator[Sequence[str]]:
    """The simulated queue of the documents."""
    for slots in (10, 100, 1_000):
        for load in (0.7, 0.9, 0.98):
            waits = waiting.simulate(slots, DOCUMENTS.seconds, load, runs=max(20_000, 100 * slots))
            yield f"{slots:,}", f"{load:.0%}", f"{waits.queued:.1f}", f"{waits.mean:.1f}", f"{waits.p99:.1f}"
