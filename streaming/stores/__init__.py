"""Event logs: the contract (`base`) and the stores behind it."""

from __future__ import annotations

import logging

from ..errors import SettingError
from ..settings import Settings
from .base import Store
from .memory import MemoryStore
from .sqlite.store import SqliteStore

log = logging.getLogger("headway")


def open_store(settings: Settings) -> Store:
    """The event log that the settings name."""
    if settings.store.startswith("memory:"):
        log.info("runs are kept in memory: they are this worker's alone, and end with it")
        return MemoryStore(retention=settings.retention)
    if settings.store.startswith("sqlite:///"):
        return SqliteStore(settings.store.removeprefix("sqlite:///"), retention=settings.retention)
    try:
        from .redis.store import RedisStore
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise SettingError("HEADWAY_STORE is in Redis, which needs redis-py: pip install 'headway[redis]'") from None
    return RedisStore(settings.store, retention=settings.retention)
