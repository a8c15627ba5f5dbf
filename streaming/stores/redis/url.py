"""What the URL of a Redis store says, for redis-py and for us.

`?prefix=` begins every key of the store: stores with different prefixes in one Redis never see each other. A prefix
holds no `headway:`, with which all keys go on, so that no key of one store can be that of another.
`redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB` names Sentinels, which know where the primary is. The user and the
password in it are those of Redis; `?sentinel_username=` and `?sentinel_password=` are those of the Sentinels, which
speak TLS as Redis does (`rediss+sentinel://`) unless `?sentinel_ssl=` says otherwise.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import RedisError
from redis.connection import parse_url, to_bool

from ...errors import SettingError
from ...settings import Settings
from .sockets import BLOCKING

KEYS: Final = "headway:"
"""What all keys begin with, after the prefix."""

PREFIX: Final = re.compile(r"[A-Za-z0-9_.:/{}-]{0,100}")
"""What a prefix may be: text that stands for itself in a pattern of an ACL."""

SENTINEL_PORT: Final = 26379

OWN: Final = frozenset({"prefix", "eviction", "sentinel_username", "sentinel_password", "sentinel_ssl"})
"""The options that are not redis-py's."""

FIXED: Final = {"protocol": 2, "driver_info": None}
"""Options of every connection. A managed server, or an ACL, may refuse `CLIENT SETINFO`."""

UNHEEDED: Final = frozenset(
    {"ssl_validate_ocsp", "ssl_validate_ocsp_stapled", "ssl_include_verify_flags", "ssl_exclude_verify_flags"}
)
"""Options of redis-py that `sockets` would not keep."""


@dataclass(frozen=True, slots=True)
class Node:
    """How one server is reached: the `scheme` of its connection, and redis-py's options for it."""

    scheme: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.options.get("path") or f"{self.options.get('host')}:{self.options.get('port', 6379)}")

    def at(self, host: str, port: int) -> Node:
        """The same at another address."""
        return Node(self.scheme, {**self.options, "host": host, "port": port})


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL: `redis` is its server, or with `sentinels` what is known of it but its address.

    `prefix` is the beginning of all keys; `accepts_eviction` says that the store goes on with any `maxmemory-policy`
    (`policy`).
    """

    redis: Node
    prefix: str
    accepts_eviction: bool
    sentinels: tuple[Node, ...] = ()
    service: str = ""


def read_url(url: str) -> RedisUrl:
    """Reads a URL. Raises `SettingError`, which shows nothing of it that may be secret."""
    try:
        return _read(url)
    except (ValueError, TypeError, RedisError) as error:
        raise Settings.error("store", url, str(error)) from None


def _read(url: str) -> RedisUrl:
    scheme, _, rest = url.partition("://")
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    own = {name: value for name, value in query.items() if name in OWN}
    if own.get("eviction") not in (None, "accept"):
        raise ValueError("eviction=accept")
    prefix = own.get("prefix", "")
    if not PREFIX.fullmatch(prefix) or KEYS in prefix:
        takes = f"up to 100 of A-Z a-z 0-9 _ . : / {{ }} -, without {KEYS!r}"
        raise SettingError(f"HEADWAY_STORE has the prefix {prefix!r}; it takes {takes}")
    others = urlencode([(name, value) for name, value in query.items() if name not in OWN])
    names, service, plain = _split_sentinels(scheme, re.split(r"[?#]", rest)[0])
    redis = _node(f"{plain}?{others}")
    sentinels = tuple(_sentinels(names, redis, own))
    return RedisUrl(redis, prefix + KEYS, own.get("eviction") == "accept", sentinels, service)


def _split_sentinels(scheme: str, rest: str) -> tuple[list[str], str, str]:
    """The Sentinels and their service, and the URL of a Redis without them."""
    if not scheme.endswith("+sentinel"):
        return [], "", f"{scheme}://{rest}"
    authority, _, path = rest.partition("/")
    user, at, names = authority.rpartition("@")
    service, _, db = path.partition("/")
    return names.split(","), service, f"{scheme.removesuffix('+sentinel')}://{user}{at}sentinel/{db}"


def _node(url: str) -> Node:
    options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    options.pop("connection_class", None)
    if ignored := UNHEEDED.intersection(options):
        raise ValueError(f"{min(ignored)} is not supported")
    node = Node(urlsplit(url).scheme, options | FIXED)
    BLOCKING[node.scheme](**node.options)  # raises `TypeError` for an option that there is not
    if node.scheme == "rediss":
        _check_files(options)
    return node


def _check_files(options: Mapping[str, Any]) -> None:
    """Raises `SettingError` for a file of TLS that cannot be read, and names it."""
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("ssl_keyfile without ssl_certfile")
    context, name = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ""
    try:
        for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"):
            if name in options:
                Path(options[name]).stat()
        name = "ssl_ca_certs"
        if "ssl_ca_certs" in options or "ssl_ca_path" in options:
            context.load_verify_locations(options.get("ssl_ca_certs"), options.get("ssl_ca_path"))
        name = "ssl_certfile"
        if name in options:
            context.load_cert_chain(options[name], options.get("ssl_keyfile"), options.get("ssl_password", ""))
    except OSError as error:
        path = options.get(name)
        raise SettingError(f"HEADWAY_STORE has {name}={path}, which cannot be used: {error.strerror}") from None


def _sentinels(names: list[str], redis: Node, own: Mapping[str, str]) -> Iterator[Node]:
    scheme, options = redis.scheme, dict(redis.options)
    for name in ("db", "username", "password", "host", "port"):
        options.pop(name, None)
    if "sentinel_ssl" in own:
        scheme = "rediss" if to_bool(own["sentinel_ssl"]) else "redis"  # type: ignore[no-untyped-call]
    if scheme == "redis":
        options = {name: value for name, value in options.items() if not name.startswith("ssl_")}
    for name in ("username", "password"):
        if own.get(f"sentinel_{name}"):
            options[name] = own[f"sentinel_{name}"]
    for each in names:
        parts = urlsplit(f"//{each.strip()}")
        if not parts.hostname:
            raise ValueError("a Sentinel without a host")
        yield Node(scheme, options).at(parts.hostname, parts.port or SENTINEL_PORT)
