"""Everything that this deployment's agent may call, and what it may reach: the tools that ship, and its own.

The setting `agent_hosts` names the hosts that tools may call (unset, those of the tools), and `agent_private_hosts`
those that they may call although their addresses are not public. A tool whose host is not among them is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import httpx

from streaming import SettingError

from ..settings import ServiceSettings, settings
from . import apis, own
from .base import Tool
from .data import query
from .documents import read
from .web import Reach, names


@dataclass(frozen=True)
class Box:
    """The tools by their names, and what they may reach."""

    tools: Mapping[str, Tool]
    reach: Reach


def box() -> Box:
    """What the settings say; raises `SettingError`."""
    return _box(settings())


@lru_cache(maxsize=4)
def _box(service: ServiceSettings) -> Box:
    tools = [*_shipped(service), *own.own_tools(service)]
    twice = {tool.name for tool in tools if [other.name for other in tools].count(tool.name) > 1}
    if twice:
        variables = "HEADWAY_AGENT_TOOLS and HEADWAY_AGENT_TOOLS_FILE"
        raise SettingError(f"{variables} name {min(twice)!r} twice; each tool has a name of its own")
    theirs = frozenset(_host(tool) for tool in tools if tool.reaches)
    private = service.agent_private_hosts
    reach = Reach((service.agent_hosts or theirs) | private, private)
    return Box({tool.name: tool for tool in tools if not tool.reaches or _may_call(tool, reach)}, reach)


def _shipped(service: ServiceSettings) -> Iterator[Tool]:
    for tool in apis.APIS:
        setting = apis.SERVERS[tool.name]
        there = replace(tool, reaches=getattr(service, setting).rstrip("/"))
        try:
            _host(there)
        except (httpx.InvalidURL, ValueError):
            raise service.error(setting, there.reaches) from None
        yield there
    yield query
    yield read


def _host(tool: Tool) -> str:
    """The host of a tool, as lists name it."""
    return min(names(httpx.URL(tool.reaches.partition("{")[0])), key=len)


def _may_call(tool: Tool, reach: Reach) -> bool:
    return bool(names(httpx.URL(tool.reaches.partition("{")[0])) & reach.hosts)
