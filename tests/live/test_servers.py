"""The test servers and clients themselves, on which the other live tests rely."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.clients import Connection, Cut, request_bytes, wait_until
from tests.servers import (
    HTTP_1_1,
    Server,
    deployed,
    flask_run,
    free_port,
    gunicorn,
    nginx,
    program,
    pywsgi,
    redis,
    scratch,
)

if TYPE_CHECKING:
    from tests.conftest import Certificate

ECHO = "tests.apps.echo:app"
GONE = "the client has disconnected"

PYTHON_SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "gevent": lambda: gunicorn(ECHO),
    "gevent_pywsgi": lambda: gunicorn(ECHO, worker_class="gevent_pywsgi"),
    "gthread": lambda: gunicorn(ECHO, worker_class="gthread"),
    "pywsgi": lambda: pywsgi(ECHO),
    "pywsgi-unpatched": lambda: pywsgi(ECHO, patched=False),
    "flask-run": lambda: flask_run(ECHO),
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Server]:
    """One gunicorn for the tests that only send requests to it."""
    with gunicorn(ECHO) as server:
        yield server


@pytest.mark.parametrize("kind", PYTHON_SERVERS)
def test_every_server_streams_and_ends(kind: str) -> None:
    """Each kind of server answers with a whole stream, and has stopped at the end of its `with` block."""
    with PYTHON_SERVERS[kind]() as server, Connection(server) as viewer:
        assert viewer.request("GET", "/count?n=5").headers["content-type"].startswith("text/event-stream")
        assert [message.json["n"] for message in viewer.messages()] == [1, 2, 3, 4, 5]
    assert not server.address.is_open()


@pytest.mark.parametrize("patched", [True, False])
def test_pywsgi_is_patched_only_where_asked(patched: bool) -> None:
    """`patched` decides whether the application's `time.sleep` is gevent's."""
    with pywsgi(ECHO, patched=patched) as server:
        assert httpx.get(f"{server.url}/process").json()["patched"] is patched


def test_gunicorn_runs_as_many_workers_as_asked() -> None:
    """The application answers from one of `workers` children of the master."""
    with gunicorn(ECHO, workers=2) as server:
        wait_until(lambda: len(server.worker_pids()) == 2, "two workers")
        assert httpx.get(f"{server.url}/process").json()["pid"] in server.worker_pids()


def test_gunicorn_without_the_projects_configuration() -> None:
    """`conf=False` leaves gunicorn's own defaults, with a worker class of the caller's choice."""
    with gunicorn(ECHO, conf=False, worker_class="sync") as server:
        assert httpx.get(f"{server.url}/process").json()["patched"] is False


def test_servers_see_no_variable_but_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not inherit variables that configure servers, and get those of `env`."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--no-such-argument")
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    with gunicorn(ECHO, env={"HEADWAY_STORE": "memory:"}) as server:
        assert httpx.get(f"{server.url}/process").json()["variables"] == {"HEADWAY_STORE": "memory:"}


def test_an_application_that_does_not_start_says_why() -> None:
    """A server that exits before it answers fails the test at once, with its log."""
    with (
        pytest.raises(AssertionError, match=r"No module named 'tests\.apps\.missing'"),
        gunicorn("tests.apps.missing:app"),
    ):
        pass


def test_the_projects_configuration_opens_no_control_socket(tmp_path: Path) -> None:
    """gunicorn's management socket would be the same for all instances of a user: there is none."""
    homes = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with gunicorn(ECHO, env=homes):
        assert list(tmp_path.iterdir()) == []


def test_the_projects_configuration_raises_the_file_limit() -> None:
    """Ten thousand streams need as many descriptors, whatever the soft limit of the shell is."""
    with gunicorn(ECHO) as server:
        limits = Path(f"/proc/{server.worker_pids()[0]}/limits").read_text()
        soft, hard = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(soft) == min(int(hard), 65_536)


def test_a_unix_socket_behind_nginx() -> None:
    """gunicorn on a unix socket answers directly and through nginx."""
    with scratch() as folder, gunicorn(ECHO, bind=folder / "app.sock") as server, nginx(server) as proxy:
        for reachable in (server, proxy):
            with Connection(reachable) as viewer:
                viewer.request("GET", "/count")
                assert len(list(viewer.messages())) == 3


@pytest.mark.parametrize("kind", ["gunicorn", "pywsgi"])
def test_tls(kind: str, certificate: Certificate) -> None:
    """A server with a certificate speaks TLS, and the authority's file verifies it."""
    serve = gunicorn if kind == "gunicorn" else pywsgi
    with serve(ECHO, certfile=certificate.certfile, keyfile=certificate.keyfile) as server:
        with Connection(server) as viewer:
            viewer.request("GET", "/count")
            assert len(list(viewer.messages())) == 3
        context = ssl.create_default_context(cafile=certificate.authority)
        assert httpx.get(f"{server.url}/process", verify=context).status_code == 200


@contextmanager
def behind_another(upstream: Server) -> Iterator[Server]:
    """The deployed nginx, and in front of it one that knows nothing of streams."""
    with nginx(upstream, conf_template=deployed()) as inner, nginx(inner) as outer:
        yield outer


NGINX: dict[str, Callable[[Server], AbstractContextManager[Server]]] = {
    "http-1.0": nginx,
    "http-1.1": lambda upstream: nginx(upstream, directives=HTTP_1_1),
    "deployed": lambda upstream: nginx(upstream, conf_template=deployed()),
    "behind-another": behind_another,
}


@pytest.mark.parametrize("variant", NGINX)
def test_nginx_passes_events_on_at_once(echo: Server, variant: str) -> None:
    """Each configuration of nginx passes an event on although nothing follows it."""
    with NGINX[variant](echo) as proxy, Connection(proxy) as viewer:
        viewer.request("GET", "/forever?pause=3600")
        assert viewer.message().json == {"n": 1}


def test_nginx_buffers_by_default(echo: Server) -> None:
    """A stream without the header is held back, so the test above could fail."""
    with nginx(echo) as proxy, Connection(proxy, timeout=0.5) as viewer, pytest.raises(TimeoutError):
        viewer.request("GET", "/forever?pause=3600&buffered=1")


def test_nginx_gives_up_after_its_read_timeout(echo: Server) -> None:
    """`read_timeout` is in force: it cuts the stream of a stopped worker."""
    with nginx(echo, read_timeout=1) as proxy, Connection(proxy) as viewer:
        viewer.request("GET", "/forever")
        viewer.message()
        worker = echo.worker_pids()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            with pytest.raises(Cut):
                viewer.until("never")
        finally:
            os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize("way", ["close", "reset"])
def test_the_ways_to_leave_reach_the_server(way: str) -> None:
    """A viewer that closes or resets its connection ends the stream's generator."""
    with gunicorn(ECHO) as server:
        viewer = Connection(server)
        viewer.request("GET", "/forever")
        viewer.message()
        assert GONE not in server.log()
        getattr(viewer, way)()
        wait_until(lambda: GONE in server.log(), "the generator ends")


def test_a_half_closed_viewer_reads_on(echo: Server) -> None:
    """A FIN of the viewer leaves the other direction open."""
    with Connection(echo) as viewer:
        viewer.send(request_bytes("GET", "/count?n=2"))
        viewer.half_close()
        viewer.response()
        assert len(list(viewer.messages())) == 2


def test_pipelined_requests_are_answered_in_order(echo: Server) -> None:
    """One connection carries several requests sent at once, a stream between them."""
    with Connection(echo) as viewer:
        viewer.send(request_bytes("POST", "/echo", body=b"one") + request_bytes("GET", "/count"))
        viewer.send(request_bytes("POST", "/echo", body=b"two"))
        viewer.response()
        assert viewer.body() == b"one"
        viewer.response()
        assert [message.id for message in viewer.messages()] == [1, 2, 3]
        viewer.response()
        assert viewer.body() == b"two"


def test_a_stream_that_breaks_off_is_told_from_one_that_ends() -> None:
    """A process that dies in the middle of a chunked stream is a `Cut`."""
    with gunicorn(ECHO) as server, Connection(server) as viewer:
        viewer.request("GET", "/broken")
        viewer.message()
        with pytest.raises(Cut):
            viewer.message()


def test_a_deadline_holds_while_bytes_trickle_in(echo: Server) -> None:
    """A wait for what never comes ends after `timeout`, although the stream goes on."""
    with Connection(echo, timeout=0.3) as viewer:
        viewer.request("GET", "/forever")
        with pytest.raises(TimeoutError):
            viewer.comment()


@pytest.mark.parametrize("persistent", [True, False])
def test_redis_keeps_its_keys_if_persistent(persistent: bool) -> None:
    """Across a restart in the same folder, keys survive with `persistent`, and only then."""
    from redis import Redis

    with scratch() as folder:
        with redis(persistent=persistent, folder=folder) as first, Redis.from_url(first.url) as client:
            client.set("run", "1")
        again = redis(persistent=persistent, folder=folder, port=first.port)
        with again as second, Redis.from_url(second.url) as client:
            assert client.exists("run") == int(persistent)


def test_no_two_processes_get_the_same_port() -> None:
    """Another process that runs tests gets others, also while a server is away that is restarted on its port."""
    code = "from tests.servers import free_port; print(*(free_port() for _ in range(99)))"
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(theirs)) == 99
    assert not set(map(int, theirs)) & {free_port() for _ in range(99)}


def test_a_port_of_another_server_is_not_taken_for_ours() -> None:
    """A server that would be answered for by another one on its port does not start."""
    with redis() as first, pytest.raises(AssertionError, match="another server listens"), redis(port=first.port):
        pass


def test_a_missing_program_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI a test that cannot run does not pass."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing: `make test` installs it"):
        program("no-such-program")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no-such-program is missing"):
        program("no-such-program")


def test_stopping_leaves_no_process_behind() -> None:
    """`stop` ends the master and its workers, and may be called again."""
    with gunicorn(ECHO, workers=2) as server:
        wait_until(lambda: len(server.worker_pids()) == 2, "two workers")
        pids = [server.pid, *server.worker_pids()]
        assert server.stop() == 0
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert server.stop() == 0
        assert "Shutting down" in server.log()
