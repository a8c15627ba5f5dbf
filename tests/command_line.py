"""The command line as a person uses it: `python -m streaming` and `flask headway`, in a pipe or on a terminal.

line = CommandLine("python -m streaming", {"HEADWAY_URL": server.url})
assert line.run("operations").code == 0
with line.start("run", "simulate") as process:
    read_until(process, "progress")
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import Any, Final, Literal

import pytest
from flask import Flask

from streaming.client.cli.commands import main
from tests.servers import environment, program

PATIENCE: Final = 30.0

Entry = Literal["python -m streaming", "flask headway"]
COMMANDS: Final[dict[Entry, list[str]]] = {
    "python -m streaming": ["-m", "streaming"],
    "flask headway": ["-m", "flask", "--app", "app", "headway"],
}


@dataclass
class CompletedCommand:
    """The output and the exit code of a command."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[Any]:
        """The output as lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """One of the two entries to the commands, and the environment of a command."""

    entry: Entry
    env: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command."""
        return environment({"TERM": "xterm-256color", **self.env})

    @property
    def command(self) -> list[str]:
        """What starts a command."""
        return [sys.executable, *COMMANDS[self.entry]]

    def run(self, *arguments: str, stdin: bytes = b"") -> CompletedCommand:
        """Runs a command to its end; in this process, because starting another takes longer than most commands."""
        if self.entry == "flask headway":
            import app

            return run_in(app.create_app(self.env), *arguments, stdin=stdin)
        typed, out = TextIOWrapper(io.BytesIO(stdin)), TextIOWrapper(io.BytesIO(), write_through=True)
        err = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["streaming", *arguments])
            for name, stream in (("stdin", typed), ("stdout", out), ("stderr", err)):
                patch.setattr(f"sys.{name}", stream)
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        written = out.buffer.getvalue() if isinstance(out.buffer, io.BytesIO) else b""
        return CompletedCommand(ended.value.code, written, err.getvalue())

    @contextlib.contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command in a process, with its output in pipes."""
        with subprocess.Popen(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextlib.contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """A command on a terminal."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        command = [program("setsid"), "--ctty", "--wait", *self.command, *arguments]
        with subprocess.Popen(command, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            try:
                yield Terminal(process, ours)
            finally:
                os.close(ours)
                process.kill()


def run_in(app: Flask, *arguments: str, stdin: bytes = b"", command: str = "headway") -> CompletedCommand:
    """Runs `flask headway` in an application of this process to its end; `command` is that of another extension."""
    # Of the caller's environment nothing: a URL there would be asked instead of the application.
    runner = app.test_cli_runner(env={"HEADWAY_URL": None, "HEADWAY_API_KEY": None})
    ended = runner.invoke(args=[command, *arguments], input=stdin)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return CompletedCommand(ended.exit_code, ended.stdout_bytes, ended.stderr)


def read_until(process: subprocess.Popen[bytes], name: str) -> dict[str, Any]:
    """Reads up to the next event of this name, and returns it."""
    assert process.stdout
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == name:
            return event
    raise AssertionError(f"no {name}")


@dataclass
class Terminal:
    """A command on a terminal of 100 columns."""

    process: subprocess.Popen[bytes]
    descriptor: int
    output: bytes = field(default=b"")

    @property
    def text(self) -> str:
        """Everything that was shown, without escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.output.decode(errors="replace"))

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self.descriptor, keys)

    def read_until(self, text: str) -> None:
        """Reads until this text is shown."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, f"no {text!r} on the terminal: {self.text}"
            assert self.read(), f"it ended without {text!r}: {self.text}"

    def interrupt_prompt(self) -> None:
        """Presses Ctrl-C at a prompt, and again where the first came before the prompt reads its line.

        CPython's `input` then handles the signal only after the next one.
        """
        time.sleep(0.2)
        self.type(b"\x03")
        end = time.monotonic() + PATIENCE / 3
        while self.read(end - time.monotonic()):
            pass
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.type(b"\x03")

    def end(self) -> int:
        """Reads to the end; returns the exit code."""
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def read(self, timeout: float = PATIENCE) -> bool:
        """Reads what is shown next; false where nothing is for that time, or at the end."""
        if select.select([self.descriptor], [], [], max(0.0, timeout))[0]:
            with contextlib.suppress(OSError):  # Linux raises EIO once the other end is closed
                chunk = os.read(self.descriptor, 65536)
                self.output += chunk
                return bool(chunk)
        return False


def names(lines: list[Any]) -> list[str]:
    """The types of events."""
    return [line["type"] for line in lines]
