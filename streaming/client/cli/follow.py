"""Following a run from the command line: its events on a view, its questions at the prompt, Ctrl-C, the exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import click
import orjson

from ..errors import ClientError, Conflict, InvalidInput, RunCancelled, RunFailed
from ..events import Question
from ..sync import Run
from .flags import field_of
from .output import View, printable

SUCCEEDED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CANCELLED: Final = 3
INTERRUPTED: Final = 4
REFUSED: Final = 5
UNREACHABLE: Final = 6
"""The exit codes, with `show.LEFT`; `docs/clients.md` says when each is given. 2 is what `click` uses."""


class Follower:
    """One run on one view. `keep`: Ctrl-C leaves at once, and the run is not cancelled."""

    def __init__(self, run: Run, view: View, *, keep: bool = False) -> None:
        self._run = run
        self._view = view
        self._keep = keep
        self._interrupts = 0
        self._asking = False

    def follow(self) -> int:
        """Shows the run to its end; gives the exit code. Raises `Interrupted` and `RequestRefused`."""
        with self._listening(), self._run, self._view:
            for event in self._run:
                self._view.show(event)
                if isinstance(event, Question):
                    self._ask(event)
        try:
            self._run.result()
        except RunFailed:
            return FAILED
        except RunCancelled:
            return CANCELLED
        return SUCCEEDED

    # -- Ctrl-C -------------------------------------------------------------------------------------------------

    @contextmanager
    def _listening(self) -> Iterator[None]:
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """The first one cancels, beside the reading, which goes on to the run's `done`; the second one leaves."""
        self._interrupts += 1
        if self._keep or self._interrupts > 1:
            raise KeyboardInterrupt
        threading.Thread(target=self._cancel, daemon=True).start()
        if self._asking:
            raise KeyboardInterrupt

    def _cancel(self) -> None:
        self._view.note("cancelling; Ctrl-C once more leaves")
        try:
            self._run.cancel()
        except ClientError as error:
            self._view.note(f"could not cancel: {error}")

    # -- questions ----------------------------------------------------------------------------------------------

    def _ask(self, question: Question) -> None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            answer = f"python -m streaming answer {self._run.id} ANSWER"
            self._view.note(f"it asks: {question.prompt} (answer with: {answer})")
            return
        self._view.pause()
        self._asking = True
        try:
            while not self._answered(question):
                pass
        except (KeyboardInterrupt, click.Abort):
            if self._interrupts != 1:
                raise KeyboardInterrupt from None
        finally:
            self._asking = False
            self._view.go_on()

    def _answered(self, question: Question) -> bool:
        answer = prompted(question)
        try:
            self._run.answer(answer, question=question.question)
        except InvalidInput as error:
            click.echo(f"That does not do: {printable(str(error))}", err=True)
            return False
        except Conflict as error:
            click.echo(f"Too late: {printable(error.detail)}", err=True)
        return True


def prompted(question: Question) -> Any:
    """What the person at the terminal answers, read as the question's schema says."""
    schema = question.schema if isinstance(question.schema, Mapping) else {}
    field = field_of("answer", schema, schema)
    prompt = printable(question.prompt) or "Your answer"
    if field.is_switch:
        return click.confirm(prompt, err=True)
    if field.several or not schema:
        return as_json(click.prompt(prompt, err=True))
    return click.prompt(prompt, type=field.type, err=True)


def as_json(text: str) -> Any:
    """JSON, or else the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
