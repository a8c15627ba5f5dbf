"""The store in Redis: the workers of many machines share it, and its runs outlive them."""

from __future__ import annotations

from typing import Final

from ...clock import Clock, SystemClock
from ..files import Files, InStore
from ..lease import LEASE
from ..shared import SharedStore
from .driver import RedisDriver

KEEP_BYTES: Final = 64 * 1024 * 1024
STORE_BYTES: Final = 1024 * 1024 * 1024

LEAST_RETENTION: Final = 5.0
"""The shortest retention in seconds: viewers on other workers must have the time to read the end of a run."""


class RedisStore(SharedStore):
    """Keeps runs in the Redis at `url` (`redis://`, `rediss://` or `unix://`, read by redis-py).

    A finished run is kept for `retention` seconds after its end; of one run `keep_bytes` of frames are kept, of all
    runs about `store_bytes`. `lease` is in seconds. Files of runs lie in it too, up to 1 MiB each, or in `files`.
    Connections are opened when they are needed. Raises `SettingError`
    for a url that cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        retention: float = 3600.0,
        keep_bytes: int = KEEP_BYTES,
        store_bytes: int = STORE_BYTES,
        lease: float = LEASE,
        clock: Clock | None = None,
        files: Files | None = None,
    ) -> None:
        clock, retention = clock or SystemClock(), max(retention, LEAST_RETENTION)
        driver = RedisDriver(
            url,
            retention=retention,
            keep_bytes=min(keep_bytes, store_bytes),
            store_bytes=store_bytes,
            lease=lease,
            clock=clock,
        )
        files = files or InStore()
        super().__init__(driver, files, lease=lease, retention=retention, store_bytes=store_bytes, clock=clock)
