"""The service's settings: one frozen object, which an operation reads wherever it runs.

An operation gets its input and nothing else, and may run in a process of its own. The environment reaches all of them,
so `configure` writes into it what a Flask application's `config` says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from streaming import BaseSettings, setting

from .logs import FORMS, LEVELS

OPERATION: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
MOST_RUNS: Final = 10_000


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:  # a wrong port is a ValueError
        raise ValueError
    return text


def _proxy(text: str) -> str:
    return _url(text.replace("socks5", "http", 1)) and text


def _above_zero(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise ValueError
    return float(text)


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _one_of(*words: str) -> Callable[[str], str]:
    """Reads one of these words, in any case."""
    known = {word.lower(): word for word in words}

    def read(text: str) -> str:
        if text.strip().lower() not in known:
            raise ValueError
        return known[text.strip().lower()]

    return read


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _hosts(text: str) -> frozenset[str]:
    return frozenset(_names(text.lower()))


def _pairs(text: str) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in _names(text)]
    if not all(left.strip() and right.strip() for left, _, right in pairs):
        raise ValueError
    return {left.strip(): right.strip() for left, _, right in pairs}


def _gateways(text: str) -> Mapping[str, GatewayEntry]:
    return {name: _gateway(entry) for name, entry in _pairs(text).items()}


def _gateway(entry: str) -> GatewayEntry:
    url, *options = entry.split(";")
    values: dict[str, Any] = dict(option.split("=", 1) for option in options)
    if len(values) < len(options) or not values.keys() <= {"dialect", "idle", "total", "key"}:
        raise ValueError
    if not all(values.values()) or values.get("dialect", "openai") not in ("openai", "anthropic"):
        raise ValueError
    values |= {name: _above_zero(values[name]) for name in ("idle", "total") if name in values}
    return GatewayEntry(_url(url), **values)


def _concurrency(text: str) -> Mapping[str, int]:
    limits = {name: int(number) for name, number in _pairs(text).items()}
    if not all(OPERATION.fullmatch(name) and 1 <= limit <= MOST_RUNS for name, limit in limits.items()):
        raise ValueError
    return limits


class GatewayEntry(NamedTuple):
    """A gateway of `HEADWAY_GATEWAY`: its upstream's URL, its dialect, the variable with its key, and its limits."""

    url: str
    dialect: str = ""
    key: str = ""
    idle: float = 60.0
    total: float = 86_400.0


URL: Final = "an http or https URL"
GATEWAYS: Final = "name=URL,name=URL;dialect=openai;idle=300;total=3600;key=VARIABLE, with any of these options"
HOSTS: Final = "host,host:port"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServiceSettings(BaseSettings):
    """The settings of the operations that ship with Headway, and of the service that offers them."""

    llm_base_url: str | None = setting(
        None, _url, URL, "A server with OpenAI's API, which then answers.", unset="the embedded model"
    )
    llm_api_key: str | None = setting(None, str, "text", "Its key.", secret=True)
    llm_model: str | None = setting(
        None, str, "text", "The name of the model.", unset="the first that the server lists"
    )
    llm_timeout: float = setting(
        120.0, _above_zero, "seconds above 0", "How long a model may be silent before its call is given up."
    )
    model_file: str | None = setting(
        None,
        str,
        "a GGUF file",
        "The model of the embedded server, where `HEADWAY_LLM_BASE_URL` names no other.",
        unset="a small one, for demonstration",
    )
    model_context: int = setting(4096, _count, "a whole number above 0", "Tokens of prompt and answer together.")
    model_threads: int | None = setting(
        None, _count, "a whole number above 0", "Its threads.", unset="half of the cores, 4 at the most"
    )
    model_template: str | None = setting(
        None,
        str,
        "a file in Jinja, or the name of a template that llama.cpp knows",
        "The template of its chats.",
        unset="that in its file",
    )
    concurrency: Mapping[str, int] | None = setting(
        None,
        _concurrency,
        "OPERATION=NUMBER,OPERATION=NUMBER, as in think=8,analyze=4",
        "How many runs of an operation are at work at a time, over all workers; others wait.",
        unset="`analyze` 2, `think` 4, `agent` 8, `extract` as many as there are processors",
    )
    fetch_proxy: str | None = setting(
        None,
        _proxy,
        "an http or socks5 URL",
        "The proxy for `document_url` and the agent's tools, which then is what restricts their addresses.",
        secret=True,
    )
    document_hosts: frozenset[str] = setting(
        frozenset(), _hosts, HOSTS, "The hosts from which `extract` fetches a `document_url`, with any address."
    )
    agent_hosts: frozenset[str] = setting(
        frozenset(), _hosts, HOSTS, "The only hosts that the agent's tools may reach.", unset="those of the tools"
    )
    agent_private_hosts: frozenset[str] = setting(
        frozenset(), _hosts, HOSTS, "Further hosts that they may reach, with any address."
    )
    agent_tools: tuple[str, ...] = setting(
        (), _names, "module:function,module:function", "Python functions that the agent may call."
    )
    agent_tools_file: str | None = setting(
        None, str, "a TOML or JSON file of tools", "HTTP requests that the agent may make."
    )
    agent_contact: str | None = setting(
        None, str, "text", "An address or a URL in the `User-Agent` of its requests, which Wikimedia requires."
    )
    agent_geocoding_url: str = setting(
        "https://geocoding-api.open-meteo.com", _url, URL, "Where the agent looks up places."
    )
    agent_weather_url: str = setting("https://api.open-meteo.com", _url, URL, "Where it looks up the weather.")
    agent_holidays_url: str = setting("https://date.nager.at", _url, URL, "Where it looks up public holidays.")
    agent_exchange_url: str = setting("https://api.frankfurter.dev", _url, URL, "Where it looks up rates of exchange.")
    agent_encyclopedia_url: str = setting("https://en.wikipedia.org", _url, URL, "Which encyclopedia it reads.")
    gateway: Mapping[str, GatewayEntry] | None = setting(
        None, _gateways, GATEWAYS, "Streams of other services, offered as operations of these names."
    )
    log: str = setting("text", _one_of(*FORMS), " or ".join(FORMS), "The form of the log's lines, gunicorn's too.")
    log_level: str = setting("INFO", _one_of(*LEVELS), ", ".join(LEVELS), "The least level of what is logged.")
    simulate: bool = setting(False, bool, "1 or 0", "Offers the operation `simulate`; `make run` does.")


def configure(config: Mapping[str, Any]) -> ServiceSettings:
    """Reads the environment and an application's `config`, which wins, and makes the result that of `settings`.

    Call it before the first run: the operations' processes inherit the environment as it is then. One Python process
    has one configuration. Raises `SettingError`, and then changes nothing.
    """
    service = ServiceSettings.read(os.environ, config)
    os.environ.update(ServiceSettings.variables(config))
    return service


def settings() -> ServiceSettings:
    """The settings of this process, the same object while nothing changes them. Raises `SettingError`."""
    return _read(tuple(ServiceSettings.variables(os.environ).items()))


@lru_cache(maxsize=4)
def _read(variables: tuple[tuple[str, str], ...]) -> ServiceSettings:
    return ServiceSettings.read(dict(variables))
