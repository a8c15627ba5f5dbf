"""`agent`: works towards a goal with tools, step by step, and reports each step.

At each step the model replies, in a form that a schema enforces, with calls of tools or with the answer. The calls run
concurrently. The value or error of each is an **observation**, which the model sees at the next step. The values of the
answer are expressions, which the program computes (`tools.expressions`), and it checks whether the observations support
the answer (`tools.support`). Besides `progress`, and `delta`s of plans and answer, there are these events
(`tools.events` has their types):

    plan          step, parts: [{part, observation}], calls: [{call, tool, arguments}]
    tool_call     step, call, tool, arguments, approve
    observation   step, call, tool, ok, code, text, bytes, cut, seconds
    final_answer  step, text, support, ended

A result that is too long for an event refers to its steps, which are `partial`s then. A call that fails does not fail
the run. A run fails if its model does (`operations.llm.errors`), if the model's replies have the wrong form
(`model_unfit`), and if nobody answers a question about a call in time (`timeout`).

A run whose worker has died goes on in another one (`tools.resume`), and makes no call twice that changes something.

Each run has its own process: a tool may be any function, and code such as DuckDB and PDFium neither waits like a
greenlet nor stops on request. Everything that a run has started ends with its process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from streaming import Event, SettingError, Upload, operation

from .attempts import kept
from .inputs import Input
from .tools import data, documents
from .tools.base import Tool
from .tools.events import EVENTS
from .tools.registry import registry
from .tools.results import Result, Step, fitting
from .tools.steps import MIN_SHOWN, AgentRun

TIMEOUT: Final = 3600.0
"""Seconds of a whole run, with the time that it waits for people."""

RETRIES: Final = 2
"""How often another worker goes on with a run, from its last step."""


def tool_names() -> list[str]:
    """The names of the tools; none if the settings are invalid, which the start of the service reports."""
    with contextlib.suppress(SettingError):
        return list(registry().tools)
    return []


def _enumerated(schema: dict[str, Any]) -> None:
    for part in [schema, *schema.get("anyOf", [])]:
        if part.get("type") == "array":
            part["items"] = {"type": "string", "enum": tool_names()}
            part["uniqueItems"] = True


def _check_names(names: list[str]) -> list[str]:
    known = tool_names()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no tool {unknown[0][:80]!r}; there are {', '.join(known)}")
    return list(dict.fromkeys(names))


Tools = Annotated[
    list[str],
    Field(json_schema_extra=_enumerated, max_length=100),  # ahead of the names: checked while the list is read
    AfterValidator(_check_names),
]


class Agent(Input):
    """A goal, the tools and files for it, and limits."""

    goal: str = Field(
        title="Goal",
        description="What the agent should find out or do.",
        min_length=1,
        max_length=4000,
        examples=[
            "What is the weather in Lisbon and in Oslo tomorrow, and which of the two is warmer?",
            "How much are 250 euros in Swiss francs, and is next Monday a public holiday in Switzerland?",
        ],
    )
    tools: Tools = Field(
        default=[],
        title="Tools",
        description="The tools that it may use; all of them if left out.",
        examples=[["weather"]],
    )
    approve: Tools = Field(
        default=[],
        title="Ask before",
        description="Tools for which a person has to approve each call.",
        examples=[["read"]],
    )
    file: list[Upload] = Field(
        default=[],
        title="Files",
        description="Documents for `read` (PDF, text) and tables for `query` (CSV, Parquet, JSON).",
        max_length=20,
    )
    steps: int = Field(default=8, ge=1, le=20, title="Steps", description="How many times it may call tools.")
    seconds: float = Field(
        default=120,
        ge=1,
        le=1800,
        title="Seconds",
        description="After this time no step begins, and the agent answers with what it knows.",
    )
    answer_bytes: int = Field(
        default=4000,
        ge=MIN_SHOWN,
        le=50_000,
        title="Bytes of a tool's answer",
        description="How much of each tool's answer the model sees; the rest is cut off.",
    )


@operation(
    title="Run an agent",
    runs_in="process",
    timeout=TIMEOUT,
    retries=RETRIES,
    concurrency=8,
    partials=Step,
    events=EVENTS,
)
def agent(input: Agent) -> Generator[Event, Any, Result]:
    """Reaches a goal with tools: weather, holidays, money, articles, documents, tables, and custom tools."""
    run = AgentRun(
        goal=input.goal,
        tools=tools_for(input),
        hosts=registry().hosts,
        files=input.file,
        approve=input.approve,
        max_steps=input.steps,
        seconds=input.seconds,
        shown=input.answer_bytes,
    )
    return (yield from fitting((yield from run.run(kept()))))


def tools_for(input: Agent) -> list[Tool]:
    """The tools of a run: those that the input names, or all; `read` and `query` only if there are files for them."""
    unused = set() if documents.documents(input.file) else {"read"}
    if not input.tools and not data.tables(input.file):
        unused.add("query")  # without tables it uses the sample data set, and only if the input names it
    names = set(input.tools or tool_names()) - unused
    return [tool for name, tool in registry().tools.items() if name in names]
