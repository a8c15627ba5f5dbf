"""The TypeScript client: its own tests (clients/typescript/test, in vitest), alone and against real servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import pdfs
from tests.apps.agent_model import Loose, ScriptedModel
from tests.live.workers import workers
from tests.servers import Server, gunicorn, program, scratch

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "typescript"
APP = "tests.apps.typescript:app"

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def node(*command: str | Path, **variables: str) -> str:
    """The output of a Node.js program; a failure shows all of it."""
    env = {**os.environ, "NO_COLOR": "1", **variables}
    limit = 1700 if "LONG" in variables else 570
    done = subprocess.run(
        [program("node"), *map(str, command)], cwd=CLIENT, env=env, capture_output=True, text=True, timeout=limit
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vitest(*projects: str, **variables: str) -> None:
    """Runs the tests of these projects of clients/typescript/vitest.config.ts."""
    chosen = [part for project in projects for part in ("--project", project)]
    node(ROOT / "node_modules/vitest/vitest.mjs", "run", *chosen, **variables)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service that the client is tested with."""
    with gunicorn(APP) as started:
        yield started


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The package, built from the current sources."""
    with scratch() as folder:
        node(CLIENT / "build.mjs", folder)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        (folder / "package.json").write_text('{"type": "module"}')
        yield folder


@dataclass
class Follower:
    """A client in another process that watches a run, and the lines that it has printed."""

    process: subprocess.Popen[str]
    connections: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def read(self, events: int) -> None:
        """Reads until the client has printed so many events."""
        while len(self.events) < events:
            line = self._line()
            (self.events if "type" in line else self.connections).append(line)

    def result(self) -> Any:
        """Reads to the end; returns the run's result."""
        while "result" not in (line := self._line()):
            (self.events if "type" in line else self.connections).append(line)
        return line["result"]

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"result": "nothing: it has ended"}')
        return line


@contextlib.contextmanager
def following(built: Path, *arguments: str) -> Iterator[Follower]:
    """Starts a client in another process; follow.mjs documents its arguments."""
    command = [program("node"), str(CLIENT / "test/live/follow.mjs"), str(built / "index.js"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Follower(process)
        finally:
            process.kill()


def test_the_client_alone() -> None:
    """The client reads every recorded and every faulty stream, and the hook works with both versions of React."""
    vitest("client", "react-18", "react-19")


def test_the_console_s_functions() -> None:
    """Which charts it draws, and how it chooses a branch of a schema."""
    vitest("console")


def test_the_client_with_a_server(server: Server) -> None:
    """The client, npm's `eventsource` and `fetch-event-source` read the streams of a real server."""
    vitest("live", HEADWAY_URL=server.url)


def test_a_service_that_is_reloaded(built: Path) -> None:
    """A client whose worker stops loses no event of its run, and reads none twice."""
    with workers("sqlite", 2, env={"HEADWAY_DRAIN": "30"}) as shared:
        producer = shared.pids[0]
        run = f"{shared.server.url}/runs/{shared.start_unwatched('counting', producer, count=100, pause=0.05, size=4)}"
        with following(built, "watch", run, str(producer)) as follower:
            follower.read(1)
            before = len(follower.connections)
            os.kill(shared.server.pid, signal.SIGHUP)
            assert follower.result() == 100
    ids = [event["id"] for event in follower.events]  # those of deltas that were merged after a cut are left out
    assert (ids[0], ids[-1]) == (1, 103)
    assert ids == sorted(set(ids))
    text = "".join(event["data"]["text"] for event in follower.events if event["type"] == "delta")
    assert text.split() == [str(number) for number in range(1, 101)]
    assert len(follower.connections) > before


def test_a_worker_that_is_killed(built: Path) -> None:
    """A client whose run loses its worker reads the next attempt and its result."""
    with workers("sqlite", 2, env={"DURABLE_LEASE": "1.5"}) as shared:
        operation = f"{shared.server.url}/operations/again"
        with following(built, "start", operation, json.dumps({"note": "tried"})) as follower:
            follower.read(2)
            shared.kill(follower.connections[0]["worker"])
            assert follower.result() == "the second time"
    names = [event["type"] for event in follower.events]
    assert names == ["start", "progress", "attempt", "progress", "result", "done"]


def test_a_csrf_token(built: Path) -> None:
    """`headers()` is called for each request: starts, answers and cancels pass Flask-WTF's `CSRFProtect`."""
    with gunicorn("tests.apps.readers:reading()") as protected:
        printed = json.loads(node(CLIENT / "test/live/csrf.mjs", built / "index.js", protected.url))
    assert printed["result"] == {"word": "ask", "file": None, "answer": "yes"}
    assert (printed["last"], printed["calls"]) == ("done", 4)
    assert "CSRF token is missing" in printed["refusal"]


def test_the_command_that_writes_types(server: Server, built: Path) -> None:
    """`headway-types` writes the types of a running service's operations."""
    written = node(built / "headway-types.js", f"{server.url}/api")
    assert "export interface SimulateInput {" in written
    assert '"received": Received;' in written
    assert "others?: Blob[];" in written


GENERATED = ("examples/next/operations.ts", "examples/vite/src/operations.ts")
"""What `headway-types` wrote for the examples: `npm run types` there writes it again."""


def operations_in(text: str) -> str:
    """A module of operations without its first line, which has the address of the service."""
    return text.partition("\n")[2]


def test_in_a_browser(built: Path, long: bool) -> None:
    """The examples, which have the types of the service, and uploads with progress, in Chromium; long, Next.js too."""
    answer = Loose("<think>Light, then water.</think>Red is lost first, and the rest is blue.", pause=0.02)
    endless = Loose(f"<think>{'Light, then water. ' * 2_000}", pause=0.1)
    with ScriptedModel(answer, endless, answer) as model, scratch() as folder:
        pdf = folder / "report.pdf"
        pdf.write_bytes(pdfs.report(3))
        env = {"HEADWAY_SIMULATE": "1", "HEADWAY_STORE": "memory:", "HEADWAY_MAX_BODY": str(16 << 20)}
        with contextlib.ExitStack() as stack:
            service = stack.enter_context(gunicorn("app:app", env={**env, **model.settings()}))
            written = operations_in(node(built / "headway-types.js", service.url))
            assert all(operations_in((ROOT / path).read_text()) == written for path in GENERATED)
            more = {"HEADWAY_URL": service.url, "CHROMIUM": program("chromium"), "PDF": str(pdf), "TMPDIR": str(folder)}
            if long:
                more |= {"LONG": "1", "BURST_URL": stack.enter_context(gunicorn("tests.apps.burst:app")).url}
            vitest("browser", **more)
