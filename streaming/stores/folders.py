"""Folders of one process, which the next process deletes where this one was killed.

Each is locked while it is in use (flock(2) on the folder), so that folders of dead processes are told from those of
living ones.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class LockedFolder:
    """A new folder in `base`, by default the one for temporary files; its name begins with `prefix`."""

    def __init__(self, prefix: str, base: Path | None = None) -> None:
        self.path: Path = Path()
        self._pid = os.getpid()
        if base is not None:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not self.path.name:
            path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
            # Until it is locked, a process that sweeps takes it for that of a dead one.
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                self._lock = _lock(path)
                self.path = path

    def delete(self) -> None:
        """Deletes the folder with its files; again, or in a fork of its process, it does nothing."""
        if self._lock >= 0 and os.getpid() == self._pid:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def sweep_folders(prefix: str, base: Path | None = None) -> None:
    """Deletes the folders of dead processes in `base`."""
    for folder in Path(base or tempfile.gettempdir()).glob(f"{prefix}*"):
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
