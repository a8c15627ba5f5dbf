"""`python -m bench [--quick] [--only WORDS] [--page PATH]`: measures in turns, prints the tables, writes the page."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.load import allow_descriptors, ceiling
from bench.report import Results, page, tables
from bench.rows import ALL, MEASUREMENTS, Measurement
from bench.servers import LOAD_CORE, ROOT, Contender, Server

PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Measures and prints the tables; a full run writes the page too."""
    options = arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()  # a collection in the load generator would be a delay of the server's
    busy, results = os.getloadavg()[0], Results()
    for measurement, contender in visits(options.quick, options.only, options.contender):
        visit(measurement, contender, results)
    print(*tables(results), sep="\n")
    if options.page:
        options.page.write_text(page(results, ceiling(), busy))


def arguments() -> argparse.Namespace:
    """The options of the command line; a run that leaves something out has no page to write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one visit each, no 10,000 streams, no page written")
    parser.add_argument("--only", default="", help="measurements whose name holds these words")
    parser.add_argument("--contender", choices=[contender.name for contender in ALL], help="this one alone")
    parser.add_argument("--page", type=Path, help="where the page is written (a full run: docs/benchmarks.md)")
    options = parser.parse_args()
    if not (options.quick or options.only or options.contender):
        options.page = options.page or PAGE
    return options


def visits(quick: bool, only: str, contender: str | None) -> Iterator[tuple[Measurement, Contender]]:
    """The order of measuring: contenders take turns (A B C, A B C), so that noise falls on all of them."""
    for measurement in MEASUREMENTS:
        if only not in measurement.name or (quick and not measurement.quick):
            continue
        for _ in range(1 if quick else measurement.repeat):
            for one in measurement.contenders:
                if contender in (None, one.name):
                    yield measurement, one


def visit(measurement: Measurement, contender: Contender, results: Results) -> None:
    """One measurement on a fresh server. One that fails is told, leaves its cell empty, and the others go on."""
    began = time.monotonic()
    try:
        with Server(contender) as server:
            figures = measurement.measure(server)
    except (OSError, RuntimeError) as error:
        print(f"{measurement.name}, {contender.name}: {error}", file=sys.stderr)
        return
    results.add(contender, figures)
    told = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
    print(f"{time.monotonic() - began:5.1f} s  {contender.name:13}  {told}", file=sys.stderr)


if __name__ == "__main__":
    main()
