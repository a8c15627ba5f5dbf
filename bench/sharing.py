"""How two workers of gunicorn share connections: `python -m bench.sharing [OPTION OF GUNICORN...]`.

400 connections come within a second, or all at once; each keeps its stream open, or gets one short answer. The figure
is the share of the worker that got more.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from bench.load import BLOCK, TIMEOUT, Viewer, allow_descriptors
from bench.servers import ROOT, get, server_environment
from bench.workloads import HOST

CONNECTIONS: Final = 400
ROUNDS: Final = 5


def main() -> None:
    """Prints a row for each way in which connections come: the medians are not the point, the largest share is."""
    allow_descriptors()
    print("| 400 connections, two workers | share of the busier worker, % |\n|---|---|")
    for held in (True, False):
        for seconds in (1.0, 0.0):
            with two_workers(sys.argv[1:]) as (port, workers):
                shares = [share(port, workers, held, seconds) for _ in range(ROUNDS)]
            kind = "streams that stay open" if held else "short answers"
            when = "within a second" if seconds else "at once"
            print(f"| {kind}, {when} | {', '.join(f'{each:.0f}' for each in shares)} |", flush=True)


@contextmanager
def two_workers(options: list[str]) -> Iterator[tuple[int, set[int]]]:
    """The port of a server with two workers, which both answer, and their process ids."""
    with closing(socket.create_server((HOST, 0))) as sock:
        port: int = sock.getsockname()[1]
    config = ["-c", str(ROOT / "gunicorn.conf.py"), "-w", "2", "-b", f"{HOST}:{port}", "--log-level", "warning"]
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
        environment = {**server_environment(f"sqlite:///{folder}/runs.db"), "HEADWAY_HEARTBEAT": "60"}
        command = [sys.executable, "-m", "gunicorn", *config, *options, "bench.apps.headway:app"]
        process = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            yield port, workers_of(process.pid, port)
        finally:
            process.terminate()
            process.wait()


def workers_of(master: int, port: int) -> set[int]:
    """The process ids of both workers, once they have answered."""
    seen: set[bytes] = set()
    end = time.monotonic() + TIMEOUT
    while len(seen) < 2:
        if time.monotonic() > end:
            raise RuntimeError(f"{len(seen)} workers of {master} answer")
        try:
            seen |= {*pids(port, 8, 0.0)}
        except OSError:
            time.sleep(0.1)
    return {int(pid) for pid in seen}


def share(port: int, workers: set[int], held: bool, seconds: float) -> float:
    """The percentage of the connections that the busier worker got."""
    counts = streams(port, workers, seconds) if held else Counter(pids(port, CONNECTIONS, seconds))
    return 100 * max(counts.values()) / sum(counts.values())


def pids(port: int, count: int, seconds: float) -> list[bytes]:
    """The workers that answer connections which come evenly within so many seconds."""
    viewers = []
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + seconds * number / count - time.monotonic()))
        viewers.append(Viewer(port, get("/pid")))
    found = []
    for viewer in viewers:
        answer = b""
        while block := viewer.sock.recv(BLOCK):
            answer += block
        viewer.close()
        found.append(answer.rpartition(b"\r\n\r\n")[2])
    return found


def streams(port: int, workers: set[int], seconds: float) -> Counter[int]:
    """How many of the connections each worker has that come evenly within so many seconds, and stay."""
    before = {pid: open_files(pid) for pid in workers}
    viewers, start = [], time.monotonic()
    for number in range(CONNECTIONS):
        time.sleep(max(0.0, start + seconds * number / CONNECTIONS - time.monotonic()))
        viewers.append(Viewer(port, get("/quiet")))
    for viewer in viewers:
        viewer.sock.recv(BLOCK)
    counts = Counter({pid: open_files(pid) - before[pid] for pid in workers})
    for viewer in viewers:
        viewer.close()
    time.sleep(1.0)
    return counts


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


if __name__ == "__main__":
    main()
