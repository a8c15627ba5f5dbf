"""One call of a tool, as the agent makes it, and functions that are custom tools of tests."""

from __future__ import annotations

import contextvars
import os
import time
from collections.abc import Sequence
from typing import Any

from operations.hosts import AllowedHosts
from operations.tools import ToolError, get_json, tool
from operations.tools.base import Tool
from operations.tools.context import CallContext, call_context
from operations.tools.registry import registry
from operations.tools.web import Web
from streaming import Upload

PATIENCE = 20.0
"""Seconds that a call may take by default."""


def call(
    tool: Tool,
    *,
    hosts: AllowedHosts | None = None,
    files: Sequence[Upload] = (),
    seconds: float = PATIENCE,
    **arguments: Any,
) -> Any:
    """The value of a call, by default with the allowed hosts of the settings; raises `ToolError`."""

    def invoke() -> Any:
        call_context.set(CallContext(files, Web(hosts or registry().hosts), time.monotonic() + seconds))
        return tool.invoke(arguments)

    return contextvars.copy_context().run(invoke)


def code_of(tool: Tool, **arguments: Any) -> str:
    """The error code of a call that fails."""
    try:
        value = call(tool, **arguments)
    except ToolError as error:
        return error.code
    raise AssertionError(f"the call returned {value!r}")


# Tools that tests name in HEADWAY_AGENT_TOOLS.

published: list[str] = []
"""The notes that were published."""


def add(a: int, b: int = 1) -> int:
    """Adds two numbers.

    The second paragraph is for people.
    """
    return a + b


def find_person(name: str) -> dict[str, str]:
    """Where somebody lives."""
    return {"name": name, "city": "Oslo"}


@tool(name="publish", approve=True)
def publish_note(text: str) -> dict[str, str]:
    """Publishes a note."""
    published.append(text)
    return {"published": text}


@tool
def wait(seconds: float) -> str:
    """Waits inside a blocking call."""
    time.sleep(seconds)
    return "waited"


@tool
def burn(seconds: float) -> str:
    """Keeps the processor busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "burnt"


@tool
def explode() -> None:
    """Fails with an unexpected exception."""
    raise RuntimeError("the password is swordfish")


@tool
def leave() -> None:
    """Raises SystemExit."""
    raise SystemExit(3)


@tool
def refuse() -> None:
    """Fails with a message for the model."""
    raise ToolError("closed", "The warehouse is closed on Sundays.")


@tool
def whereabouts() -> int:
    """The id of the process that runs the call."""
    return os.getpid()


@tool
def look(url: str) -> Any:
    """Fetches JSON."""
    return get_json(url)


@tool
def essay(length: int) -> str:
    """Writes a long text."""
    return "ä" * length


unannotated = lambda x: x  # noqa: E731  # a deployment may name it by mistake
