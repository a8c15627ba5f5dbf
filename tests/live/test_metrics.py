"""`/metrics` of a server with several workers: one scrape has the metrics of all of them."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.clients import Connection, wait_until
from tests.http.test_metrics import figures
from tests.live.workers import APP, workers
from tests.servers import Server, gunicorn

pytestmark = pytest.mark.live

LIVE, STREAMS = ("headway_runs_live", ""), ("headway_streams_open", "")
STARTED = ("headway_runs_started_total", "fleeting")


def scraped(server: Server) -> dict[tuple[str, str], float]:
    """The metrics, from whichever worker answers."""
    with Connection(server) as scrape:
        assert scrape.request("GET", "/metrics").status == 200
        return figures(scrape.body().decode())


def test_a_scrape_tells_of_all_workers() -> None:
    """Each scrape has the runs of all workers; the live ones of a dead worker are gone."""
    with workers("sqlite") as shared:
        dying, other = shared.pids
        for pid in (dying, other) * 4:
            shared.start("fleeting", pid)
        wait_until(lambda: (scraped(shared.server)[LIVE], scraped(shared.server)[STREAMS]) == (8, 8), "all are seen")
        assert {scraped(shared.server)[STARTED] for _ in range(8)} == {8}
        os.kill(dying, signal.SIGKILL)
        wait_until(lambda: scraped(shared.server)[LIVE] == 4, "the dead worker's are gone")
        shared.close_viewers()
        wait_until(lambda: scraped(shared.server)[LIVE] == 0, "all are over")
        assert scraped(shared.server)[STARTED] == 8


def folders(master: int) -> list[Path]:
    """The folders with the metrics of a master."""
    return list(Path(tempfile.gettempdir()).glob(f"headway-metrics-{master}-*"))


def test_the_folder_goes_with_the_server() -> None:
    """A server that stops removes the folder of its metrics; that of a killed one is removed by the next."""
    with gunicorn(APP) as killed:
        scraped(killed)
        (left,) = folders(killed.pid)
    assert list(left.iterdir())
    with gunicorn(APP) as server:
        assert not left.exists()
        assert folders(server.pid)
        server.stop()
        assert not folders(server.pid)
