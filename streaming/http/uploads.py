"""The folder in which the files of a request lie until its run has ended, in the temporary one.

A worker that is killed leaves its folders. Each is locked while it is in use (flock(2) on the folder), so the next
worker to start deletes those of dead ones, and never those of living ones.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

PREFIX: Final = "headway-uploads-"


class Uploads:
    """A new folder; `path` is where it lies."""

    def __init__(self) -> None:
        self.path = Path()
        while not self.path.name:
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
            # Until it is locked, a worker that starts takes it for that of a dead one.
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                self._lock = _lock(path)
                self.path = path

    def delete(self) -> None:
        """Deletes the folder with its files; again, it does nothing."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def sweep() -> None:
    """Deletes the folders of dead workers."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, another user's, or deleted meanwhile
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int:
    """The lock of a folder, held until it is closed. Raises `OSError` where another process has it, or deletes it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.lstat()
    except OSError:
        os.close(lock)
        raise
    return lock
