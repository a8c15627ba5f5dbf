"""Follows a run on the command line: shows its events, asks its questions at the prompt, and handles Ctrl-C."""

from __future__ import annotations

import signal
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import click
import orjson

from ...protocol.typed import Question, Result, RunEvent
from ..errors import ClientError, Conflict, InvalidInput, RunCancelled, RunFailed
from ..sync import Run
from .exit_codes import ExitCode
from .flags import field_of
from .output import JsonLines, Output, cleaned, printable, say


class Follower:
    """One run and its output. With `keep` the first Ctrl-C leaves, and the run is not cancelled.

    `command` gives the command line of a verb, from the words after it.
    """

    def __init__(self, run: Run, output: Output, *, command: Callable[..., str], keep: bool = False) -> None:
        self._run = run
        self._output = output
        self._command = command
        self._keep = keep
        self._interrupts = 0
        self._is_prompting = False

    def follow(self) -> ExitCode:
        """Shows the run to its end. Raises `Interrupted` and `RequestRefused`."""
        try:
            with self._handle_interrupts(), self._run, self._output:
                for event in self._run:
                    self._output.show(self._filled(event))
                    if isinstance(event, Question):
                        self._ask(event)
        except KeyboardInterrupt:
            if self._keep:
                words = ("watch", self._run.id, "--keep", "--after", str(self._run.last_event_id))
                say(f"the run goes on; to watch it again: {self._command(*words)}")
            raise
        try:
            self._run.result()
        except RunFailed:
            return ExitCode.FAILED
        except RunCancelled:
            return ExitCode.CANCELLED
        return ExitCode.SUCCEEDED

    def _filled(self, event: RunEvent) -> RunEvent:
        """A result with the values of the partials that it refers to, for people; lines of JSON are what was sent."""
        if not isinstance(event, Result) or isinstance(self._output, JsonLines):
            return event
        return replace(event, result=self._run._reader.filled(event.result))

    # -- Ctrl-C -------------------------------------------------------------------------------------------------

    @contextmanager
    def _handle_interrupts(self) -> Iterator[None]:
        previous = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """The first Ctrl-C cancels the run, in a thread, while its events are read up to `done`; the second leaves."""
        self._interrupts += 1
        if self._keep or self._interrupts > 1:
            raise KeyboardInterrupt
        start_new_thread(self._cancel, ())  # does not wait, as gevent's hub must not, which may call this
        if self._is_prompting:
            raise KeyboardInterrupt

    def _cancel(self) -> None:
        self._output.note("cancelling; press Ctrl-C again to leave")
        try:
            self._run.cancel()
        except ClientError as error:
            self._output.note(f"could not cancel: {error}")
        except RuntimeError:
            pass  # the second Ctrl-C has closed the client

    # -- questions ----------------------------------------------------------------------------------------------

    def _ask(self, question: Question) -> None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            command = self._command("answer", self._run.id, "ANSWER")
            self._output.note(f"question: {question.prompt} (to answer: {command})")
            return
        self._output.pause()
        self._is_prompting = True
        try:
            while not self._answer(question):
                pass
        except (KeyboardInterrupt, click.Abort):
            if self._interrupts != 1:
                raise KeyboardInterrupt from None
        finally:
            self._is_prompting = False
            self._output.resume()

    def _answer(self, question: Question) -> bool:
        """Prompts once; `False` where the answer does not fit the question's schema."""
        answer = prompt(question)
        try:
            self._run.answer(answer, question=question.question)
        except InvalidInput as error:
            click.echo(f"Not accepted: {printable(str(error))}", err=True)
            return False
        except Conflict as error:
            click.echo(f"Too late: {printable(error.detail)}", err=True)
        return True


def prompt(question: Question) -> Any:
    """The answer of the person at the terminal, read as the question's schema says."""
    schema = cleaned(question.schema) if isinstance(question.schema, Mapping) else {}
    field = field_of("answer", schema, schema)
    text = printable(question.prompt) or "Your answer"
    if field.is_switch:
        return click.confirm(text, err=True)
    if field.several or not schema:
        return json_or_text(click.prompt(text, err=True))
    return click.prompt(text, type=field.type, err=True)


def json_or_text(text: str) -> Any:
    """The JSON value in a text; the text itself where it is no JSON."""
    text = text.removeprefix("\ufeff")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
