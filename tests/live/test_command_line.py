"""`python -m streaming`, as processes: in a pipe, and on a terminal, which is a pty of its own."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from streaming.client import Client
from streaming.client.cli.commands import main
from tests.clients import wait_until
from tests.pdfs import report
from tests.servers import Server, environment, gunicorn, program

KEY: Final = "a-key"
COMMAND: Final = [sys.executable, "-m", "streaming"]
PATIENCE: Final = 30.0
ENDLESS: Final = ("run", "simulate", "--steps", "1", "--interval", "600")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service, which wants a key."""
    env = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1", "HEADWAY_API_KEYS": f"ann:{KEY}"}
    with gunicorn("app:app", env=env) as started:
        yield started


def variables(server: Server) -> dict[str, str]:
    """The environment of a command that knows the service."""
    return environment({"HEADWAY_URL": server.url, "HEADWAY_API_KEY": KEY, "TERM": "xterm-256color"})


@dataclass
class Done:
    """What a command wrote, and how it ended."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON of its lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def called(server: Server, *arguments: str, stdin: bytes = b"") -> Done:
    """A command to its end; in this process, for most of the time of a short one would be its start."""
    given, out = io.TextIOWrapper(io.BytesIO(stdin)), io.TextIOWrapper(io.BytesIO(), write_through=True)
    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(server).items():
            patch.setenv(name, value)
        patch.setattr("sys.argv", ["streaming", *arguments])
        for name, stream in (("stdin", given), ("stdout", out), ("stderr", err)):
            patch.setattr(f"sys.{name}", stream)
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(out.buffer, io.BytesIO)
    assert isinstance(ended.value.code, int)
    return Done(ended.value.code, out.buffer.getvalue(), err.getvalue())


@contextlib.contextmanager
def calling(server: Server, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a pipe, while it runs."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=variables(server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], name: str) -> dict[str, Any]:
    """Reads up to the next event of this name, and gives it."""
    assert process.stdout
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == name:
            return event
    raise AssertionError(f"no {name}")


@dataclass
class Terminal:
    """A command on a terminal of 100 columns: what it shows, and what is typed."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: bytes = field(default=b"")

    @property
    def text(self) -> str:
        """All that was shown, without the sequences that move and colour it."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown.decode(errors="replace"))

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self.descriptor, keys)

    def until(self, text: str) -> None:
        """Reads until this text is shown."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, f"{text!r} is not shown: {self.text}"
            assert self._read(), f"it ended without {text!r}: {self.text}"

    def interrupt_prompt(self) -> None:
        """Presses Ctrl-C at a prompt, and again where it came between the prompt's text and the reading of the line.

        There Python notes the signal, but does not look at it before the next one (`input`, of CPython).
        """
        time.sleep(0.2)
        self.type(b"\x03")
        end = time.monotonic() + PATIENCE / 3
        while self._read(end - time.monotonic()):
            pass
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.type(b"\x03")

    def end(self) -> int:
        """Reads to the end; gives the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self, patience: float = PATIENCE) -> bool:
        if select.select([self.descriptor], [], [], max(0.0, patience))[0]:
            with contextlib.suppress(OSError):  # how Linux tells that nobody has the terminal any more
                piece = os.read(self.descriptor, 65536)
                self.shown += piece
                return bool(piece)
        return False


@contextlib.contextmanager
def terminal(server: Server, *arguments: str) -> Iterator[Terminal]:
    """A command on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [program("setsid"), "--ctty", "--wait", *COMMAND, *arguments]
    with subprocess.Popen(command, env=variables(server), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            os.close(ours)  # hangs up
            process.kill()


def names(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The types of events."""
    return [line["type"] for line in lines]


def snapshot(server: Server, run: str) -> Any:
    """Where a run stands."""
    with Client(server.url, api_key=KEY) as client:
        return client.snapshot(run)


# -- in a pipe --------------------------------------------------------------------------------------------------------


def test_a_run_in_a_pipe(server: Server) -> None:
    """One JSON line an event, nothing else, and exit code 0."""
    with calling(server, "run", "simulate", "--steps", "2", "--interval", "0") as process:
        out, err = process.communicate(timeout=PATIENCE)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (process.returncode, err) == (0, b"")
    assert names(lines) == ["start", "progress", "progress", "result", "done"]
    assert [line["id"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[3]["data"]["result"] == {"steps": 2, "stopped": False}


def test_lines_come_as_the_events_do(server: Server) -> None:
    """A reader of the pipe sees an event while the run goes on."""
    with calling(server, *ENDLESS) as process:
        assert until(process, "progress")["data"]["done"] == 1
        assert process.poll() is None


def test_a_file_and_flags(server: Server, tmp_path: Path) -> None:
    """Files stand by themselves, fields are flags; `-` is the standard input."""
    (tmp_path / "report.pdf").write_bytes(pdf := report(3))
    done = called(server, "run", "extract", str(tmp_path / "report.pdf"), "--pages", "1-2", "--no-tables")
    assert done.code == 0
    assert [line["data"]["key"] for line in done.lines if line["type"] == "partial"] == ["page-1", "page-2"]
    done = called(server, "run", "extract", "-", "--pages", "3", stdin=pdf)
    assert [line["data"]["key"] for line in done.lines if line["type"] == "partial"] == ["page-3"]


def test_the_whole_input_as_json(server: Server, tmp_path: Path) -> None:
    """From the command line, a file, or the standard input; flags win over it."""
    whole = '{"steps": 5, "interval": 0}'
    (tmp_path / "input.json").write_text(whole)
    for given, stdin in ((whole, b""), (f"@{tmp_path}/input.json", b""), ("-", whole.encode())):
        done = called(server, "run", "simulate", "--json", given, "--steps", "1", stdin=stdin)
        assert done.lines[-2]["data"]["result"]["steps"] == 1


def test_operations(server: Server) -> None:
    """The catalogue, a line of JSON each."""
    done = called(server, "operations")
    assert done.code == 0
    assert {"extract", "simulate"} <= {line["name"] for line in done.lines}
    assert done.lines[0]["input"]["type"] == "object"


def test_the_help_of_an_operation(server: Server) -> None:
    """Its flags, with what its schema says of them."""
    done = called(server, "run", "simulate", "--help")
    assert done.code == 0
    assert "--fail-at INTEGER" in done.out.decode()
    assert "How many steps it takes. [default: 10]" in done.out.decode()
    bare = called(server, "run", "--help")
    assert (bare.code, b"OPERATION" in bare.out) == (0, True)
    assert b"Exit codes:" in called(server, "--help").out


def test_watch_and_cancel(server: Server) -> None:
    """A run that was started without a viewer is watched from any event on, and ended."""
    started = called(server, "run", "simulate", "--interval", "600", "--detach")
    run = started.lines[0]["id"]
    with calling(server, "watch", run, "--after", "1") as watching:
        assert until(watching, "progress")["id"] == 2
        cancelled = called(server, "cancel", run)
        assert (cancelled.code, cancelled.lines[0]["id"]) == (0, run)
        assert until(watching, "done")["data"]["reason"] == "requested"
        assert watching.wait(PATIENCE) == 3
    assert called(server, "watch", run).code == 3


def test_answer(server: Server) -> None:
    """A question is answered from elsewhere; who cannot be asked is told how."""
    with calling(server, "run", "simulate", "--steps", "1", "--interval", "0", "--ask-at", "1") as running:
        until(running, "question")
        with Client(server.url, api_key=KEY) as client:
            (run,) = client.runs(status="waiting")
        assert called(server, "answer", run["id"], "maybe").code == 5
        assert called(server, "answer", run["id"], "true").code == 0
        assert until(running, "result")["data"]["result"]["stopped"] is False
        assert running.wait(PATIENCE) == 0
        assert running.stderr
        assert f"python -m streaming answer {run['id']} ANSWER" in running.stderr.read().decode()
    assert called(server, "answer", run["id"], "true").code == 2


def test_a_reader_that_leaves(server: Server) -> None:
    """Where nobody reads the lines any more the viewing ends, without a traceback."""
    with calling(server, "run", "simulate", "--steps", "1000000", "--interval", "0.01") as process:
        assert process.stdout
        assert process.stderr
        run = until(process, "start")["data"]["run"]
        process.stdout.close()
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""
    wait_until(lambda: snapshot(server, run).status == "cancelled", "its only viewer has left the run")


# -- exit codes -------------------------------------------------------------------------------------------------------


def test_failed(server: Server) -> None:
    """1: the run ended in `error`."""
    done = called(server, "run", "simulate", "--fail-at", "1")
    assert (done.code, names(done.lines)) == (1, ["start", "error", "done"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nothing"), "there is no operation 'nothing'; the service offers "),
        (("run", "simulate", "--steps", "many"), "--steps"),
        (("run", "simulate", "--json", "[]"), "the input must be an object"),
        (("run", "simulate", "stray"), "unexpected extra argument"),
        (("fly",), "fly"),
        (("run",), ""),
    ],
)
def test_wrong_usage(server: Server, arguments: tuple[str, ...], said: str) -> None:
    """2: the command line is wrong; it is said how, and nothing is started."""
    done = called(server, *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_refused(server: Server) -> None:
    """5: the service refuses it, and its words are passed on, with the field; the options win over the environment."""
    done = called(server, "run", "simulate", "--steps", "-4")
    assert (done.code, done.out) == (5, b"")
    assert "422 Invalid input" in done.err
    assert "steps: Input should be greater than or equal to 0" in done.err
    assert called(server, "operations", "--key", "wrong").code == 5
    assert called(server, "--key", "wrong", "watch", "nothing").code == 5
    assert called(server, "--key", KEY, "cancel", "nothing").code == 5


def test_unreachable(server: Server) -> None:
    """6: nobody answers there."""
    done = called(server, "run", "simulate", "--url", "http://127.0.0.1:1")
    assert (done.code, done.out) == (6, b"")
    assert "headway: http://127.0.0.1:1 cannot be reached" in done.err


def test_interrupted() -> None:
    """4: the stream was cut and does not come back; what was lost is said while it is tried."""
    env = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1"}
    with gunicorn("app:app", env=env) as dying, calling(dying, *ENDLESS, "--attempts", "1") as process:
        until(process, "progress")
        dying.kill()
        assert process.wait(PATIENCE) == 4
        assert process.stderr
        said = process.stderr.read().decode()
    assert "the connection was lost" in said
    assert "was interrupted after event 2" in said


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_cancels(server: Server) -> None:
    """The first one ends the work; the events up to `done` still come. Exit code 3."""
    with calling(server, *ENDLESS) as process:
        until(process, "progress")
        process.send_signal(signal.SIGINT)
        assert until(process, "done")["data"] | {"timestamp": "", "elapsed": 0} == {
            "timestamp": "",
            "status": "cancelled",
            "elapsed": 0,
            "reason": "requested",
        }
        assert process.wait(PATIENCE) == 3


def test_ctrl_c_twice_leaves(server: Server) -> None:
    """The second one does not wait for a run that takes its time to end. Exit code 130."""
    busy = ("run", "simulate", "--steps", "1", "--burn", "4", "--runs-in", "thread")
    with calling(server, *busy) as process:
        run = until(process, "start")["data"]["run"]
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert b"press Ctrl-C again to leave" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert b"Traceback" not in process.stderr.read()
    wait_until(lambda: snapshot(server, run).status == "cancelled", "the first one has cancelled it")


def test_watch_keeps_the_run_when_asked_to(server: Server) -> None:
    """With `--keep` Ctrl-C only leaves: another viewer still sees it run."""
    with calling(server, *ENDLESS) as running:
        run = until(running, "start")["data"]["run"]
        with calling(server, "watch", run, "--keep") as watching:
            until(watching, "progress")
            watching.send_signal(signal.SIGINT)
            assert watching.wait(PATIENCE) == 130
        assert snapshot(server, run).status == "running"


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_bars_on_a_terminal(server: Server) -> None:
    """A bar with the step, how far it is and what is left; the result and the ending under it."""
    with terminal(server, "run", "simulate", "--steps", "3", "--interval", "0.3") as screen:
        screen.until("Step 2 of 3")
        assert screen.end() == 0
    for shown in ("simulate  run ", "━", "2/3 steps", "s left", '"stopped": false', "succeeded in "):
        assert shown in screen.text
    assert '{"id":' not in screen.text


def test_a_question_at_the_prompt(server: Server) -> None:
    """It is asked as its schema says, until there is an answer that does."""
    with terminal(server, "run", "simulate", "--steps", "1", "--interval", "0", "--ask-at", "1") as screen:
        screen.until("Go on? [y/N]")
        screen.type(b"perhaps\n")
        screen.until("invalid input")
        screen.type(b"y\n")
        assert screen.end() == 0
    assert '"stopped": false' in screen.text


def test_ctrl_c_on_a_terminal(server: Server) -> None:
    """The key cancels, also at the prompt of a question, and the screen says how the run ended."""
    with terminal(server, *ENDLESS) as screen:
        screen.until("1/1 steps")
        screen.type(b"\x03")
        assert screen.end() == 3
        assert "cancelling; press Ctrl-C again to leave" in screen.text
        assert "cancelled (requested)" in screen.text
    with terminal(server, "run", "simulate", "--interval", "0", "--ask-at", "1") as screen:
        screen.until("Go on?")
        screen.interrupt_prompt()
        assert screen.end() == 3


def test_a_failure_on_a_terminal(server: Server) -> None:
    """The code and the message of the error, and exit code 1."""
    with terminal(server, "run", "simulate", "--fail-at", "1") as screen:
        assert screen.end() == 1
    assert "✗ simulated_failure: The simulation fails at step 1" in screen.text


def test_json_on_a_terminal(server: Server) -> None:
    """`--output json` writes lines there too."""
    with terminal(server, "run", "simulate", "--steps", "0", "--output", "json") as screen:
        assert screen.end() == 0
    assert names([json.loads(line) for line in screen.text.split()]) == ["start", "result", "done"]
