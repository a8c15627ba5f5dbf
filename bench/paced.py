"""What paced streams cost: many streams of some events a second, beside a Flask generator, on one worker.

    python -m bench.paced --only stream,memory,sqlite,redis --streams 200 --rate 50 --seconds 8 --rounds 3

It prints, for each contender, the processor time of the worker for a million events, and how long an event takes from
the making to its viewer. Every round measures every contender, so that noise affects all of them.
"""

import argparse
from collections.abc import Sequence

from bench import load
from bench.measurements import percentile
from bench.servers import FASTAPI, GO, NAIVE, NODE, REDIS, RUN, SQLITE, SSE_STARLETTE, STREAM, Server
from bench.side_by_side import compare, parser

CONTENDERS = {"naive": NAIVE, "stream": STREAM, "memory": RUN, "sqlite": SQLITE, "redis": REDIS}
PEERS = {"sse-starlette": SSE_STARLETTE, "fastapi": FASTAPI, "node": NODE, "go": GO}


def main() -> None:
    """Measures, and prints a table."""
    options = arguments()
    compare(f"streams ({options.workload})", options, lambda name: measure(name, options))


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    options = parser("paced", __doc__, "stream,memory,sqlite,redis", 50.0)
    options.add_argument("--workload", choices=["items", "paced"], default="items", help="event() or progress()")
    return options.parse_args()


def measure(name: str, options: argparse.Namespace) -> Sequence[float]:
    """Seconds for a million events, and the milliseconds of the delivery: the median and the 99th percentile.

    Raises `RuntimeError` where the server did not send as many events as it should.
    """
    with Server((CONTENDERS | PEERS)[name]) as server:
        request = server.request(options.workload, rate=options.rate)
        cpu, delays = load.paced(server.port, request, options.streams, options.rate, options.seconds, server.cpu)
    return cpu / len(delays) * 1e6, percentile(delays, 0.5), percentile(delays, 0.99)


if __name__ == "__main__":
    main()
