"""Headway's settings: one frozen object, read from the environment and from a Flask application's `config`.

Both spell a setting alike, with the prefix: `HEADWAY_STORE`. A value that cannot be read raises `SettingError`, whose
one line names the variable, its value and what it takes; a value that may hold a password or a key is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar, Final, Self
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


def setting(default: Any, read: Callable[[str], Any], takes: str, *, secret: bool = False) -> Any:
    """A field of a class of settings, like `dataclasses.field`.

    `read` turns a text into the value, or raises `ValueError`; an error says what the setting `takes`. The value of a
    `secret` one is never shown.
    """
    return field(default=default, repr=not secret, metadata={"read": read, "takes": takes, "secret": secret})


class BaseSettings:
    """The base of a class of settings, a frozen dataclass whose fields are made by `setting`."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @classmethod
    def read(cls, *mappings: Mapping[str, Any], **defaults: Any) -> Self:
        """The settings in `mappings`, of which the last wins; `defaults` hold where none of them has a value.

        A default is text, as in a mapping, or the value itself. Raises `SettingError` for a value that cannot be read.
        """
        values = dict(defaults)
        texts = [(name, value) for name, value in defaults.items() if isinstance(value, str)]
        for name, value in [*texts, *(entry for mapping in mappings for entry in cls._values(mapping))]:
            field = cls.__dataclass_fields__.get(name)
            if field is None:
                continue  # `cls` says what it does not take
            try:
                values[name] = field.metadata["read"](_text(value))
            except (ValueError, TypeError):
                raise cls.error(name, value) from None
        return cls(**values)

    @classmethod
    def variables(cls, mapping: Mapping[str, Any]) -> dict[str, str]:
        """The settings in `mapping` as variables of an environment, whose values are text."""
        return {_variable(name): _text(value) for name, value in cls._values(mapping)}

    @classmethod
    def error(cls, name: str, value: object, reason: str = "") -> SettingError:
        """The error to raise for a value, or a part of one, that cannot be used.

        Where the value may hold a password or a key, it is not shown, and neither is `reason`, which may quote it.
        """
        metadata = cls.__dataclass_fields__[name].metadata
        text = f"{value!r} ({reason})" if reason else repr(value)
        if metadata["secret"] or _may_hold_credentials(str(value)):
            text = "(not shown)"
        return SettingError(f"{_variable(name)} is {text}; it takes {metadata['takes']}")

    @classmethod
    def _values(cls, mapping: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The settings that `mapping` has. An empty value counts as none, and so does `None`, except as a linger."""
        for name, setting in cls.__dataclass_fields__.items():
            value = mapping.get(_variable(name), "")
            if value != "" and (value is not None or setting.metadata["read"] is _linger):
                yield name, value


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return ",".join(value)
    if isinstance(value, Mapping | list | tuple):
        raise TypeError
    return str(value)


_PLAIN_URLS: Final = re.compile(r"(?:[\w,=+. /-]|:(?=/|$)|(?<=\w):\d{1,5}(?![^/,]))*", re.ASCII)
"""URLs of hosts, ports and paths: every colon in them stands before a slash, a port or the end."""


def _may_hold_credentials(text: str) -> bool:
    """Whether a text may be a URL with a password or with a key in its query, or a mapping, which may hold anything."""
    return bool(re.search(r"[@?#]|\{[^}]", text)) or ("/" in text and ":" in text and not _PLAIN_URLS.fullmatch(text))


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
    if parts.scheme == "unix" and len(parts.path) < 2:
        raise ValueError
    return text


def _files(text: str) -> str:
    parts = urlsplit(text)
    if text != "store:" and (parts.scheme != "file" or parts.netloc or len(parts.path) < 2 or "?" in text):
        raise ValueError
    return text


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ValueError
    return word in ("1", "true", "yes", "on")


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

    store: str = setting("memory:", _store, " or ".join(STORES.values()))
    heartbeat: float = setting(15.0, _above_zero, "seconds above 0")
    linger: float | None = setting(0.0, _linger, "seconds of 0 or more, or 'none'")
    retention: float = setting(3600.0, _seconds, "seconds of 0 or more")
    files: str = setting("store:", _files, "store: or file:///SHARED/PATH; s3:// is for a later release")
    store_bytes: int | None = setting(None, _count, "bytes, a whole number above 0")
    send_timeout: float = setting(30.0, _above_zero, "seconds above 0")
    max_runs: int = setting(100, _count, "a whole number above 0")
    max_streams: int = setting(10_000, _count, "a whole number above 0")
    max_runs_per_client: int = setting(20, _count, "a whole number above 0")
    max_streams_per_client: int | None = setting(None, _count, "a whole number above 0")
    proxies: int = setting(0, _whole, "a whole number of 0 or more")
    hosts: tuple[str, ...] | None = setting(
        None, _hosts, "host names such as app.example.org or .example.org, addresses, networks, or *"
    )
    max_body: int = setting(67_108_864, _count, "bytes, a whole number above 0")
    max_json: int = setting(4_194_304, _count, "bytes, a whole number above 0")
    body_timeout: float = setting(60.0, _above_zero, "seconds above 0")
    drain: float = setting(10.0, _seconds, "seconds of 0 or more")
    api_keys: Mapping[str, str] | None = setting(None, _api_keys, "owner:key,owner:key with no key twice", secret=True)
    secret: str | None = setting(None, str, "a long random text", secret=True)
    cors_origins: tuple[str, ...] = setting((), _origins, "origins such as https://example.org, separated by commas")
    cors_credentials: bool = setting(False, _switch, "1, for named origins alone, or 0")

    def __post_init__(self) -> None:
        # Browsers refuse that answer, and an origin in its place would let the pages of all sites act for a user.
        if self.cors_credentials and "*" in self.cors_origins:
            raise self.error("cors_credentials", "1", "HEADWAY_CORS_ORIGINS is *")
