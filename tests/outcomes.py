"""A pytest plugin that keeps the outcome of each test and its figures, over all workers of xdist.

With `--outcomes FILE` it writes them into a file, which `tests.suite` reads; without, it shows the figures at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.figures import PROPERTY, table

Outcome = Literal["passed", "skipped", "failed"]


class Result(BaseModel):
    """One test, named as pytest names it: its outcome, and the file that holds its code (a mix-in's is another one)."""

    id: str
    source: str
    outcome: Outcome

    @property
    def file(self) -> str:
        """The file that it was collected from."""
        return self.id.partition("::")[0]

    @property
    def function(self) -> str:
        """The name of its function."""
        return self.id.partition("[")[0].rpartition("::")[2]


class Outcomes(BaseModel):
    """The outcomes of one run of pytest."""

    results: dict[str, Result] = {}
    not_collected: list[str] = []
    figures: list[tuple[str, str]] = []
    complete: bool = True
    """Whether pytest has run all that it selected."""

    def of(self, outcome: Outcome) -> list[str]:
        """The tests with this outcome."""
        return [result.id for result in self.results.values() if result.outcome == outcome]

    def __add__(self, other: Outcomes) -> Outcomes:
        """The outcomes of two runs, where a test counts as it did in the second."""
        return Outcomes(
            results=self.results | other.results,
            not_collected=self.not_collected + other.not_collected,
            figures=self.figures + other.figures,
            complete=self.complete and other.complete,
        )


class Recorder:
    """Hears of every report, those of xdist's workers among them."""

    def __init__(self) -> None:
        self.outcomes = Outcomes()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keeps what could not be collected."""
        if report.failed:
            self.outcomes.not_collected.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the worst outcome of a test's phases. A worker that dies reports one phase, and that it failed."""
        if report.when == "setup" and report.passed:
            return  # the test itself is still to come
        results = self.outcomes.results
        before = results[report.nodeid].outcome if report.nodeid in results else "passed"
        worst = max(before, report.outcome, key=("passed", "skipped", "failed").index)
        results[report.nodeid] = Result(id=report.nodeid, source=report.location[0], outcome=worst)
        if report.when == "teardown":
            rows: list[Any] = [value for name, value in report.user_properties if name == PROPERTY]
            self.outcomes.figures += [(what, value) for what, value in rows]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the file."""
        file: Path | None = session.config.getoption("--outcomes")
        if file is not None:
            file.write_text(self.outcomes.model_dump_json())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Shows the figures."""
        if self.outcomes.figures and terminalreporter.config.getoption("--outcomes") is None:
            terminalreporter.section("figures")
            terminalreporter.write_line(table(self.outcomes.figures))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--outcomes`."""
    parser.addoption("--outcomes", type=Path, metavar="FILE", help="write the outcome of each test into a file")


def pytest_configure(config: pytest.Config) -> None:
    """Records in the process that hears of all workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
