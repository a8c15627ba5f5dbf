"""The embedded model: one server for all workers, that comes back when it dies and goes when the service does.

Each service here has a folder for temporary files of its own, so that its server is nobody else's.
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
"""Seconds for what a model does on a machine that is busy."""
AT_ONCE = 20.0
"""Seconds for what takes less than one on a quiet machine, and half a minute where nobody stops it."""


class Embedded:
    """What is known of the server that a service has started."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary

    def told(self) -> dict[str, Any]:
        """Where the server is; empty where there is none."""
        for path in self.temporary.glob("headway-model-*/server"):
            with contextlib.suppress(FileNotFoundError):
                told: dict[str, Any] = json.loads(path.read_text())
                return told
        return {}

    def pid(self) -> int:
        """The process of the server."""
        return int(self.told().get("pid", 0))

    def keeper(self) -> int:
        """The process that keeps it."""
        return next(process.parent for process in processes() if process.pid == self.pid())

    def working(self) -> int:
        """How many requests it is at work on."""
        told = self.told()
        slots = httpx.get(f"{told['url']}/slots", headers={"Authorization": f"Bearer {told['key']}"}, timeout=PATIENCE)
        return sum(slot["is_processing"] for slot in slots.json())


@contextlib.contextmanager
def service(kind: Any = gunicorn, **said: Any) -> Iterator[tuple[Server, Embedded]]:
    """A service with an embedded model of its own; afterwards both are gone."""
    with scratch() as temporary:
        model = Embedded(temporary)
        with kind(APP, env={"TMPDIR": str(temporary)}, **said) as server:
            yield server, model
            pid, keeper = model.pid(), model.keeper() if model.pid() else 0
        if pid:
            wait_until(lambda: is_gone(pid) and is_gone(keeper), "the model's server is gone", PATIENCE)


def run(server: Server, operation: str, **input: Any) -> list[Message]:
    """The whole stream of a run."""
    answer = httpx.post(f"{server.url}/operations/{operation}", json=input, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return parse_frames(answer.content)


def spelled(server: Server, **input: Any) -> list[str]:
    """The texts of a short run, which succeeds."""
    messages = run(server, "spell", **{"tokens": 3, **input})
    assert messages[-1].json["status"] == "succeeded", messages[-2].data
    return [message.json["text"] for message in messages if message.event == "delta"]


def descendants(pid: int) -> set[int]:
    """Everything that a process has started, and what these have."""
    found = set(children(pid))
    return found.union(*map(descendants, found)) if found else found


@pytest.fixture(scope="module")
def two_workers() -> Iterator[tuple[Server, Embedded]]:
    """A service of two workers."""
    with service(workers=2) as found:
        yield found


def test_workers_share_one_server(two_workers: tuple[Server, Embedded]) -> None:
    """Runs that begin at the same time in both workers are answered by one server, which is no child of theirs."""
    server, model = two_workers
    with ThreadPoolExecutor(4) as together:
        assert all(together.map(lambda _: spelled(server), range(4)))
    started = [process for process in processes() if str(model.temporary) in command(process.pid)]
    assert {process.pid for process in started} == {model.pid(), model.keeper()}
    assert not {model.pid(), model.keeper()} & descendants(server.pid)
    assert os.getsid(model.pid()) == os.getsid(model.keeper()) != os.getsid(server.pid)


def command(pid: int) -> str:
    """The command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_only_who_has_the_key_is_answered(two_workers: tuple[Server, Embedded]) -> None:
    """The server listens on loopback alone, wants a key, and the file that holds it is the user's own."""
    server, model = two_workers
    spelled(server)
    told = model.told()
    assert told["url"].startswith("http://127.0.0.1:")
    assert httpx.get(f"{told['url']}/v1/models").status_code == 401
    asked = httpx.post(
        f"{told['url']}/v1/chat/completions", json={"messages": []}, headers={"Authorization": "Bearer x"}
    )
    assert asked.status_code == 401
    [folder] = model.temporary.glob("headway-model-*")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("who", ["server", "keeper"])
def test_a_server_that_was_killed_is_started_again(two_workers: tuple[Server, Embedded], who: str) -> None:
    """Killed itself it comes back by itself, and killed with its keeper at the next need."""
    server, model = two_workers
    spelled(server)
    killed, keeper = model.pid(), model.keeper()
    os.kill(killed if who == "server" else keeper, signal.SIGKILL)
    wait_until(lambda: is_gone(killed), "the server is gone", PATIENCE)
    if who == "server":
        wait_until(lambda: model.pid() not in (0, killed), "another server is there", PATIENCE)
        assert model.keeper() == keeper
    assert spelled(server)
    assert model.pid() != killed


def test_a_run_whose_server_dies_says_so(two_workers: tuple[Server, Embedded]) -> None:
    """What was written is not lost without a word: the run fails, and may be tried again."""
    server, model = two_workers
    with Connection(server, PATIENCE) as viewer:
        viewer.request("POST", "/operations/spell", JSON, b"{}")
        viewer.until("delta")
        os.kill(model.pid(), signal.SIGKILL)
        *_, error, done = viewer.until("done")
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("model_away", True, "failed")


def test_no_zombie_is_left_to_the_service(two_workers: tuple[Server, Embedded]) -> None:
    """Whoever starts the server is not left with a child that nobody waits for."""
    server, _ = two_workers
    spelled(server)
    for pid in server.worker_pids():
        states = [Path(f"/proc/{child}/stat").read_text() for child in children(pid)]
        assert not [state for state in states if state.rpartition(")")[2].split()[0] == "Z"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_goes_with_the_service(how: signal.Signals) -> None:
    """Stopped or killed, a service leaves nothing behind."""
    with service() as (server, model):
        spelled(server)
        pid, keeper = model.pid(), model.keeper()
        if how == signal.SIGKILL:
            server.kill()
        else:
            server.process.terminate()
        wait_until(lambda: is_gone(pid) and is_gone(keeper), "the model's server is gone", PATIENCE)
        assert not model.told()


def test_a_worker_that_goes_leaves_the_server_to_the_others(two_workers: tuple[Server, Embedded]) -> None:
    """The server stays as long as one process uses it."""
    server, model = two_workers
    spelled(server)
    pid, [worker, *_] = model.pid(), server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: is_gone(worker) and len(server.worker_pids()) == 2, "another worker stands in")
    assert spelled(server)
    assert model.pid() == pid


@pytest.mark.parametrize("kind", [gunicorn, flask_run])
def test_who_leaves_stops_the_model(kind: Any) -> None:
    """A viewer's going reaches the model while it writes, and while it still reads its prompt."""
    with service(kind) as (server, model):
        spelled(server)
        for event, words in (("delta", 1), ("progress", 900)):
            with Connection(server, PATIENCE) as viewer:
                viewer.request("POST", "/operations/spell", JSON, json.dumps({"words": words}).encode())
                viewer.until(event)
                wait_until(model.working, "the model is at work", PATIENCE)
            wait_until(lambda: not model.working(), f"the model is idle after a {event}", AT_ONCE)


def test_the_model_thinks_and_answers(two_workers: tuple[Server, Embedded]) -> None:
    """`think` on the embedded model: thoughts, then text, both as they grow, and all of it in the result."""
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
    assert result["model"] == "SmolLM2-135M-Instruct"
    assert result["finish_reason"] in ("length", "stop")
    assert result["usage"]["calls"] == 2
    assert 2 <= result["usage"]["completion_tokens"] <= 40
    reading = [message.json for message in messages if message.event == "progress" and "done" in message.json]
    assert {told["step"] for told in reading} == {"prompt", "second prompt"}
    assert reading[-1]["done"] == reading[-1]["total"] > 0


def test_a_prompt_that_is_too_long_is_told(two_workers: tuple[Server, Embedded]) -> None:
    """More than the context holds is an error with its own code, before anything is written."""
    server, _ = two_workers
    *_, error, done = run(server, "spell", words=5000)
    assert (error.json["code"], done.json["status"]) == ("model_context_too_small", "failed")
