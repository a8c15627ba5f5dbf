"""Whether a Redis may drop what it keeps: the policy that holds once its memory is full (`maxmemory-policy`).

Only `noeviction` refuses writes then. `allkeys-*` drops live runs, and `volatile-*` leases, which are keys that expire:
other workers would take over the runs of living ones. `?eviction=accept` on the URL goes on with another policy.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from ...errors import SettingError
from .url import read_url

log: Final = logging.getLogger("headway")

PATIENCE: Final = 1.0
"""Seconds that the start of an application waits for Redis."""


def danger(memory: Mapping[str, Any]) -> str | None:
    """What is wrong with the `maxmemory` and `maxmemory_policy` of a Redis, as one sentence."""
    policy = memory.get("maxmemory_policy", "noeviction")
    if int(memory.get("maxmemory", 0)) == 0 or policy == "noeviction":
        return None
    return (
        f"this Redis has a maxmemory, and its maxmemory-policy {policy} lets it drop live runs and leases; "
        "set it to noeviction, or add ?eviction=accept to the URL"
    )


def read_info(reply: bytes) -> dict[str, str]:
    """The fields of a reply to INFO."""
    lines = (line.partition(":") for line in reply.decode().splitlines())
    return {name: value for name, separator, value in lines if separator}


def check_at_start(url: str, store_bytes: int) -> None:
    """Refuses a Redis that may drop what it keeps: raises `SettingError`. One that does not answer is let pass.

    Called when an application is made, perhaps in a process that forks its workers: over a connection of its own that
    blocks, and is closed again, without a hub.
    """
    read = read_url(url)
    options: Any = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}
    with (
        contextlib.suppress(RedisError, OSError, ValueError, TypeError),
        Redis.from_url(read.plain, **options) as client,
    ):
        memory = _memory_of(client)
        if memory is None:
            log.warning("the maxmemory-policy of Redis cannot be read; anything but noeviction loses live runs")
            return
        wrong = danger(memory)
        if wrong is not None and not read.accepts_eviction:
            raise SettingError(f"HEADWAY_STORE: {wrong}")
        if wrong is not None:
            log.warning("HEADWAY_STORE has ?eviction=accept: %s", wrong.partition(";")[0])
        most = int(memory.get("maxmemory", 0))
        if 0 < most * 3 // 4 < store_bytes:
            log.warning(
                "HEADWAY_STORE_BYTES is %d, and the maxmemory of Redis %d: below a third more it refuses writes first",
                *(store_bytes, most),
            )


def _memory_of(client: Any) -> Mapping[str, Any] | None:
    """The settings of a server; a managed one may forbid CONFIG, and an ACL INFO."""
    with contextlib.suppress(ResponseError):
        memory: Mapping[str, Any] = client.info("memory")
        if "maxmemory_policy" in memory:
            return memory
    with contextlib.suppress(ResponseError):
        found: Mapping[str, Any] = client.config_get("maxmemory*")
        return {name.replace("-", "_"): value for name, value in found.items()}
    return None
