"""`analyze` on a real server: files by multipart, the queue over two workers, and every way in which a run ends.

The servers have their own folder of temporary files, where a test sees what remains of a run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.apps.agent_model import ScriptedModel
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.servers import ROOT, Server, environment, flask_run, gunicorn, processes

PATIENCE = 60.0
"""Seconds for a run that ends by itself."""

FOREVER = "SELECT count(*) FROM range(100000000000000) t WHERE hash(t.range) = 1"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the servers' temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def service(temporary: Path) -> Iterator[Server]:
    """The service as it is deployed, with two workers and one run at a time."""
    env = {
        "HEADWAY_STORE": f"sqlite:///{temporary}/runs.db",
        "HEADWAY_CONCURRENCY": "analyze=1",
        "HEADWAY_LINGER": "0",
        "TMPDIR": str(temporary),
    }
    with gunicorn("app:app", workers=2, env=env) as server:
        yield server


def post(service: Server, files: list[tuple[str, bytes]] | None = None, **fields: str) -> httpx.Response:
    """The response of the service to a form."""
    form = [("file", (name, content, "application/octet-stream")) for name, content in files or []]
    if not form:
        return httpx.post(f"{service.url}/operations/analyze", json=fields, timeout=PATIENCE)
    return httpx.post(f"{service.url}/operations/analyze", files=form, data=fields, timeout=PATIENCE)


def analyzed(service: Server, files: list[tuple[str, bytes]] | None = None, **fields: str) -> list[Message]:
    """The whole stream of a run."""
    response = post(service, files, **fields)
    assert response.status_code == 200, response.text
    return parse_frames(response.content)


def result(messages: list[Message]) -> Any:
    """The result of a run that has succeeded."""
    assert [messages[-2].event, messages[-1].json.get("status")] == ["result", "succeeded"], messages[-2:]
    return messages[-2].json["result"]


@contextlib.contextmanager
def running(service: Server, sql: str = FOREVER) -> Iterator[tuple[Connection, str]]:
    """A viewer of a run whose statement runs, and the URL of the run."""
    with Connection(service, timeout=PATIENCE) as viewer:
        run = begin(service, viewer, sql)
        at_step(viewer, "query")
        yield viewer, run


def begin(service: Server, viewer: Connection, sql: str) -> str:
    """Starts a run whose stream `viewer` reads; returns its URL."""
    head = viewer.request("POST", "/operations/analyze", JSON, httpx.Request("POST", "/", json={"sql": sql}).read())
    assert head.status == 200
    return f"{service.url}/runs/{head.headers['run-id']}"


def at_step(viewer: Connection, step: str) -> Message:
    """The first progress of this step."""
    return next(message for message in viewer.messages() if message.json.get("step") == step)


def folders(temporary: Path) -> list[Path]:
    """The folders of databases, and the uploads of forms."""
    return [*temporary.glob("headway-analytics-*"), *temporary.glob("headway-uploads-*/0")]


def databases(temporary: Path) -> list[int]:
    """The database processes whose folder is in `temporary`."""
    return [process.pid for process in processes() if str(temporary) in command(process.pid)]


def command(pid: int) -> str:
    """The command line of a database process; of any other process, nothing."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
    return line if "operations.analytics.child" in line else ""


def is_clean(temporary: Path) -> bool:
    """Whether nothing remains of any run."""
    return not databases(temporary) and not folders(temporary)


@pytest.fixture(scope="module")
def parquet(temporary: Path) -> bytes:
    """A file with a thousand days, each with a number."""
    path = temporary / "points.parquet"
    days = "SELECT DATE '2025-01-01' + range::INTEGER AS day, range AS n FROM range(1000)"
    duckdb.execute(f"COPY ({days}) TO '{path}'")
    return path.read_bytes()


def test_files_of_every_kind_in_one_form(service: Server, temporary: Path, parquet: bytes) -> None:
    """One statement joins the tables of several files; nothing of them remains afterwards."""
    files = [
        ("sales 2024.csv", b"region,amount\nNorth,10.5\nSouth,7\n"),
        ("managers.json", b'[{"region": "North", "name": "Ada"}, {"region": "South", "name": "Bob"}]'),
        ("points.parquet", parquet),
    ]
    sql = "SELECT name, amount, (SELECT max(n) FROM points) AS most FROM data JOIN managers USING (region) ORDER BY 1"
    messages = analyzed(service, files, sql=sql)
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))
    assert messages[0].event == "start"
    answer = result(messages)
    assert answer["rows"] == [
        {"name": "Ada", "amount": 10.5, "most": 999},
        {"name": "Bob", "amount": 7.0, "most": 999},
    ]
    assert [table["name"] for table in answer["tables"]] == ["sales_2024", "managers", "points"]
    wait_until(lambda: is_clean(temporary), "nothing remains of the run")


def test_batches_are_partials(service: Server, parquet: bytes) -> None:
    """Columns come first, then batches of rows, which together are the rows of the result."""
    messages = analyzed(service, [("p.parquet", parquet)], sql="SELECT day, n FROM p ORDER BY day")
    partials = [message.json for message in messages if message.event == "partial"]
    assert [partial["key"] for partial in partials] == [
        *("tables", "columns", "rows-1", "rows-2", "rows-3", "rows-4", "chart")
    ]
    answer = result(messages)
    assert [row for partial in partials[2:6] for row in partial["value"]] == answer["rows"]
    assert answer["chart"]["mark"]["type"] == "line"


def test_the_model_answers_a_question(temporary: Path) -> None:
    """The model's first SQL fails, it gets the error, and its second works. Without its server, the run fails."""
    wrong, right = '{"sql": "SELECT town FROM orders"}', '{"sql": "SELECT count(*) AS n FROM orders"}'
    with contextlib.ExitStack() as servers:
        with ScriptedModel(wrong, right) as model:
            model.prompt_tokens = 10_000
            env = {"HEADWAY_STORE": "memory:", "TMPDIR": str(temporary), **model.settings()}
            server = servers.enter_context(gunicorn("app:app", env=env))
            messages = analyzed(server, question="How many orders are there?")
        *_, error, done = analyzed(server, question="How many orders are there?")
    assert result(messages)["rows"] == [{"n": 1596}]
    partials = [message.json for message in messages if message.event == "partial"]
    statements = [partial["value"] for partial in partials if partial["key"] == "sql"]
    assert statements == ["SELECT town FROM orders", "SELECT count(*) AS n FROM orders"]
    assert "CREATE TABLE orders" in model.prompt(0)
    assert 'Referenced column "town" not found' in model.prompt(1)
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("model_away", True, "failed")
    wait_until(lambda: is_clean(temporary), "nothing remains of the runs")


def test_places_in_the_queue_over_all_workers(service: Server, temporary: Path) -> None:
    """Runs of both workers wait for one, report their places, and move up when others leave or end."""
    with (
        running(service) as (_, first),
        Connection(service, PATIENCE) as second,
        Connection(service, PATIENCE) as third,
    ):
        cancelled = begin(service, second, "SELECT 1")
        assert at_step(second, "queue").json["message"] == "Waiting: place 1 in the queue."
        begin(service, third, "SELECT 3 AS three")
        assert at_step(third, "queue").json["place"] == 2
        httpx.delete(cancelled)
        assert second.until("done")[-1].json["reason"] == "requested"
        assert at_step(third, "queue").json["place"] == 1
        httpx.delete(first)
        assert third.until("result")[-1].json["result"]["rows"] == [{"three": 3}]
    wait_until(lambda: is_clean(temporary), "nothing remains of the runs")


def test_a_cancel_interrupts_the_statement(service: Server, temporary: Path) -> None:
    """The run is cancelled, and its process and folder are gone."""
    with running(service) as (viewer, run):
        assert len(databases(temporary)) == 1
        assert httpx.delete(run).status_code == 202
        assert viewer.until("done")[-1].json["reason"] == "requested"
    wait_until(lambda: is_clean(temporary), "nothing remains of the run")
    assert "ignores its cancel" not in service.log()


def test_a_statement_stops_with_its_last_viewer(service: Server, temporary: Path) -> None:
    """The service's linger is 0: the run is cancelled when its viewer leaves."""
    with running(service) as (_, run):
        assert databases(temporary)
    wait_until(lambda: httpx.get(run).json()["status"] == "cancelled", "the run is cancelled", PATIENCE)
    wait_until(lambda: is_clean(temporary), "nothing remains of the run")


def test_databases_end_when_their_worker_is_killed(service: Server, temporary: Path) -> None:
    """The process notices that its worker is gone, exits during its statement, and removes its folder."""
    with running(service):
        [database] = databases(temporary)
        parent = next(process.parent for process in processes() if process.pid == database)
        before = service.worker_pids()
        assert parent in before
        os.kill(parent, signal.SIGKILL)
        wait_until(lambda: not databases(temporary), "the database has ended")
        wait_until(lambda: len(set(service.worker_pids()) - {parent}) == 2, "another worker has started", PATIENCE)
        wait_until(lambda: not list(temporary.glob("headway-analytics-*")), "its folder is gone")
    # The turn of the killed worker is free again.
    assert result(analyzed(service, sql="SELECT 1 AS one"))["rows"] == [{"one": 1}]


def test_a_statement_does_not_block_its_worker(service: Server) -> None:
    """While a statement runs, the same workers answer other requests."""
    with running(service) as (_, run):
        for _ in range(20):
            assert httpx.get(f"{service.url}/health/live", timeout=5).status_code == 200
        assert httpx.get(run).json()["status"] == "running"


def test_a_statement_that_needs_too_much_memory(service: Server) -> None:
    """The run fails with its code, and its worker stays alive."""
    workers = service.worker_pids()
    *_, error, done = analyzed(service, sql="SELECT length(repeat('x', 4000000000))")
    assert (error.json["code"], done.json["status"]) == ("too_large", "failed")
    assert service.worker_pids() == workers


@pytest.mark.parametrize(
    ("files", "fields", "code"),
    [
        ([], {"sql": "SELEC 1"}, "wrong_sql"),
        ([], {"sql": "SELECT 1; SELECT 2"}, "not_a_query"),
        ([], {"sql": "SELECT * FROM read_csv('/etc/passwd')"}, "not_allowed"),
        ([("a.csv", b"")], {"sql": "SELECT 1"}, "empty_file"),
        ([("a.parquet", b"no")], {"sql": "SELECT 1"}, "unreadable_file"),
    ],
)
def test_failures_have_codes(
    service: Server, files: list[tuple[str, bytes]], fields: dict[str, str], code: str
) -> None:
    """A run without a result says why, and reveals nothing about the server."""
    *_, error, done = analyzed(service, files, **fields)
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == (code, False, "failed")
    assert "headway-" not in error.json["message"]


def test_invalid_input_starts_no_run(service: Server) -> None:
    """The response is a problem that names the field."""
    response = post(service, [("a.csv", b"a\n1\n")], sql="SELECT 1", question="What?")
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert [error["loc"] for error in response.json()["errors"]] == [["question"]]


def test_it_works_without_gevents_patching(temporary: Path) -> None:
    """Under `flask run`, a run returns its result, and a cancel stops it."""
    with flask_run("app:app", env={"HEADWAY_STORE": "memory:", "TMPDIR": str(temporary)}) as server:
        assert result(analyzed(server, sql="SELECT 1 AS one"))["rows"] == [{"one": 1}]
        with running(server) as (viewer, run):
            httpx.delete(run)
            assert viewer.until("done")[-1].json["reason"] == "requested"
    wait_until(lambda: is_clean(temporary), "nothing remains of the runs")


def test_a_concurrency_that_cannot_be_read_stops_the_start() -> None:
    """One line names the variable, its value and what it takes."""
    env = environment({"HEADWAY_CONCURRENCY": "analyze=many"})
    done = subprocess.run([sys.executable, "-c", "import app"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    takes = "OPERATION=NUMBER,OPERATION=NUMBER, as in think=8,analyze=4"
    assert line == f"headway: HEADWAY_CONCURRENCY is 'analyze=many'; it takes {takes}"
