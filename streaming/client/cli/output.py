"""The outputs of the command line: `JsonLines` writes one JSON object an event, `Screen` draws on a terminal.

On a screen, finished lines scroll up. Below them stands what still changes: the last line of text, and a bar for each
step.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, Self

import click
import orjson
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from ...protocol.typed import (
    Attempt,
    Delta,
    Done,
    Error,
    Other,
    Partial,
    Progress,
    Reset,
    Result,
    RunEvent,
    RunFile,
    RunWarning,
    Start,
    Usage,
)

RESULT_LINES: Final = 40
"""Lines of a result that a screen shows; `--output json` shows all of it."""

_CONTROLS: Final = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code not in (9, 10)} | {13: None}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
"""What stands for the bytes of an argument or the name of a file that are no UTF-8."""


def printable(text: str) -> str:
    """The text of a service without its control characters: a terminal would obey the escape sequences."""
    return _SURROGATES.sub("\ufffd", text.translate(_CONTROLS))


def cleaned(value: Any) -> Any:
    """JSON of a service with each text in it printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [cleaned(entry) for entry in value]
    return {cleaned(key): cleaned(entry) for key, entry in value.items()} if isinstance(value, dict) else value


class Output(Protocol):
    """Shows a run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, event: RunEvent) -> None:
        """Shows an event."""

    def note(self, text: str) -> None:
        """Shows a message that is no event."""

    def pause(self) -> None:
        """Leaves the terminal to a prompt, until `resume`."""

    def resume(self) -> None:
        """Draws again."""


class JsonLines:
    """Writes `{"id", "type", "data"}`, a line of JSON for each event, to stdout, and notes to stderr."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: RunEvent) -> None:
        write_line({"id": event.id, "type": event.type, "data": event.data})

    def note(self, text: str) -> None:
        say(text)

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


def write_line(value: Any) -> None:
    """Writes a line of JSON to stdout, and flushes it. Raises `OSError`."""
    write_bytes(orjson.dumps(value) + b"\n")


def write_bytes(data: bytes) -> None:
    """Writes to stdout, and flushes it. Raises `OSError`."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_all(entries: Iterable[Mapping[str, Any]], columns: Mapping[str, Sequence[str]], *, screen: bool) -> None:
    """Prints a table on a screen, and a line of JSON for each entry elsewhere. Raises `OSError`.

    A column has the first of its members that an entry has. The first one is not cut: it is what a person copies.
    """
    if not screen:
        for entry in entries:
            write_line(entry)
        return
    first, *rest = columns
    table = Table(Column(first, no_wrap=True, overflow="ignore"), *rest)
    for entry in entries:
        cells = (
            next((entry[key] for key in keys if entry.get(key) not in (None, "")), "") for keys in columns.values()
        )
        table.add_row(*(escape(printable(str(cell))) for cell in cells))
    Terminal().print(table)


def say(text: str) -> None:
    """Writes a line for people to stderr; where that is closed or full, nobody is told."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(f"headway: {printable(text)}", err=True)


class Terminal(Console):
    """A console whose closed output is an error as any other: rich ends the process with a code of its own."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  # rich calls this where it handles the error


class Screen:
    """Draws on a terminal: text as it arrives, a bar for each step, and the result at the end."""

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
        self._line = ""
        self._channel = "text"
        self._live = Live(console=console, get_renderable=self._live_part, refresh_per_second=10, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end_line()
        self._live.stop()

    def show(self, event: RunEvent) -> None:  # noqa: C901  # one line for each event of the grammar
        match event:
            case Start():
                self._print(f"[bold]{escape(event.operation)}[/]  run {escape(event.run)}")
            case Progress():
                self._show_progress(event)
            case Delta():
                self._add_text(event.text, event.channel)
            case Partial():
                self._print(f"[green]●[/] {escape(event.key)}  [dim]{escape(self._shorten(event.value, event.key))}[/]")
            case Attempt():
                begins = f"goes on after event {event.after}" if event.after else "starts"
                self._start_over(f"attempt {event.attempt} {begins}: {event.reason or 'no reason was given'}")
            case Reset():
                self._start_over(f"earlier events are not shown; the status of the run is {_status_in(event.snapshot)}")
            case Result():
                self._show_result(event.result)
            case Error():
                self._print(f"[red]✗ {escape(event.code)}[/]: {escape(event.message)}")
            case Done():
                self._show_done(event)
            case Other() | RunFile() | RunWarning() | Usage():
                self._print(f"[dim]{escape(event.type)}[/]  {escape(self._shorten(event.data, event.type))}")

    def note(self, text: str) -> None:
        self._print(f"[yellow]{escape(text)}[/]")

    def pause(self) -> None:
        self._end_line()
        self._live.stop()

    def resume(self) -> None:
        self._live.start()

    # -- the live part -------------------------------------------------------------------------------------------

    def _live_part(self) -> RenderableType:
        return Group(self._styled(self._line), self._bars) if self._line else self._bars

    def _show_progress(self, event: Progress) -> None:
        step = "" if event.step is None else str(event.step)
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
        """A step without a total is over when the next one starts."""
        for task in self._bars.tasks:
            if task.total is None:
                self._bars.update(task.id, total=1, completed=1)

    def _start_over(self, text: str) -> None:
        self._line = ""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()
        self.note(text)

    # -- finished lines ------------------------------------------------------------------------------------------

    def _print(self, markup: str) -> None:
        self._end_line()
        self._console.print(printable(markup), highlight=False, soft_wrap=True)

    def _add_text(self, text: str, channel: str) -> None:
        if channel != self._channel:
            self._end_line()
            self._channel = channel
        *finished, self._line = (self._line + printable(text)).split("\n")
        if full := self._full_rows():
            finished.append(self._line[:full].rstrip())
            self._line = self._line[full:]
        for line in finished:
            self._console.print(self._styled(line))

    def _full_rows(self) -> int:
        """The number of characters of the last line that fill whole rows of the terminal."""
        wrapped = Text(self._line).wrap(self._console, self._console.width)
        last = wrapped[-1].plain.rstrip() if len(wrapped) > 1 else self._line
        return self._line.rindex(last) if last else 0

    def _end_line(self) -> None:
        line, self._line = self._line, ""  # before printing, which draws the live part again
        if line:
            self._console.print(self._styled(line))

    def _styled(self, text: str) -> Text:
        return Text(text, style="dim italic" if self._channel == "thinking" else "")

    def _show_result(self, result: Any) -> None:
        self._end_line()
        lines = JSON(printable(orjson.dumps(result).decode())).text.split("\n")
        self._console.print(Text("\n").join(lines[:RESULT_LINES]), soft_wrap=True)
        if len(lines) > RESULT_LINES:
            self.note(f"... and {len(lines) - RESULT_LINES} more lines; `--output json` shows all of them")

    def _shorten(self, value: Any, name: str) -> str:
        """A value as text, cut to fit on the line after `name`."""
        text = value if isinstance(value, str) else orjson.dumps(_without_timestamp(value)).decode()
        text = " ".join(text.split())
        width = max(20, self._console.width - len(name) - 4)
        return text if len(text) <= width else f"{text[: width - 1]}…"

    def _show_done(self, event: Done) -> None:
        self._end_line()
        if self._tasks:
            if event.status == "succeeded":
                self._finish_steps()
            self._live.stop()
            self._console.print(self._bars)
        style = {"succeeded": "green", "failed": "red"}.get(event.status, "yellow")
        reason = f" ({escape(event.reason)})" if event.reason else ""
        elapsed = f" in {event.elapsed:.1f} s" if event.elapsed is not None else ""
        self._print(f"[bold {style}]{event.status}[/]{reason}{elapsed}")


def _status_in(snapshot: Any) -> Any:
    return (snapshot.get("status") if isinstance(snapshot, Mapping) else None) or "unknown"


def _amount(event: Progress) -> str:
    if event.done is None:
        return ""
    of = f"/{event.total:g}" if event.total else ""
    return escape(printable(f"{event.done:g}{of} {event.unit or ''}".strip()))


def _without_timestamp(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != "timestamp"} if isinstance(value, Mapping) else value
