"""Whether a Redis may drop what it keeps: the policy that holds once its memory is full (`maxmemory-policy`).

Only `noeviction` refuses writes then. `allkeys-*` drops live runs, and `volatile-*` leases, which are keys that expire:
other workers would take over the runs of living ones. `?eviction=accept` on the URL goes on with another policy.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ssl import SSLCertVerificationError
from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError

from ...errors import SettingError, StoreAway
from .connection import Connection
from .primary import Primary
from .replies import pairs
from .scripts import Call
from .sockets import BLOCKING

log: Final = logging.getLogger("headway")

PATIENCE: Final = 1.0
"""Seconds that the start of an application waits for a reply of Redis."""

COMMANDS: Final = ("GET", "SET", "SCARD", "PING", "XREAD")
"""The commands that the driver uses besides its scripts, all but INFO, which may be forbidden."""


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
    """Refuses a Redis that may drop what it keeps, or does not let us use it: raises `SettingError`.

    One that does not answer is let pass. Called when an application is made, perhaps in a process that forks its
    workers: over a connection of its own that blocks, and is closed again, without a hub.
    """
    primary = Primary(url, BLOCKING)
    connection = Connection(primary, PATIENCE)
    scripts = primary.scripts
    calls: list[Call] = [scripts.call("rights", *sorted({*scripts.commands(), *COMMANDS}))]
    try:
        forbidden, memory, config = connection.execute([*calls, ("INFO", "memory"), ("CONFIG", "GET", "maxmemory*")])
    except StoreAway as away:
        if _is_definite(away):
            raise SettingError(f"HEADWAY_STORE: {away}") from None
        return
    finally:
        connection.close()
    _check_rights(forbidden, scripts.prefix)
    _check_policy(_memory_of(memory, config), store_bytes, accepts=primary.url.accepts_eviction)


def _is_definite(away: StoreAway) -> bool:
    """Whether the server has answered, and would again: a wrong password, no permission, no trusted certificate."""
    error: BaseException | None = away
    while error is not None:
        if isinstance(error, AuthenticationError | NoPermissionError | SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_rights(forbidden: Any, prefix: str) -> None:
    if isinstance(forbidden, NoPermissionError):
        raise SettingError(
            f"HEADWAY_STORE: the user of Redis may not do what is needed, see docs/stores.md: {forbidden}"
        )
    if isinstance(forbidden, bytes) and forbidden:
        may_not = f"may not use {forbidden.decode()} on keys that begin with {prefix!r}"
        raise SettingError(f"HEADWAY_STORE: the user of Redis {may_not}, see docs/stores.md")


def _check_policy(memory: Mapping[str, Any] | None, store_bytes: int, *, accepts: bool) -> None:
    if memory is None:
        log.warning("the maxmemory-policy of Redis cannot be read; anything but noeviction loses live runs")
        return
    wrong = danger(memory)
    if wrong is not None and not accepts:
        raise SettingError(f"HEADWAY_STORE: {wrong}")
    if wrong is not None:
        log.warning("HEADWAY_STORE has ?eviction=accept: %s", wrong.partition(";")[0])
    most = int(memory.get("maxmemory", 0))
    if 0 < most * 3 // 4 < store_bytes:
        log.warning(
            "HEADWAY_STORE_BYTES is %d, and the maxmemory of Redis %d: below a third more it refuses writes first",
            *(store_bytes, most),
        )


def _memory_of(info: Any, config: Any) -> Mapping[str, Any] | None:
    """The settings of a server; a managed one may forbid CONFIG, and an ACL INFO."""
    if isinstance(info, bytes) and "maxmemory_policy" in (memory := read_info(info)):
        return memory
    if isinstance(config, list):
        return {name.decode().replace("-", "_"): value.decode() for name, value in pairs(config)}
    return None
