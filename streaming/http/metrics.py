"""The metrics of the workers as Prometheus text: an observer like any other, with the library `prometheus_client`.

A scrape reaches one worker of several, so the workers of a server share their metrics through files in the folder
`PROMETHEUS_MULTIPROC_DIR` (the library's own variable; `gunicorn.conf.py` sets it). Without it the metrics are those of
the process that answers.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ..runs.observers import Load, Observer, Refused, RunEnded, RunStarted, StreamOpened
from ..runtime.worker import Worker

SHARED: Final = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
"""Whether there is such a folder; read at import, as the library does."""

SECONDS: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800)
"""Upper bounds of the buckets of a run's duration."""


def _version() -> str:
    """The release; empty in a checkout that is not installed."""
    try:
        return metadata.version("headway")
    except metadata.PackageNotFoundError:
        return ""


BUILD: Final = {
    "version": _version(),
    "python": platform.python_version(),
    **{name: metadata.version(name) for name in ("flask", "gevent")},
}
"""The labels of `headway_build_info`."""

TOKENS: Final = ("input", "output", "cached", "reasoning")
"""The counts of a run's usage that are a metric; an upstream may send any others."""

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Prometheus(Observer):
    """Counts runs, streams, events and refusals: a part of the worker.

    Two of them in one process would overwrite each other's metrics in the shared files.
    """

    def __init__(self, worker: Worker) -> None:
        registry = self._registry = CollectorRegistry()
        self._started = Counter("headway_runs_started", "Runs started.", ["operation"], registry=registry)
        self._ended = Counter("headway_runs_ended", "Runs ended.", ["operation", "status", "reason"], registry=registry)
        self._seconds = Histogram(
            "headway_run_seconds", "Duration of runs.", ["operation"], buckets=SECONDS, registry=registry
        )
        self._events = Counter("headway_events", "Events of ended runs.", ["operation"], registry=registry)
        self._tokens = Counter(
            "headway_tokens",
            "Tokens that calls of language models took, of ended runs.",
            ["operation", "kind"],
            registry=registry,
        )
        self._streams = Counter("headway_streams", "Streams opened.", ["operation", "resumed"], registry=registry)
        self._refused = Counter(
            "headway_refused", "Requests answered with a problem.", ["code", "status"], registry=registry
        )
        self._cut = Counter(
            "headway_clients_cut", "Clients cut that took nothing of an answer or a stream.", registry=registry
        )
        self._evicted = Counter(
            "headway_store_evicted_runs",
            "Finished runs deleted before their retention to make room.",
            registry=registry,
        )
        self._store_errors = Counter(
            "headway_store_errors", "Times that the store did not answer, or answered with an error.", registry=registry
        )
        build = Gauge("headway_build_info", "Of what this is built.", BUILD, multiprocess_mode="max", registry=registry)
        build.labels(**BUILD).set(1)
        self._gauges = {
            "runs": Gauge("headway_runs_live", "Runs at work.", multiprocess_mode="livesum", registry=registry),
            "streams": Gauge("headway_streams_open", "Open streams.", multiprocess_mode="livesum", registry=registry),
            "draining": Gauge(
                "headway_draining", "Workers that are stopping.", multiprocess_mode="livesum", registry=registry
            ),
            # Workers of one store all have its total; in memory each has its own, and its own limit.
            "store_bytes": Gauge(
                "headway_store_bytes",
                "What all runs take in the store, or in the fullest worker.",
                multiprocess_mode="livemax",
                registry=registry,
            ),
        }

    def run_started(self, seen: RunStarted) -> None:
        self._started.labels(seen.operation).inc()

    def run_ended(self, seen: RunEnded) -> None:
        self._ended.labels(seen.operation, seen.status or "lost", seen.reason or "").inc()
        self._seconds.labels(seen.operation).observe(seen.seconds)
        self._events.labels(seen.operation).inc(seen.events)
        for kind in TOKENS:
            if count := seen.usage.get(f"{kind}_tokens"):
                self._tokens.labels(seen.operation, kind).inc(count)

    def stream_opened(self, seen: StreamOpened) -> None:
        self._streams.labels(seen.operation, "yes" if seen.after else "no").inc()

    def refused(self, seen: Refused) -> None:
        self._refused.labels(seen.code, str(seen.status)).inc()

    def load(self, seen: Load) -> None:
        for name, gauge in self._gauges.items():
            gauge.set(getattr(seen, name))
        self._evicted.inc(seen.evicted)
        self._cut.inc(seen.cut)
        self._store_errors.inc(seen.store_errors)

    def text(self) -> bytes:
        """The metrics of all workers, in Prometheus's text format."""
        registry = self._registry
        if SHARED:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
