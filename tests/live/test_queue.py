"""Runs that a process without a server starts, and the workers of a gunicorn take from the store."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from streaming.stores import lease
from tests.clients import wait_until
from tests.live.workers import STORES, Workers, workers
from tests.servers import ROOT, environment

pytestmark = pytest.mark.live

LEASE: Final = "1"
RUNS: Final = 20

BOUND: Final = 60.0
"""Seconds in which a script has ended: on a busy machine its start alone takes ten."""

START: Final = """
from tests.apps.durable import headway
for pause in (0, 0.1):
    for _ in range({runs}):
        print(headway.start("tallied", {{"count": 10, "pause": pause, "note": f"tally{{pause}}"}}).id)
"""
"""A script that starts runs and ends."""

WAIT: Final = """
import os, threading
from tests.apps.durable import headway
run = headway.start("counting", {"count": 3}, owner="ann", key="tonight")
print(run.result(timeout=30), headway.run(run.id, owner="ann").snapshot()["status"], headway.live)
print(*(event.type for event in run.events(after=1)))
before = len(os.listdir("/proc/self/fd"))
headway.close()
print(len(os.listdir("/proc/self/fd")) < before, threading.active_count())
"""
"""A script, such as cron starts, that waits for the result of a run."""


MEMORY: Final = """
import time
from flask import Flask
from streaming import Headway, operation, progress

@operation(linger=0)
def lasting():
    yield progress("at work")
    time.sleep(0.2)
    print("done", flush=True)

headway = Headway(Flask(__name__), operations=[lasting])
headway.start("lasting")
print("started", flush=True)
"""
"""A script whose run is in its own memory."""


@pytest.fixture(scope="module", params=STORES)
def service(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers."""
    with workers(request.param, env={"DURABLE_LEASE": LEASE}) as service:
        yield service


def script(service: Workers, text: str) -> list[str]:
    """What a script prints, with the settings of the service; the special store of its application needs a server."""
    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env=environment({**service.variables, "DURABLE_LEASE": str(lease.LEASE)}),
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def tally(service: Workers, name: str) -> Counter[tuple[str, str]]:
    """How often each run has begun each of its attempts."""
    file = service.folder / name
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter((run, attempt) for run, attempt in map(str.split, lines))


def test_each_run_is_worked_on_once(service: Workers) -> None:
    """Its starter has gone. None is lost, and one that has begun on a worker that is killed begins its next attempt."""
    runs = script(service, START.format(runs=RUNS))
    quick, slow = runs[:RUNS], runs[RUNS:]

    def succeeded() -> set[str]:
        return {run["id"] for run in service.ask("GET", "/runs?limit=100&status=succeeded")["runs"]}

    # A quick one that the kill met would have another attempt, rightly.
    wait_until(lambda: succeeded() >= set(quick), "the quick ones have succeeded")
    wait_until(lambda: len(tally(service, "tally0.1")) > 2, "some of the slow ones have begun")
    service.kill(service.pids[0])
    wait_until(lambda: succeeded() == set(runs), "all have succeeded")
    assert tally(service, "tally0") == {(run, "1"): 1 for run in quick}
    begun = tally(service, "tally0.1")
    assert {run for run, attempt in begun if attempt == "1"} == set(slow)
    assert set(begun.values()) == {1}


def test_a_script_waits_for_its_result(service: Workers) -> None:
    """It follows the run to its end, and leaves neither a thread nor a descriptor when it has closed its store."""
    result, events, left = script(service, WAIT)
    assert result == "3 succeeded 0"
    assert events == "delta delta delta result done"
    assert left == "True 1"


def test_a_script_waits_for_the_runs_in_its_memory() -> None:
    """Nobody else could end them: it says so in one line, and ends with the last one."""
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY],
        cwd=ROOT,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert (ended.returncode, ended.stdout) == (0, "started\ndone\n")
    assert ended.stderr == "this process waits for 1 runs, which are in its memory alone\n"
