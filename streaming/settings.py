"""Headway's settings: one frozen object, read from the environment and from a Flask application's `config`.

`variables.py` says how they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from .variables import BaseSettings, setting

STORES: Final = {
    "memory": "memory:",
    "sqlite": "sqlite:///PATH",
    "redis": "redis://HOST:PORT/DB",
    "rediss": "rediss://USER:PASSWORD@HOST:PORT/DB (TLS)",
    "redis+sentinel": "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB",
    "rediss+sentinel": "rediss+sentinel:// (TLS)",
    "unix": "unix://PATH?db=DB",
}


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def _above_zero(text: str) -> float:
    value = _seconds(text)
    if value == 0:
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _linger(text: str) -> float | None:
    return None if text.strip().lower() == "none" else _seconds(text)


def _store(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in STORES or (parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2)):
        raise ValueError
    if parts.scheme in ("redis", "rediss") and not (
        parts.hostname and parts.port != 0 and re.fullmatch(r"/?[0-9]*", parts.path)
    ):
        raise ValueError
    if parts.scheme.endswith("+sentinel") and not _SENTINELS.fullmatch(text):
        raise ValueError
    if parts.scheme == "unix" and len(parts.path) < 2:
        raise ValueError
    return text


_SENTINELS: Final = re.compile(r"[a-z+]+://([^/?#]*@)?[^@/?#,]+(,[^@/?#,]+)*/[^/?#]+(/[0-9]*)?([?#].*)?")


def _files(text: str) -> str:
    parts = urlsplit(text)
    is_folder = parts.scheme == "file" and not parts.netloc and len(parts.path) > 1
    is_bucket = parts.scheme == "s3" and re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", parts.netloc)
    if text != "store:" and (not (is_folder or is_bucket) or "?" in text or "#" in text):
        raise ValueError
    return text


def _broker(text: str) -> str:
    if not re.match(r"[a-z][a-z0-9+.-]*://", text):
        raise ValueError
    return text


def _url(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise ValueError
    return text


def _api_keys(text: str) -> Mapping[str, str]:
    """Owners by their key: a key names one owner, an owner may have several keys."""
    entries = [entry.strip().partition(":") for entry in text.split(",") if entry.strip()]
    keys = {key.strip(): owner.strip() for owner, _, key in entries}
    if not entries or len(keys) < len(entries) or not all(key and owner for key, owner in keys.items()):
        raise ValueError
    return keys


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(entry.strip()) for entry in text.split(",") if entry.strip())


def _origin(text: str) -> str:
    """An origin as browsers write it: in lower case, without a path or the port that its scheme has anyway."""
    if text == "*":
        return text
    scheme, netloc, *rest = urlsplit(_url(text.lower().rstrip("/")))
    if any(rest) or "@" in netloc:
        raise ValueError
    return f"{scheme}://{netloc.removesuffix({'http': ':80', 'https': ':443'}[scheme])}"


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(entry.strip().lower() for entry in text.split(",") if entry.strip())
    for host in hosts:
        if "/" in host:
            ip_network(host)
        elif not _HOST.fullmatch(host):
            raise ValueError
        elif host.startswith("["):
            ip_address(host[1:].partition("]")[0])
    if not hosts:
        raise ValueError
    return hosts


_HOST: Final = re.compile(r"\*|(?:\[[0-9a-f:.]+\]|\.?[\w-]+(?:\.[\w-]+)*)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BaseSettings):
    """The settings of the library. Times are seconds, sizes bytes."""

    store: str = setting("memory:", _store, " or ".join(STORES.values()), "Where runs are kept.")
    store_bytes: int | None = setting(
        None,
        _count,
        "bytes, a whole number above 0",
        "What all runs may take. The oldest finished ones go first; then starts get 503 `store_full`.",
        unset="1 GiB in sqlite and Redis, 256 MiB a worker in memory",
    )
    files: str = setting(
        "store:",
        _files,
        "store: or file:///SHARED/PATH or s3://BUCKET/PREFIX",
        "Where the files of runs and uploads lie: beside the store, in a folder that all workers see, or in an object "
        "store, whose endpoint and credentials are in AWS's variables.",
    )
    retention: float = setting(3600.0, _seconds, "seconds of 0 or more", "How long a finished run stays readable.")
    linger: float | None = setting(
        0.0,
        _linger,
        "seconds of 0 or more, or 'none'",
        "How long a run goes on after its last viewer has gone, of operations that set none; `none` is for ever.",
        none=True,
    )
    heartbeat: float = setting(
        15.0, _above_zero, "seconds above 0", "Silence on a stream after which a comment keeps it alive."
    )
    send_timeout: float = setting(
        30.0,
        _above_zero,
        "seconds above 0",
        "How long a client may take nothing of a stream or an answer before it is cut; a run goes on.",
    )
    drain: float = setting(
        10.0,
        _seconds,
        "seconds of 0 or more",
        "What a worker that stops gives its runs. `gunicorn.conf.py` reads it too, from the environment alone: set "
        "more than 10 there.",
    )
    max_runs: int = setting(
        100, _count, "a whole number above 0", "Runs at work in one worker; past it 503 `too_many_runs`."
    )
    max_streams: int = setting(
        10_000, _count, "a whole number above 0", "Open streams of one worker; past it 503 `unavailable`."
    )
    max_runs_per_client: int = setting(
        20,
        _count,
        "a whole number above 0",
        "Live and queued runs of one owner, or of an address where there are no owners, on all workers; past it 429 "
        "`too_many_runs`. Of an IPv6 address its /64 counts.",
    )
    max_streams_per_client: int | None = setting(
        None,
        _count,
        "a whole number above 0",
        "Open streams of one owner or address on a worker; past it 429 `too_many_streams`.",
    )
    max_body: int = setting(
        67_108_864, _count, "bytes, a whole number above 0", "The bytes of a request; past it 413 `too_large`."
    )
    max_json: int = setting(
        4_194_304,
        _count,
        "bytes, a whole number above 0",
        "Of these its JSON, or the texts of its form; past it 413 `too_large`.",
    )
    body_timeout: float = setting(
        60.0,
        _above_zero,
        "seconds above 0",
        "How long the body of a request may take to come; then 408 `body_timeout`.",
    )
    celery_broker: str | None = setting(
        None,
        _broker,
        "a broker's URL as Celery takes it, such as redis://HOST:PORT/DB or amqp://USER:PASSWORD@HOST:PORT/VHOST",
        'Where workers of Celery are told of the runs of operations with `runs_in="celery"`, without a Celery '
        "application of yours.",
    )
    api_keys: Mapping[str, str] | None = setting(
        None,
        _api_keys,
        "owner:key,owner:key with no key twice",
        "Set, every route wants `Authorization: Bearer KEY` or a run token, but for health, the console's files and "
        "`/headway/client.js`, and a run belongs to the owner who started it.",
        secret=True,
    )
    secret: str | None = setting(
        None,
        str,
        "a long random text",
        "Signs run tokens.",
        unset="the application's `SECRET_KEY`, else one that the store keeps",
        secret=True,
    )
    metrics_key: str | None = setting(
        None,
        str,
        "a long random text",
        "What `GET /metrics` takes as `Authorization: Bearer`.",
        unset="open, and 403 with `HEADWAY_API_KEYS`",
        secret=True,
    )
    hosts: tuple[str, ...] | None = setting(
        None,
        _hosts,
        "host names such as app.example.org or .example.org, addresses, networks, or *",
        "The hosts to serve; others get 421 `misdirected_request`.",
        unset="any; of the service without keys on a loopback address, loopback names",
    )
    proxies: int = setting(
        0,
        _whole,
        "a whole number of 0 or more",
        "Proxies in front whose `X-Forwarded-*` are trusted, for Headway's own routes alone. With 0 all clients of a "
        "proxy have one address.",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        _origins,
        "origins such as https://example.org, separated by commas",
        "Origins whose pages may call from a browser; `*` is all.",
    )
    cors_credentials: bool = setting(
        False, bool, "1, for named origins alone, or 0", "Whether these pages may send cookies."
    )

    def __post_init__(self) -> None:
        # Browsers refuse that answer, and an origin in its place would let the pages of all sites act for a user.
        if self.cors_credentials and "*" in self.cors_origins:
            raise self.error("cors_credentials", "1", "HEADWAY_CORS_ORIGINS is *")
