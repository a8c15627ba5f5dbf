"""The test command: runs both halves of the tests, runs what failed once more by itself, and prints a verdict.

    python -m tests.suite          # what `make test` runs
    python -m tests.suite --long   # what `make test-long` runs

A test that fails and then passes by itself is flaky. One flaky test does not fail the run, because a machine may stand
still for some seconds; two do, and so does a test that fails twice.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import figures, guarantees
from tests.outcomes import Outcomes

HALVES = (
    ("not live", ["--ignore", "tests/live", "-n", "auto", "--maxprocesses", "4"]),
    # Three files run side by side, in the order of `tests.tiers`: xdist's own begins with those that have most tests.
    ("live", ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]),
)

FLAKY_ALLOWED = 1

COMPLETE = (0, 1, 5)
"""The exit codes of a pytest that ran all it selected: all passed, some failed, none selected."""


def main(*, long: bool) -> int:
    """Runs the tests, prints the verdict, and gives the exit code."""
    # One seed for all processes: pytest-xdist's refuse to run unless they collect the same tests in the same order.
    seed = os.environ.setdefault("PYTHONHASHSEED", str(random.randrange(2**32)))
    print(f"PYTHONHASHSEED={seed}", flush=True)  # noqa: T201  # what to set so that a failure comes back
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches pytest too, which stops the servers it has started
    # The tests start hundreds of processes, each of which would compile all modules that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    form = ["--long"] if long else []
    first = Outcomes()
    for half, processes in HALVES:
        if first.complete:  # pytest was not interrupted, and did not crash
            files = live_files() if half == "live" else []
            first += run(["-m", f"{half} and long" if long else half, *processes, *form, *files])
    failed = first.of("failed")
    rerun = run([*failed, *form]) if failed and first.complete else Outcomes()
    passed, lines = verdict(first, rerun, guarantees.documents(), long=long)
    print("", *lines, sep="\n")  # noqa: T201  the command's output
    return 0 if passed else 1


def live_files() -> list[str]:
    """The modules with live tests, so that no process of that half imports all the others."""
    files = sorted(Path("tests").rglob("test_*.py"))
    return [str(file) for file in files if "live" in file.parts or "mark.live" in file.read_text("utf-8")]


def run(args: list[str]) -> Outcomes:
    """The outcomes of pytest with these arguments."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes.json"
        code = subprocess.run([sys.executable, "-m", "pytest", "--outcomes", str(file), *args], check=False).returncode
        outcomes = Outcomes.model_validate_json(file.read_text()) if file.exists() else Outcomes()
    return outcomes.model_copy(update={"complete": code in COMPLETE})


def verdict(first: Outcomes, rerun: Outcomes, promises: str, *, long: bool) -> tuple[bool, list[str]]:
    """Whether the run passed, and the lines to print; `rerun` has the second outcomes of what failed first."""
    outcomes = first + rerun
    flaky = [test for test in first.of("failed") if test in rerun.of("passed")]
    failed = [test for test in first.of("failed") if test not in flaky]
    unproven = guarantees.unproven(outcomes, promises, partly=long)
    faults = {
        "Failed, and did not pass by itself either": failed,
        "Could not be collected": sorted(set(first.not_collected)),
        "Named in docs/guarantees.md or docs/security.md, but did not pass": unproven,
    }
    complete = first.complete and bool(outcomes.results)
    passed = complete and len(flaky) <= FLAKY_ALLOWED and not any(faults.values())
    lines = [figures.table(outcomes.figures)]
    for title, tests in {"Flaky: failed, then passed by itself": flaky, **faults}.items():
        lines += ["", f"{title}:", *(f"  {test}" for test in tests)] if tests else []
    counts = f"{len(outcomes.of('passed'))} passed, {len(outcomes.of('skipped'))} skipped, {len(failed)} failed"
    ending = "" if complete else ", and not all tests ran"
    return passed, [*lines, "", f"{'PASSED' if passed else 'FAILED'}: {counts}, {len(flaky)} flaky{ending}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.suite")
    parser.add_argument("--long", action="store_true", help="run the long forms alone")
    sys.exit(main(long=parser.parse_args().long))
