"""What the URL of a Redis store says: this module's own options, and what is left for redis-py.

`?prefix=` begins every key of the store: stores with different prefixes in one Redis never see each other. A prefix
holds no `headway:`, with which all keys go on, so that no key of one store can be that of another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...errors import SettingError
from ...settings import Settings

KEYS: Final = "headway:"
"""What all keys begin with, after the prefix."""

PREFIX: Final = re.compile(r"[A-Za-z0-9_.:/{}-]{0,100}")
"""What a prefix may be: text that stands for itself in a pattern of an ACL."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL: `plain` is without the options of this module, `prefix` the beginning of all keys.

    `accepts_eviction` says that the store goes on with any `maxmemory-policy` (`policy`).
    """

    plain: str
    prefix: str
    accepts_eviction: bool


def read_url(url: str) -> RedisUrl:
    """Reads a URL. Raises `SettingError`."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in query if name in ("prefix", "eviction")}
    prefix, eviction = own.get("prefix", ""), own.get("eviction")
    if eviction not in (None, "accept"):
        raise Settings.error("store", url, "eviction=accept")
    if not PREFIX.fullmatch(prefix) or KEYS in prefix:
        takes = f"up to 100 of A-Z a-z 0-9 _ . : / {{ }} -, without {KEYS!r}"
        raise SettingError(f"HEADWAY_STORE has the prefix {prefix!r}; it takes {takes}")
    rest = urlencode([each for each in query if each[0] not in own])
    return RedisUrl(parts._replace(query=rest).geturl() if own else url, prefix + KEYS, eviction == "accept")
