"""A fleet under faults: nothing is lost, nothing is done twice, nothing hangs.

The short form has every fault once, 2.5 seconds apart, on 60 runs. The long one goes on for ten minutes, a fault each
five seconds, on 200 runs; it has web workers by themselves too, and a store that fails over to its replica.
`FLEET_SEED` has the schedule of another run again.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pytest

from bench.measurements import percentile
from tests.clients import Connection, Message, wait_until
from tests.figures import Figures
from tests.fleet import verdict
from tests.fleet.members import Fleet, Member, fleet_of
from tests.fleet.schedule import Fault, described, schedule
from tests.fleet.verdict import Done
from tests.fleet.witness import Witness
from tests.servers import scratch

pytestmark = pytest.mark.live

SEED: Final = int(os.environ.get("FLEET_SEED", "20261129"))
LEASE: Final = 6.0
BOUND: Final = 120.0
"""Seconds after the last fault within which every run ends; what is left of it takes a tenth of that."""

LATEST: Final = 60.0
"""Seconds within which a run is taken over whose store is there: most are within eight."""

HEADERS: Final = {"Content-Type": "application/json", "Prefer": "respond-async"}


class Form(NamedTuple):
    """How many runs of how many steps, with what pause, and how many faults how far apart."""

    runs: int
    steps: int
    pause: float
    faults: int
    every: float


SHORT: Final = Form(runs=60, steps=60, pause=0.4, faults=12, every=2.5)
LONG: Final = Form(runs=200, steps=700, pause=0.8, faults=120, every=5.0)


def ask(web: Member, method: str, path: str, body: Any = None) -> Any:
    """The JSON of an answer."""
    with Connection(web, timeout=20) as connection:
        connection.request(method, path, HEADERS, b"" if body is None else json.dumps(body).encode())
        return json.loads(connection.body())


def start(web: Member, operation: str, **input: Any) -> str:
    """Starts a run; a worker that is busy may refuse it at first."""
    replies: list[Any] = []

    def accepted() -> bool:
        replies.append(ask(web, "POST", f"/operations/{operation}", input))
        return "id" in replies[-1]

    wait_until(accepted, f"{operation} is started", 60)
    return str(replies[-1]["id"])


def log_of(web: Member, run: str) -> list[Message]:
    """The event log of a run that is over."""
    with Connection(web, timeout=60) as connection:
        connection.request("GET", f"/runs/{run}/events")
        return list(connection.messages())


@dataclass
class Siege:
    """The faults of a schedule, and those that have happened."""

    fleet: Fleet
    done: list[Done] = field(default_factory=list)

    def lay(self, faults: list[Fault]) -> None:
        """Does one after another at its time; each ends in its own thread."""
        began, ends = time.monotonic(), list[threading.Thread]()
        for fault in faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            ends.append(threading.Thread(target=self._do, args=(fault,)))
            ends[-1].start()
        for end in ends:
            end.join()

    def _do(self, fault: Fault) -> None:
        member = self.fleet.members[fault.kind][fault.number]
        wait_until(lambda: self.fleet.may_lose(fault.kind), "the replica is in step", 60)
        began, pids = time.monotonic(), frozenset(member.pids)
        getattr(member, fault.action)()
        if fault.action != "kill":
            time.sleep(fault.seconds)
            member.mend()
        member.wait()
        self.done.append(Done(fault, began, time.monotonic(), pids))


@contextmanager
def watched(runs: list[str], webs: list[Member]) -> Iterator[list[Witness]]:
    """A viewer of each run, until the block ends."""
    stop = threading.Event()
    witnesses = [Witness(run, webs, random.Random(f"{SEED} {number}")) for number, run in enumerate(runs)]
    threads = [threading.Thread(target=each.follow, args=(stop,), daemon=True) for each in witnesses]
    for thread in threads:
        thread.start()
    try:
        yield witnesses
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


LONG_ALONE: Final = [pytest.param(kind, marks=pytest.mark.long) for kind in ("web", "failover")]


@pytest.mark.parametrize("kind", ["celery", *LONG_ALONE])
def test_a_fleet(kind: str, long: bool, figures: Figures) -> None:
    """Web workers for which three workers of Celery run the operations, or which run them themselves."""
    form = LONG if long else SHORT
    with scratch() as folder, fleet_of(kind, folder, form.runs) as fleet:
        hold_out(fleet, form, figures)


def hold_out(fleet: Fleet, form: Form, figures: Figures) -> None:
    """Starts runs, lays faults on the fleet, and judges what became of the runs; then cancels runs that are silent."""
    webs = fleet.members["web"]
    faults = schedule(fleet.kinds, form.faults, form.every, SEED)
    print(described(faults, SEED))  # noqa: T201  shown where the test fails
    runs = [start(webs[n % len(webs)], "steps", count=form.steps, pause=form.pause) for n in range(form.runs)]
    siege = Siege(fleet)
    wait_until(lambda: begun(fleet) >= set(runs), "every run is at work", 120)
    with watched(runs, webs) as witnesses:
        siege.lay(faults)
        fleet.mend()
        ended = time.monotonic() + BOUND + form.steps * form.pause
        while not all(each.ended for each in witnesses) and time.monotonic() < ended:
            time.sleep(0.1)
    logs = {each.run: log_of(webs[0], each.run) for each in witnesses if each.ended}
    record = verdict.read(fleet.record)
    result = verdict.judge(form.steps, runs, record, logs)
    for each in witnesses:
        verdict.judge_view(each.run, each.seen, logs.get(each.run, []), result)
    report(siege, record, result, len(runs), figures)
    assert result, f"{described(faults, SEED)}\n{result}"
    cancels(fleet, form.runs // 3, figures)


def report(siege: Siege, record: list[verdict.Entry], result: verdict.Verdict, runs: int, figures: Figures) -> None:
    """Adds the rows of the table."""
    counts = f"lost {len(result.lost)}, doubled {len(result.doubled)}, hung {len(result.hung)}"
    figures.add("fleet", f"{runs} runs, {len(siege.done)} faults, seed {SEED}: {counts}, late effects {result.late}")
    host = "worker" if "worker" in siege.fleet.kinds else "web"
    found = verdict.takeovers(siege.done, record, host, LEASE)
    for what, seconds in (("takeover", found.alone), ("takeover amid further faults", found.amid)):
        if seconds:
            times = f"p50 {percentile(seconds, 0.5):.1f} s, p99 {percentile(seconds, 0.99):.1f} s, of {len(seconds)}"
            figures.add(what, times)
    assert max(found.alone, default=0.0) < LATEST


def cancels(fleet: Fleet, number: int, figures: Figures) -> None:
    """Cancels runs that say nothing, each through another web worker than the one that started it."""
    one, other = fleet.members["web"][:2]
    runs = [start(one, "silent") for _ in range(number)]
    wait_until(lambda: begun(fleet) >= set(runs), "all are at work", 60)
    asked: dict[str, float] = {}
    for run in runs:
        asked[run] = time.monotonic()
        ask(other, "DELETE", f"/runs/{run}")
    wait_until(lambda: len(stopped(fleet, runs)) == number, "all have stopped", 60)
    seconds = [moment - asked[run] for run, moment in stopped(fleet, runs).items()]
    figures.add(
        "cancel of a silent run",
        f"p50 {percentile(seconds, 0.5) * 1000:.0f} ms, p99 {percentile(seconds, 0.99) * 1000:.0f} ms, of {number}",
    )
    assert max(seconds) < 10


def begun(fleet: Fleet) -> set[str]:
    """The runs at which some worker has begun."""
    return {each.run for each in verdict.read(fleet.record)} if fleet.record.exists() else set()


def stopped(fleet: Fleet, runs: list[str]) -> dict[str, float]:
    """When the work of these runs has stopped."""
    return {
        each.run: each.at for each in verdict.read(fleet.record) if each.what == "stopped" and each.run in set(runs)
    }
