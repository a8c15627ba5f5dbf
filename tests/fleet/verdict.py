"""What became of the runs, from two accounts that know nothing of each other: the record of effects, the event logs.

**Lost** is a step without an effect, an event without its number, a run that did not succeed. **Doubled** is an effect
of a step whose checkpoint the store had kept, an attempt that began twice, a number twice, a step that a viewer counts
twice. **Hung** is a run without an end.

One kind of effect nobody can prevent: a process that is paused between two lines of its operation, and woken after
another one has taken over, makes the effect of the line that it was at. What it writes afterwards is refused. These are
counted apart, as *late*; more than one of an attempt would be doubled.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients import Message
from tests.fleet.schedule import LONG, Fault


@dataclass(frozen=True)
class Entry:
    """A line of the record: `at` is in monotonic seconds, which all processes of a machine share."""

    at: float
    pid: int
    what: str
    run: str
    attempt: int
    step: int


@dataclass
class Verdict:
    """What is wrong, in words, and the effects that came late."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    late: int = 0

    def __bool__(self) -> bool:
        return not (self.lost or self.doubled or self.hung)

    def __str__(self) -> str:
        counts = f"lost {len(self.lost)}, doubled {len(self.doubled)}, hung {len(self.hung)}, late effects {self.late}"
        return "\n".join([counts, *self.lost[:10], *self.doubled[:10], *self.hung[:10]])


def read(record: Path) -> list[Entry]:
    """The lines of a record, in their order."""
    return [Entry(**json.loads(line)) for line in record.read_text().splitlines()]


def judge(count: int, runs: Sequence[str], record: Iterable[Entry], logs: Mapping[str, Sequence[Message]]) -> Verdict:
    """The verdict on runs of `count` steps; `logs` has the events of those that have ended."""
    verdict, entries = Verdict(), defaultdict[str, list[Entry]](list)
    for entry in record:
        entries[entry.run].append(entry)
    for run in runs:
        if run not in logs:
            verdict.hung.append(f"{run} has no end")
            continue
        judge_effects(run, count, entries[run], verdict)
        judge_log(run, count, logs[run], verdict)
    return verdict


def judge_effects(run: str, count: int, entries: Sequence[Entry], verdict: Verdict) -> None:
    """Each step has an effect, and none again once its checkpoint is kept; attempts begin once, where they should."""
    done, kept, newest = set[int](), 0, 0
    late = defaultdict[int, int](int)
    for entry in entries:
        if entry.what == "begin":
            if entry.attempt <= newest:
                verdict.doubled.append(f"{run}: attempt {entry.attempt} begins after attempt {newest}")
            if entry.step < kept:
                verdict.doubled.append(f"{run}: attempt {entry.attempt} begins at {entry.step}, and {kept} was kept")
            newest = max(newest, entry.attempt)
        elif entry.what == "kept" and entry.attempt == newest:
            kept = max(kept, entry.step)
        elif entry.what == "effect" and entry.attempt < newest:
            late[entry.attempt] += 1
        elif entry.what == "effect":
            if entry.step <= kept:
                verdict.doubled.append(f"{run}: step {entry.step} again in attempt {entry.attempt}, {kept} was kept")
            done.add(entry.step)
    verdict.late += sum(late.values())
    verdict.doubled += [
        f"{run}: {times} late effects of attempt {attempt}" for attempt, times in late.items() if times > 1
    ]
    missing = sorted(set(range(1, count + 1)) - done)
    if missing:
        verdict.lost.append(f"{run}: no effect of steps {missing}")


def judge_log(run: str, count: int, log: Sequence[Message], verdict: Verdict) -> None:
    """The numbers have neither hole nor repeat, and what a viewer counts are the steps, each once, in their order."""
    numbers = [message.id for message in log]
    if len(set(numbers)) < len(numbers):
        verdict.doubled.append(f"{run}: numbers come twice in {numbers}")
    elif numbers != list(range(1, len(numbers) + 1)):
        verdict.lost.append(f"{run}: numbers are missing in {numbers}")
    if [message.event for message in log[-2:]] != ["result", "done"]:
        verdict.lost.append(f"{run}: ends with {[(message.event, message.data) for message in log[-2:]]}")
    elif (steps := list(counted(log))) != list(range(1, count + 1)):
        verdict.doubled.append(f"{run}: a viewer counts the steps {steps}")


def counted(log: Iterable[Message]) -> Iterator[int]:
    """The steps that a viewer counts: those after the checkpoint of a new attempt no longer do."""
    steps: list[tuple[int, int]] = []
    for message in log:
        if message.event == "attempt":
            after = int(message.json.get("after", 0))
            steps = [(number, step) for number, step in steps if number <= after]
        elif message.event == "delta":
            steps.append((message.id or 0, int(message.json["text"])))
    return (step for _, step in steps)


def judge_view(run: str, seen: Sequence[Message], log: Sequence[Message], verdict: Verdict) -> None:
    """A viewer that came back has seen what the log has, each event once.

    A `reset` says that the store has lost what came before it, with its producer; the log is then what comes after.
    """
    resets = [at for at, message in enumerate(seen) if message.event == "reset"]
    for first, last in itertools.pairwise([0, *resets, len(seen)]):
        numbers = [message.id for message in seen[first:last] if message.event != "reset"]
        if len(set(numbers)) < len(numbers):
            verdict.doubled.append(f"{run}: a viewer has seen numbers twice: {numbers}")
    kept = list(seen[resets[-1] + 1 :]) if resets else list(seen)
    expected = list(log)[len(log) - len(kept) :] if resets else list(log)
    if kept != expected:
        different = next((pair for pair in zip(kept, expected, strict=False) if pair[0] != pair[1]), "their lengths")
        verdict.lost.append(f"{run}: a viewer has seen something else than the log: {different}")


@dataclass(frozen=True)
class Done:
    """A fault as it was: its beginning and end in monotonic seconds, and the process ids that it was for."""

    fault: Fault
    began: float
    ended: float
    pids: frozenset[int]


@dataclass(frozen=True)
class Takeovers:
    """Seconds from the loss of a process to the next attempt of each of its runs; `amid` further faults are apart."""

    alone: list[float]
    amid: list[float]


def takeovers(faults: Sequence[Done], record: Sequence[Entry], kind: str, lease: float) -> Takeovers:
    """Of the faults that outlast a lease, on processes of the kind that has the producers.

    Others count where they have an effect on a takeover: on any process but a web worker that produces nothing, and for
    a lease afterwards, while nobody is declared dead.
    """
    found = Takeovers([], [])
    for one in faults:
        if one.fault.kind != kind or (one.fault.action != "kill" and one.fault.seconds < LONG):
            continue
        others = [other for other in faults if other is not one and other.fault.kind in {kind, "store", "broker"}]
        for moment in _next_attempts(record, one.began, one.pids):
            amid = any(other.began < moment and one.began < other.ended + lease for other in others)
            (found.amid if amid else found.alone).append(moment - one.began)
    return found


def _next_attempts(record: Sequence[Entry], began: float, pids: frozenset[int]) -> Iterator[float]:
    """When the runs that these processes had at that moment were begun anew."""
    held: dict[str, int] = {}
    for entry in record:
        if entry.at < began:
            if entry.what == "begin" and entry.pid in pids:
                held[entry.run] = entry.attempt
            elif entry.what == "begin":
                held.pop(entry.run, None)
        elif entry.what == "begin" and entry.run in held and entry.attempt == held[entry.run] + 1:
            del held[entry.run]
            yield entry.at
