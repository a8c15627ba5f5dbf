"""The folder in which the files of a request lie until its run has ended, where the files of the runs lie."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .folders import LockedFolder, sweep_folders

PREFIX: Final = "uploads-"


class Uploads(LockedFolder):
    """A new folder in `base`, by default the one for temporary files; `path` is where it lies."""

    def __init__(self, base: Path | None = None) -> None:
        super().__init__(prefix_in(base), base)


def sweep(base: Path | None = None) -> None:
    """Deletes the folders of dead workers."""
    sweep_folders(prefix_in(base), base)


def prefix_in(base: Path | None) -> str:
    """What the names of the folders begin with: among other temporary ones, whose they are too."""
    return PREFIX if base is not None else f"headway-{PREFIX}"
