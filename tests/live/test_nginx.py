"""Behind a real nginx: with its own defaults, and with the deployed configuration.

By default nginx buffers what it proxies, and speaks HTTP/1.0 to its upstream, whose body then ends with the connection.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

import httpx
import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Cut, wait_until
from tests.live.requests import APP, JSON, ask, names, snapshot, start, watch
from tests.servers import (
    HTTP_1_1,
    NGINX,
    SITE,
    Server,
    deployed,
    fill,
    gunicorn,
    nginx,
    nginx_name,
    program,
    scratch,
)

HEARTBEAT: Final = 0.5
READ_TIMEOUT: Final = 2
SEND_TIMEOUT: Final = 1.5

PROXIES: Final[dict[str, Callable[[Server], AbstractContextManager[Server]]]] = {
    "defaults": lambda upstream: nginx(upstream, read_timeout=READ_TIMEOUT),
    "http-1.1": lambda upstream: nginx(upstream, read_timeout=READ_TIMEOUT, directives=HTTP_1_1),
    "deployed": lambda upstream: nginx(upstream, conf_template=impatient(deployed())),
}


def impatient(site: str) -> str:
    """The deployed site with the tests' read timeout."""
    assert site.count("proxy_read_timeout 60s;") == 1
    return site.replace("proxy_read_timeout 60s;", f"proxy_read_timeout {READ_TIMEOUT}s;")


@pytest.fixture(scope="module", params=["tcp", "unix"])
def upstream(request: pytest.FixtureRequest, notes: Notes) -> Iterator[Server]:
    """The application, on either kind of socket."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": str(HEARTBEAT), "HEADWAY_SEND_TIMEOUT": str(SEND_TIMEOUT)}
    with (
        scratch() as folder,
        gunicorn(APP, env=env, bind=folder / "app.sock" if request.param == "unix" else None) as started,
    ):
        yield started


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest, upstream: Server) -> Iterator[Server]:
    """An nginx in front of the application."""
    with PROXIES[request.param](upstream) as started:
        yield started


def test_events_arrive_one_by_one(proxy: Server, notes: Notes) -> None:
    """Each event arrives before the next one is made, although nginx buffers."""
    note = f"single {proxy.port}"
    with Connection(proxy) as viewer:
        start(viewer, "gated", count=3, note=note)
        assert viewer.message().event == "start"
        for number in range(1, 4):
            notes.leave(f"{note} {number}")
            assert viewer.message().json["done"] == number
        assert [message.event for message in viewer.messages()] == ["result", "done"]


def test_a_stream_without_a_run(proxy: Server) -> None:
    """`stream()` arrives complete, with the headers that prevent buffering."""
    with Connection(proxy) as viewer:
        head = viewer.request("GET", "/report")
        assert head.headers["content-type"] == "text/event-stream"
        assert head.headers["cache-control"] == "no-cache, no-transform"
        assert names(viewer.messages())[-1] == "done"


def test_heartbeats_outlast_the_read_timeout(proxy: Server, notes: Notes) -> None:
    """A stream that is silent for longer than `proxy_read_timeout` stays open."""
    note = f"patience {proxy.port}"
    with Connection(proxy) as viewer:
        start(viewer, "gated", count=1, note=note)
        viewer.until("start")
        end = time.monotonic() + 1.5 * READ_TIMEOUT
        while time.monotonic() < end:
            assert viewer.comment() == "keep-alive"
        notes.leave(f"{note} 1")
        assert [message.event for message in viewer.messages()] == ["progress", "result", "done"]


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_disconnect_stops_the_work(proxy: Server, notes: Notes, way: str) -> None:
    """The work behind the proxy stops once its viewer has left the proxy, long before it would write again."""
    note = f"{way} {proxy.port}"
    viewer = Connection(proxy)
    viewer.request("GET", f"/silent?heartbeat=3600&note={note.replace(' ', '+')}")
    viewer.until("progress")
    left = time.monotonic()
    getattr(viewer, way)()
    assert notes.when(note) - left < 1


def test_a_disconnect_stops_a_run(proxy: Server, notes: Notes) -> None:
    """The same for a run, whose `done` has the reason."""
    note = f"run {proxy.port}"
    viewer = Connection(proxy)
    run = start(viewer, "pour", count=1, pause=3600, note=note)
    viewer.until("delta")
    viewer.close()
    notes.when(note)
    wait_until(lambda: snapshot(proxy, run)["status"] == "cancelled", "the run is cancelled")
    with Connection(proxy) as late:
        watch(late, run)
        assert late.until("done")[-1].json["reason"] == "disconnected"


def test_a_large_stream_arrives(proxy: Server) -> None:
    """A stream that is larger than all of nginx's buffers arrives complete and in order."""
    with Connection(proxy) as viewer:
        start(viewer, "lasting", count=3000, size=1000)
        assert len(names(viewer.messages())) == 3003


def test_resume_and_cancel(proxy: Server) -> None:
    """`Last-Event-ID`, DELETE and 204 work through the proxy, and `Location` is an address there."""
    with Connection(proxy) as viewer, Connection(proxy) as again:
        run = start(viewer, "pour", count=1, pause=3600)
        viewer.until("delta")
        watch(again, run, after=1)
        assert again.message().id == 2
        assert ask(proxy, "DELETE", f"/api/runs/{run}")["status"] in ("cancelling", "cancelled")
        last = again.until("done")[-1]
        assert (last.json["reason"], viewer.until("done")[-1]) == ("requested", last)
    with Connection(proxy) as viewer:
        assert watch(viewer, run, after=last.id) == 204


def test_without_heartbeats_it_is_cut(upstream: Server) -> None:
    """nginx does cut a silent stream, which has no `done` then: the heartbeats keep it open."""
    with nginx(upstream, read_timeout=1, directives=HTTP_1_1) as proxy, Connection(proxy) as viewer:
        viewer.request("GET", "/silent?heartbeat=60")
        viewer.until("progress")
        with pytest.raises(Cut):
            viewer.until("done")


def test_a_slow_viewer_is_kept(upstream: Server) -> None:
    """A viewer that reads slowly is not cut, although the proxy then reads as slowly."""
    site = SITE.replace("listen 127.0.0.1:@port@;", "listen 127.0.0.1:@port@ sndbuf=65536;")
    with nginx(upstream, conf_template=site) as proxy, Connection(proxy, receive_buffer=32_768) as viewer:
        start(viewer, "lasting", count=300, size=100_000)
        end = time.monotonic() + 2 * SEND_TIMEOUT
        while time.monotonic() < end:
            viewer.message()
            time.sleep(0.1)
        assert viewer.until("done")[-1].json["status"] == "succeeded"


@pytest.mark.parametrize("variant", PROXIES)
def test_done_tells_an_end_from_a_cut(notes: Notes, variant: str) -> None:
    """The stream of a worker that dies has no `done`, also where HTTP/1.0 hides the cut."""
    with (
        gunicorn(APP, env={VARIABLE: str(notes.folder)}) as server,
        PROXIES[variant](server) as proxy,
        Connection(proxy) as viewer,
    ):
        start(viewer, "pour", count=1, pause=3600)
        viewer.until("delta")
        server.kill()
        seen: list[str] = []
        try:
            seen.extend(message.event for message in viewer.messages())
        except Cut:
            assert variant != "defaults", "with HTTP/1.0 the response ends as if it were whole"
        assert "done" not in seen


def test_the_deployed_file_is_valid(upstream: Server) -> None:
    """`nginx -t` accepts the file as it is shipped, except for the port, which only root may open."""
    with scratch() as folder:
        site = fill(deployed(), port=8080, upstream=nginx_name(upstream.address))
        (folder / "nginx.conf").write_text(fill(NGINX, site=site))
        command = [program("nginx"), "-t", "-q", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
        checked = subprocess.run([*command, "-g", "pid nginx.pid;"], capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_deployed_file_passes_the_callers_address_on(upstream: Server) -> None:
    """`Location` has the host and port of the request, and a body may be as large as Headway allows."""
    with nginx(upstream, conf_template=deployed()) as proxy:
        started = httpx.post(
            f"{proxy.url}/api/operations/pour", headers={**JSON, "Prefer": "respond-async"}, content=b'{"count":0}'
        )
        assert httpx.URL(proxy.url).join(started.headers["location"]).port == proxy.port
        large = httpx.post(f"{proxy.url}/api/operations/pour", headers=JSON, content=b" " * (64 * 1024 * 1024 + 1))
        assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")


def test_the_deployed_file_does_not_buffer(upstream: Server, notes: Notes) -> None:
    """Two nginx in a row pass events on at once: the header against buffering goes on to the second."""
    with nginx(upstream, conf_template=deployed()) as inner, nginx(inner) as outer, Connection(outer) as viewer:
        start(viewer, "gated", count=2, note=f"two {outer.port}")
        for number in (1, 2):
            notes.leave(f"two {outer.port} {number}")
            assert viewer.until("progress")[-1].json["done"] == number
        assert json.loads(viewer.until("done")[-1].data)["status"] == "succeeded"
