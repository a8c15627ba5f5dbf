"""`/metrics` of a server with several workers: one scrape has the metrics of all of them."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import Connection, wait_until
from tests.http.test_metrics import figures
from tests.live.requests import start
from tests.servers import Server, gunicorn

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Two workers."""
    with gunicorn("tests.apps.streams:app", workers=2) as started:
        yield started


def scraped(server: Server) -> dict[tuple[str, str], float]:
    """The metrics, from whichever worker answers."""
    with Connection(server) as scrape:
        assert scrape.request("GET", "/api/metrics").status == 200
        return figures(scrape.body().decode())


def test_a_scrape_tells_of_all_workers(server: Server) -> None:
    """Each scrape has the runs of all workers; the live ones of a dead worker are gone."""
    viewers = [Connection(server) for _ in range(8)]
    for viewer in viewers:
        start(viewer, "curious")
    live, streams = ("headway_runs_live", ""), ("headway_streams_open", "")
    wait_until(lambda: (scraped(server)[live], scraped(server)[streams]) == (8, 8), "all eight are seen")
    assert {scraped(server)["headway_runs_started_total", "curious"] for _ in range(8)} == {8}
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: scraped(server)[live] < 8, "the dead worker's are gone")
    for viewer in viewers:
        viewer.close()
    wait_until(lambda: scraped(server)[live] == 0, "all are over")
    assert scraped(server)["headway_runs_started_total", "curious"] == 8


def folders(master: int) -> list[Path]:
    """The folders with the metrics of a master."""
    return list(Path(tempfile.gettempdir()).glob(f"headway-metrics-{master}-*"))


def test_the_folder_goes_with_the_server() -> None:
    """A server that stops removes the folder of its metrics; that of a killed one is removed by the next."""
    with gunicorn("tests.apps.streams:app") as killed:
        scraped(killed)
        (left,) = folders(killed.pid)
    assert list(left.iterdir())
    with gunicorn("tests.apps.streams:app") as server:
        assert not left.exists()
        assert folders(server.pid)
        server.stop()
        assert not folders(server.pid)
