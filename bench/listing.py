"""How long `GET /runs` takes beside many finished runs: `python -m bench.listing [RUNS]`.

Each store has the runs of one owner, who asks for the first page of 20 with each filter, and for one in the middle.
"""

import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import gevent

from bench.servers import store_in
from streaming.clock import SystemClock, rfc3339
from streaming.protocol.events import make_event
from streaming.protocol.recorder import Recorder
from streaming.settings import Settings
from streaming.stores import open_store
from streaming.stores.base import RunInfo, Store

RUNS: Final = 20_000
STORES: Final = ("memory", "sqlite", "redis")
AT_ONCE: Final = 200

FILTERS: Final[dict[str, dict[str, str]]] = {
    "all": {},
    "operation": {"operation": "read"},
    "status": {"status": "succeeded"},
    "status without a match": {"status": "failed"},
    "live status without a match": {"status": "waiting"},
    "operation and status": {"operation": "read", "status": "succeeded"},
    "all, from the middle": {"before": "middle"},
}


def main() -> None:
    """Prints the median milliseconds of each filter in each store."""
    runs = int(sys.argv[1]) if sys.argv[1:] else RUNS
    columns = {store: measure(store, runs) for store in STORES}
    print(f"| `GET /runs` at {runs:,} finished runs, ms | {' | '.join(STORES)} |\n|---|{'---:|' * len(STORES)}")
    for name in FILTERS:
        print(f"| {name} | {' | '.join(f'{columns[store][name]:.2f}' for store in STORES)} |")


def measure(kind: str, runs: int) -> dict[str, float]:
    """The milliseconds of each filter."""
    with (
        tempfile.TemporaryDirectory(prefix="headway-bench-") as folder,
        store_in(kind, Path(folder)) as url,
        closing(open_store(Settings.read({"HEADWAY_STORE": url, "HEADWAY_RETENTION": "86400"}))) as store,
    ):
        fill(store, runs)
        return {name: time_of(store, filters) for name, filters in FILTERS.items()}


def fill(store: Store, runs: int) -> None:
    """Starts runs and ends them."""
    clock = SystemClock()

    def add(number: int) -> None:
        run = "middle" if number == runs // 2 else f"r{number}"
        info = RunInfo(id=run, operation=("read", "count")[number % 2], created=rfc3339(clock.now()))
        store.create(info)
        recorder = Recorder(clock)
        recorder.add(make_event("start", {"run": run, "operation": info.operation}))
        recorder.add(make_event("done", {"status": "succeeded", "elapsed": 0.0}))
        store.append(run, recorder.take(), recorder.fold)

    for first in range(0, runs, AT_ONCE):
        gevent.joinall([gevent.spawn(add, number) for number in range(first, min(first + AT_ONCE, runs))])
    store.flush()


def time_of(store: Store, filters: dict[str, str], tries: int = 25) -> float:
    """The median milliseconds of a page, made as JSON."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        page = store.page(owner="", limit=20, **{"operation": None, "status": None, "before": None, **filters})
        for record in page:
            record.snapshot(result=False)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
