"""A browser's own `EventSource`, in Chromium, over connections that are cut under it every second."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.clients import Address, wait_until
from tests.live.workers import STORES, Workers, workers
from tests.servers import program, scratch

LIFE = 1.0
"""Seconds after which every connection is cut."""


@dataclass
class Cutter:
    """A TCP proxy that resets each of its connections after `LIFE` seconds."""

    upstream: Address
    cuts: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Cutter]:
        """Serves within the block."""
        threads = [threading.Thread(target=self._accept)]
        self._listener.settimeout(0.1)
        threads[0].start()
        try:
            yield self
        finally:
            self._over.set()
            threads[0].join()
            self._listener.close()

    def _accept(self) -> None:
        serving: list[threading.Thread] = []
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                serving.append(threading.Thread(target=self._serve, args=(client,)))
                serving[-1].start()
        for each in serving:
            each.join()

    def _serve(self, client: socket.socket) -> None:
        end = time.monotonic() + LIFE
        with client, self.upstream.connect() as server, contextlib.suppress(ConnectionError):  # one side closed first
            to = {client: server, server: client}
            while (remaining := end - time.monotonic()) > 0 and not self._over.is_set():
                for source in select.select(list(to), [], [], min(remaining, 0.1))[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    to[source].sendall(data)
            self.cuts += 1
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def browser(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A headless Chromium on a page."""
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with scratch() as folder, folder.joinpath("log").open("wb") as log:
        command = [program("chromium"), *quiet, f"--user-data-dir={folder}/profile", url]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


@pytest.fixture(params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers over one store."""
    with workers(request.param, 2) as started:
        yield started


def test_an_event_source_that_is_cut_every_second(shared: Workers) -> None:
    """It reads every event once, and stops reconnecting after the end."""
    run = shared.start_unwatched("counting", count=80, pause=0.1)  # a loaded machine starts the browser in seconds
    report = Path(shared.folder / "told")
    with Cutter(shared.server.address).serving() as cutter, browser(f"{cutter.url}/page?run={run}"):
        wait_until(report.exists, "the page has reported its events", 40)
        cuts = cutter.cuts
    page = json.loads(report.read_bytes())
    assert [int(event["id"]) for event in page["seen"]] == list(range(1, 84))
    numbers = [int(event["data"]["text"]) for event in page["seen"] if event["name"] == "delta"]
    assert numbers == list(range(1, 81))
    assert [event["name"] for event in page["seen"][-2:]] == ["result", "done"]
    assert page["opened"] >= 2
    assert cuts >= 2
