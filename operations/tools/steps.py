"""The steps of an agent: call the model, make the calls that it asks for, and show it the observations."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial as bound
from typing import Any, Final

from streaming import Event, OperationError, Upload, ask, delta, event, progress

from ..hosts import AllowedHosts
from ..llm import Finished, Text, chat, connect
from ..llm.prompts import visible
from . import chosen, data, documents, entries, fields, plans, prompt, relevant, support, wording
from .advice import advice, call_for, example, further
from .base import Tool
from .calls import SECONDS, Call, Outcome, cut, run_concurrently
from .context import CallContext
from .events import EndReason, Support
from .expressions import Evaluation
from .found import found
from .goal import Goal, without_courtesies
from .nothing import unasked
from .observed import NOT_FOUND, Observations, Observed
from .results import CallResult, Result, Step
from .resume import UNKNOWN, OpenStep, restore, state_to_keep
from .values import ExpressionError, name_of, plain
from .web import Web

APPROVAL_SECONDS: Final = 600.0
"""Seconds that a person has to approve a call."""
REPLY_TOKENS: Final = 800
"""Tokens of a reply; what its schema allows is mostly far shorter."""
MIN_SHOWN: Final = 200
"""Bytes of an observation that a model sees at least, however small its context is."""
HINTS: Final = 2
"""How many times a model is told what its answer lacks."""
REPEATED: Final = 300
"""Characters of a reply of the wrong form that it is shown again."""
HINTED: Final = 200
"""Characters of the answer that it is told about."""
TRANSIENT: Final = ("timeout", "unreachable", "failed", "http_5", "http_429", "http_408")
"""Prefixes of the codes of failures after which the same call may be repeated."""
TRIES: Final = 2
"""How many times it is made in all; a tool itself tries more often than that."""
NOT_MADE: Final = ("http_429",)
"""The same for a call that changes something, which may have done so all the same after the others."""

Json = dict[str, Any]


class _OutOfTime(Exception):
    """The seconds of a run ended before the model's reply."""


@dataclass
class AgentRun:
    """One run of the agent. `shown` is how many bytes of each answer of a tool the model sees."""

    goal: str
    tools: Sequence[Tool]
    hosts: AllowedHosts
    files: Sequence[Upload] = ()
    approve: Sequence[str] = ()
    max_steps: int = 8
    seconds: float = 120.0
    shown: int = 4000
    steps: list[Step] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0})

    def __post_init__(self) -> None:
        self._tag = secrets.token_hex(3)
        self._tools_by_name = {tool.name: tool for tool in self.tools}
        self._previous_calls: dict[str, CallResult] = {}
        self._tries: Counter[str] = Counter()
        self._observation_bytes = self.shown
        self._tables: list[str] = []
        self._texts: dict[str, str] = {}  # whole, while the model sees a part of each
        self._hints_left = HINTS
        self._hint = ""
        self._reached = False
        self._advised: set[str] = set()
        self._missing: tuple[str, Json] | None = None
        self._goal = Goal(without_courtesies(self.goal), datetime.now(UTC).date())
        self._absent = 0
        self.kind: plans.Kind = "any"

    def run(self, kept: str | None = None) -> Generator[Event, Any, Result]:
        """Runs the steps until there is an answer, from the checkpoint of the last attempt on."""
        if "query" in self._tools_by_name:
            yield progress("Looking at the tables", step="tables")
            self._tables, texts = data.describe(self.files)
            self._goal = replace(self._goal, row_texts=texts)
        self.model = yield from connect()
        self._asker = fields.Asker(self.model, self.usage)
        self.deadline = time.monotonic() + self.seconds
        first, opened = (1, None) if kept is None else restore(self, kept)
        verdict, step = yield from self._steps(first, opened)
        if verdict is None or not verdict.supported:
            by_itself = yield from self._found()
            following = step if verdict is None else step + 1
            while by_itself is None and (yield from self._look_further(following)):
                verdict, step, following = None, following + 1, following + 1
                by_itself = yield from self._found()
            self._reached = self._reached or by_itself is not None
            verdict = by_itself or verdict
        if verdict is None:
            yield progress("Answering with what is known", done=len(self.steps), unit="steps", step="steps")
            verdict = yield from self._judge((yield from self._plan("answer", self._hint + prompt.LAST)))
        yield delta(verdict.text, "text")
        supported: Support = "supported" if verdict.supported else "unsupported"
        ended: EndReason = "answered" if self._reached else "gave_up"
        yield event("final_answer", {"step": step, "text": verdict.text, "support": supported, "ended": ended})
        return Result(
            answer=verdict.text,
            support=supported,
            ended=ended,
            steps=self.steps,
            usage=self.usage,
            model=self.model.described,
        )

    def _steps(self, first: int, opened: OpenStep | None) -> Generator[Event, Any, tuple[support.Verdict | None, int]]:
        """The verdict on the answer and its step; no verdict if the steps or the seconds run out before."""
        if opened is not None:
            if (yield from self._take_step(opened)):
                return None, len(self.steps) + 1
            first += 1
        for step in range(first, self.max_steps + 1):
            if step > 1:
                yield state_to_keep(self, step)
            kind = self.kind
            # Without a total: the number of steps is not known, and an eta would be wrong.
            yield progress(f"Step {step}", done=step - 1, unit="steps", step="steps")
            plan = yield from self._next_plan(kind)
            if plan is None:
                break
            calls = self._calls(step, plan)
            if plan.answer is not None and (instead := self._calls_instead(step, 1)):
                calls, plan = instead, plans.Plan(plan.parts, (), None)
            yield event("plan", {"step": step, "parts": plan.parts, "calls": [_call_data(call) for call in calls]})
            if plan.answer is not None:
                verdict = yield from self._judge(plan)
                if verdict.supported or self._hints_left == 0:
                    self._reached = verdict.supported or kind != "answer"
                    return verdict, step
                self.kind = self._advise(verdict, kind)
                continue
            if (yield from self._take_step(OpenStep(step, plan.parts, calls))):
                break
        return None, len(self.steps) + 1

    def _look_further(self, step: int) -> Generator[Event, Any, bool]:
        """Makes the calls that may find more, in a step of their own, before the run gives up; whether one did."""
        seen = self._seen()
        if len(self.steps) >= self.max_steps or time.monotonic() >= self.deadline:
            return False
        calls = self._own_calls(further(self._goal, seen, self.tools), step, 1)
        if not calls:
            return False
        opened = OpenStep(step, [], calls)
        yield event("plan", {"step": step, "parts": [], "calls": [_call_data(call) for call in calls]})
        yield from self._make_calls(opened)
        results = [opened.results[call.id] for call in calls]
        self.steps.append(Step(step=step, parts=[], calls=results))
        return len(self._seen().values) > len(seen.values)

    def _take_step(self, opened: OpenStep) -> Generator[Event, Any, bool]:
        """Makes the calls of a step; whether it is the last one."""
        yield from self._make_calls(opened)
        results = [opened.results[call.id] for call in opened.calls]
        repeats = all(call.code == "repeated" or self._is_invented(call) for call in results)
        if repeats and (missing := self._calls_instead(opened.step, len(results) + 1)):
            opened.calls = [*opened.calls, *missing]
            yield from self._make_calls(opened)
            results += [opened.results[call.id] for call in missing]
            repeats = False
        self.steps.append(Step(step=opened.step, parts=opened.parts, calls=results))
        if (repeats and self.kind == "calls") or time.monotonic() >= self.deadline:
            return True
        self.kind = self._next_kind(repeats)
        return self.kind == "answer" and (yield from self._found()) is not None

    def _advise(self, verdict: support.Verdict, kind: plans.Kind) -> plans.Kind:
        """Tells the model what its answer lacks; returns what it may reply."""
        self._hints_left -= 1
        self._hint = prompt.HINT.format(answer=verdict.text[:HINTED], hint=verdict.hint)
        if not (verdict.needs_call and self.tools):
            return kind
        self._missing = call_for(verdict.hint, self._goal, self._seen(), self.tools)
        self._hint += example(self._missing)
        return "calls"

    def _order(self, kind: plans.Kind) -> str:
        if kind == "answer":
            return prompt.LAST
        return prompt.NEXT.format(seen=", ".join(self._observations()) or "none")

    def _next_kind(self, repeats: bool) -> plans.Kind:
        """What the model may reply after calls, with what it is told; each is told once."""
        missing = (each for each in advice(self._goal, self._seen(), self.tools) if each.text not in self._advised)
        first = next(missing, None)
        self._missing = None
        if first is None:
            self._hint = ""
            return "answer" if repeats else "any"  # who repeats has nothing else to look for
        self._advised.add(first.text)
        self._missing = first.call if first.needs_call else None
        self._hint = f"{first.text} {example(first.call)}"
        return "calls" if first.needs_call else "any"

    def _calls_instead(self, step: int, number: int) -> list[Call]:
        """The calls that the model was told to make, and that it has not made but repeated others.

        Where nothing was found at all, those without which that is not known (`nothing.unasked`).
        """
        seen = self._seen()
        wanted = [self._missing] if self._missing else []
        if seen.all and not seen.values:
            wanted += [each for each in unasked(self._goal, seen, self.tools) if each not in wanted]
        return self._own_calls(wanted, step, number)

    def _own_calls(self, wanted: Sequence[tuple[str, Json]], step: int, number: int) -> list[Call]:
        """Those of some calls that may be made in place of the model: one that changes something is its decision."""
        made: list[Call] = []
        for name, arguments in wanted:
            tool = self._tools_by_name.get(name)
            call = Call(f"{step}.{number + len(made)}", name, tool, arguments)
            if tool and tool.repeatable and not self._needs_approval(call) and self._refusal(call) is None:
                made.append(call)
        return made

    def _is_invented(self, call: CallResult) -> bool:
        """Whether a call had no result, and its arguments are of nobody: a model that knows all makes such calls."""
        seen = self._seen()
        return call.code in NOT_FOUND and bool(seen.values) and not seen.mentions(call.arguments, self.goal)

    def _seen(self) -> Observations:
        return Observations(
            Observed(f"o{number}", call.tool, call.arguments, call.code, self._texts[call.call])
            for number, call in enumerate(self._observed_calls(), 1)
        )

    def _judge(self, plan: plans.Plan) -> Generator[Event, Any, support.Verdict]:
        """Whether the observations support the answer of a plan. That there is none has to be said twice."""
        seen = self._seen()

        def verdict() -> support.Verdict:
            return support.judge(self._goal, seen, plan.values, plan.answer or "", self._tools_by_name)

        judged = verdict()
        while judged.hint.startswith(relevant.NOT_ASKED) and (yield from self._ask_for_field(seen)):
            judged = verdict()
        judged = yield from self._unless_better(judged, seen)
        if not judged.supported and not plan.values and seen.values and wording.denies(plan.answer or ""):
            self._absent += 1
            if self._absent > 1:
                yield from self._ask_where_none_is_named(seen)
                return support.absent(self._goal, seen, self._tools_by_name) or judged
        return judged

    def _found(self) -> Generator[Event, Any, support.Verdict | None]:
        """The answer that the observations alone give."""
        seen = self._seen()
        yield from self._ask_where_none_is_named(seen)
        verdict = yield from self._of_observations(seen)
        if verdict is None and (yield from self._ask_for_field(seen)):
            verdict = yield from self._of_observations(seen)
        if verdict is None and self._goal.is_english:
            verdict = yield from chosen.chosen(self._asker, self._goal, seen, self._tools_by_name)
            verdict = (yield from self._unless_better(verdict, seen)) if verdict else None
            verdict = verdict if verdict and verdict.supported else None
        if verdict is None and self._goal.is_english and not self._goal.is_yes_or_no:
            values = yield from entries.entries_asked(self._asker, self._goal, seen)
            verdict = support.judge(self._goal, seen, values, "", self._tools_by_name) if values else None
        return verdict if verdict and verdict.supported else None

    def _of_observations(self, seen: Observations) -> Generator[Event, Any, support.Verdict | None]:
        """The answer that the program finds, in the field that says best what the goal asks for."""
        while verdict := found(self._goal, seen, self._tools_by_name):
            before = self._goal.fields
            verdict = yield from self._unless_better(verdict, seen)
            if verdict.supported:
                return verdict
            if self._goal.fields == before:
                break
        return None

    def _ask_where_none_is_named(self, seen: Observations) -> Generator[Event, Any, None]:
        """Asks which field the goal asks for, where no word of it names one: that there is none has to be sure."""
        if not relevant.shows_asked(self._goal, seen):
            yield from self._ask_for_field(seen)

    def _ask_for_field(self, seen: Observations) -> Generator[Event, Any, bool]:
        """Asks the model which field each part of the goal asks for; whether it says one more."""
        of = fields.fields_of(self._goal, seen) if self._goal.is_english else {}
        before = self._goal.fields
        for part in relevant.parts_of(self._goal):
            if name := (yield from self._asker.field(part, of)):
                self._goal = replace(self._goal, fields=self._goal.fields | {name})
        return self._goal.fields != before

    def _unless_better(self, verdict: support.Verdict, seen: Observations) -> Generator[Event, Any, support.Verdict]:
        """A verdict; no support if another field says better what the goal asks for, which is asked for from now on."""
        if not (verdict.supported and verdict.reads and self._goal.is_english):
            return verdict
        better = yield from chosen.better(self._asker, self._goal, seen, verdict)
        if better is None:
            return verdict
        name, odds = better
        if odds >= fields.SURE:
            self._goal = replace(self._goal, fields=self._goal.fields | {name})
        read = ", ".join(sorted({name_of(path) for path in verdict.reads}))
        return support.Verdict(verdict.text, False, f"{relevant.NOT_ASKED} {read}: read {name}.")

    # -- the model ----------------------------------------------------------------------------------------------------

    def _next_plan(self, kind: plans.Kind) -> Generator[Event, Any, plans.Plan | None]:
        """The plan of a step; `None` if the seconds end before, or if its form is wrong after something was found."""
        try:
            return (yield from self._plan(kind, self._hint + self._order(kind)))
        except _OutOfTime:
            return None
        except OperationError as error:
            if error.code == "model_unfit" and self._seen().values:
                return None  # what was found may be the answer
            raise

    def _plan(self, kind: plans.Kind, order: str) -> Generator[Event, Any, plans.Plan]:
        """The next plan of the model, which has a second try if its reply has the wrong form."""
        kind = kind if self.tools else "answer"
        more: list[Json] = []
        while True:
            reply = yield from self._reply(kind, order, more)
            plan = plans.parse(reply)
            if plan is not None and (kind != "answer" or plan.answer is not None):
                return plan
            if more:
                break
            more = [prompt.message("assistant", reply[:REPEATED] or "{}"), prompt.message("user", prompt.AGAIN)]
        raise OperationError("model_unfit", "The model's reply does not have the form of a step.")

    def _reply(self, kind: plans.Kind, order: str, more: Sequence[Json]) -> Generator[Event, Any, str]:
        """One reply. While the context is too small, the observations are shortened."""
        while True:
            try:
                return (yield from self._call_model(kind, [*self._messages(order), *more]))
            except OperationError as error:
                if error.code != "model_context_too_small" or self._observation_bytes <= MIN_SHOWN or not self.steps:
                    raise
                self._observation_bytes = max(self._observation_bytes // 2, MIN_SHOWN)

    def _call_model(self, kind: plans.Kind, messages: Sequence[Json]) -> Generator[Event, Any, str]:
        is_first = messages[-1]["content"] != prompt.AGAIN  # the second reply comes without parts, which may be endless
        schema = plans.reply_schema(self.tools, self._observations(), kind, bounded=self.model.embedded, parts=is_first)
        reply = plans.PartialReply()
        self.usage["calls"] += 1
        pieces = chat(self.model, messages, max_tokens=REPLY_TOKENS, temperature=0.0, schema=schema)
        with contextlib.closing(pieces):
            for piece in pieces:
                if kind != "answer" and time.monotonic() >= self.deadline:
                    raise _OutOfTime
                if isinstance(piece, Event):
                    yield piece
                elif isinstance(piece, Text):
                    if reply.is_endless:
                        break
                    if shown := reply.add(piece.text):
                        yield delta(shown, "thinking")
                elif isinstance(piece, Finished):
                    self.usage["prompt_tokens"] += piece.usage.prompt_tokens or 0
                    self.usage["completion_tokens"] += piece.usage.completion_tokens or 0
        return reply.text

    def _observations(self) -> list[str]:
        """The ids of the calls with an observation."""
        return [call.call for call in self._observed_calls()]

    def _observed_calls(self) -> list[CallResult]:
        return [call for step in self.steps for call in step.calls if call.code != "repeated"]

    def _messages(self, order: str) -> list[Json]:
        files = self._file_list()
        observations = [
            prompt.observation(call.model_dump(), f"o{number}", self._observation_bytes, self._tag)
            for number, call in enumerate(self._observed_calls(), 1)
        ]
        content = "\n".join([prompt.task(self.goal, files, self._tag), *observations, order])
        strangers = [name for name, there in (("files", files), ("observation", observations)) if there]
        system = prompt.system(self.tools, self._goal.today, self._tag, strangers)
        return [prompt.message("system", system), prompt.message("user", content)]

    def _file_list(self) -> list[str]:
        """A line for each file of the run."""
        lines = [f"- {file.filename} (a document for read)" for file in documents.documents(self.files)]
        return lines + [f"- table for query: {table}" for table in self._tables]

    # -- the tools ----------------------------------------------------------------------------------------------------

    def _calls(self, step: int, plan: plans.Plan) -> list[Call]:
        """The calls of a plan, each once; an expression in an argument stands for its value."""
        seen = self._seen()
        computed = ((name, {key: _computed(value, seen) for key, value in given.items()}) for name, given in plan.calls)
        calls = {_key(*call): call for call in computed}.values()
        return [
            Call(f"{step}.{number}", name, self._tools_by_name.get(name), arguments)
            for number, (name, arguments) in enumerate(calls, 1)
        ]

    def _make_calls(self, opened: OpenStep) -> Generator[Event, Any, None]:
        """Makes the calls of a step that have no result yet, except those that are refused."""
        ready: list[Call] = []
        for call in opened.calls:
            if call.id in opened.results:
                continue
            if opened.unknown(call):
                yield from self._observe(opened, call, UNKNOWN)
                continue
            approve = self._needs_approval(call)
            yield event("tool_call", {"step": opened.step, **_call_data(call), "approve": approve})
            refusal = self._refusal(call)
            asks = approve and call.id not in opened.begun
            if refusal is None and asks and not (yield from self._ask_for_approval(call)):
                refusal = Outcome("A person said no to this call.", "not_approved")
            if refusal is None:
                ready.append(call)
            else:
                yield from self._observe(opened, call, refusal)
        yield from self._run_calls(opened, ready)

    def _run_calls(self, opened: OpenStep, calls: Sequence[Call]) -> Generator[Event, Any, None]:
        if any(_changes(call) for call in calls):
            opened.begun += [call.id for call in calls]
            yield state_to_keep(self, opened.step, opened)
        context = CallContext(self.files, Web(self.hosts), min(self.deadline, time.monotonic() + SECONDS))
        report = bound(progress, total=len(calls), unit="calls", step=f"calls-{opened.step}")
        if calls:
            yield report(f"Calling {', '.join(call.name for call in calls)}", done=0)
        for done, (call, outcome) in enumerate(run_concurrently(calls, context), 1):
            yield from self._observe(opened, call, outcome)
            if _changes(call):
                yield state_to_keep(self, opened.step, opened)
            yield report(f"{call.name} has answered", done=done)

    def _observe(self, opened: OpenStep, call: Call, outcome: Outcome) -> Generator[Event, Any, None]:
        text = cut(outcome.text, self.shown)
        size = len(outcome.text.encode(errors="replace"))
        result = CallResult(
            **_call_data(call),
            ok=outcome.ok,
            code=outcome.code,
            text=text,
            bytes=size,
            cut=len(text.encode()) < size,
            seconds=outcome.seconds,
        )
        self.remember(result, outcome.text)
        opened.results[call.id] = result
        yield event("observation", {"step": opened.step, **result.model_dump(exclude={"arguments"})})

    def remember(self, result: CallResult, text: str) -> None:
        """Notes a result and its whole text; the same call is refused from now on, unless it may be repeated."""
        tool = self._tools_by_name.get(result.tool)
        again = TRANSIENT if tool is None or tool.repeatable else NOT_MADE
        key = _key(result.tool, result.arguments)
        self._tries[key] += 1
        if not (result.code or "").startswith(again) or self._tries[key] >= TRIES:
            self._previous_calls.setdefault(key, result)
        self._texts[result.call] = text

    def _needs_approval(self, call: Call) -> bool:
        return call.tool is not None and (call.tool.approve or call.name in self.approve)

    def _ask_for_approval(self, call: Call) -> Generator[Event, Any, bool]:
        """Whether a person approves the call. The time until the answer does not count as the agent's."""
        start = time.monotonic()
        prompt = visible(f"May the agent call {call.name} with {_json(call.arguments)}?")
        answer = yield ask(prompt, schema={"type": "boolean"}, within=APPROVAL_SECONDS)
        self.deadline += time.monotonic() - start
        return bool(answer)

    def _refusal(self, call: Call) -> Outcome | None:
        """The outcome of a call that is not made, or `None`."""
        if call.tool is None:
            return Outcome(f"There is no such tool; there are {', '.join(self._tools_by_name)}.", "no_such_tool")
        if (previous := self._previous_calls.get(_key(call.name, call.arguments))) is not None:
            return Outcome(
                f"This call has been made before: its observation is {previous.call}.\n{previous.text}", "repeated"
            )
        return None


def _changes(call: Call) -> bool:
    """Whether a call may change something, so that it must not be made twice."""
    return call.tool is not None and not call.tool.repeatable


def _computed(argument: Any, seen: Observations) -> Any:
    """What an argument such as `o1['manager']` stands for; any other as it is."""
    if not isinstance(argument, str) or not re.match(r"o\d+\[", argument):
        return argument
    try:
        value = plain(Evaluation(seen.values).value(argument))
    except ExpressionError:
        return argument
    return argument if value is None or isinstance(value, list | dict) else value


def _call_data(call: Call) -> Json:
    return {"call": call.id, "tool": call.name, "arguments": dict(call.arguments)}


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name} {_json({key: value for key, value in arguments.items() if value is not None})}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
