"""Where the event logs of runs are kept: the contract of a store (`base`), and the three stores."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import SettingError
from ..extras import needs
from ..settings import Settings
from .base import Store
from .files import Files, SharedFolder
from .memory import MemoryStore
from .sqlite.store import SqliteStore

log: Final = logging.getLogger("headway")


def open_store(settings: Settings) -> Store:
    """Opens the store of `settings.store`. Raises `SettingError`, and `StoreAway` where a file cannot be opened."""
    options: dict[str, Any] = {"retention": settings.retention}
    if settings.store_bytes is not None:
        options["store_bytes"] = settings.store_bytes
    if settings.files != "store:":
        options["files"] = _open_files(settings)
    if settings.store.startswith("memory:"):
        log.info("runs are kept in memory: other workers do not see them, and they end with this process")
        return MemoryStore(**options)
    if settings.store.startswith("sqlite:///"):
        return SqliteStore(settings.store.removeprefix("sqlite:///"), **options)
    with needs("redis", "HEADWAY_STORE is in Redis, which", SettingError):
        from .redis.store import RedisStore
    return RedisStore(settings.store, **options)


def _open_files(settings: Settings) -> Files:
    """The place of `settings.files` that is not the store's own. Raises `SettingError`."""
    parts = urlsplit(settings.files)
    if parts.scheme == "file":
        return SharedFolder(Path(url2pathname(parts.path)))
    with needs("s3", "HEADWAY_FILES is in S3, which", SettingError):
        from .s3 import S3Files
    try:
        return S3Files(settings.files)
    except Exception:  # noqa: BLE001  # obstore's errors of AWS's variables, whose text may have their values
        raise settings.error("files", settings.files, "AWS's variables cannot be read") from None


def check_store(settings: Settings) -> None:
    """Refuses a store that would lose runs or files, when an application is made. Raises `SettingError`."""
    files = None if settings.files == "store:" else _open_files(settings)
    if isinstance(files, SharedFolder) and (path := files.folder):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except OSError as error:
            raise settings.error("files", settings.files, str(error)) from None
    if settings.store.startswith(("redis", "unix")):
        with needs("redis", "HEADWAY_STORE is in Redis, which", SettingError):
            from .redis.policy import check_at_start
            from .redis.store import STORE_BYTES

            check_at_start(settings.store, settings.store_bytes or STORE_BYTES)
