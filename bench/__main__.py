"""Measures Headway beside other servers, prints the tables, and writes `docs/benchmarks.md`."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.load import allow_descriptors, ceiling
from bench.measurements import CONTENDERS, MEASUREMENTS, Measurement
from bench.report import Results, page, tables
from bench.servers import LOAD_CORE, ROOT, Contender, Server

PAGE = ROOT / "docs" / "benchmarks.md"
BY_HAND = "\n## Paced streams"
"""The heading from which on a page stays as it is: figures of commands of their own."""


def main() -> None:
    """Measures, and prints the tables; a full run also writes the page."""
    options = arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    allow_descriptors()
    gc.disable()  # a collection here would look like a delay of the server
    load_average, results = os.getloadavg()[0], Results()
    for measurement, contender in rounds(options.quick, options.only, options.contender):
        measure(measurement, contender, results)
    print(*tables(results), sep="\n")
    if options.page:
        before = options.page.read_text() if options.page.exists() else ""
        options.page.write_text(page(results, ceiling(), load_average) + "".join(before.partition(BY_HAND)[1:]))


def arguments() -> argparse.Namespace:
    """The options of the command line; only a full run has a page by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="each measurement once, without the longest, and write no page"
    )
    parser.add_argument("--only", default="", help="only measurements whose name contains this text")
    parser.add_argument("--contender", choices=[contender.name for contender in CONTENDERS], help="only this contender")
    parser.add_argument("--page", type=Path, help="write the page here (default of a full run: docs/benchmarks.md)")
    options = parser.parse_args()
    if not (options.quick or options.only or options.contender):
        options.page = options.page or PAGE
    return options


def rounds(quick: bool, only: str, contender: str | None) -> Iterator[tuple[Measurement, Contender]]:
    """The order of measuring: contenders take turns (A B C, A B C), so that noise affects all of them."""
    for measurement in MEASUREMENTS:
        if only not in measurement.name or (quick and not measurement.quick):
            continue
        for _ in range(1 if quick else measurement.repeat):
            yield from ((measurement, one) for one in measurement.contenders if contender in (None, one.name))


def measure(measurement: Measurement, contender: Contender, results: Results) -> None:
    """Measures on a new server. A measurement that fails is printed, and leaves its cell empty."""
    start = time.monotonic()
    try:
        with Server(contender) as server:
            figures = measurement.measure(server)
    except (OSError, RuntimeError) as error:
        print(f"{measurement.name}, {contender.name}: {error}", file=sys.stderr)
        return
    results.add(contender, figures)
    text = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
    print(f"{time.monotonic() - start:5.1f} s  {contender.name:13}  {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
