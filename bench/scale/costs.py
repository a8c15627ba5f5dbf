"""What things cost, as `measure` has found: processor time in microseconds, memory in KB of 1024 bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

FILE: Final = Path(__file__).with_name("costs.json")


@dataclass(frozen=True)
class Costs:
    """One measuring run. The names end with their unit: `us` of processor time, `kb` of memory, `bytes`, `percent`.

    A store of several machines is Redis; figures without a store in their name are with Redis.
    """

    machine: str

    # One viewer
    viewer_kb: float
    """Memory of a web worker for a viewer of a run that others produce, many viewers on the run."""
    viewer_and_run_kb: float
    """The same for a viewer and its own run, which the worker produces too."""
    viewer_kernel_kb: float
    """Memory of the kernel for one connection, outside of any process."""
    viewer_files: float
    """Descriptors of a web worker."""
    viewer_idle_percent: float
    """Share of a core for 1,000 viewers that get nothing but heartbeats (15 s)."""
    worker_mb: float
    """Memory of a web worker without a viewer."""

    # One event of 190 bytes
    frame_bytes: float
    here_10_us: float
    """A web worker that produces an event and sends it to its one viewer, 10 events a second on each stream."""
    here_50_us: float
    """The same at 50 events a second."""
    sqlite_50_us: float
    """The same with sqlite."""
    sqlite_event_bytes: float
    host_us: float
    """A worker that produces an event for a viewer on another worker, 20 runs, 50 events a second on each."""
    web_us: float
    """The web worker that reads it from Redis and sends it to its viewer."""
    redis_us: float
    """Redis, for the same event."""
    redis_here_us: float
    """Redis, for an event whose viewers are on the worker that writes it."""
    fan_out_us: float
    """A web worker that sends an event to one of 1,000 viewers of the same run."""
    gathered_host_us: float
    """The three for an operation with `flush=0.1`, which writes ten times a second."""
    gathered_web_us: float
    gathered_redis_us: float
    many_host_us: float
    """The three for 500 runs of one event a second."""
    many_web_us: float
    many_redis_us: float
    limit_host_us: float
    """The three where there is more to do than one core can: what gathers meanwhile is written together."""
    limit_web_us: float
    limit_redis_us: float
    redis_event_bytes: float
    """Memory of Redis."""
    redis_event_commands: float
    redis_event_network_bytes: float
    """What goes in and out of Redis."""
    nginx_us: float
    nginx_viewer_kb: float

    # One run of ten events, and the rest
    run_us: float
    """A web worker: the request, the run, its stream and its end, without what ten events cost."""
    run_redis_us: float
    run_redis_bytes: float
    """Memory of Redis for a finished run without its events."""
    idle_run_percent: float
    """Share of a core of a worker, for 1,000 silent runs without a viewer."""
    idle_run_redis_percent: float
    idle_worker_redis_percent: float
    """Share of a core of Redis, for one worker that does nothing."""
    redis_connections: float
    """Connections to Redis that a worker opens."""
    ports: int
    """Connections that the kernel makes from one address to one address and port."""

    # All tiers at once, the workloads of `machines.CHECK`: shares of a core, to compare the calculation with
    check_web_percent: float
    check_host_percent: float
    check_redis_percent: float
    check_nginx_percent: float

    # A worker of Celery; 0 where this run had none
    celery_us: float = 0.0
    """It produces an event, 50 events a second on each run."""
    celery_run_us: float = 0.0
    """A run of ten events from its message to its end, without what ten events cost."""
    celery_mb: float = 0.0
    """Memory of a worker process."""
    celery_run_kb: float = 0.0
    """Memory of a live run."""

    def save(self, path: Path = FILE) -> None:
        """Writes them as JSON."""
        figures = {name: value if isinstance(value, str) else round(value, 3) for name, value in asdict(self).items()}
        path.write_text(json.dumps(figures, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path = FILE) -> Self:
        """Reads what `save` has written."""
        return cls(**json.loads(path.read_text()))
