"""What a class of settings is made of: fields that are read from variables, with one line for each error.

Environment and `config` spell a setting alike, with the prefix: `HEADWAY_STORE`. A value that cannot be read raises
`SettingError`, whose one line names the variable, its value and what it takes; a value that may hold a password or a
key is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, field
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Self

from .errors import SettingError

PREFIX: Final = "HEADWAY_"
CLIENTS: Final = {
    "HEADWAY_URL": "The service that the command line and the Python client ask; else http://127.0.0.1:8000.",
    "HEADWAY_API_KEY": "The key with which they ask.",
}
"""The variables of the clients, and what they mean."""
AGENT: Final = "HEADWAY_AGENT_"
SERVICE: Final = {
    *(f"HEADWAY_MODEL_{name}" for name in ("CONTEXT", "FILE", "TEMPLATE", "THREADS")),
    *(f"HEADWAY_LLM_{name}" for name in ("BASE_URL", "API_KEY", "MODEL", "TIMEOUT")),
    *(
        f"HEADWAY_{name}"
        for name in ("CONCURRENCY", "DOCUMENT_HOSTS", "FETCH_PROXY", "GATEWAY", "LOG", "LOG_LEVEL", "SIMULATE")
    ),
}
"""Those of the service, besides its agent's: an application that does not know them may share its environment."""


def setting(
    default: Any,
    read: Callable[[str], Any],
    takes: str,
    meaning: str = "",
    *,
    unset: str = "",
    none: bool = False,
    secret: bool = False,
) -> Any:
    """A field of a class of settings, like `dataclasses.field`.

    `read` turns a text into the value, or raises `ValueError`; `bool` reads 1, true, yes, on, 0, false, no and off.
    An error says what the setting `takes`. `meaning` is its line in the reference (`docs/reference/settings.md`), and
    `unset` stands there for a default that does not say it.
    `none` says that `None` is a value. The value of a `secret` one is never shown.
    """
    read = _switch if read is bool else read  # any text but "" is true to Python
    metadata = {"read": read, "takes": takes, "meaning": meaning, "unset": unset, "none": none, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


class BaseSettings:
    """The base of a class of settings, a frozen dataclass whose fields are made by `setting`."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @classmethod
    def read(cls, *mappings: Mapping[str, Any], **defaults: Any) -> Self:
        """The settings in `mappings`, of which the last wins; `defaults` hold where none of them has a value.

        A default is text, as in a mapping, or the value itself. Raises `SettingError` for a value that cannot be read,
        and `TypeError` for a default that is no setting.
        """
        for name in defaults.keys() - cls.__dataclass_fields__.keys():
            near = "".join(f": do you mean {each!r}?" for each in get_close_matches(name, cls.__dataclass_fields__, 1))
            raise TypeError(f"there is no setting {name!r}{near}")
        values = dict(defaults)
        texts = [(name, value) for name, value in defaults.items() if isinstance(value, str)]
        for name, value in [*texts, *(entry for mapping in mappings for entry in cls._values(mapping))]:
            try:
                values[name] = cls.__dataclass_fields__[name].metadata["read"](_text(value))
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
        """The settings that `mapping` has. An empty value counts as none, and so may `None`."""
        for name, setting in cls.__dataclass_fields__.items():
            value = mapping.get(_variable(name), "")
            if value != "" and (value is not None or setting.metadata["none"]):
                yield name, value


def unknown_variables(*mappings: Mapping[str, Any]) -> dict[str, str]:
    """The names with the prefix in `mappings` that are no setting, each with the nearest that is one, or `""`.

    Settings are those of all classes that this process has loaded, the application's own too. A name that is in the
    value of another one is known: that of the variable with a gateway's key.
    """
    classes = (getattr(each, "__dataclass_fields__", {}) for each in BaseSettings.__subclasses__())
    known = {*CLIENTS, *SERVICE, *(_variable(name) for names in classes for name in names)}
    given = {
        name: str(value) for mapping in mappings for name, value in mapping.items() if str(name).startswith(PREFIX)
    }
    mentioned = re.findall(PREFIX + r"\w+", " ".join(given.values()))
    unknown = sorted(given.keys() - known - {*mentioned})
    return {name: _nearest(name, known) for name in unknown if not name.startswith(AGENT)}


def _nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of these names, or `""`; the prefix, which all have, does not make them alike."""
    bare = [each.removeprefix(PREFIX) for each in known]
    return "".join(PREFIX + near for near in get_close_matches(name.removeprefix(PREFIX), bare, 1))


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ValueError
    return word in ("1", "true", "yes", "on")


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
