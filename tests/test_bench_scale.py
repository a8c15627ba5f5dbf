"""The calculation of `bench.scale` does what its page says, and the page is made of the figures beside it."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import pytest

from bench.scale import machines, page, ports, waiting
from bench.scale.costs import Costs
from bench.scale.machines import BROADCAST, CHAT, DOCUMENTS, SIZES, WORKLOADS, plan


def costs(**figures: Any) -> Costs:
    """Costs of nothing, but for these figures."""
    free: dict[str, Any] = {field.name: 0.0 for field in fields(Costs)} | {"machine": "", "ports": 28_232}
    return Costs(**{**free, **figures})


def test_the_page_is_made_of_the_figures() -> None:
    """Nobody has changed the page, the calculation or the figures without the others."""
    assert page.PAGE.read_text() == page.page(Costs.load())
    assert "@" not in page.PAGE.read_text()


def test_what_events_take() -> None:
    """1,000 viewers of chat get 50,000 events a second: at 60 us each three cores, planned at 60 % five."""
    tiers = plan(CHAT, 1_000, costs(web_us=60, host_us=24, redis_us=12, redis_here_us=6, nginx_us=96))
    assert [tier.units for tier in (tiers.web, tiers.hosts, tiers.redis)] == [5, 2, 1]
    assert tiers.redis.breaks.what == "its one thread"
    assert tiers.redis.breaks.number == pytest.approx(1.0)
    assert tiers.proxy.breaks.number == pytest.approx(0.5)


def test_what_waits_takes_no_events() -> None:
    """One of ten documents is at work; the others cost a stream each, which a worker has 10,000 of."""
    tiers = plan(DOCUMENTS, 100_000, costs(web_us=10))
    assert (tiers.web.units, tiers.web.breaks.what) == (10, "streams (`HEADWAY_MAX_STREAMS`)")
    assert tiers.proxy.breaks.what == "ports to one upstream address"
    assert tiers.proxy.units == 4


def test_a_broadcast_is_read_once_for_each_worker() -> None:
    """Where all viewers of a run are on one worker, Redis is read once for each event."""
    figures = costs(web_us=50, fan_out_us=5, redis_us=30, redis_here_us=20)
    spread = plan(BROADCAST, 100_000, figures)
    together = plan(replace(BROADCAST, together=True), 100_000, figures)
    events = 100 * BROADCAST.rate
    assert together.redis.limits[0].needed == pytest.approx(events * 30)
    assert spread.redis.limits[0].needed == pytest.approx(events * (20 + 10 * spread.web.units))
    assert spread.web.limits[0].needed > together.web.limits[0].needed


def test_the_oldest_finished_runs_go_first() -> None:
    """50 runs of 1,000 events of 200 bytes end each second: a gibibyte keeps them for less than an hour."""
    kept = plan(CHAT, 1_000, costs(redis_event_bytes=200)).kept
    assert kept == pytest.approx((2**30 - 1_000 * 100_000) / (50 * 200_000))


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_more_viewers_take_more(workload: machines.Workload) -> None:
    """Ten times the viewers never take less of anything."""
    plans = [plan(workload, viewers, Costs.load()) for viewers in SIZES]
    for less, more in itertools.pairwise(plans):
        for one, other in zip(
            (less.web, less.hosts, less.redis, less.proxy), (more.web, more.hosts, more.redis, more.proxy), strict=True
        ):
            assert one.units <= other.units


def test_the_capacity_of_one() -> None:
    """It is the most viewers for which one is enough."""
    found, limit = machines.capacity(lambda viewers: machines.web_tier(CHAT, viewers, costs(web_us=60), 1))
    assert found == 200
    assert limit.what == "processor"


def test_the_simulated_queue() -> None:
    """One slot waits as the formula of Pollaczek and Khinchine says, and many as Little's law does."""
    waits = waiting.simulate(1, 10.0, 0.5, runs=200_000)
    assert waits.mean == pytest.approx(0.5 * 10 / (2 * (1 - 0.5)), rel=0.1)
    assert waits.queued == pytest.approx(waits.mean * 0.05)
    assert waiting.simulate(100, 10.0, 0.5).p99 < waits.p99 / 10


def test_ports_are_counted_for_each_destination() -> None:
    """One address takes as many connections as there are ports, and two take twice as many."""
    try:
        assert ports.connections(1, ports.free_ports()) == ports.FEW
    except OSError as error:
        pytest.skip(f"the kernel has no range of ports for a socket: {error}")
    assert ports.connections(2, ports.free_ports()) == 2 * ports.FEW
