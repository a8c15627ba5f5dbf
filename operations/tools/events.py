"""The data of the agent's own events, as the types of its entry in the catalogue."""

from __future__ import annotations

from typing import Any, Final, Literal

from typing_extensions import TypedDict  # pydantic takes no other on Python 3.11

EndReason = Literal["answered", "gave_up"]
Support = Literal["supported", "unsupported"]


class GoalPart(TypedDict):
    """A part of the goal in the model's words, and the id of the call whose observation answers it."""

    part: str
    observation: str | None


class PlannedCall(TypedDict):
    """A call of a tool; `call` is its id, such as `2.1`, the first one of step 2."""

    call: str
    tool: str
    arguments: dict[str, Any]


class PlanEvent(TypedDict):
    """A reply of the model: what it knows of the goal, and the calls that it makes next."""

    step: int
    parts: list[GoalPart]
    calls: list[PlannedCall]


class ToolCallEvent(PlannedCall):
    """A call that is about to be made, once a person has approved it where `approve` says so."""

    step: int
    approve: bool


class ObservationEvent(TypedDict):
    """How a call ended: `code` is the kind of a failure, and `text` what the model sees of `bytes` bytes."""

    step: int
    call: str
    tool: str
    ok: bool
    code: str | None
    text: str
    bytes: int
    cut: bool
    seconds: float


class FinalAnswerEvent(TypedDict):
    """The answer, whether the observations support it, and whether the steps ended with it, or ran out before."""

    step: int
    text: str
    support: Support
    ended: EndReason


EVENTS: Final = {
    "plan": PlanEvent,
    "tool_call": ToolCallEvent,
    "observation": ObservationEvent,
    "final_answer": FinalAnswerEvent,
}
"""The types by the names of the events."""
