"""Notes between an operation and its test, through files: when something happened, and that something may go on.

Times are those of CLOCK_MONOTONIC, which all processes of a machine share (clock_gettime(2)).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.clients import wait_until

VARIABLE = "NOTES_FOLDER"
"""Names the folder to an application; operations that have no note to leave do without."""


@dataclass(frozen=True)
class Notes:
    """The notes in one folder."""

    folder: Path

    def leave(self, name: str) -> None:
        """Says that `name` happens now; whoever sees the note sees all of it."""
        unfinished = self.folder / f"{name}.unfinished"
        unfinished.write_text(repr(time.monotonic()))
        unfinished.rename(self.folder / name)

    def has(self, name: str) -> bool:
        """Whether `name` has happened."""
        return (self.folder / name).exists()

    def when(self, name: str) -> float:
        """The moment of `name`, which is waited for."""
        wait_until(lambda: self.has(name), f"the note {name!r}")
        return float((self.folder / name).read_text())


def of_this_process() -> Notes:
    """The notes of the process that a test has started."""
    return Notes(Path(os.environ[VARIABLE]))
