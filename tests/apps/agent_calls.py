"""One call of one tool, as the agent makes it; and functions that are tools of a test's own."""

from __future__ import annotations

import contextvars
import os
import time
from collections.abc import Sequence
from typing import Any

from operations.tools import ToolError, get_json, tool
from operations.tools.base import Surroundings, Tool, surroundings
from operations.tools.box import box
from operations.tools.web import Reach, Web
from streaming import Upload

PATIENCE = 20.0
"""Seconds that a call may take where a test does not look at that."""


def call(
    tool: Tool, *, reach: Reach | None = None, files: Sequence[Upload] = (), seconds: float = PATIENCE, **arguments: Any
) -> Any:
    """What the tool gives, with the settings' reach unless another one is given; raises `ToolError`."""

    def made() -> Any:
        surroundings.set(Surroundings(files, Web(reach or box().reach), time.monotonic() + seconds))
        return tool.invoke(arguments)

    return contextvars.copy_context().run(made)


def code_of(tool: Tool, **said: Any) -> str:
    """The code with which a call fails."""
    try:
        given = call(tool, **said)
    except ToolError as error:
        return error.code
    raise AssertionError(f"it gave {given!r}")


# Tools that tests name in HEADWAY_AGENT_TOOLS.


def add(a: int, b: int = 1) -> int:
    """Adds two numbers.

    The second paragraph is for people.
    """
    return a + b


@tool(name="publish", approve=True)
def publish_note(text: str) -> dict[str, str]:
    """Publishes a note."""
    return {"published": text}


@tool
def wait(seconds: float) -> str:
    """Waits, and keeps its thread in a call meanwhile."""
    time.sleep(seconds)
    return "waited"


@tool
def burn(seconds: float) -> str:
    """Waits, and keeps its processor busy meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "burnt"


@tool
def explode() -> None:
    """Fails in a way that nobody foresaw."""
    raise RuntimeError("the password is swordfish")


@tool
def leave() -> None:
    """Wants the whole process to end."""
    raise SystemExit(3)


@tool
def refuse() -> None:
    """Fails in words that may be read."""
    raise ToolError("closed", "The warehouse is closed on Sundays.")


@tool
def whereabouts() -> int:
    """The process that this is called in."""
    return os.getpid()


@tool
def look(url: str) -> Any:
    """Looks something up."""
    return get_json(url)


@tool
def essay(length: int) -> str:
    """Writes a long text."""
    return "ä" * length


unannotated = lambda x: x  # noqa: E731  # what a deployment may name by mistake
