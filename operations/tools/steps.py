"""The steps of an agent: ask the model what comes next, make the calls, show it what came of them; and so on.

What the model is shown is made anew for each step from what has been done so far, so that observations can be cut
shorter where a model's context is too small for all of them.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

from pydantic import BaseModel

from streaming import Event, OperationError, Upload, ask, delta, event, progress

from ..llm import Finished, Text, chat, connect
from . import data, documents, plans
from .base import Surroundings, Tool
from .calls import SECONDS, Call, Outcome, cut, side_by_side
from .web import Reach, Web

ANSWER_WITHIN: Final = 600.0
"""Seconds that a person has for a yes or a no."""
REPLY_TOKENS: Final = 800
"""That a reply may take; what its schema allows seldom comes near it."""
LEAST_SHOWN: Final = 200
"""Bytes of an observation that a model is shown however small its context is."""
PASSING: Final = ("timeout", "unreachable", "failed", "http_5", "http_429", "http_408")
"""How the codes of failures begin after which the same call may be made again."""

Ended = Literal["answered", "steps", "seconds", "repeated"]
Json = dict[str, Any]


class Made(BaseModel):
    """A call and what came of it: `text` is what the model was shown of it, `code` the kind of a failure."""

    call: str
    tool: str
    arguments: Json
    ok: bool
    code: str | None
    text: str
    bytes: int
    cut: bool
    seconds: float


class Part(BaseModel):
    """A part of the goal, as the model sees it, and the call whose observation holds it."""

    part: str
    observation: str | None


class Step(BaseModel):
    """One reply of the model, and the calls that it led to."""

    step: int
    parts: list[Part]
    calls: list[Made]


class Result(BaseModel):
    """The answer, and the way to it. `ended` says what ended the steps: an answer, a limit, or calls that repeat."""

    answer: str
    ended: Ended
    steps: list[Step]
    usage: dict[str, int]
    model: str


class _Late(Exception):
    """The seconds of a run were over before the model had said what comes next."""


@dataclass
class Work:
    """One run on its way. `shown` is how many bytes of each answer of a tool the model is shown."""

    goal: str
    tools: Sequence[Tool]
    reach: Reach
    files: Sequence[Upload] = ()
    approve: Sequence[str] = ()
    most_steps: int = 8
    seconds: float = 120.0
    shown: int = 4000
    steps: list[Step] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0})

    def __post_init__(self) -> None:
        self._mark = secrets.token_hex(3)
        self._known = {tool.name: tool for tool in self.tools}
        self._before: dict[str, str] = {}
        self._fits = self.shown
        self._tables: list[str] = []

    def done(self) -> Generator[Event, Any, Result]:
        """The steps, and the answer at their end."""
        if "query" in self._known:
            yield progress("Looking at the tables", step="tables")
            self._tables = data.describe(self.files)
        self.model = yield from connect()
        self.deadline = time.monotonic() + self.seconds
        ended: Ended | None = None
        for step in range(1, self.most_steps + 1):
            # No total: how many there will be nobody knows, and an eta would be made up.
            yield progress(f"Step {step}", done=step - 1, unit="steps", step="steps")
            try:
                plan = yield from self._plan(self._left(), plans.NEXT.format(seen=", ".join(self._seen()) or "none"))
            except _Late:
                ended = "seconds"
                break
            calls = [self._call(step, number, *said) for number, said in enumerate(plan.calls, 1)]
            yield event("plan", {"step": step, "parts": plan.parts, "calls": [_told(call) for call in calls]})
            if plan.answer is not None:
                return (yield from self._finish(step, plan.answer, "answered"))
            made = yield from self._made(step, calls)
            self.steps.append(Step(step=step, parts=[Part(**part) for part in plan.parts], calls=made))
            if (ended := self._over(step)) is not None:
                break
        yield progress("Answering with what is known", done=len(self.steps), unit="steps", step="steps")
        plan = yield from self._plan((), plans.LAST)
        return (yield from self._finish(len(self.steps) + 1, plan.answer or "", ended or "steps"))

    def _left(self) -> Sequence[Tool]:
        """The tools for the next step. One that was called again for nothing is not: small models do not stop at it."""
        again = {made.tool for made in self.steps[-1].calls if made.code == "repeated"} if self.steps else ()
        return [tool for tool in self.tools if tool.name not in again]

    def _over(self, step: int) -> Ended | None:
        """What ends the steps after this one, if anything does."""
        if len(self.steps) > 1 and all(_only_repeats(last) for last in self.steps[-2:]):
            return "repeated"
        if time.monotonic() >= self.deadline:
            return "seconds"
        return "steps" if step == self.most_steps else None

    def _finish(self, step: int, answer: str, ended: Ended) -> Generator[Event, Any, Result]:
        yield event("final_answer", {"step": step, "text": answer, "ended": ended})
        return Result(answer=answer, ended=ended, steps=self.steps, usage=self.usage, model=self.model.name)

    # -- the model ----------------------------------------------------------------------------------------------------

    def _plan(self, tools: Sequence[Tool], order: str) -> Generator[Event, Any, plans.Plan]:
        """What the model makes of all that is known; a reply that keeps to no form gets a second try."""
        more: list[Json] = []
        for _ in range(2):
            reply = yield from self._reply(tools, order, more)
            plan = plans.parse(reply)
            if plan is not None and (tools or plan.answer is not None):
                return plan
            more = [_said("assistant", reply or "{}"), _said("user", plans.AGAIN)]
        raise OperationError("model_unfit", "The model does not keep to the form of a step.")

    def _reply(self, tools: Sequence[Tool], order: str, more: Sequence[Json]) -> Generator[Event, Any, str]:
        """One reply; where the context is too small for the observations, with less and less of them."""
        while True:
            try:
                return (yield from self._asked(tools, [*self._messages(order), *more]))
            except OperationError as error:
                if error.code != "model_context_too_small" or self._fits <= LEAST_SHOWN or not self.steps:
                    raise
                self._fits = max(self._fits // 2, LEAST_SHOWN)

    def _asked(self, tools: Sequence[Tool], messages: Sequence[Json]) -> Generator[Event, Any, str]:
        schema = plans.reply_schema(tools, self._seen(), bounded=self.model.embedded)
        growing = plans.Growing()
        self.usage["calls"] += 1
        pieces = chat(self.model, messages, max_tokens=REPLY_TOKENS, temperature=0.0, schema=schema)
        with contextlib.closing(pieces):
            for piece in pieces:
                if tools and time.monotonic() >= self.deadline:
                    raise _Late
                if isinstance(piece, Event):
                    yield piece
                elif isinstance(piece, Text):
                    for channel, text in growing.add(piece.text):
                        yield delta(text, channel)
                elif isinstance(piece, Finished):
                    self.usage["prompt_tokens"] += piece.usage.prompt_tokens or 0
                    self.usage["completion_tokens"] += piece.usage.completion_tokens or 0
        return growing.text

    def _seen(self) -> list[str]:
        """The calls that have an observation of their own."""
        return [made.call for step in self.steps for made in step.calls if made.code != "repeated"]

    def _messages(self, order: str) -> list[Json]:
        """All that the model knows, in one turn: a small one that is shown its own replies repeats them."""
        today = datetime.now(UTC).date()
        marked = [self._marked(made) for step in self.steps for made in step.calls if made.code != "repeated"]
        known = "\n".join([f"Goal: {self.goal}{self._files()}", *marked, order])
        return [_said("system", plans.system(self.tools, today, self._mark)), _said("user", known)]

    def _files(self) -> str:
        """What came with the goal, a line each."""
        read = [f"- {file.filename} (a document for read)" for file in documents.documents(self.files)]
        told = [*read, *(f"- table for query: {table}" for table in self._tables)]
        return "\n".join(["", "Files:", *told]) if told else ""

    def _marked(self, made: Made) -> str:
        """An observation between marks that nobody outside can write."""
        text = cut(made.text, self._fits)
        less = f"\n[cut: {len(text.encode())} of {made.bytes} bytes]" if len(text.encode()) < made.bytes else ""
        about = f"{made.call} of {made.tool} {_json(made.arguments)}{'' if made.ok else ' failed'}"
        return f"<observation {self._mark} {about}>\n{text}{less}\n</observation {self._mark}>"

    # -- the tools ----------------------------------------------------------------------------------------------------

    def _call(self, step: int, number: int, name: str, arguments: Json) -> Call:
        return Call(f"{step}.{number}", name, self._known.get(name), arguments)

    def _made(self, step: int, calls: Sequence[Call]) -> Generator[Event, Any, list[Made]]:
        """Makes those of the calls that may be made, side by side, and tells what came of each."""
        came: dict[str, Made] = {}
        ready: list[Call] = []
        for call in calls:
            asks = self._asks(call)
            yield event("tool_call", {"step": step, **_told(call), "approve": asks})
            refusal = self._refusal(call)
            if refusal is None and asks and not (yield from self._approved(call)):
                refusal = Outcome("A person said no to this call.", "not_approved")
            if refusal is None:
                ready.append(call)
            else:
                came[call.id] = yield from self._observed(step, call, refusal)
        yield from self._side_by_side(step, ready, came)
        return [came[call.id] for call in calls]

    def _side_by_side(self, step: int, calls: Sequence[Call], came: dict[str, Made]) -> Generator[Event, Any, None]:
        around = Surroundings(self.files, Web(self.reach), min(self.deadline, time.monotonic() + SECONDS))
        say = partial(progress, total=len(calls), unit="calls", step=f"calls-{step}")
        if calls:
            yield say(f"Calling {', '.join(call.name for call in calls)}", done=0)
        for done, (call, outcome) in enumerate(side_by_side(calls, around), 1):
            came[call.id] = yield from self._observed(step, call, outcome)
            yield say(f"{call.name} has answered", done=done)

    def _observed(self, step: int, call: Call, outcome: Outcome) -> Generator[Event, Any, Made]:
        self._remember(call, outcome)
        text = cut(outcome.text, self.shown)
        size = len(outcome.text.encode(errors="replace"))
        made = Made(
            **_told(call),
            ok=outcome.ok,
            code=outcome.code,
            text=text,
            bytes=size,
            cut=len(text.encode()) < size,
            seconds=outcome.seconds,
        )
        yield event("observation", {"step": step, **made.model_dump(exclude={"arguments"})})
        return made

    def _asks(self, call: Call) -> bool:
        return call.tool is not None and (call.tool.approve or call.name in self.approve)

    def _approved(self, call: Call) -> Generator[Event, Any, bool]:
        """Whether a person says yes. The time that takes is nobody's but theirs."""
        begun = time.monotonic()
        prompt = f"May the agent call {call.name} with {_json(call.arguments)}?"
        said = yield ask(prompt, schema={"type": "boolean"}, within=ANSWER_WITHIN)
        self.deadline += time.monotonic() - begun
        return bool(said)

    def _refusal(self, call: Call) -> Outcome | None:
        """Why a call is not made at all, if it is not."""
        if call.tool is None:
            return Outcome(f"There is no such tool; there are {', '.join(self._known)}.", "no_such_tool")
        if (before := self._before.get(_key(call))) is not None:
            return Outcome(f"This call has been made before: its observation is {before}.", "repeated")
        self._before[_key(call)] = call.id
        return None

    def _remember(self, call: Call, outcome: Outcome) -> None:
        """A call need not be made again unless it failed in a way that may pass."""
        if outcome.code is not None and outcome.code.startswith(PASSING):
            self._before.pop(_key(call), None)


def _only_repeats(step: Step) -> bool:
    return all(made.code == "repeated" for made in step.calls)


def _said(role: str, content: str) -> Json:
    return {"role": role, "content": content}


def _told(call: Call) -> Json:
    return {"call": call.id, "tool": call.name, "arguments": dict(call.arguments)}


def _key(call: Call) -> str:
    given = {name: value for name, value in call.arguments.items() if value is not None}
    return f"{call.name} {_json(given)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
