"""Notes between an operation and its test, in files: that something has happened and when, or that it may go on.

Times are those of CLOCK_MONOTONIC, which all processes of a machine share (clock_gettime(2)).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.clients import wait_until

VARIABLE = "NOTES_FOLDER"
"""The variable with the folder, for applications whose operations leave notes."""


@dataclass(frozen=True)
class Notes:
    """The notes in one folder."""

    folder: Path

    def leave(self, name: str) -> None:
        """Notes that `name` happens now; the file appears complete."""
        unfinished = self.folder / f"{name}.unfinished"
        unfinished.write_text(repr(time.monotonic()))
        unfinished.rename(self.folder / name)

    def has(self, name: str) -> bool:
        """Whether `name` has happened."""
        return (self.folder / name).exists()

    def when(self, name: str) -> float:
        """Waits for `name`, and returns its time."""
        wait_until(lambda: self.has(name), f"the note {name!r}")
        return float((self.folder / name).read_text())


def of_this_process() -> Notes:
    """The notes of this process, which a test has started."""
    return Notes(Path(os.environ[VARIABLE]))
