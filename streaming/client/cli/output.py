"""How the command line shows a run: `Lines` writes one JSON object an event, `Screen` draws on a terminal.

On a screen finished lines scroll up, and what still changes stands below them: the line of text that is being written,
and a bar for each step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

import orjson
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from ..events import Attempt, Delta, Done, Error, Other, Partial, Progress, Reset, Result, RunEvent, Start

LEFT: Final = 130
"""The exit code of a viewer that left: the shell's for Ctrl-C."""

RESULT_LINES: Final = 40
"""Lines of a result that a screen shows; all of it is in the lines of a pipe."""


_CONTROLS: Final = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code not in (9, 10)} | {13: None}


def printable(text: str) -> str:
    """Text from a service for a terminal, which would obey an escape sequence in it, whoever wrote that."""
    return text.translate(_CONTROLS)


class View(Protocol):
    """What shows a run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, event: RunEvent) -> None:
        """Shows an event."""

    def note(self, text: str) -> None:
        """Says something that is no event."""

    def pause(self) -> None:
        """Leaves the screen to somebody else, until `go_on`."""

    def go_on(self) -> None:
        """Has the screen again."""


class Lines:
    """One JSON object an event on the standard output, `{"id", "type", "data"}`; notes go to the standard error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: RunEvent) -> None:
        write_line({"id": event.id, "type": event.type, "data": event.data})

    def note(self, text: str) -> None:
        sys.stderr.write(f"headway: {printable(text)}\n")

    def pause(self) -> None:
        pass

    def go_on(self) -> None:
        pass


def write_line(value: Any) -> None:
    """A JSON object on a line of the standard output, at once. Leaves where nobody reads any more, as after `head`."""
    try:
        sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere, at exit too
        raise SystemExit(LEFT) from None


class Screen:
    """A terminal: text as it comes, a bar for each step, and the result at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            TextColumn("[cyan]{task.fields[eta]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._writing = ""
        self._channel = "text"
        self._live = Live(console=console, get_renderable=self._changing, refresh_per_second=10, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end_text()
        self._live.stop()

    def show(self, event: RunEvent) -> None:  # noqa: C901  # one line for each event of the grammar
        match event:
            case Start():
                self._say(f"[bold]{escape(event.operation)}[/]  run {escape(event.run)}")
            case Progress():
                self._progress(event)
            case Delta():
                self._write(event.text, event.channel)
            case Partial():
                self._say(f"[green]●[/] {escape(event.key)}  [dim]{escape(self._short(event.value, event.key))}[/]")
            case Attempt():
                self._begin_anew(f"begins anew, attempt {event.attempt}: {event.reason or 'no reason given'}")
            case Reset():
                stands = event.snapshot.get("status") if isinstance(event.snapshot, Mapping) else None
                self._begin_anew(f"events before this are gone; the run is {stands or 'what follows'}")
            case Result():
                self._result(event.result)
            case Error():
                self._say(f"[red]✗ {escape(event.code)}[/]: {escape(event.message)}")
            case Done():
                self._done(event)
            case Other():
                self._say(f"[dim]{escape(event.type)}[/]  {escape(self._short(event.data, event.type))}")

    def note(self, text: str) -> None:
        self._say(f"[yellow]{escape(text)}[/]")

    def pause(self) -> None:
        self._end_text()
        self._live.stop()

    def go_on(self) -> None:
        self._live.start()

    # -- what changes -------------------------------------------------------------------------------------------

    def _changing(self) -> RenderableType:
        return Group(self._styled(self._writing), self._bars) if self._writing else self._bars

    def _progress(self, event: Progress) -> None:
        step = event.step or ""
        if step not in self._tasks:
            self._finish_steps()
            self._tasks[step] = self._bars.add_task(step, total=None, amount="", eta="")
        self._bars.update(
            self._tasks[step],
            description=escape(printable(event.message or step)),
            total=event.total,
            completed=event.done,
            amount=_amount(event),
            eta=f"{event.eta:.3g} s left" if event.eta else "",
        )

    def _finish_steps(self) -> None:
        """A step that never said how far it was is over when the next one begins."""
        for task in self._bars.tasks:
            if task.total is None:
                self._bars.update(task.id, total=1, completed=1)

    def _begin_anew(self, text: str) -> None:
        self._writing = ""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()
        self.note(text)

    # -- what is finished ---------------------------------------------------------------------------------------

    def _say(self, markup: str) -> None:
        self._end_text()
        self._console.print(printable(markup), highlight=False, soft_wrap=True)

    def _write(self, text: str, channel: str) -> None:
        if channel != self._channel:
            self._end_text()
            self._channel = channel
        *finished, self._writing = (self._writing + printable(text)).split("\n")
        if full := self._full_lines():
            finished.append(self._writing[:full].rstrip())
            self._writing = self._writing[full:]
        for line in finished:
            self._console.print(self._styled(line))

    def _full_lines(self) -> int:
        """How many characters of the line that is being written belong to lines which are full."""
        wrapped = Text(self._writing).wrap(self._console, self._console.width)
        last = wrapped[-1].plain.rstrip() if len(wrapped) > 1 else self._writing
        return self._writing.rindex(last) if last else 0

    def _end_text(self) -> None:
        written, self._writing = self._writing, ""  # first: printing draws what changes anew
        if written:
            self._console.print(self._styled(written))

    def _styled(self, text: str) -> Text:
        return Text(text, style="dim italic" if self._channel == "thinking" else "")

    def _result(self, result: Any) -> None:
        self._end_text()
        lines = JSON(printable(orjson.dumps(result).decode())).text.split("\n")
        self._console.print(Text("\n").join(lines[:RESULT_LINES]), soft_wrap=True)
        if len(lines) > RESULT_LINES:
            self.note(f"... and {len(lines) - RESULT_LINES} lines more: `--output json` has all of it")

    def _short(self, value: Any, beside: str) -> str:
        """A value on what is left of a line, cut where it is longer."""
        text = value if isinstance(value, str) else orjson.dumps(_stripped(value)).decode()
        text = " ".join(text.split())
        most = max(20, self._console.width - len(beside) - 4)
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def _done(self, event: Done) -> None:
        self._end_text()
        if self._tasks:
            if event.status == "succeeded":
                self._finish_steps()
            self._live.stop()
            self._console.print(self._bars)
        style = {"succeeded": "green", "failed": "red"}.get(event.status, "yellow")
        reason = f" ({escape(event.reason)})" if event.reason else ""
        elapsed = f" in {event.elapsed:.1f} s" if event.elapsed is not None else ""
        self._say(f"[bold {style}]{event.status}[/]{reason}{elapsed}")


def _amount(event: Progress) -> str:
    if event.done is None:
        return ""
    of = f"/{event.total:g}" if event.total else ""
    return escape(printable(f"{event.done:g}{of} {event.unit or ''}".strip()))


def _stripped(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != "timestamp"} if isinstance(value, Mapping) else value
