"""A browser's own `EventSource`, in Chromium, over connections that are cut under it every second."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import wait_until
from tests.live.workers import STORES, Workers, workers
from tests.proxy import Proxy
from tests.servers import program, scratch


@contextlib.contextmanager
def browser(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A headless Chromium on a page."""
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with scratch() as folder, folder.joinpath("log").open("wb") as log:
        command = [program("chromium"), *quiet, f"--user-data-dir={folder}/profile", url]
        env = {**os.environ, "TMPDIR": str(folder)}  # where it leaves a folder for its profile's lock
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
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
    with Proxy(shared.server, life=1.0) as proxy, browser(f"{proxy.url}/page?run={run}"):
        wait_until(report.exists, "the page has reported its events", 40)
        resets = proxy.resets
    page = json.loads(report.read_bytes())
    assert [int(event["id"]) for event in page["seen"]] == list(range(1, 84))
    numbers = [int(event["data"]["text"]) for event in page["seen"] if event["name"] == "delta"]
    assert numbers == list(range(1, 81))
    assert [event["name"] for event in page["seen"][-2:]] == ["result", "done"]
    assert page["opened"] >= 2
    assert resets >= 2
