"""`agent`: works towards a goal with tools, step by step, and says what it does.

At each step the model is asked what comes next, and a schema holds its reply to one of two forms: calls of tools,
which are made side by side, or the answer. What a tool gives, or how it failed, is an **observation**, which the model
sees at the next step. Besides `progress`, and the `delta`s of plans and answer as they grow, there are these events:

    plan          step, parts: [{part, observation}], calls: [{call, tool, arguments}]
    tool_call     step, call, tool, arguments, approve
    observation   step, call, tool, ok, code, text, bytes, cut, seconds
    final_answer  step, text, ended

A call that fails ends nothing. What ends a run without a result is a model that fails (`operations.llm.errors`), or one
that does not keep to the form (`model_unfit`), and a question about a call that nobody answers in time (`timeout`).

It runs in a process of its own: a tool may be anybody's function, and DuckDB, PDFium and the like neither wait as
greenlets do nor stop when they are asked to. Its end is the end of everything it has begun.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from streaming import Event, SettingError, Upload, operation

from .tools import data, documents
from .tools.base import Tool
from .tools.box import box
from .tools.steps import LEAST_SHOWN, Result, Work

TIMEOUT: Final = 3600.0
"""Seconds of a whole run, with the questions that wait for a person."""


def offered() -> list[str]:
    """The names of the tools; none where the settings cannot be read, which the start of the service tells."""
    with contextlib.suppress(SettingError):
        return list(box().tools)
    return []


def _enumerated(schema: dict[str, Any]) -> None:
    for part in [schema, *schema.get("anyOf", [])]:
        if part.get("type") == "array":
            part["items"] = {"type": "string", "enum": offered()}
            part["uniqueItems"] = True


def _without_blanks(value: Any) -> Any:
    """A form sends its empty fields as empty strings, and a file that nobody chose as an empty one without a name."""
    if isinstance(value, list):
        return [each for each in value if not _is_blank(each)]
    return value


def _is_blank(value: Any) -> bool:
    return (isinstance(value, Upload) and not value.filename and not value.size) or value == ""


def _known(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in offered()]
    if unknown:
        raise ValueError(f"there is no tool {unknown[0]!r}; there are {', '.join(offered())}")
    return list(dict.fromkeys(names))


Tools = Annotated[
    list[str],
    BeforeValidator(_without_blanks),
    AfterValidator(_known),
    Field(json_schema_extra=_enumerated, max_length=100),
]


class Agent(BaseModel):
    """A goal, what may be used to reach it, and how far to go."""

    model_config = ConfigDict(extra="forbid")

    goal: str = Field(
        title="Goal",
        description="What is to be found out or done.",
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
        description="Which tools it may use; all of them if left out.",
        examples=[["weather"]],
    )
    approve: Tools = Field(
        default=[], title="Ask before", description="Tools whose calls need a person's yes, each.", examples=[["read"]]
    )
    file: Annotated[list[Upload], BeforeValidator(_without_blanks)] = Field(
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
        description="After which no step begins; the answer is then given with what is known.",
    )
    answer_bytes: int = Field(
        default=4000,
        ge=LEAST_SHOWN,
        le=50_000,
        title="Bytes of a tool's answer",
        description="How much of each tool's answer the model is shown; the rest is cut off.",
    )


@operation(title="Run an agent", runs_in="process", timeout=TIMEOUT)
def agent(input: Agent) -> Generator[Event, Any, Result]:
    """Reaches a goal with tools: weather, holidays, money, articles, documents, tables, and tools of your own."""
    work = Work(
        goal=input.goal,
        tools=tools_for(input),
        reach=box().reach,
        files=input.file,
        approve=input.approve,
        most_steps=input.steps,
        seconds=input.seconds,
        shown=input.answer_bytes,
    )
    return (yield from work.done())


def tools_for(input: Agent) -> list[Tool]:
    """The tools that a run may use: those that it asks for, or all that it has something for."""
    idle = set() if documents.documents(input.file) else {"read"}
    if not input.tools and not data.tables(input.file):
        idle.add("query")  # over the sample data set only when it is asked for
    wanted = set(input.tools or offered()) - idle
    return [tool for name, tool in box().tools.items() if name in wanted]
