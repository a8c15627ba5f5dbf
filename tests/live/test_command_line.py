"""`python -m streaming`: in a pipe, and on a terminal, which is a pty."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from streaming.client import Client
from tests.clients import wait_until
from tests.command_line import PATIENCE, CommandLine, names, read_until
from tests.pdfs import report
from tests.servers import Server, gunicorn

KEY: Final = "a-key"
ENDLESS: Final = ("run", "simulate", "--steps", "1", "--interval", "600")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service, with an API key."""
    env = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1", "HEADWAY_API_KEYS": f"ann:{KEY}"}
    with gunicorn("app:app", env=env) as started:
        yield started


def snapshot(server: Server, run: str) -> Any:
    """The state of a run."""
    with Client(server.url, api_key=KEY) as client:
        return client.snapshot(run)


@pytest.fixture(scope="module")
def shell(server: Server) -> CommandLine:
    """`python -m streaming`, with the service's URL and key."""
    return CommandLine("python -m streaming", {"HEADWAY_URL": server.url, "HEADWAY_API_KEY": KEY})


# -- in a pipe --------------------------------------------------------------------------------------------------------


def test_a_run_in_a_pipe(shell: CommandLine) -> None:
    """It is one line of JSON an event, and nothing else; exit code 0."""
    with shell.start("run", "simulate", "--steps", "2", "--interval", "0") as process:
        out, err = process.communicate(timeout=PATIENCE)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (process.returncode, err) == (0, b"")
    assert names(lines) == ["start", "progress", "progress", "result", "done"]
    assert [line["id"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[3]["data"]["result"] == {"steps": 2, "stopped": False}


def test_lines_arrive_with_their_events(shell: CommandLine) -> None:
    """A reader of the pipe sees an event while the run goes on."""
    with shell.start(*ENDLESS) as process:
        assert read_until(process, "progress")["data"]["done"] == 1
        assert process.poll() is None


def test_a_file_and_flags(shell: CommandLine, tmp_path: Path) -> None:
    """Files are arguments, fields are flags, and `-` is the standard input."""
    (tmp_path / "report.pdf").write_bytes(pdf := report(3))
    result = shell.run("run", "extract", str(tmp_path / "report.pdf"), "--pages", "1-2", "--no-tables")
    assert result.code == 0
    assert [line["data"]["key"] for line in result.lines if line["type"] == "partial"] == ["page-1", "page-2"]
    result = shell.run("run", "extract", "-", "--pages", "3", stdin=pdf)
    assert [line["data"]["key"] for line in result.lines if line["type"] == "partial"] == ["page-3"]


def test_the_input_as_json(shell: CommandLine, tmp_path: Path) -> None:
    """It is an argument, a file, or the standard input; flags win over it."""
    document = '{"steps": 5, "interval": 0}'
    (tmp_path / "input.json").write_text(document)
    for source, stdin in ((document, b""), (f"@{tmp_path}/input.json", b""), ("-", document.encode())):
        result = shell.run("run", "simulate", "--json", source, "--steps", "1", stdin=stdin)
        assert result.lines[-2]["data"]["result"]["steps"] == 1


def test_operations(shell: CommandLine) -> None:
    """They are listed, each on a line of JSON."""
    result = shell.run("operations")
    assert result.code == 0
    assert {"extract", "simulate"} <= {line["name"] for line in result.lines}
    assert result.lines[0]["input"]["type"] == "object"


def test_the_help_of_an_operation(shell: CommandLine) -> None:
    """It lists the flags, with their descriptions and defaults."""
    result = shell.run("run", "simulate", "--help")
    assert result.code == 0
    assert "--fail-at INTEGER" in result.out.decode()
    assert "How many steps it takes. [default: 10]" in result.out.decode()
    bare = shell.run("run", "--help")
    assert (bare.code, b"OPERATION" in bare.out) == (0, True)
    assert b"Exit codes:" in shell.run("--help").out


def test_watch_and_cancel(shell: CommandLine) -> None:
    """A detached run can be watched from any event on, and cancelled."""
    started = shell.run("run", "simulate", "--interval", "600", "--detach")
    run = started.lines[0]["id"]
    with shell.start("watch", run, "--after", "1") as watching:
        assert read_until(watching, "progress")["id"] == 2
        cancelled = shell.run("cancel", run)
        assert (cancelled.code, cancelled.lines[0]["id"]) == (0, run)
        assert read_until(watching, "done")["data"]["reason"] == "requested"
        assert watching.wait(PATIENCE) == 3
    assert shell.run("watch", run).code == 3


def test_answer(shell: CommandLine, server: Server) -> None:
    """A question can be answered with another command; without a terminal, `run` prints that command."""
    with shell.start("run", "simulate", "--steps", "1", "--interval", "0", "--ask-at", "1") as running:
        read_until(running, "question")
        with Client(server.url, api_key=KEY) as client:
            (run,) = client.runs(status="waiting")
        assert shell.run("answer", run.id, "maybe").code == 5
        assert shell.run("answer", run.id, "true").code == 0
        assert read_until(running, "result")["data"]["result"]["stopped"] is False
        assert running.wait(PATIENCE) == 0
        assert running.stderr
        assert f"python -m streaming answer {run.id} ANSWER" in running.stderr.read().decode()
    assert shell.run("answer", run.id, "true").code == 2


def test_a_closed_pipe(shell: CommandLine, server: Server) -> None:
    """Where nobody reads the output any more the command exits, without a traceback."""
    with shell.start("run", "simulate", "--steps", "1000000", "--interval", "0.01") as process:
        assert process.stdout
        assert process.stderr
        run = read_until(process, "start")["data"]["run"]
        process.stdout.close()
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""
    wait_until(lambda: snapshot(server, run).status == "cancelled", "the run ends without its viewer")


# -- exit codes -------------------------------------------------------------------------------------------------------


def test_failed(shell: CommandLine) -> None:
    """1: the run ended in `error`."""
    result = shell.run("run", "simulate", "--fail-at", "1")
    assert (result.code, names(result.lines)) == (1, ["start", "error", "done"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nothing"), "there is no operation 'nothing'; the service offers "),
        (("run", "simulate", "--steps", "many"), "--steps"),
        (("run", "simulate", "--json", "[]"), "the input must be an object"),
        (("run", "simulate", "stray"), "unexpected extra argument"),
        (("fly",), "fly"),
        (("run",), ""),
    ],
)
def test_wrong_usage(shell: CommandLine, arguments: tuple[str, ...], message: str) -> None:
    """2: the command line is wrong; the message says why, and no run is started."""
    result = shell.run(*arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_refused(shell: CommandLine) -> None:
    """5: the service refuses, and its message names the field; options win over the environment."""
    result = shell.run("run", "simulate", "--steps", "-4")
    assert (result.code, result.out) == (5, b"")
    assert "422 Invalid input" in result.err
    assert "steps: Input should be greater than or equal to 0" in result.err
    assert shell.run("operations", "--key", "wrong").code == 5
    assert shell.run("--key", "wrong", "watch", "nothing").code == 5
    assert shell.run("--key", KEY, "cancel", "nothing").code == 5


def test_no_header_stands_for_the_owner(server: Server) -> None:
    """`flask headway` passes the check of keys by a key of the WSGI environ, which no request can set."""
    for name in ("headway.owner", "headway_owner", "Headway-Owner", "HTTP_headway.owner"):
        assert httpx.get(f"{server.url}/runs", headers={name: "ann"}).status_code == 401


def test_unreachable(shell: CommandLine) -> None:
    """6: nothing answers at the URL."""
    result = shell.run("run", "simulate", "--url", "http://127.0.0.1:1")
    assert (result.code, result.out) == (6, b"")
    assert "headway: http://127.0.0.1:1 cannot be reached" in result.err


def test_interrupted() -> None:
    """4: the stream was cut and cannot be resumed; a note says that the connection was lost."""
    env = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1"}
    with (
        gunicorn("app:app", env=env) as dying,
        CommandLine("python -m streaming", {"HEADWAY_URL": dying.url}).start(*ENDLESS, "--attempts", "1") as process,
    ):
        read_until(process, "progress")
        dying.kill()
        assert process.wait(PATIENCE) == 4
        assert process.stderr
        notes = process.stderr.read().decode()
    assert "the connection was lost" in notes
    assert "was interrupted after event 2" in notes
    assert "to go on: python -m streaming watch r" in notes
    assert "--after 2 --attempts 1" in notes


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_cancels(shell: CommandLine) -> None:
    """The first one cancels the run; its events are shown up to `done`. Exit code 3."""
    with shell.start(*ENDLESS) as process:
        read_until(process, "progress")
        process.send_signal(signal.SIGINT)
        assert read_until(process, "done")["data"] | {"timestamp": "", "elapsed": 0} == {
            "timestamp": "",
            "status": "cancelled",
            "elapsed": 0,
            "reason": "requested",
        }
        assert process.wait(PATIENCE) == 3


def test_ctrl_c_twice_leaves(shell: CommandLine, server: Server) -> None:
    """The second one does not wait for the end of the run. Exit code 130."""
    busy = ("run", "simulate", "--steps", "1", "--burn", "4", "--runs-in", "thread")
    with shell.start(*busy) as process:
        run = read_until(process, "start")["data"]["run"]
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert b"press Ctrl-C again to leave" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert b"Traceback" not in process.stderr.read()
    wait_until(lambda: snapshot(server, run).status == "cancelled", "the first Ctrl-C cancelled it")


def test_watch_with_keep(shell: CommandLine, server: Server) -> None:
    """Ctrl-C leaves, and the run goes on, also a detached one that nobody watches and that does not linger."""
    run = shell.run(*ENDLESS, "--detach").lines[0]["id"]
    with shell.start("watch", run, "--keep") as watching:
        read_until(watching, "progress")
        assert snapshot(server, run).viewers == 0
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 130
        assert watching.stderr
        again = f"python -m streaming watch {run} --keep --after 2"
        assert watching.stderr.read().decode() == f"headway: the run goes on; to watch it again: {again}\n"
    assert snapshot(server, run).status == "running"
    assert shell.run("cancel", run).code == 0


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_bars_on_a_terminal(shell: CommandLine) -> None:
    """A bar has the step, its progress and the seconds left; result and status stand below."""
    with shell.terminal("run", "simulate", "--steps", "3", "--interval", "0.3") as screen:
        screen.read_until("Step 2 of 3")
        assert screen.end() == 0
    for text in ("simulate  run ", "━", "2/3 steps", "s left", '"stopped": false', "succeeded in "):
        assert text in screen.text
    assert '{"id":' not in screen.text


def test_a_question_at_the_prompt(shell: CommandLine) -> None:
    """The prompt fits the schema, and is repeated until the answer does."""
    with shell.terminal("run", "simulate", "--steps", "1", "--interval", "0", "--ask-at", "1") as screen:
        screen.read_until("Go on? [y/N]")
        screen.type(b"perhaps\n")
        screen.read_until("invalid input")
        screen.type(b"y\n")
        assert screen.end() == 0
    assert '"stopped": false' in screen.text


def test_ctrl_c_on_a_terminal(shell: CommandLine) -> None:
    """It cancels, at the prompt of a question too, and the status of the run is shown."""
    with shell.terminal(*ENDLESS) as screen:
        screen.read_until("1/1 steps")
        screen.type(b"\x03")
        assert screen.end() == 3
        assert "cancelling; press Ctrl-C again to leave" in screen.text
        assert "cancelled (requested)" in screen.text
    with shell.terminal("run", "simulate", "--interval", "0", "--ask-at", "1") as screen:
        screen.read_until("Go on?")
        screen.interrupt_prompt()
        assert screen.end() == 3


def test_a_failure_on_a_terminal(shell: CommandLine) -> None:
    """The code and the message of the error are shown. Exit code 1."""
    with shell.terminal("run", "simulate", "--fail-at", "1") as screen:
        assert screen.end() == 1
    assert "✗ simulated_failure: The simulation fails at step 1" in screen.text


def test_json_on_a_terminal(shell: CommandLine) -> None:
    """`--output json` writes lines there too."""
    with shell.terminal("run", "simulate", "--steps", "0", "--output", "json") as screen:
        assert screen.end() == 0
    assert names([json.loads(line) for line in screen.text.split()]) == ["start", "result", "done"]
