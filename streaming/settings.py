"""Headway's settings: one frozen object, read from a mapping (the environment, or a Flask application's `config`).

A setting that cannot be read raises `SettingError`, whose one line names the variable, its value and what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from .errors import SettingError

PREFIX: Final = "HEADWAY_"
STORES: Final = {
    "memory": "memory:",
    "sqlite": "sqlite:///PATH",
    "redis": "redis://HOST:PORT/DB",
    "rediss": "rediss://USER:PASSWORD@HOST:PORT/DB (TLS)",
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


def _linger(text: str) -> float | None:
    return None if text.strip().lower() == "none" else _seconds(text)


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise ValueError
    return word in ("1", "true", "yes", "on")


def _store(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in STORES or (parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2)):
        raise ValueError
    if parts.scheme in ("redis", "rediss") and not (
        parts.hostname and parts.port != 0 and re.fullmatch(r"/?[0-9]*", parts.path)
    ):
        raise ValueError
    if parts.scheme == "unix" and len(parts.path) < 2:
        raise ValueError
    return text


def _url(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise ValueError
    return text


def _pairs(text: str, between: str) -> dict[str, str]:
    pairs = [entry.strip().partition(between) for entry in text.split(",") if entry.strip()]
    if not all(left.strip() and right.strip() for left, _, right in pairs):
        raise ValueError
    return {left.strip(): right.strip() for left, _, right in pairs}


def _api_keys(text: str) -> Mapping[str, str]:
    """Owners by their key: a key names one owner, an owner may have several keys."""
    entries = [entry.strip().partition(":") for entry in text.split(",") if entry.strip()]
    keys = {key.strip(): owner.strip() for owner, _, key in entries}
    if not entries or len(keys) < len(entries) or not all(key and owner for key, owner in keys.items()):
        raise ValueError
    return keys


def _gateways(text: str) -> Mapping[str, str]:
    gateways = _pairs(text, "=")
    for url in gateways.values():
        _url(url)
    return gateways


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(entry.strip().rstrip("/") for entry in text.split(",") if entry.strip())
    for origin in origins:
        if origin != "*":
            _url(origin)
    return origins


def _setting(default: Any, read: Callable[[str], Any], takes: str) -> Any:
    return field(default=default, metadata={"read": read, "takes": takes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a worker was told. Times are seconds, sizes bytes."""

    store: str = _setting("memory:", _store, " or ".join(STORES.values()))
    heartbeat: float = _setting(15.0, _above_zero, "seconds above 0")
    linger: float | None = _setting(0.0, _linger, "seconds of 0 or more, or 'none'")
    retention: float = _setting(3600.0, _seconds, "seconds of 0 or more")
    send_timeout: float = _setting(30.0, _above_zero, "seconds above 0")
    max_runs: int = _setting(100, _count, "a whole number above 0")
    max_streams: int = _setting(10_000, _count, "a whole number above 0")
    max_runs_per_client: int = _setting(20, _count, "a whole number above 0")
    max_body: int = _setting(67_108_864, _count, "bytes, a whole number above 0")
    drain: float = _setting(10.0, _seconds, "seconds of 0 or more")
    api_keys: Mapping[str, str] | None = _setting(None, _api_keys, "owner:key,owner:key with no key twice")
    cors_origins: tuple[str, ...] = _setting((), _origins, "origins such as https://example.org, separated by commas")
    llm_base_url: str | None = _setting(None, _url, "an http or https URL")
    llm_api_key: str | None = _setting(None, str, "text")
    llm_model: str | None = _setting(None, str, "text")
    gateway: Mapping[str, str] | None = _setting(None, _gateways, "name=URL,name=URL")
    simulate: bool = _setting(False, _switch, "1 or 0")
    celery_broker: str | None = _setting(None, str, "a broker's URL")

    @classmethod
    def read(cls, mapping: Mapping[str, Any], *, prefix: str = PREFIX, **defaults: Any) -> Settings:
        """The settings in `mapping`, whose names carry `prefix`; `defaults` are for those that it leaves out.

        Raises `SettingError` for a value that cannot be read.
        """
        found: dict[str, Any] = dict(defaults)
        for setting in fields(cls):
            variable = prefix + setting.name.upper()
            value = mapping.get(variable)
            if value is None and variable in mapping and setting.name == "linger":
                found["linger"] = None  # in Python's own words: no environment holds a None
            if value is None or (value == "" and setting.name != "simulate"):
                continue
            try:
                found[setting.name] = setting.metadata["read"](_text(value))
            except (ValueError, KeyError, TypeError):
                shown = "(not shown)" if setting.name in ("api_keys", "llm_api_key") else repr(value)
                raise SettingError(f"{variable} is {shown}; it takes {setting.metadata['takes']}") from None
        return cls(**found)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return ",".join(value)
    if isinstance(value, Mapping | list | tuple):
        raise TypeError
    return str(value)
