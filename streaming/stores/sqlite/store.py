"""The store in an sqlite file: the workers of one machine share it, and its runs outlive them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ...clock import Clock, SystemClock
from ..files import Files, Folder
from ..lease import LEASE
from ..shared import SharedStore
from .driver import SqliteDriver

KEEP_BYTES: Final = 256 * 1024 * 1024
STORE_BYTES: Final = 1024 * 1024 * 1024


class SqliteStore(SharedStore):
    """Keeps runs in the file at `path`, a finished one for `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames, of all runs about `store_bytes`; `lease` is in seconds. Files that runs
    hand over lie in a folder beside it, or in `files`. Raises `StoreAway` for a file that cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        retention: float = 3600.0,
        keep_bytes: int = KEEP_BYTES,
        store_bytes: int = STORE_BYTES,
        lease: float = LEASE,
        clock: Clock | None = None,
        files: Files | None = None,
    ) -> None:
        clock = clock or SystemClock()
        files = files or Folder(Path(f"{path}-files"))
        driver = SqliteDriver(
            str(path),
            retention=retention,
            keep_bytes=min(keep_bytes, store_bytes),
            store_bytes=store_bytes,
            lease=lease,
            clock=clock,
        )
        super().__init__(driver, files, lease=lease, retention=retention, store_bytes=store_bytes, clock=clock)
