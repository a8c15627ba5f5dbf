"""The embedded model: one server for all workers, which restarts if it dies, and ends with the service.

Each service here has its own folder of temporary files, and so its own server.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import Connection, Message, parse_frames, wait_until
from tests.servers import Server, children, flask_run, gunicorn, processes, scratch
from tests.worlds import is_gone

APP = "tests.apps.llm:app"
JSON = {"Content-Type": "application/json"}
PATIENCE = 50.0
"""Seconds for the model on a busy machine."""
SOON = 20.0
"""Seconds for a stop that takes less than one on an idle machine; the model would go on for half a minute."""


class Embedded:
    """The server that a service has started."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary

    def address(self) -> dict[str, Any]:
        """The URL, key and process of the server; empty if there is none."""
        for path in self.temporary.glob("headway-model-*/server"):
            with contextlib.suppress(FileNotFoundError):
                address: dict[str, Any] = json.loads(path.read_text())
                return address
        return {}

    def pid(self) -> int:
        """The process of the server."""
        return int(self.address().get("pid", 0))

    def supervisor(self) -> int:
        """The process of its supervisor."""
        return next(process.parent for process in processes() if process.pid == self.pid())

    def working(self) -> int:
        """How many requests it is working on."""
        address = self.address()
        slots = httpx.get(
            f"{address['url']}/slots", headers={"Authorization": f"Bearer {address['key']}"}, timeout=PATIENCE
        )
        return sum(slot["is_processing"] for slot in slots.json())


@contextlib.contextmanager
def service(kind: Any = gunicorn, **options: Any) -> Iterator[tuple[Server, Embedded]]:
    """A service with its own embedded model; both end with the `with` block."""
    with scratch() as temporary:
        model = Embedded(temporary)
        with kind(APP, env={"TMPDIR": str(temporary)}, **options) as server:
            yield server, model
            pid, supervisor = model.pid(), model.supervisor() if model.pid() else 0
        if pid:
            wait_until(lambda: is_gone(pid) and is_gone(supervisor), "the model's server is gone", PATIENCE)


def run(server: Server, operation: str, **input: Any) -> list[Message]:
    """The whole stream of a run."""
    response = httpx.post(f"{server.url}/operations/{operation}", json=input, timeout=PATIENCE)
    assert response.status_code == 200, response.text
    return parse_frames(response.content)


def spell(server: Server, **input: Any) -> list[str]:
    """The texts of a short run, which must succeed."""
    messages = run(server, "spell", **{"tokens": 3, **input})
    assert messages[-1].json["status"] == "succeeded", messages[-2].data
    return [message.json["text"] for message in messages if message.event == "delta"]


def descendants(pid: int) -> set[int]:
    """All children of a process, and their children."""
    pids = set(children(pid))
    return pids.union(*map(descendants, pids)) if pids else pids


@pytest.fixture(scope="module")
def two_workers() -> Iterator[tuple[Server, Embedded]]:
    """A service with two workers."""
    with service(workers=2) as server_and_model:
        yield server_and_model


def test_workers_share_one_server(two_workers: tuple[Server, Embedded]) -> None:
    """One server answers runs that begin at the same time in both workers; it is not a child of theirs."""
    server, model = two_workers
    with ThreadPoolExecutor(4) as together:
        assert all(together.map(lambda _: spell(server), range(4)))
    running = [process for process in processes() if str(model.temporary) in command(process.pid)]
    assert {process.pid for process in running} == {model.pid(), model.supervisor()}
    assert not {model.pid(), model.supervisor()} & descendants(server.pid)
    assert os.getsid(model.pid()) == os.getsid(model.supervisor()) != os.getsid(server.pid)


def command(pid: int) -> str:
    """The command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_the_server_requires_its_key(two_workers: tuple[Server, Embedded]) -> None:
    """It listens on loopback alone, and only the user can read the file with the key."""
    server, model = two_workers
    spell(server)
    address = model.address()
    assert address["url"].startswith("http://127.0.0.1:")
    assert httpx.get(f"{address['url']}/v1/models").status_code == 401
    response = httpx.post(
        f"{address['url']}/v1/chat/completions", json={"messages": []}, headers={"Authorization": "Bearer x"}
    )
    assert response.status_code == 401
    [folder] = model.temporary.glob("headway-model-*")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("who", ["server", "supervisor"])
def test_a_server_that_is_killed_restarts(two_workers: tuple[Server, Embedded], who: str) -> None:
    """It restarts at once, or, if its supervisor is killed too, at the next call."""
    server, model = two_workers
    spell(server)
    killed, supervisor = model.pid(), model.supervisor()
    os.kill(killed if who == "server" else supervisor, signal.SIGKILL)
    wait_until(lambda: is_gone(killed), "the server is gone", PATIENCE)
    if who == "server":
        wait_until(lambda: model.pid() not in (0, killed), "another server runs", PATIENCE)
        assert model.supervisor() == supervisor
    assert spell(server)
    assert model.pid() != killed


def test_a_run_fails_if_the_server_dies(two_workers: tuple[Server, Embedded]) -> None:
    """The error is retryable."""
    server, model = two_workers
    with Connection(server, PATIENCE) as viewer:
        viewer.request("POST", "/operations/spell", JSON, b"{}")
        viewer.until("delta")
        os.kill(model.pid(), signal.SIGKILL)
        *_, error, done = viewer.until("done")
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("model_away", True, "failed")


def test_no_zombies_remain(two_workers: tuple[Server, Embedded]) -> None:
    """The worker that starts the server waits for every child."""
    server, _ = two_workers
    spell(server)
    for pid in server.worker_pids():
        states = [Path(f"/proc/{child}/stat").read_text() for child in children(pid)]
        assert not [state for state in states if state.rpartition(")")[2].split()[0] == "Z"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_the_service(how: signal.Signals) -> None:
    """Supervisor and server exit if the service is stopped or killed."""
    with service() as (server, model):
        spell(server)
        pid, supervisor = model.pid(), model.supervisor()
        if how == signal.SIGKILL:
            server.kill()
        else:
            server.process.terminate()
        wait_until(lambda: is_gone(pid) and is_gone(supervisor), "the model's server is gone", PATIENCE)
        assert not model.address()


def test_the_server_stays_if_one_worker_ends(two_workers: tuple[Server, Embedded]) -> None:
    """It runs as long as one process uses it."""
    server, model = two_workers
    spell(server)
    pid, [worker, *_] = model.pid(), server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: is_gone(worker) and len(server.worker_pids()) == 2, "another worker has started")
    assert spell(server)
    assert model.pid() == pid


@pytest.mark.parametrize("kind", [gunicorn, flask_run])
def test_the_model_stops_with_the_last_viewer(kind: Any) -> None:
    """It stops while it writes, and while it still reads its prompt."""
    with service(kind) as (server, model):
        spell(server)
        for event, words in (("delta", 1), ("progress", 900)):
            with Connection(server, PATIENCE) as viewer:
                viewer.request("POST", "/operations/spell", JSON, json.dumps({"words": words}).encode())
                viewer.until(event)
                wait_until(model.working, "the model is busy", PATIENCE)
            wait_until(lambda: not model.working(), f"the model is idle after a {event}", SOON)


def test_the_model_thinks_and_answers(two_workers: tuple[Server, Embedded]) -> None:
    """`think` on the embedded model streams thoughts, then text, and the result has both."""
    server, _ = two_workers
    messages = run(server, "think", prompt="Why is the sky blue?", max_thinking_tokens=20, max_tokens=20)
    deltas = [message.json for message in messages if message.event == "delta"]
    channels = [delta["channel"] for delta in deltas]
    assert channels == sorted(channels, reverse=True)  # `thinking` before `text`
    result = messages[-2].json["result"]
    for channel in ("thinking", "text"):
        assert (
            "".join(delta["text"] for delta in deltas if delta["channel"] == channel).strip() == result[channel] != ""
        )
    assert result["model"] == {"name": "SmolLM2-135M-Instruct", "demonstration": True}
    assert result["finish_reason"] in ("length", "stop")
    assert result["usage"]["calls"] == 2
    assert 2 <= result["usage"]["completion_tokens"] <= 40
    reading = [message.json for message in messages if message.event == "progress" and "done" in message.json]
    assert {event["step"] for event in reading} == {"prompt", "second prompt"}
    assert reading[-1]["done"] == reading[-1]["total"] > 0


def test_a_prompt_that_is_too_long(two_workers: tuple[Server, Embedded]) -> None:
    """The run fails with its own code, before the model writes anything."""
    server, _ = two_workers
    *_, error, done = run(server, "spell", words=5000)
    assert (error.json["code"], done.json["status"]) == ("model_context_too_small", "failed")
