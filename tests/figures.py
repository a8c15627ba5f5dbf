"""What tests measure: rows of the table that `make test` and `make test-long` print at their end."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.clients import Message

PROPERTY: Final = "figure"
"""The name under which a row travels in a test's report."""


class Figures:
    """The rows of one test, whose parameters each of them names; `record` is pytest's `record_property`."""

    def __init__(self, record: Callable[[str, object], None], parameters: str) -> None:
        self._record = record
        self._parameters = parameters

    def add(self, what: str, value: str) -> None:
        """Adds a row."""
        self._record(PROPERTY, (f"{what} {self._parameters}".strip(), value))

    def times(self, what: str, seconds: Sequence[float]) -> None:
        """Adds the median and the longest of some times, in milliseconds."""
        median, longest = statistics.median(seconds) * 1000, max(seconds) * 1000
        self.add(what, f"median {median:.2f} ms, longest {longest:.2f} ms, of {len(seconds)}")

    def fault(self, fault: str, tries: int, viewers: Sequence[Sequence[Message]], silence: float) -> None:
        """Adds the events that all viewers of a fault lost and saw twice, and the longest silence of one (s).

        Each viewer has watched its run from event 1 on.
        """
        ids = [[message.id for message in messages if message.id is not None] for messages in viewers]
        lost = sum(max(each) - len(set(each)) for each in ids)
        repeated = sum(len(each) - len(set(each)) for each in ids)
        self.add(fault, f"{tries} times, {lost} events lost, {repeated} repeated, longest silence {silence:.2f} s")


def table(rows: Iterable[tuple[str, str]]) -> str:
    """The rows as text, in two columns."""
    rows = list(rows)
    width = max((len(what) for what, _ in rows), default=0)
    return "\n".join(f"{what.ljust(width)}  {value}" for what, value in rows)
