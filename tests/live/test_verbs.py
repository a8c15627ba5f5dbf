"""The verbs of the command line, by both entries: `python -m streaming` asks gunicorn, `flask headway` no server.

Both see the same runs, which gunicorn works on: the application of `flask headway` has the same sqlite file.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

import httpx
import pytest

from streaming.client import Client
from streaming.client.cli.commands import cli
from tests.clients import wait_until
from tests.command_line import PATIENCE, CommandLine, Entry, names, read_until
from tests.servers import Server, gunicorn

Check = Callable[[list[Any]], object]

RUNS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "DONE": ({"steps": 1, "interval": 0}, "succeeded"),
    "FAILED": ({"fail_at": 1}, "failed"),
    "RUNNING": ({"steps": 1, "interval": 600}, "running"),
    "WAITING": ({"ask_at": 1}, "waiting"),
}
"""The runs that a verb may name: the input of each, and its status when the verb is used."""

STEPS: Final = ("--steps", "2", "--interval", "0")

VERBS: Final[list[tuple[list[str], int, Check]]] = [
    (["operations"], 0, lambda lines: "simulate" in {line["name"] for line in lines}),
    (["run", "simulate", *STEPS], 0, lambda lines: names(lines) == ["start", *2 * ["progress"], "result", "done"]),
    (["run", "simulate", "--fail-at", "1"], 1, lambda lines: names(lines) == ["start", "error", "done"]),
    (["run", "simulate", "--detach", *STEPS], 0, lambda lines: [line["operation"] for line in lines] == ["simulate"]),
    (["watch", "DONE", "--after", "2"], 0, lambda lines: names(lines) == ["result", "done"]),
    (["watch", "/runs/FAILED/events"], 1, lambda lines: names(lines) == ["start", "error", "done"]),
    (["show", "RUNNING"], 0, lambda lines: [line["status"] for line in lines] == ["running"]),
    (["show", "nothing"], 5, lambda lines: lines == []),
    (["result", "DONE"], 0, lambda lines: lines == [{"steps": 1, "stopped": False}]),
    (["result", "FAILED"], 1, lambda lines: lines == []),
    (
        ["list", "--status", "running", "--limit", "1"],
        0,
        lambda lines: [line["status"] for line in lines] == ["running"],
    ),
    (["list", "--operation", "extract"], 0, lambda lines: lines == []),
    (["list", "--status", "asleep"], 2, lambda lines: lines == []),
    (["answer", "WAITING", "true"], 0, lambda lines: lines[0]["operation"] == "simulate"),
    (["answer", "WAITING", "maybe"], 5, lambda lines: lines == []),
    (["answer", "DONE", "true"], 2, lambda lines: lines == []),
    (["cancel", "RUNNING"], 0, lambda lines: lines[0]["status"] in ("cancelling", "cancelled")),
    (["cancel", "nothing"], 5, lambda lines: lines == []),
    (["file", "DONE"], 0, lambda lines: lines == []),
    (["file", "DONE", "missing.png"], 5, lambda lines: lines == []),
    (["erase", "DONE"], 0, lambda lines: lines == []),
    (["erase", "RUNNING"], 5, lambda lines: lines == []),
    (["token", "DONE", "--seconds", "60"], 0, lambda lines: lines[0]["token"].startswith("hwt_")),
    (["token", "RUNNING", "--may", "answer", "--may", "start"], 5, lambda lines: lines == []),
    (["doctor", "--silence", "1", "--output", "json"], 0, lambda lines: lines[-1]["outcome"] in ("ok", "note")),
]
"""What is typed, the exit code, and what is printed."""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of the application."""
    store = tmp_path_factory.mktemp("verbs") / "runs.db"
    return {"HEADWAY_STORE": f"sqlite:///{store}", "HEADWAY_SIMULATE": "1"}


@pytest.fixture(scope="module")
def server(env: dict[str, str]) -> Iterator[Server]:
    """The service."""
    with gunicorn("app:app", env=env) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """A client of the service."""
    with Client(server.url) as opened:
        start(opened, "RUNNING")  # for the list of those, whichever tests came before
        yield opened


def start(client: Client, name: str) -> str:
    """The id of a new run that gunicorn works on."""
    fields, status = RUNS[name]
    run = client.start("simulate", fields, detached=True).id
    wait_until(lambda: client.snapshot(run).status == status, name)
    return run


@pytest.fixture(params=get_args(Entry))
def shell(request: pytest.FixtureRequest, server: Server, env: dict[str, str]) -> CommandLine:
    """One of the entries."""
    return CommandLine(request.param, {"HEADWAY_URL": server.url} if "-m" in request.param else env)


@pytest.fixture
def headway(server: Server, env: dict[str, str]) -> CommandLine:
    """`flask headway`, beside the service."""
    return CommandLine("flask headway", env)


@pytest.mark.parametrize(("typed", "code", "check"), VERBS, ids=[" ".join(typed) for typed, _, _ in VERBS])
def test_each_verb(shell: CommandLine, client: Client, typed: list[str], code: int, check: Check) -> None:
    """It prints the same and exits with the same code, whichever entry is taken."""
    words = [re.sub("|".join(RUNS), lambda name: start(client, name[0]), word) for word in typed]
    ended = shell.run(*words)
    assert ended.code == code, ended.err
    assert check(ended.lines), ended.lines
    assert (ended.err == "") == (code == 0 or names_of_events(typed))


def names_of_events(typed: list[str]) -> bool:
    """Whether it prints events, which say themselves how a run ended."""
    return typed[0] in ("run", "watch")


def test_every_verb_is_in_the_table() -> None:
    """None is without a test by both entries."""
    assert {typed[0] for typed, _, _ in VERBS} == set(cli.commands)


# -- `flask headway` beside a service ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["greenlet", "thread", "process"])
def test_a_run_of_the_command_is_seen_by_the_service(headway: CommandLine, client: Client, place: str) -> None:
    """The service shows its state while the command works on it; Ctrl-C cancels it, wherever it runs."""
    with headway.start("run", "simulate", "--here", "--steps", "1", "--interval", "600", "--runs-in", place) as process:
        run = read_until(process, "start")["data"]["run"]
        read_until(process, "progress")
        assert client.snapshot(run).status == "running"
        process.send_signal(signal.SIGINT)
        assert read_until(process, "done")["data"]["reason"] == "requested"
        assert process.wait(PATIENCE) == 3
        assert process.stderr
        assert process.stderr.read() == b"headway: cancelling; press Ctrl-C again to leave\n"
    assert client.snapshot(run).status == "cancelled"


def test_a_command_starts_a_run_of_the_service(headway: CommandLine, client: Client, server: Server) -> None:
    """The service works on it, also after the command has left; a cancel comes back to the command."""
    with headway.start("run", "simulate", "--steps", "1000", "--interval", "0.1") as process:
        run = read_until(process, "start")["data"]["run"]
        read_until(process, "progress")
        wait_until(lambda: metric(server, "headway_runs_live") >= 1, "the service counts it")
        client.cancel(run)
        assert process.wait(PATIENCE) == 3
    ended = headway.run("run", "simulate", "--detach", "--steps", "1000", "--interval", "0.1")
    assert ended.code == 0
    run = ended.lines[0]["id"]
    wait_until(lambda: client.snapshot(run).status == "running", "the service works on it")
    client.cancel(run)


def metric(server: Server, name: str) -> float:
    """The value of a metric of the service, over all its workers."""
    text = httpx.get(f"{server.url}/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_the_service_cancels_a_run_of_the_command(headway: CommandLine, client: Client) -> None:
    """A cancel reaches the process of the command."""
    with headway.start("run", "simulate", "--here", "--steps", "1", "--interval", "600") as process:
        run = read_until(process, "start")["data"]["run"]
        read_until(process, "progress")
        client.cancel(run)
        assert process.wait(PATIENCE) == 3


def test_a_run_of_the_service_is_watched_and_cancelled(headway: CommandLine, client: Client) -> None:
    """Events of a serving worker arrive in the command, and Ctrl-C reaches the worker."""
    run = client.start("simulate", {"steps": 1000, "interval": 0.1}, detached=True).id
    with headway.start("watch", run) as process:
        read_until(process, "progress")
        process.send_signal(signal.SIGINT)
        assert read_until(process, "done")["data"]["reason"] == "requested"
        assert process.wait(PATIENCE) == 3
    assert client.snapshot(run).status == "cancelled"
    ended = headway.run("result", run)
    assert (ended.code, ended.err) == (3, "headway: the run was cancelled: requested\n")


def test_leaving_ends_a_run_of_the_command(headway: CommandLine, client: Client) -> None:
    """With a second Ctrl-C, and where nobody reads the output: nobody would work on the run any more."""
    with headway.start("run", "simulate", "--here", "--steps", "1000000", "--interval", "0.01") as process:
        run = read_until(process, "start")["data"]["run"]
        assert process.stdout
        process.stdout.close()
        assert process.wait(PATIENCE) == 130
        assert process.stderr
        assert process.stderr.read() == b""
    assert client.snapshot(run).status == "cancelled"


def test_a_prompt_waits_for_a_person(env: dict[str, str]) -> None:
    """The process is its own viewer: one that thinks for longer than HEADWAY_SEND_TIMEOUT is not lost."""
    headway = CommandLine("flask headway", {**env, "HEADWAY_SEND_TIMEOUT": "0.2"})
    with headway.terminal("run", "simulate", "--here", "--steps", "1", "--interval", "0", "--ask-at", "1") as screen:
        screen.read_until("Go on? [y/N]")
        wait_until(lambda: not screen.read(1.0), "nothing more is shown")
        screen.type(b"y\n")
        assert screen.end() == 0
    assert "lost" not in screen.text
    assert '"stopped": false' in screen.text


def test_a_detached_run_of_the_command(headway: CommandLine, client: Client) -> None:
    """The snapshot is there at once, and the process stays to the end of the run, which Ctrl-C ends."""
    with headway.start("run", "simulate", "--here", "--steps", "1", "--interval", "600", "--detach") as process:
        assert process.stdout
        run = json.loads(process.stdout.readline())["id"]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert client.snapshot(run).status == "cancelled"
