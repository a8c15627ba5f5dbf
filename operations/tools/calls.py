"""Calls of tools: several side by side, each with an outcome whatever happens to it.

A tool may be anybody's function, so a call has a thread of its own and is waited for only until its deadline; what it
does after that nobody takes notice of, and the process of the run ends with the run.
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

from .base import Surroundings, Tool, ToolError, surroundings

log = logging.getLogger("headway")

SECONDS: Final = 30.0
"""That one call may take, with all its attempts."""


@dataclass(frozen=True)
class Call:
    """A tool and what it is called with; `id` is `STEP.NUMBER`, and `tool` is `None` where none has that name."""

    id: str
    name: str
    tool: Tool | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a call: text for the model, or the `code` and the words of a failure."""

    text: str
    code: str | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it did what it was called for."""
        return self.code is None


Came: TypeAlias = "queue.SimpleQueue[tuple[Call, Outcome]]"


def side_by_side(calls: Sequence[Call], around: Surroundings) -> Iterator[tuple[Call, Outcome]]:
    """Makes the calls at the same time, and gives each one's outcome as it comes."""
    came: Came = queue.SimpleQueue()
    begun = time.monotonic()
    for call in calls:
        work = (contextvars.copy_context(), call, around, came)
        threading.Thread(target=_make, args=work, name=f"tool-{call.name}", daemon=True).start()
    waiting = {call.id: call for call in calls}
    while waiting:
        try:
            call, outcome = came.get(timeout=max(around.deadline - time.monotonic(), 0.001) + 0.5)
        except queue.Empty:
            break
        del waiting[call.id]
        yield call, outcome
    late = Outcome("The call took too long and was given up.", "timeout", round(time.monotonic() - begun, 3))
    yield from ((call, late) for call in waiting.values())


def _make(context: contextvars.Context, call: Call, around: Surroundings, came: Came) -> None:
    came.put((call, context.run(_outcome, call, around)))


def _outcome(call: Call, around: Surroundings) -> Outcome:
    """What comes of a call, whatever the function does."""
    surroundings.set(around)
    begun = time.monotonic()
    assert call.tool is not None
    try:
        told, code = _text(call.tool.invoke(dict(call.arguments))), None
    except ToolError as error:
        told, code = error.message, error.code
    except BaseException:  # anybody's function; SystemExit of it ends the call, not the run
        reference = secrets.token_hex(4)
        log.exception("the tool %r failed, reference %s", call.name, reference)
        told, code = (
            f"The tool failed. The reference {reference} stands beside the details in the server's log.",
            "failed",
        )
    return Outcome(told, code, round(time.monotonic() - begun, 3))


def _text(value: Any) -> str:
    """What a tool gave, as a model reads it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value, inf_nan_mode="constants").decode()


def cut(text: str, most: int) -> str:
    """The text in at most so many bytes of UTF-8, never through the middle of a character."""
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= most else encoded[:most].decode(errors="ignore")
