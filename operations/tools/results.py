"""The result of a run of the agent: the answer, and the steps to it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

from pydantic import BaseModel

from streaming import Event, partial

from ..long_results import MOST, cut, reference, size
from ..model_info import ModelInfo
from .events import EndReason, GoalPart, Support

Json = dict[str, Any]


class CallResult(BaseModel):
    """A call with its outcome: `text` is the part that the model sees, `code` the kind of a failure."""

    call: str
    tool: str
    arguments: Json
    ok: bool
    code: str | None
    text: str
    bytes: int
    cut: bool
    seconds: float


class Step(BaseModel):
    """One reply of the model, and its calls."""

    step: int
    parts: list[GoalPart]
    calls: list[CallResult]


class Result(BaseModel):
    """The answer, and the steps to it.

    `support` says whether the observations hold all of the answer. `ended` is `gave_up` if the steps or the seconds ran
    out before it, or the model only repeated calls and had no supported answer.
    """

    answer: str
    support: Support
    ended: EndReason
    steps: list[Step]
    usage: dict[str, int]
    model: ModelInfo


def fitting(result: Result) -> Generator[Event, Any, Result]:
    """The result; where it is too long for an event, one that refers to its steps, which are partials."""
    whole = result.model_dump()
    if size(whole) <= MOST:
        return result
    for step in whole["steps"]:
        yield partial(f"step-{step['step']}", cut(step))
    return cast("Result", whole | {"steps": [reference(f"step-{step.step}") for step in result.steps]})
