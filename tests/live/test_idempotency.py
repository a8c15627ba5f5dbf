"""One key, one run; one owner's runs, nobody else's; and the pages of `GET /runs`: over several workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.clients import Connection, wait_until
from tests.live.workers import JSON, STORES, Workers, closing, note_names, run_of, workers

KEYS = "ann:key-of-ann,bob:key-of-bob,ann:other-key-of-ann"
ANN = {"Authorization": "Bearer key-of-ann"}
ANN_TOO = {"Authorization": "Bearer other-key-of-ann"}
BOB = {"Authorization": "Bearer key-of-bob"}

ASYNC = {**JSON, "Prefer": "respond-async"}


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers over one store."""
    with workers(request.param, 2) as started:
        yield started


@pytest.fixture(scope="module", params=STORES)
def owned(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """The same, for owners with keys, who may have five live runs each."""
    env = {"HEADWAY_API_KEYS": KEYS, "HEADWAY_MAX_RUNS_PER_CLIENT": "5"}
    with workers(request.param, 2, env=env) as started:
        yield started


def post(client: Connection, headers: dict[str, str], **input: Any) -> tuple[int, str]:
    """Starts a run or joins one; gives the status and the run, or the code of the problem."""
    head = client.request("POST", "/operations/counting", {**ASYNC, **headers}, json.dumps(input).encode())
    answer = json.loads(client.body())
    return head.status, answer.get("code") or answer["id"]


def status(shared: Workers, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    """The status of an answer."""
    with closing(shared.connect()) as client:
        return client.request(method, path, {**JSON, **headers}, body).status


def test_one_key_at_the_same_instant(shared: Workers, long: bool) -> None:
    """Starts with one key that come at once on two workers make one run; twenty times or more, four at a time."""
    for _ in range(500 if long else 20):
        key = {"Idempotency-Key": next(note_names)}
        clients = [shared.connect(pid) for pid in (*shared.pids, *shared.pids)]
        together = Barrier(len(clients))

        def start(client: Connection, key: dict[str, str] = key, together: Barrier = together) -> tuple[int, str]:
            together.wait()
            return post(client, key, count=2)

        with ThreadPoolExecutor(len(clients)) as pool:
            answers = list(pool.map(start, clients))
        assert {status for status, _ in answers} == {202}
        assert len({run for _, run in answers}) == 1


def test_a_stream_joins_its_run(shared: Workers) -> None:
    """A start that is repeated on another worker while the run is live, or later, gets the same events."""
    key = {"Idempotency-Key": next(note_names), **JSON}
    body = json.dumps({"count": 20, "pause": 0.02}).encode()
    seen = []
    for pid in (*shared.pids, *shared.pids):
        viewer = shared.connect(pid)
        assert viewer.request("POST", "/operations/counting", key, body).status == 200
        seen.append((run_of(viewer.head), viewer))
    streams = [(run, viewer.until("done")) for run, viewer in seen]
    assert all(stream == streams[0] for stream in streams)


def test_one_key_with_another_body(shared: Workers) -> None:
    """The same key with another input is a 409, on every worker."""
    key = {"Idempotency-Key": next(note_names)}
    with closing(shared.connect(shared.pids[0])) as client:
        assert post(client, key, count=2)[0] == 202
    for pid in shared.pids:
        with closing(shared.connect(pid)) as client:
            assert post(client, key, count=3) == (409, "idempotency_conflict")


def test_a_key_belongs_to_its_owner(owned: Workers) -> None:
    """Two owners who use the same key have a run each; two keys of one owner open the same one."""
    key = {"Idempotency-Key": "the same"}
    runs = []
    for headers in (ANN, BOB, ANN_TOO):
        with closing(owned.connect()) as client:
            runs.append(post(client, {**key, **headers}, count=2))
    assert runs[0] == runs[2]
    assert runs[0][1] != runs[1][1]


def test_a_run_belongs_to_its_owner(owned: Workers) -> None:
    """To anyone else a run does not exist: 404 on every route and every worker, and it is not in their list."""
    pid, other = owned.pids
    with closing(owned.connect(pid)) as client:
        _, run = post(client, ANN, count=10_000, pause=0.1)
    answer = b'{"question": "q2", "answer": 1}'
    routes = (("GET", "", b""), ("GET", "/events", b""), ("DELETE", "", b""), ("POST", "/answer", answer))
    for worker in (pid, other):
        for method, path, body in routes:
            with closing(owned.connect(worker)) as client:
                head = client.request(method, f"/runs/{run}{path}", {**JSON, **BOB}, body)
                assert (head.status, json.loads(client.body())["code"]) == (404, "run_not_found")
    assert run not in [each["id"] for each in owned.ask("GET", "/runs?limit=100", BOB)["runs"]]
    assert owned.ask("GET", f"/runs/{run}", ANN_TOO, pid=other)["status"] == "running"
    assert status(owned, "DELETE", f"/runs/{run}", ANN) == 202


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody's"}, {"Authorization": "Basic key-of-ann"}])
def test_nobody(owned: Workers, headers: dict[str, str]) -> None:
    """Without a key that is known every route but health is a 401."""
    for path in ("/operations", "/runs", "/runs/some-run", "/runs/some-run/events"):
        assert status(owned, "GET", path, headers) == 401
    assert status(owned, "POST", "/operations/counting", headers, b"{}") == 401
    assert status(owned, "GET", "/health/ready", headers) == 200


def test_the_limit_of_an_owner(owned: Workers) -> None:
    """An owner's live runs are counted over all workers; one more is a 429, and an end makes room."""
    runs = []
    for number in range(5):
        with closing(owned.connect(owned.pids[number % 2])) as client:
            code, run = post(client, ANN, count=10_000, pause=0.1)
            assert code == 202
            runs.append(run)
    for pid in owned.pids:
        with closing(owned.connect(pid)) as client:
            assert post(client, ANN_TOO, count=1) == (429, "too_many_runs")
            assert int(client.head.headers["retry-after"]) > 0
    with closing(owned.connect()) as client:
        assert post(client, BOB, count=1)[0] == 202
    for run in runs:
        owned.ask("DELETE", f"/runs/{run}", ANN)
        done = owned.connect()
        done.request("GET", f"/runs/{run}/events", ANN)
        assert done.until("done")[-1].json["reason"] == "requested"
    with closing(owned.connect()) as client:
        assert post(client, ANN, count=1)[0] == 202


def test_the_limit_at_the_same_instant(owned: Workers) -> None:
    """Starts that come at once on two workers open as many runs as their owner may have, and no more; five times."""
    for _ in range(5):
        clients = [owned.connect(pid) for pid in owned.pids for _ in range(8)]
        together = Barrier(len(clients))

        def start(client: Connection, together: Barrier = together) -> tuple[int, str]:
            together.wait()
            return post(client, BOB, count=10_000, pause=0.1)

        with ThreadPoolExecutor(len(clients)) as pool:
            answers = list(pool.map(start, clients))
        begun = [run for status, run in answers if status == 202]
        assert len(begun) == 5
        assert [answer for answer in answers if answer[0] != 202] == [(429, "too_many_runs")] * 11
        for run in begun:
            owned.ask("DELETE", f"/runs/{run}", BOB)
        wait_until(lambda: not live_runs(owned, BOB), "the runs are over")


def live_runs(owned: Workers, owner: dict[str, str]) -> list[str]:
    """The runs of an owner that have not ended."""
    pages = [owned.ask("GET", f"/runs?status={state}", owner) for state in ("running", "cancelling")]
    return [run["id"] for page in pages for run in page["runs"]]


@pytest.mark.parametrize("store", STORES)
def test_pages(store: str) -> None:
    """`GET /runs` gives every run once, newest first, in pages, by operation and by status, from any worker."""
    with workers(store, 2) as fresh:
        started = [
            fresh.start_unwatched(("counting", "silent")[n % 2], fresh.pids[n % 3 % 2], count=1) for n in range(25)
        ]
        for run in started[::2]:
            fresh.watch(run).until("done")
        for pid in fresh.pids:
            assert listed(fresh, pid, "limit=10") == started[::-1]
            assert listed(fresh, pid, "limit=4&operation=silent") == started[1::2][::-1]
            assert listed(fresh, pid, "limit=4&status=succeeded") == started[::2][::-1]
            assert listed(fresh, pid, "limit=4&status=running&operation=silent") == started[1::2][::-1]
            assert listed(fresh, pid, "limit=4&status=failed") == []
        assert len(fresh.ask("GET", "/runs")["runs"]) == 20
        for wrong in ("limit=0", "limit=101", "limit=ten", "status=done"):
            assert status(fresh, "GET", f"/runs?{wrong}", {}) == 400


def listed(shared: Workers, pid: int, query: str) -> list[str]:
    """The runs on all the pages of a query."""
    found: list[str] = []
    while True:
        before = f"&before={found[-1]}" if found else ""
        page = shared.ask("GET", f"/runs?{query}{before}", pid=pid)["runs"]
        if not page:
            return found
        found += [run["id"] for run in page]
