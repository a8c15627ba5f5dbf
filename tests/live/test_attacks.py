"""No input holds the hub: while a worker reads and refuses the worst bodies and headers, it answers others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.clients import Connection, wait_until
from tests.figures import Figures
from tests.live import attacks
from tests.live.attacks import Attack
from tests.servers import Server, gunicorn

LIMIT = 1.0
"""Seconds in which health has to answer: four times the 250 ms that it has on a machine that does nothing else."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One worker."""
    with gunicorn("tests.apps.attacked:app", env={"HEADWAY_STORE": "memory:"}) as started:
        yield started


@dataclass
class Health:
    """Asks a server all the time whether it is well. `longest` is the longest time that it took to answer."""

    server: Server
    longest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def take(self) -> float:
        """The longest time since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest

    def _ask(self) -> None:
        with Connection(self.server, timeout=120) as client:
            while not self._stop.wait(0.005):
                start = time.monotonic()
                assert client.request("GET", "/health/live").status == 200
                client.body()
                self.longest = max(self.longest, time.monotonic() - start)


def status_of(server: Server, attack: Attack) -> list[int]:
    """The statuses that answer an attack."""
    path = attack.path
    if attack.answer_to is not None:
        asked = attacks.to("asking", {"of": attack.answer_to})
        with Connection(server) as client:
            head = client.request("POST", asked.path, {**attacks.JSON, "Prefer": "respond-async"}, asked.body)
        path = f"/runs/{head.headers['run-id']}/answer"
        with Connection(server) as client:
            wait_until(lambda: b'"q2"' in read(client, f"/runs/{head.headers['run-id']}"), "the question is asked")
    statuses = []
    for _ in range(attack.times):
        with Connection(server, timeout=120) as client:
            headers = {"Prefer": "respond-async", **attack.headers}
            statuses.append(client.request(attack.method, path, headers, attack.body).status)
    return statuses


def read(client: Connection, path: str) -> bytes:
    """The body of an answer."""
    client.request("GET", path)
    return client.body()


def test_health_answers_throughout(server: Server, figures: Figures) -> None:
    """Each attack gets its status, and none holds the worker longer than others can wait."""
    slow, wrong, longest = {}, {}, ("", 0.0)
    with Health(server) as health:
        for name, attack in attacks.each():
            health.take()
            statuses = status_of(server, attack)
            took = health.take()
            if took > LIMIT:  # the machine may have been busy with something else: not twice
                statuses += status_of(server, attack)
                took = min(took, health.take())
            longest = max(longest, (name, took), key=lambda entry: entry[1])
            if not set(statuses) <= set(attack.statuses):
                wrong[name] = statuses
            if took > LIMIT:
                slow[name] = took
    figures.add(f"health's longest answer during {len(attacks.ATTACKS)} attacks", f"{longest[1] * 1000:.0f} ms")
    figures.add("which was during", longest[0])
    assert wrong == {}
    assert slow == {}
    assert "a request failed" not in server.log()
