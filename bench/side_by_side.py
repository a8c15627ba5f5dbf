"""Contenders beside a naive one: the options of these commands, the rounds, and the table of ratios."""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
from collections.abc import Callable, Sequence

from bench.load import allow_descriptors
from bench.servers import LOAD_CORE


def parser(module: str, description: str | None, only: str, rate: float) -> argparse.ArgumentParser:
    """The options that all of them have; `only` are the contenders beside the naive one."""
    options = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=description)
    options.add_argument("--only", default=only, help="the contenders beside the naive one")
    options.add_argument("--streams", type=int, default=200)
    options.add_argument("--rate", type=float, default=rate, help="events a second on each stream")
    options.add_argument("--seconds", type=float, default=8.0)
    options.add_argument("--rounds", type=int, default=1)
    return options


def compare(what: str, options: argparse.Namespace, measure: Callable[[str], Sequence[float]]) -> None:
    """Measures each contender in every round, and prints the medians.

    `measure` gives the seconds for a million events, and the milliseconds of the delivery: the median and the 99th
    percentile.
    """
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()
    names = ["naive", *options.only.split(",")]
    rounds = [{name: _measured(name, measure) for name in names} for _ in range(options.rounds)]
    print(f"{options.streams} {what} of {options.rate:g} events/s, median of {options.rounds}")
    print(f"{'':13} {'x naive':>8} {'s/million':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name in names:
        if not all(each[name] and each["naive"] for each in rounds):
            continue
        cpu, p50, p99 = (statistics.median(each[name][at] for each in rounds) for at in range(3))
        ratio = statistics.median(each[name][0] / each["naive"][0] for each in rounds)
        print(f"{name:13} {ratio:8.2f} {cpu:10.1f} {p50:8.3f} {p99:8.3f}")


def _measured(name: str, measure: Callable[[str], Sequence[float]]) -> Sequence[float]:
    """What was measured; nothing for a contender that is not installed, or too slow for these streams."""
    try:
        return measure(name)
    except (OSError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return ()
