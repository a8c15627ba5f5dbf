"""Concurrent calls of tools. Each has an outcome, whatever the tool does.

A tool may be any function, so each call has its own thread. After the deadline nothing waits for the thread, which ends
with the process of the run.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

from .base import Tool, ToolError
from .context import CallContext, call_context

log = logging.getLogger("headway")

SECONDS: Final = 30.0
"""The time limit of a call, with all its attempts."""


@dataclass(frozen=True)
class Call:
    """A tool and its arguments. `id` is `STEP.NUMBER`; `tool` is `None` if there is no tool called `name`."""

    id: str
    name: str
    tool: Tool | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call: text for the model, or the `code` and the message of a failure."""

    text: str
    code: str | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.code is None


Outcomes: TypeAlias = "queue.SimpleQueue[tuple[Call, Outcome]]"


def run_concurrently(calls: Sequence[Call], context: CallContext) -> Iterator[tuple[Call, Outcome]]:
    """Runs the calls concurrently; yields each outcome as soon as it is there."""
    outcomes: Outcomes = queue.SimpleQueue()
    start = time.monotonic()
    for call in calls:
        work = (contextvars.copy_context(), call, context, outcomes)
        threading.Thread(target=_run, args=work, name=f"tool-{call.name}", daemon=True).start()
    waiting = {call.id: call for call in calls}
    while waiting:
        try:
            call, outcome = outcomes.get(timeout=max(context.deadline - time.monotonic(), 0.001) + 0.5)
        except queue.Empty:
            break
        del waiting[call.id]
        yield call, outcome
    timeout = Outcome("The call took too long and was abandoned.", "timeout", round(time.monotonic() - start, 3))
    yield from ((call, timeout) for call in waiting.values())


def _run(variables: contextvars.Context, call: Call, context: CallContext, outcomes: Outcomes) -> None:
    outcomes.put((call, variables.run(_call, call, context)))


def _call(call: Call, context: CallContext) -> Outcome:
    """Calls the tool; every exception becomes an outcome."""
    call_context.set(context)
    start = time.monotonic()
    assert call.tool is not None
    try:
        text, code = _text(call.tool.invoke(dict(call.arguments))), None
    except ToolError as error:
        text, code = error.message, error.code
    except BaseException:  # also SystemExit, which must end the call and not the run
        reference = secrets.token_hex(4)
        log.exception("the tool %r failed, reference %s", call.name, reference)
        text, code = f"The tool failed. Its error is in the server's log, with the reference {reference}.", "failed"
    return Outcome(text, code, round(time.monotonic() - start, 3))


def _text(value: Any) -> str:
    """The value of a tool as text for the model: strings unchanged, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value, inf_nan_mode="constants").decode()


def cut(text: str, size: int) -> str:
    """The beginning of the text, at most `size` bytes of UTF-8, without a partial character."""
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= size else encoded[:size].decode(errors="ignore")
