"""The test command: runs both halves of the tests, runs what failed once more by itself, and prints a verdict.

    python -m tests.suite          # what `make test` runs
    python -m tests.suite --long   # what `make test-long` runs

A test that fails and then passes by itself is flaky. One flaky test does not fail the run, because a machine may stand
still for some seconds; two do, and so does a test that fails twice. All temporary files of a run are in a folder of its
own; what tests have left there is named at the end, and deleted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import figures, guarantees
from tests.outcomes import Outcomes

PROCESSES = min(4, (os.cpu_count() or 1) + 1)
"""Processes for the tests that are not live: one more than there are cores, as each of them often waits."""

HALVES = (
    ("not live", ["--ignore", "tests/live", "-n", str(PROCESSES)]),
    # Three files run side by side, in the order of `tests.tiers`: xdist's own begins with those that have most tests.
    ("live", ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]),
)

FLAKY_ALLOWED = 1

KEPT = ("pytest-of-", "headway-model-", "headway-turns-", "node-compile-cache", "headway-metrics-", "headway-files-")
"""Beginnings of the names of folders that programs keep for the next time, one for each user, and of two kinds that the
next server deletes where one was killed, as most of the tests do with theirs."""

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
    with temporary_folder() as folder:
        passed, lines = verdict(*run_all(long=long), guarantees.documents(), left_in(folder), long=long)
    print("", *lines, sep="\n")  # noqa: T201  the command's output
    return 0 if passed else 1


def run_all(*, long: bool) -> tuple[Outcomes, Outcomes]:
    """The outcomes of all tests, and those of a second run of what failed."""
    form = ["--long"] if long else []
    first = Outcomes()
    for half, processes in HALVES:
        if first.complete:  # pytest was not interrupted, and did not crash
            files = live_files() if half == "live" else []
            first += run(["-m", f"{half} and long" if long else half, *processes, *form, *files])
    failed = first.of("failed")
    return first, run([*failed, *form]) if failed and first.complete else Outcomes()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in which all processes of the run have their temporary files; it is deleted with what is left there."""
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as a user of its own
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        yield Path(folder)


def left_in(folder: Path) -> list[str]:
    """What the tests have left there, but for what is kept on purpose (`KEPT`)."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(KEPT))


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


def verdict(
    first: Outcomes, rerun: Outcomes, promises: str, left: Sequence[str] = (), *, long: bool
) -> tuple[bool, list[str]]:
    """Whether the run passed, and the lines to print.

    `rerun` has the second outcomes of what failed first, and `left` the names of files that the tests left behind.
    """
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
    notes = {"Left behind, and deleted": left, "Flaky: failed, then passed by itself": flaky}
    for title, names in {**notes, **faults}.items():
        lines += ["", f"{title}:", *(f"  {name}" for name in names)] if names else []
    counts = f"{len(outcomes.of('passed'))} passed, {len(outcomes.of('skipped'))} skipped, {len(failed)} failed"
    ending = "" if complete else ", and not all tests ran"
    return passed, [*lines, "", f"{'PASSED' if passed else 'FAILED'}: {counts}, {len(flaky)} flaky{ending}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.suite")
    parser.add_argument("--long", action="store_true", help="run the long forms alone")
    sys.exit(main(long=parser.parse_args().long))
