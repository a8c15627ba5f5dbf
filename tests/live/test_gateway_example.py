"""The worked example of docs/gateway.md, run as it is there; and the same with a database that is killed."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.clients import Connection, wait_until
from tests.servers import ROOT, Server, gunicorn, postgres, scratch

pytestmark = pytest.mark.live

PAGE: Final = (ROOT / "docs" / "gateway.md").read_text()
JSON: Final = {"Content-Type": "application/json"}
DATABASES: Final = ("sqlite", "postgres")


def source(name: str) -> str:
    """A file of the example, as the page has it."""
    (text,) = re.findall(rf"`{re.escape(name)}`:\n```python\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def consoles() -> list[str]:
    """The consoles on the page, each after its `$`."""
    return re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        with scratch() as folder:
            yield f"sqlite:///{folder}/saved.db"
    else:
        with postgres() as server:
            yield server.url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two files of the example."""
    folder = tmp_path_factory.mktemp("example")
    for name in ("service.py", "front.py"):
        (folder / name).write_text(source(name))
    return folder


@pytest.fixture(scope="module")
def front(folder: Path, database: str) -> Iterator[Server]:
    """Both services, started as on the page; the ports and the database are the test's."""
    with served(folder, "service:app") as service, served(folder, "front:app", service, database) as front:
        yield front


def served(folder: Path, app: str, service: Server | None = None, database: str = "") -> Any:
    """One of the services, with `-k gevent` and without the project's configuration, as on the page."""
    (command,) = [each for each in consoles() if app in each]
    assert "gunicorn -k gevent -b" in command
    env = {} if service is None else {"SERVICE": service.url, "DATABASE": database}
    return gunicorn(app, env=env, conf=False, args=["--chdir", str(folder)])


def rows(database: str, run: str) -> list[Any]:
    """The saved events of a run."""
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            saved = connection.execute(
                text("select number, name, data from headway_events where run = :run order by number"), {"run": run}
            )
            # The columns of sqlite are text; PostgreSQL's driver has read the JSON already.
            return [(n, name, data if isinstance(data, dict) else json.loads(data)) for n, name, data in saved]
    finally:
        engine.dispose()


def summarize(viewer: Connection, text: str, pause: float = 0.0) -> str:
    """Starts a run, and returns its id."""
    body = json.dumps({"text": text, "pause": pause}).encode()
    head = viewer.request("POST", "/operations/summarize", JSON, body)
    assert head.status == 200
    return head.headers["run-id"]


def pattern(line: str) -> str:
    """A pattern for a line of the page; `...` matches anything."""
    return re.escape(line).replace(r"\.\.\.", ".*?")


def test_the_consoles_of_the_page(front: Server, database: str) -> None:
    """The stream and the rows are those on the page, except for what differs each time."""
    (curl,) = [each for each in consoles() if each.startswith("curl")]
    command, _, output = curl.partition("\n")
    (body,) = re.findall(r"-d '(.*?)'", command)
    with Connection(front) as viewer:
        run = viewer.request("POST", "/operations/summarize", JSON, body.encode()).headers["run-id"]
        frames = []
        while (frame := viewer.frame()) is not None:
            frames.append(frame.decode())
    stream = "\n\n".join(frames)
    assert re.fullmatch("\n".join(pattern(line) for line in output.strip().split("\n")), stream.strip()), stream
    (table,) = [each for each in consoles() if each.startswith("sqlite3")]
    for line, (number, name, data) in zip(table.strip().split("\n")[1:], rows(database, run), strict=True):
        assert re.fullmatch(pattern(line), f"{number}|{name}|{json.dumps(data)}"), line


def test_saved_before_it_is_seen(front: Server, database: str) -> None:
    """When a viewer has read an event, it is in the database."""
    with Connection(front) as viewer:
        run = summarize(viewer, "One. Two.\n" * 20, pause=0.02)
        seen = 0
        for message in viewer.messages():
            if message.event in ("partial", "progress", "result"):
                seen += 1
                saved = rows(database, run)
                assert len(saved) >= seen
                assert saved[seen - 1][1] == message.event
    assert seen == 41


def test_a_burst(front: Server, database: str) -> None:
    """Hundreds of events at once are all saved, in order."""
    with Connection(front) as viewer:
        run = summarize(viewer, "One.\n" * 500)
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    saved = rows(database, run)
    assert [row[0] for row in saved] == [*range(1, len(saved) + 1)]
    assert len([row for row in saved if row[1] == "partial"]) == 500


def test_a_database_that_is_killed(folder: Path, tmp_path: Path) -> None:
    """The run fails with an error that says nothing about it; when it is back, runs are saved again."""
    with scratch() as home, postgres(folder=home) as database:
        port, url = database.address.port, database.url
        with served(folder, "service:app") as service, served(folder, "front:app", service, url) as front:
            with Connection(front) as viewer:
                run = summarize(viewer, "One.\n" * 1000, pause=0.05)
                viewer.until("partial")
                database.process.send_signal(signal.SIGQUIT)
                *_, error, done = viewer.until("done")
                assert (error.event, error.json["code"], error.json["retryable"]) == ("error", "operation_failed", True)
                assert "postgres" not in error.data
                assert done.json["status"] == "failed"
            database.process.wait()
            with postgres(folder=home, port=port):
                wait_until(lambda: is_saved(front, url), "runs are saved again")
                partials = [data for _, name, data in rows(url, run) if name == "partial"]
                assert partials


def is_saved(front: Server, database: str) -> bool:
    """Whether a new run succeeds, and is in the database."""
    with Connection(front) as viewer:
        run = summarize(viewer, "One.")
        if viewer.until("done")[-1].json["status"] != "succeeded":
            return False
    try:
        return len(rows(database, run)) == 3
    except SQLAlchemyError:
        return False
