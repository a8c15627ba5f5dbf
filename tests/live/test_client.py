"""Both Python clients against real servers; a portal runs the async one for tests that block."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import anyio.from_thread
import httpx
import pytest

from streaming.client import (
    Backoff,
    Client,
    Conflict,
    Delta,
    Done,
    InvalidInput,
    Left,
    NotFound,
    Partial,
    Progress,
    Question,
    RunCancelled,
    RunFailed,
    Snapshot,
    Unauthorized,
)
from tests.apps.notes import VARIABLE, Notes
from tests.client.portal import PortalClient
from tests.clients import wait_until
from tests.conftest import Certificate
from tests.live.requests import APP
from tests.live.workers import Workers, workers
from tests.pdfs import report
from tests.proxy import Proxy
from tests.servers import ROOT, Server, environment, gunicorn, nginx

DOCUMENTATION: Final = ROOT / "docs" / "clients.md"
QUICK: Final = Backoff(retry_delay=0.1, max_delay=0.5)


NewClient = Callable[..., Any]


@pytest.fixture(scope="module", params=["blocking", "async"])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes a client: the tests below run with both."""
    if request.param == "blocking":
        yield Client
        return
    with anyio.from_thread.start_blocking_portal() as portal:
        yield lambda url, **options: PortalClient(portal, url, **options)


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """The application of the stream tests."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.5"}) as started:
        yield started


@pytest.fixture
def headway(server: Server, new_client: NewClient) -> Iterator[Any]:
    """A client of that server."""
    with new_client(f"{server.url}/api", backoff=QUICK) as client:
        yield client


def test_a_run_from_its_start_to_its_result(headway: Any) -> None:
    """It gives every event once, typed and in order, and then the result."""
    with headway.start("steps", {"count": 20, "steps": 1, "every": 10}) as run:
        events = list(run)
        assert run.result() == 20
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert [event.done for event in events if isinstance(event, Progress)] == list(range(1, 21))
    assert [event.text for event in events if isinstance(event, Delta)] == ["delta 10", "delta 20"]
    assert [(event.key, event.value) for event in events if isinstance(event, Partial)] == [
        ("partial 10", 10),
        ("partial 20", 20),
    ]
    assert [event.type for event in (events[0], events[-2], events[-1])] == ["start", "result", "done"]


def test_operations_and_runs(headway: Any) -> None:
    """Both lists can be read."""
    assert "pour" in {entry["name"] for entry in headway.operations()}
    run = headway.start("pour", {"count": 1})
    assert run.result() == 1
    assert run.id in {entry.id for entry in headway.runs(operation="pour", status="succeeded")}


def test_a_bad_input_names_its_field(headway: Any) -> None:
    """And no run is started."""
    with pytest.raises(InvalidInput) as caught:
        headway.start("pour", {"count": "many"})
    assert [error["loc"] for error in caught.value.errors] == [["count"]]


def test_an_unknown_operation_or_run(headway: Any) -> None:
    """Both raise `NotFound`."""
    with pytest.raises(NotFound):
        headway.start("nothing")
    with pytest.raises(NotFound):
        list(headway.watch("nobody-knows-me"))


def test_a_run_that_fails(headway: Any) -> None:
    """The iteration ends after `done`, and `result` raises the error."""
    with headway.start("simulate", {"steps": 3, "interval": 0, "fail_at": 2}) as run:
        assert [event.type for event in run] == ["start", "progress", "error", "done"]
        with pytest.raises(RunFailed) as caught:
            run.result()
    assert (caught.value.code, caught.value.retryable) == ("simulated_failure", False)


def test_cancel_ends_the_run(headway: Any) -> None:
    """`done` follows on the same stream, with the reason `requested`."""
    with headway.start("simulate", {"steps": 1, "interval": 600}) as run:
        events = iter(run)
        while not isinstance(next(events), Progress):
            pass
        assert run.cancel().status in ("cancelling", "cancelled")
        last = list(events)[-1]
        assert isinstance(last, Done)
        assert (last.status, last.reason) == ("cancelled", "requested")
        with pytest.raises(RunCancelled, match="requested"):
            run.result()
        assert run.cancel().status == "cancelled"


def test_disconnect_does_not_end_the_run(headway: Any) -> None:
    """A run that lingers goes on, and another viewer can continue after the last event."""
    run = headway.start("lasting", {"count": 8, "pause": 0.2})
    with run:
        assert [event.id for event, _ in zip(run, range(2), strict=False)] == [1, 2]
    with pytest.raises(Left):
        run.result()
    wait_until(lambda: not headway.snapshot(run.id).viewers, "the viewer is no longer counted")
    assert not headway.snapshot(run.id).over
    with headway.watch(run.id, after=2) as again:
        assert [event.id for event in again] == list(range(3, 12))
        assert again.result() == 8


def test_disconnect_from_another_thread_or_task(headway: Any) -> None:
    """The iteration ends while it waits for the next event."""
    run = headway.start("simulate", {"steps": 1, "interval": 600})
    events = iter(run)
    while not isinstance(next(events), Progress):
        pass
    rest: list[Any] = []
    reading = threading.Thread(target=lambda: rest.append(list(events)))
    reading.start()
    time.sleep(0.1)  # most likely it waits by now; earlier it would be as easy to end
    run.disconnect()
    reading.join(10)
    assert rest == [[]]
    wait_until(lambda: headway.snapshot(run.id).over, "the run ends without its viewer")


def test_an_answer(headway: Any) -> None:
    """A wrong answer is refused with the schema's message; the right one closes the question."""
    with headway.start("curious") as run:
        for event in run:
            if isinstance(event, Question):
                assert event.schema == {"type": "boolean"}
                with pytest.raises(InvalidInput) as caught:
                    run.answer("perhaps")
                assert caught.value.code == "invalid_answer"
                assert isinstance(run.answer(False), Snapshot)
                with pytest.raises(Conflict):
                    run.answer(True, question=event.question)
        assert run.result() is False


def test_a_detached_start(headway: Any) -> None:
    """The run needs no viewer; iterating watches it."""
    run = headway.start("pour", {"count": 3}, detached=True)
    wait_until(lambda: run.snapshot().over, "it runs without a viewer")
    assert [event.id for event in run] == [1, 4, 5, 6]  # what it has said so far is one event
    assert run.result() == 3


def test_a_finished_run_without_events_to_read(headway: Any) -> None:
    """A viewer after the last event gets the snapshot, as a `reset`."""
    run = headway.start("pour", {"count": 1})
    list(run)
    late = headway.watch(run.id, after=4)
    (only,) = list(late)
    assert (only.id, only.type, only.snapshot["status"]) == (4, "reset", "succeeded")
    assert late.result() == 1


def test_one_key_is_one_run(headway: Any) -> None:
    """The same key joins the run; with another body it is a conflict."""
    first = headway.start("lasting", {"count": 2}, idempotency_key=(key := f"key {time.monotonic_ns()}"))
    assert headway.start("lasting", {"count": 2}, idempotency_key=key).id == first.id
    with pytest.raises(Conflict):
        headway.start("lasting", {"count": 3}, idempotency_key=key)


def test_heartbeats_keep_a_silent_stream(server: Server) -> None:
    """A run without an event for more than 2.5 heartbeats keeps its connection, as heartbeats arrive."""
    lost: list[Any] = []
    with Client(f"{server.url}/api", heartbeat=2.0, on_lost=lambda *call: lost.append(call)) as client:
        assert client.start("simulate", {"steps": 0, "silent": 6}).result()["steps"] == 0
    assert lost == []


@pytest.fixture(scope="module")
def cutting(notes: Notes) -> Iterator[Server]:
    """An nginx that cuts streams after a second of silence, in front of a service with slower heartbeats."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "60"}
    with gunicorn(APP, env=env) as silent, nginx(silent, read_timeout=1) as proxy:
        yield proxy


def test_a_proxy_that_cuts_silent_streams(cutting: Server, notes: Notes, new_client: NewClient) -> None:
    """The client reconnects, calls `on_lost`, and sees each event once."""
    lost: list[Any] = []
    note = f"cut {time.monotonic_ns()}"

    def on_lost(*call: Any) -> None:
        lost.append(call)
        notes.leave(f"{note} {len(lost) + 1}")

    notes.leave(f"{note} 1")
    with new_client(f"{cutting.url}/api", on_lost=on_lost, backoff=QUICK) as client:
        run = client.start("gated", {"count": 2, "note": note})
        assert [event.id for event in run] == [1, 2, 3, 4, 5]
        assert run.result() == 2
    assert lost


def test_disconnect_over_tls(certificate: Certificate) -> None:
    """A thread that waits for a TLS connection is woken, too."""
    context = ssl.create_default_context(cafile=str(certificate.authority))
    with (
        gunicorn(APP, certfile=certificate.certfile, keyfile=certificate.keyfile) as secure,
        httpx.Client(verify=context) as http,
        Client(f"{secure.url}/api", http=http) as client,
    ):
        run = client.start("simulate", {"steps": 1, "interval": 600})
        assert next(run).type == "start"
        rest: list[Any] = []
        reading = threading.Thread(target=lambda: rest.append([event.type for event in run]))
        reading.start()
        time.sleep(0.3)  # most likely it waits by now; earlier it would be as easy to end
        run.disconnect()
        reading.join(10)
        assert rest in ([["progress"]], [[]])
        wait_until(lambda: client.snapshot(run.id).over, "the run ends without its viewer")


@pytest.fixture(scope="module")
def shared() -> Iterator[Workers]:
    """Two workers over one store."""
    with workers("sqlite", 2) as started:
        yield started


def test_connections_that_are_cut_every_second(shared: Workers, new_client: NewClient) -> None:
    """Whichever worker answers, the client sees every event once, and the result."""
    with Proxy(shared.server, life=1.0) as proxy, new_client(proxy.url, backoff=QUICK) as client:
        run = client.start("counting", {"count": 30, "pause": 0.1})
        text = "".join(event.text for event in run if isinstance(event, Delta))
        assert run.result() == 30
        assert proxy.resets >= 1
    assert text.split() == [str(number) for number in range(1, 31)]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """The application with an API key."""
    with gunicorn(APP, env={"HEADWAY_API_KEYS": "ann:a-key"}) as started:
        yield started


def test_keys_and_fresh_tokens(guarded: Server, new_client: NewClient) -> None:
    """Without a key the service refuses; a function gives the current token for each request."""
    url = f"{guarded.url}/api"
    with new_client(url) as client, pytest.raises(Unauthorized):
        client.start("pour")
    with new_client(url, api_key="a-key") as client:
        assert client.start("pour", {"count": 1}).result() == 1
    tokens = iter(["a-key"] * 3)
    with new_client(url, headers=lambda: {"Authorization": f"Bearer {next(tokens)}"}) as client:
        assert len(client.operations()) > 1
        assert client.start("pour", {"count": 1}).result() == 1
    assert next(tokens) == "a-key"


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """The service with its own operations."""
    with gunicorn("app:app", env={"HEADWAY_STORE": "memory:"}) as started:
        yield started


def test_a_file_is_uploaded(service: Server, new_client: NewClient, tmp_path: Path) -> None:
    """A path in the input is sent in a form, beside the other fields."""
    path = tmp_path / "three pages.pdf"
    path.write_bytes(report(3))
    with new_client(service.url) as client:
        run = client.start("extract", {"file": path, "pages": "2-3", "tables": False})
        assert [event.key for event in run if isinstance(event, Partial)] == ["page-2", "page-3"]
        assert run.result()["filename"] == "three pages.pdf"


def test_the_example_of_the_documentation(service: Server, tmp_path: Path) -> None:
    """The first Python example in `docs/clients.md` runs unchanged, but for the URL and the pages."""
    text = DOCUMENTATION.read_text()
    example = re.findall(r"```python\n(.*?)```", text[text.index("\n## Python\n") :], re.DOTALL)[0]
    assert "http://127.0.0.1:8000" in example
    (tmp_path / "report.pdf").write_bytes(report(3))
    code = example.replace("http://127.0.0.1:8000", service.url).replace("1-10", "1-2")
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment({"PYTHONPATH": str(ROOT)}),
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "Page 2 100.0" in process.stdout
    assert "page-2 {" in process.stdout


def test_the_callers_own_http_client(server: Server) -> None:
    """It is used, and stays open."""
    paths: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: paths.append(request.url.path)]}) as http:
        with Client(f"{server.url}/api", http=http) as client:
            client.operations()
        assert paths == ["/api/operations"]
        assert http.get(f"{server.url}/api/health/live").status_code == 200
