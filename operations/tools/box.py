"""Everything that this deployment's agent may call, and what it may reach: the tools that ship, and its own.

    HEADWAY_AGENT_HOSTS           hosts that tools may call (`host` or `host:port`); unset, those of the tools
    HEADWAY_AGENT_PRIVATE_HOSTS   hosts that they may call although their addresses are not public

A tool whose host is not among them is not offered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import httpx

from streaming import SettingError

from . import apis, own
from .base import Tool
from .data import query
from .documents import read
from .web import Reach, names

HOSTS: Final = "HEADWAY_AGENT_HOSTS"
PRIVATE: Final = "HEADWAY_AGENT_PRIVATE_HOSTS"

READ_FROM: Final = (HOSTS, PRIVATE, own.FUNCTIONS, own.FILE, *(variable for variable, _ in apis.SERVERS.values()))


@dataclass(frozen=True)
class Box:
    """The tools by their names, and what they may reach."""

    tools: Mapping[str, Tool]
    reach: Reach


def box() -> Box:
    """What the settings say; raises `SettingError`."""
    return _box(tuple(os.environ.get(variable, "") for variable in READ_FROM))


@lru_cache(maxsize=4)
def _box(settings: tuple[str, ...]) -> Box:
    tools = [*_shipped(), *own.own_tools()]
    twice = {tool.name for tool in tools if [other.name for other in tools].count(tool.name) > 1}
    if twice:
        raise SettingError(f"{own.FUNCTIONS} and {own.FILE} name {min(twice)!r} twice; each tool has a name of its own")
    private = _hosts(PRIVATE)
    theirs = frozenset(_host(tool) for tool in tools if tool.reaches)
    reach = Reach((_hosts(HOSTS) or theirs) | private, private)
    return Box({tool.name: tool for tool in tools if not tool.reaches or _may_call(tool, reach)}, reach)


def _shipped() -> Iterator[Tool]:
    for tool in apis.APIS:
        variable = apis.SERVERS[tool.name][0]
        try:
            there = replace(tool, reaches=apis.server(tool.name))
            _host(there)
        except (httpx.InvalidURL, ValueError):
            raise SettingError(f"{variable} is {os.environ[variable]!r}; it takes an http or https URL") from None
        yield there
    yield query
    yield read


def _host(tool: Tool) -> str:
    """The host of a tool, as lists name it."""
    url = httpx.URL(tool.reaches.partition("{")[0])
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(tool.reaches)
    return min(names(url), key=len)


def _may_call(tool: Tool, reach: Reach) -> bool:
    return bool(names(httpx.URL(tool.reaches.partition("{")[0])) & reach.hosts)


def _hosts(variable: str) -> frozenset[str]:
    return frozenset(filter(None, (host.strip().lower() for host in os.environ.get(variable, "").split(","))))
