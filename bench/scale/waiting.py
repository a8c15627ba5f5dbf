"""A queue in front of workers that are all busy: how long a run waits, and how many wait."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.measurements import percentile


@dataclass(frozen=True)
class Waits:
    """Seconds that runs have waited, and how many waited at a time, on average."""

    mean: float
    p99: float
    queued: float


def offered(slots: int, seconds: float, load: float) -> float:
    """The runs that start a second where so many slots are busy for a share of `load` (Little's law)."""
    return load * slots / seconds


def simulate(slots: int, seconds: float, load: float, runs: int = 20_000, seed: int = 1) -> Waits:
    """First come, first served: starts at random moments, each run as long as `seconds`, `slots` at work at a time.

    The first tenth of the runs, which finds a queue that is too short, is not counted.
    """
    waits = list(_waits(slots, seconds, offered(slots, seconds, load), runs, random.Random(seed)))[runs // 10 :]
    mean = sum(waits) / len(waits)
    return Waits(mean, percentile(waits, 0.99), mean * offered(slots, seconds, load))


def _waits(slots: int, seconds: float, rate: float, runs: int, chance: random.Random) -> Iterator[float]:
    free = [0.0] * slots
    now = 0.0
    for _ in range(runs):
        now += chance.expovariate(rate)
        begin = max(now, heapq.heappop(free))
        heapq.heappush(free, begin + seconds)
        yield begin - now


def burst(slots: int, seconds: float, runs: int) -> float:
    """Seconds that the last of so many runs waits which all start at once."""
    return (runs - 1) // slots * seconds
