"""The tools of this deployment, built-in and custom, and the hosts that they may call.

The setting `agent_hosts` lists the hosts that tools may call, by default those of the tools; `agent_private_hosts`
lists further hosts, which may have private addresses. A tool whose host is not allowed is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import httpx

from streaming import SettingError

from ..hosts import AllowedHosts, host_names
from ..settings import ServiceSettings, settings
from . import apis, custom
from .base import Tool
from .data import query
from .documents import read


@dataclass(frozen=True)
class Registry:
    """The tools by their names, and the hosts that they may call."""

    tools: Mapping[str, Tool]
    hosts: AllowedHosts


def registry() -> Registry:
    """The registry of the settings; raises `SettingError`."""
    return _registry(settings())


@lru_cache(maxsize=4)
def _registry(service: ServiceSettings) -> Registry:
    tools = [*_built_in(service), *custom.custom_tools(service)]
    duplicates = {tool.name for tool in tools if [other.name for other in tools].count(tool.name) > 1}
    if duplicates:
        variables = "HEADWAY_AGENT_TOOLS and HEADWAY_AGENT_TOOLS_FILE"
        raise SettingError(f"{variables} name {min(duplicates)!r} twice; the names of tools are unique")
    defaults = frozenset(_host(tool) for tool in tools if tool.url)
    private = service.agent_private_hosts
    hosts = AllowedHosts((service.agent_hosts or defaults) | private, private)
    return Registry({tool.name: tool for tool in tools if not tool.url or _is_allowed(tool, hosts)}, hosts)


def _built_in(service: ServiceSettings) -> Iterator[Tool]:
    for api in apis.APIS:
        setting = apis.SERVERS[api.name]
        tool = replace(api, url=getattr(service, setting).rstrip("/"))
        try:
            _host(tool)
        except (httpx.InvalidURL, ValueError):
            raise service.error(setting, tool.url) from None
        yield tool
    yield query
    yield read


def _host(tool: Tool) -> str:
    """The host of a tool, as in lists of hosts."""
    return min(host_names(httpx.URL(tool.url.partition("{")[0])), key=len)


def _is_allowed(tool: Tool, hosts: AllowedHosts) -> bool:
    return bool(host_names(httpx.URL(tool.url.partition("{")[0])) & hosts.hosts)
