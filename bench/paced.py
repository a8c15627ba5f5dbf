"""What paced streams cost: many streams of some events a second, beside a Flask generator, on one worker.

    python -m bench.paced --only stream,memory,sqlite,redis --streams 200 --rate 50 --seconds 8 --rounds 3

It prints, for each contender, the processor time of the worker for a million events, and how long an event takes from
the making to its viewer. Every round measures every contender, so that noise affects all of them.
"""

import argparse
import gc
import os
import statistics
from collections.abc import Sequence

from bench import load
from bench.load import allow_descriptors
from bench.measurements import percentile
from bench.servers import LOAD_CORE, NAIVE, REDIS, RUN, SQLITE, STREAM, Server

CONTENDERS = {"naive": NAIVE, "stream": STREAM, "memory": RUN, "sqlite": SQLITE, "redis": REDIS}


def main() -> None:
    """Measures, and prints a table."""
    options = arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()
    names = ["naive", *options.only.split(",")]
    rounds = [{name: measure(name, options) for name in names} for _ in range(options.rounds)]
    print(f"{options.streams} streams of {options.rate:g} events/s ({options.workload}), median of {options.rounds}")
    print(f"{'':8} {'x naive':>8} {'s/million':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name in names:
        cpu, p50, p99 = (statistics.median(each[name][at] for each in rounds) for at in range(3))
        ratio = statistics.median(each[name][0] / each["naive"][0] for each in rounds)
        print(f"{name:8} {ratio:8.2f} {cpu:10.1f} {p50:8.3f} {p99:8.3f}")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.paced", description=__doc__)
    parser.add_argument("--only", default="stream,memory,sqlite,redis", help="the contenders beside naive Flask")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="events a second on each stream")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workload", choices=["items", "paced"], default="items", help="event() or progress()")
    return parser.parse_args()


def measure(name: str, options: argparse.Namespace) -> Sequence[float]:
    """Seconds for a million events, and the milliseconds of the delivery: the median and the 99th percentile.

    Raises `RuntimeError` where the server did not send as many events as it should.
    """
    with Server(CONTENDERS[name]) as server:
        request = server.request(options.workload, rate=options.rate)
        cpu, delays = load.paced(server.port, request, options.streams, options.rate, options.seconds, server.cpu)
    return cpu / len(delays) * 1e6, percentile(delays, 0.5), percentile(delays, 0.99)


if __name__ == "__main__":
    main()
