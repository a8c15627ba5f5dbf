"""What paced streams cost beside a Flask generator, with all contenders on one core at the same time.

    python -m bench.together --only stream,memory,sqlite,redis --streams 30 --rate 50 --seconds 6 --rounds 5
    python -m bench.together --relayed --only relay,memory,sqlite --rate 20
    python -m bench.together --only stream --streams 60 --before ../headway-0.1

Other machines share the processor of this one, and its speed changes by the second: measured one after another (as
`bench.paced` does, for the delivery times) the same code may take 30 % more or less. What slows one of these servers
slows all of them, so that their ratios agree within a few per cent. The core must not be full: the ratios of the rounds
are printed too. With `--before`, a checkout of an earlier version, that one runs beside this one and the naive one.
"""

from __future__ import annotations

import argparse
import os
import statistics
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import load, relay
from bench.paced import CONTENDERS, PEERS
from bench.servers import LOAD_CORE, Contender, Server
from bench.side_by_side import parser

BEFORE = "before"


def main() -> None:
    """Measures, and prints a table."""
    options = arguments()
    load.allow_descriptors()
    os.sched_setaffinity(0, {LOAD_CORE})  # the service behind relays inherits it
    names = ["naive", *options.only.split(",")]
    names += [f"{name} {BEFORE}" for name in names[1:]] if options.before else []
    with ExitStack() as stack:
        port = stack.enter_context(relay.service(options.rate)) if options.relayed else 0
        rounds = [measure(names, port, options) for _ in range(options.rounds)]
    what = "relayed streams" if options.relayed else f"streams ({options.workload})"
    print(f"{options.streams} {what} of {options.rate:g} events/s on each, at once; medians")
    print(f"{'':13} {'x naive':>8} {'us/event':>9}  rounds")
    for name in names:
        ratios = [each[name] / each["naive"] for each in rounds]
        costs = statistics.median(each[name] for each in rounds)
        print(f"{name:13} {statistics.median(ratios):8.2f} {costs:9.1f}  {' '.join(f'{each:.2f}' for each in ratios)}")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    options = parser("together", __doc__, "stream,memory,sqlite,redis", 50.0)
    options.set_defaults(streams=30, seconds=6.0, rounds=5)
    options.add_argument("--workload", choices=["items", "paced"], default="items", help="event() or progress()")
    options.add_argument("--relayed", action="store_true", help="streams of another service, beside a naive proxy")
    options.add_argument("--before", type=Path, help="a checkout of an earlier version, to measure beside this one")
    return options.parse_args()


def contender(name: str, port: int, options: argparse.Namespace) -> tuple[Contender, bytes]:
    """A contender, and the request that opens one of its streams; with `port`, that of the service behind it."""
    base = name.removesuffix(f" {BEFORE}")
    found = relay.proxy(base, port) if port else (CONTENDERS | PEERS)[base]
    request = relay.request(base) if port else found.request(options.workload, rate=options.rate)
    return (_in(found, options.before) if name != base else found), request


def _in(found: Contender, folder: Path) -> Contender:
    """A contender on gunicorn in another folder, which comes first on the path of its imports."""
    return replace(found, command=lambda port: [*found.command(port), "--chdir", str(folder.resolve())])


def measure(names: list[str], port: int, options: argparse.Namespace) -> dict[str, float]:
    """Microseconds of the worker's processor time for an event, of each contender."""
    contenders = {name: contender(name, port, options) for name in names}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(contenders[name][0])) for name in names}
        os.sched_setaffinity(0, {LOAD_CORE})
        owners = {
            viewer: name
            for name, server in servers.items()
            for viewer in load.open_viewers(server.port, contenders[name][1], options.streams)
        }
        for viewer in owners:
            stack.callback(viewer.reset)
        load.read_for([*owners], load.SETTLE)
        before = {name: server.cpu() for name, server in servers.items()}
        events = dict.fromkeys(names, 0)
        for viewer, block in load.blocks([*owners], options.seconds):
            events[owners[viewer]] += viewer.count(block)
        return {name: (server.cpu() - before[name]) / events[name] * 1e6 for name, server in servers.items()}


if __name__ == "__main__":
    main()
