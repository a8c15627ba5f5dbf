"""The checkpoints of an agent, from which another attempt goes on: its steps, and the calls of a step that is open.

A call that changes something is never made twice. That it begins is kept before it does, and its observation as soon as
there is one. One that had begun, and has no observation, was made or was not: the model is told so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streaming import Event, checkpoint

from ..attempts import packed, unpacked
from .calls import Call, Outcome
from .results import CallResult, Step

if TYPE_CHECKING:
    from .steps import AgentRun

MOST: Final = 900_000
"""Bytes of the state of an agent that are kept; beyond it, of each answer only what the model sees."""

UNKNOWN: Final = Outcome(
    "It is unknown whether this call was made: the worker that began it has died. It is not made again.", "unknown"
)

FIELDS: Final = ("kind", "usage", "_hint", "_hints_left", "_missing", "_absent", "_reached")
"""What an agent knows besides its steps, as JSON."""

Json = dict[str, Any]


@dataclass
class OpenStep:
    """A step whose calls are being made: those that have `begun`, and the results that there are."""

    step: int
    parts: Any
    calls: Sequence[Call]
    begun: list[str] = field(default_factory=list)
    results: dict[str, CallResult] = field(default_factory=dict)

    def unknown(self, call: Call) -> bool:
        """Whether a call that changes something has begun without an observation."""
        return call.id in self.begun and call.tool is not None and not call.tool.repeatable


def state_to_keep(run: AgentRun, step: int, opened: OpenStep | None = None) -> Event:
    """A checkpoint before `step`, or in the open one."""
    state: Json = {name: getattr(run, name) for name in FIELDS}
    state |= {"step": step, "left": run.deadline - time.monotonic(), "advised": sorted(run._advised)}
    state["steps"] = [each.model_dump() for each in run.steps]
    if opened is not None:
        calls = [[call.id, call.name, dict(call.arguments)] for call in opened.calls]
        results = {name: result.model_dump() for name, result in opened.results.items()}
        state["open"] = {"parts": opened.parts, "calls": calls, "begun": opened.begun, "results": results}
    body = packed(state | {"texts": run._texts})
    if len(body) > MOST:
        body = packed(state | {"texts": {}})
    return checkpoint(body)


def restore(run: AgentRun, body: str) -> tuple[int, OpenStep | None]:
    """Goes back to a checkpoint; gives the step to go on with, and what is open of it."""
    state = unpacked(body)
    for name in FIELDS:
        value = state[name]
        setattr(run, name, tuple(value) if name == "_missing" and value else value)
    run.deadline = time.monotonic() + state["left"]
    run._advised = set(state["advised"])
    run.steps = [Step.model_validate(each) for each in state["steps"]]
    opened = _opened(run, state["step"], state["open"]) if "open" in state else None
    for result in (*(call for step in run.steps for call in step.calls), *(opened.results if opened else {}).values()):
        run.remember(result, state["texts"].get(result.call, result.text))
    return state["step"], opened


def _opened(run: AgentRun, step: int, state: Mapping[str, Any]) -> OpenStep:
    calls = [Call(each, name, run._tools_by_name.get(name), arguments) for each, name, arguments in state["calls"]]
    results = {name: CallResult.model_validate(result) for name, result in state["results"].items()}
    return OpenStep(step, state["parts"], calls, state["begun"], results)
