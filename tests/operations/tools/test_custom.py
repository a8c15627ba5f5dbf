"""Custom tools: functions named by a setting, requests described in a file, and invalid settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.tools.base import Tool
from operations.tools.registry import registry
from streaming import SettingError
from tests.apps.agent_calls import call, code_of
from tests.apps.apis import Apis, Fault
from tests.servers import ROOT

HERE = "tests.apps.agent_calls"
HOSTS = "HEADWAY_AGENT_HOSTS"
PRIVATE = "HEADWAY_AGENT_PRIVATE_HOSTS"
FUNCTIONS = "HEADWAY_AGENT_TOOLS"
FILE = "HEADWAY_AGENT_TOOLS_FILE"


@pytest.fixture
def erp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apis]:
    """A service inside the deployment."""
    with Apis(routes={"/stock": lambda query, *parts: (200, {}, {"parts": parts, "query": query})}) as server:
        monkeypatch.setenv(PRIVATE, f"127.0.0.1:{server.server_port}")
        yield server


STOCK = """
[[tools]]
name = "stock"
description = "How many pieces of a part a warehouse has."
url = "@url@/stock/{warehouse}"

[tools.parameters]
type = "object"
required = ["warehouse"]

[tools.parameters.properties]
warehouse = {type = "string", description = "north or south"}
part = {type = "integer"}
open = {type = "boolean"}

[[tools]]
name = "order"
description = "Orders a part."
method = "POST"
url = "@url@/stock"
headers = {Authorization = "Bearer ${ERP_TOKEN}"}
parameters = {type = "object", required = ["part"], properties = {part = {type = "integer"}}}
"""

Write = Callable[..., dict[str, Tool]]


@pytest.fixture
def write(erp: Apis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the file; returns the tools of the registry."""

    def write(text: str = STOCK, name: str = "tools.toml") -> dict[str, Tool]:
        path = tmp_path / name
        path.write_text(text.replace("@url@", erp.url))
        monkeypatch.setenv(FILE, str(path))
        return dict(registry().tools)

    return write


# --- functions -------------------------------------------------------------------------------------------------------


def test_functions_that_the_setting_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain and decorated functions are tools, besides the built-in ones."""
    before = set(registry().tools)
    monkeypatch.setenv(FUNCTIONS, f"{HERE}:add, {HERE}:publish_note")
    tools = registry().tools
    assert set(tools) - before == {"add", "publish"}
    assert call(tools["add"], a=2, b=3) == 5
    assert (tools["add"].approve, tools["publish"].approve) == (False, True)


@pytest.mark.parametrize(
    "names", [f"{HERE}:nothing", "no.such.module:add", HERE, f"{HERE}:PATIENCE", f"{HERE}:unannotated", "nonsense"]
)
def test_an_invalid_function_stops_the_start(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    """The error has one line with the variable, its value and what it takes."""
    monkeypatch.setenv(FUNCTIONS, names)
    with pytest.raises(SettingError, match=r"^HEADWAY_AGENT_TOOLS is .*it takes module:function") as failure:
        registry()
    assert names.split(":", maxsplit=1)[0] in str(failure.value)
    assert "\n" not in str(failure.value)


def test_names_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """A custom tool cannot replace another tool."""
    monkeypatch.setenv(FUNCTIONS, f"{HERE}:add,{HERE}:add")
    with pytest.raises(SettingError, match="'add' twice"):
        registry()


# --- a file ----------------------------------------------------------------------------------------------------------


def test_a_request_described_in_a_file(erp: Apis, write: Write) -> None:
    """Arguments fill the URL, the others are its query, and the response is the value of the call."""
    stock = write()["stock"]
    answer = call(stock, warehouse="north pole/2", part=7, open=True)
    assert answer == {"parts": ["north pole/2"], "query": {"part": "7", "open": "true"}}
    assert erp.paths == ["/stock/north%20pole%2F2?part=7&open=true"]
    assert call(stock, warehouse="south", part=None)["query"] == {}


def test_the_file_may_be_json(write: Write) -> None:
    """It has the same keys."""
    entry = {"name": "plain", "description": "Says something.", "url": "@url@/stock"}
    assert "plain" in write(json.dumps({"tools": [entry]}), "tools.json")


def test_a_request_that_changes_something(erp: Apis, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are JSON in the body, the token comes from the environment, and a person has to approve it."""
    monkeypatch.setenv("ERP_TOKEN", "swordfish")
    order = write()["order"]
    assert order.approve
    assert not write()["stock"].approve
    trusted = STOCK.replace('method = "POST"', 'method = "POST"\napprove = false')
    assert not write(trusted, "trusted.toml")["order"].approve
    call(order, part=7)
    [(method, path, headers, body)] = erp.seen
    assert (method, path, json.loads(body)) == ("POST", "/stock", {"part": 7})
    assert headers["Authorization"] == "Bearer swordfish"
    assert headers["Content-Type"] == "application/json"
    assert "swordfish" not in str(order)


def test_a_text_response(erp: Apis, write: Write) -> None:
    """The value is a string."""
    erp.faults["/stock"] = [Fault(body=b"plenty", headers={"Content-Type": "text/plain"})]
    assert call(write()["stock"], warehouse="north") == "plenty"


def test_an_empty_response(erp: Apis, write: Write) -> None:
    """The value is the status."""
    erp.faults["/stock"] = [Fault(204)]
    assert call(write()["order"], part=7) == {"status": 204}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "required"),
        ({"warehouse": None}, "null"),
        ({"warehouse": 7}, "wrong type"),
        ({"warehouse": "north", "part": "seven"}, "wrong type"),
        ({"warehouse": "north", "colour": "red"}, "unknown"),
        ({"warehouse": ".."}, "would leave the path"),
        ({"warehouse": "."}, "would leave the path"),
        ({"warehouse": ""}, "would ask for all warehouses"),
        ({"warehouse": " "}, "would ask for all warehouses"),
    ],
)
def test_arguments_are_checked(erp: Apis, write: Write, arguments: dict[str, Any], why: str) -> None:
    """The schema of the entry is checked before the request."""
    assert code_of(write()["stock"], **arguments) == "invalid_arguments", why
    assert erp.seen == []


ENTRY = {"name": "x", "description": "X.", "url": "https://example.org/{y}"}
INVALID: dict[str, Any] = {
    "no TOML": "[[tools",
    "no list": {"tools": {}},
    "no description": {"tools": [{"name": "x", "url": "https://example.org/"}]},
    "a bad name": {"tools": [{**ENTRY, "name": "X Y"}]},
    "an unknown key": {"tools": [{**ENTRY, "colour": "red"}]},
    "an unknown method": {"tools": [{**ENTRY, "method": "BREW"}]},
    "no http": {"tools": [{**ENTRY, "url": "ftp://example.org/"}]},
    "a password": {"tools": [{**ENTRY, "url": "https://user:pw@example.org/"}]},
    "a host that the model chooses": {"tools": [{**ENTRY, "url": "https://{y}.example.org/"}]},
    "a port that is none": {"tools": [{**ENTRY, "url": "https://example.org:port/"}]},
    "a port that is too high": {"tools": [{**ENTRY, "url": "https://example.org:99999/"}]},
    "a line break": {"tools": [{**ENTRY, "url": "https://example.org/\n"}]},
    "a name that is none": {"tools": [{**ENTRY, "url": "https://xn--a.example.org/"}]},
    "an address that is none": {"tools": [{**ENTRY, "url": "https://999.1.1.1/"}]},
    "a placeholder that is no parameter": {"tools": [ENTRY]},
    "a schema that is none": {"tools": [{**ENTRY, "parameters": {"type": "object", "properties": {"y": 7}}}]},
    "a reference to nothing": {
        "tools": [{**ENTRY, "parameters": {"type": "object", "properties": {"y": {"$ref": "#/$defs/Z"}}}}]
    },
    "a reference to another host": {
        "tools": [{**ENTRY, "parameters": {"type": "object", "properties": {"y": {"$ref": "https://x.org/#/$defs/y"}}}}]
    },
    "a reference that only checks": {
        "tools": [{**ENTRY, "parameters": {"type": "object", "properties": {"y": {"not": {"$ref": "#/$defs/Z"}}}}}]
    },
    "a parameter without a type": {"tools": [{**ENTRY, "parameters": {"type": "object", "properties": {"y": True}}}]},
    "a schema of no object": {"tools": [{**ENTRY, "url": "https://example.org/", "parameters": {"type": "array"}}]},
}


@pytest.mark.parametrize("file", INVALID.values(), ids=INVALID)
def test_an_invalid_file_stops_the_start(write: Write, file: Any) -> None:
    """The error has one line with the variable, the file and what is wrong with it."""
    name = "tools.toml" if isinstance(file, str) else "tools.json"
    with pytest.raises(
        SettingError, match=rf"^HEADWAY_AGENT_TOOLS_FILE is .*{name}.*it takes a TOML or JSON"
    ) as failure:
        write(file if isinstance(file, str) else json.dumps(file), name)
    assert "\n" not in str(failure.value)


def test_a_missing_file_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that there is no such file."""
    monkeypatch.setenv(FILE, "/no/such/file.toml")
    with pytest.raises(SettingError, match="No such file"):
        registry()


def test_the_examples_of_the_documentation_work(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions and the file in docs/operations.md are valid."""
    page = (ROOT / "docs/operations.md").read_text()
    section = page.partition("\n## agent\n")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"```(python|toml)\n(.*?)```", section, re.DOTALL))
    (tmp_path / "my_tools.py").write_text(blocks["python"])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(FUNCTIONS, "my_tools:order")
    tools = write(blocks["toml"])
    assert tools["stock"].url == "https://erp.example.org/stock/{warehouse}"
    assert tools["order"].approve
    assert call(tools["order"], part=7, pieces=3) == "3 pieces of 7 are ordered."
    assert code_of(tools["order"], part=7, pieces=300) == "too_many"
    monkeypatch.delenv(FILE)
    monkeypatch.setenv(FUNCTIONS, "my_tools:stock")
    assert registry().tools["stock"].parameters["required"] == ["part"]


# --- hosts -----------------------------------------------------------------------------------------------------------


def test_the_hosts_of_the_tools_are_allowed(erp: Apis, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes the host of an entry, but a private address must be allowed separately."""
    tools = write()
    assert f"127.0.0.1:{erp.server_port}" in registry().hosts.hosts
    monkeypatch.delenv(PRIVATE)
    assert code_of(tools["stock"], warehouse="north") == "private_address"


def test_a_list_of_hosts_replaces_the_default(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools whose hosts are not on the list are not offered; tools without a host are."""
    write()
    monkeypatch.setenv(HOSTS, "api.frankfurter.dev")
    monkeypatch.delenv(PRIVATE)
    assert set(registry().tools) == {"exchange_rate", "query", "read"}
    monkeypatch.setenv(HOSTS, "none")
    assert set(registry().tools) == {"query", "read"}


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "http://", "http://[::1"])
def test_an_invalid_url_stops_the_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The error has one line."""
    monkeypatch.setenv("HEADWAY_AGENT_WEATHER_URL", url)
    with pytest.raises(SettingError, match=r"^HEADWAY_AGENT_WEATHER_URL is .*it takes an http or https URL"):
        registry()
