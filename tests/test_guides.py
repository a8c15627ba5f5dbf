"""The blocks of Python in the guides are code that runs."""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import gevent
import pytest
from flask import Flask

from operations import logs
from streaming import Headway, RunFilter
from streaming.variables import unknown_variables
from tests.clients import parse_frames
from tests.worlds import Stage, World, ending

GUIDES: Final = Path(__file__).resolve().parent.parent / "docs" / "guides"


Blocks = Callable[[str], list[ModuleType]]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """Gives the blocks of a guide, each as a module."""

    def blocks(guide: str) -> list[ModuleType]:
        modules: list[ModuleType] = []
        for code in re.findall(r"```python\n(.*?)```", (GUIDES / guide).read_text(), re.DOTALL):
            module = ModuleType(f"{Path(guide).stem}_{len(modules)}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(code, module.__name__, "exec"), vars(module))
            modules.append(module)
        return modules

    return blocks


class Page(BaseHTTPRequestHandler):
    """Answers every GET with three words."""

    def do_GET(self) -> None:
        """The answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"one two three")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The URL of the page."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_async_example(world: World, blocks: Blocks) -> None:
    """It asks a service, asks its viewer, and gives its result."""
    module = blocks("blocking.md")[2]
    stage = Stage(world, module.word_count)
    with served() as url:
        run = stage.start(module.word_count, module.Page(url=url))
        assert stage.until(run, "question")[-1].json["prompt"] == "Count 13 characters?"
        stage.answer(run, True)
        assert stage.events(run)[-2].json["result"] == {"words": 3}
    stage.close()


def test_a_hook_ends_a_call_in_c(world: World, blocks: Blocks) -> None:
    """A cancel interrupts the query, and the run ends at once."""
    total = blocks("blocking.md")[0].total
    stage = Stage(world, total)
    run = stage.start(total)
    stage.until(run, "progress")
    world.call(gevent.sleep, 0.3)  # the query has begun
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    stage.close()


def test_the_shared_weights(blocks: Blocks) -> None:
    """They are loaded with the module, and used by the operation."""
    module = blocks("blocking.md")[1]
    assert module.score.runs_in == "process"
    assert module.score(module.Sample()) == 1.0


def test_the_operation_in_celery(blocks: Blocks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is offered, and runs nowhere without a worker."""
    monkeypatch.setenv("HEADWAY_STORE", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("HEADWAY_CELERY_BROKER", "redis://127.0.0.1:1/0")
    (module,) = blocks("celery.md")
    answer = module.app.test_client().post("/operations/count", headers={"Prefer": "respond-async"})
    assert answer.get_json()["status"] == "queued"
    module.app.extensions["headway"].close()


def test_the_tests_of_the_guide_to_testing(world: World, blocks: Blocks) -> None:
    """They pass."""
    (module,) = blocks("testing.md")
    tests = [test for name, test in vars(module).items() if name.startswith("test_")]
    for test in tests:
        test()
    assert len(tests) == 2


def test_runs_from_code(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks of that guide are one program: a loop, a view, a template, a cron job and a test."""
    module = ModuleType("from_code")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for code in re.findall(r"```python\n(.*?)```", (GUIDES / "from-code.md").read_text(), re.DOTALL):
        exec(compile(code, module.__name__, "exec"), vars(module))
    assert capsys.readouterr().out == "Page 1\nPage 2\nPage 3\n"
    client = module.app.test_client()
    report = client.post("/reports", data={"pages": 1}, follow_redirects=True).text
    run = report.split()[0]
    assert report in (f"{run} is running", f"{run} is succeeded")
    assert module.headway.run(run).result(10) == {"pages": 1}
    assert module.nightly() == module.nightly() == {"pages": 3}
    module.test_count()
    module.headway.close()


def test_embedding(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The blocks of that guide are one program: its settings, an observer, the records of its log, and a test."""
    module = ModuleType("embedding")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for code in re.findall(r"```python\n(.*?)```", (GUIDES / "embedding.md").read_text(), re.DOTALL):
        exec(compile(code, module.__name__, "exec"), vars(module))
    app = module.create_app({"HEADWAY_STORE": f"sqlite:///{tmp_path}/runs.db", "HEADWAY_RETENTION": "60"})
    settings = app.extensions["headway"].settings
    assert (settings.drain, settings.retention) == (20.0, 60.0)
    assert settings.store.startswith(f"sqlite:///{tmp_path}")
    client = app.test_client()
    (count,) = client.get("/api/operations").json["operations"]
    assert (count["name"], count["linger"], count["input"]["properties"]["pages"]["default"]) == ("count", 30, 50)
    report = parse_frames(client.get("/report").data)
    assert [message.event for message in report] == ["start", *["progress"] * 3, "result", "done"]
    assert report[-2].json["result"] == {"chapters": 3}
    run = module.headway.start("count", {"pages": 1}, linger=None)
    world.until(lambda: run.snapshot()["question"], "it asks")
    run.answer(run.snapshot()["question"]["question"], True)
    assert run.result(60) == {"pages": 1, "ok": True}
    world.until(lambda: module.STATISTICS["succeeded"] == 1, "the observer has counted")
    module.test_count()
    module.headway.close()


def test_the_extras_of_the_guide_to_embedding() -> None:
    """They are those of the package."""
    project = tomllib.loads((GUIDES.parents[1] / "pyproject.toml").read_text())["project"]
    section = (GUIDES / "embedding.md").read_text().partition("| extra |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == project["optional-dependencies"].keys()


def test_the_warning_that_the_guide_to_embedding_quotes(caplog: pytest.LogCaptureFixture) -> None:
    """It is the line of the log."""
    app = Flask(__name__)
    app.config["HEADWAY_RETENTON"] = "60"
    Headway(app)
    (message,) = caplog.messages
    assert f'"{message}"' in (GUIDES / "embedding.md").read_text()


def test_the_logging_of_the_guide_to_embedding() -> None:
    """Its records have the run, in the form that it says."""
    (code,) = re.findall(r"^LOGGING = \{.*?^\}", (GUIDES / "embedding.md").read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)
    config = names["LOGGING"]
    (handler,) = config["handlers"].values()
    record = logging.makeLogRecord({"msg": "hello", "process": 1})
    assert RunFilter().filter(record)
    line = logging.Formatter(config["formatters"][handler["formatter"]]["format"]).format(record)
    assert line.endswith("[1] hello run=- - -")
    logging.config.DictConfigurator(config).configure_filter(config["filters"]["run"])


def test_settings_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of the reference is read as it says, and its names are known."""
    module: Any = ModuleType("settings_of_a_shop")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (code,) = re.findall(r"```python\n(.*?)```", (GUIDES.parent / "reference" / "settings.md").read_text(), re.DOTALL)
    exec(code, vars(module))
    assert module.settings.currency == "CHF"
    assert unknown_variables({"HEADWAY_CURRENCY": "CHF"}) == {}


def test_the_lines_of_the_guide_to_logs() -> None:
    """The line of text and that of JSON are what the service writes for one record."""
    shown = re.findall(r"```(?:json)?\n((?:2026-|\{\"time).*?)\n```", (GUIDES / "logs.md").read_text())
    fields = json.loads(shown[1])
    created = datetime.fromisoformat(fields.pop("time")).timestamp()
    more = {"msg": fields.pop("message"), "levelname": fields.pop("level"), "name": fields.pop("logger")}
    record = logging.makeLogRecord(fields | more | {"created": created, "msecs": created % 1 * 1000})
    assert [logs.formatter(form).format(record) for form in logs.FORMS] == shown


def test_run_tokens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of that guide are one program: the page watches by its address, and the login lets it pass."""
    module = ModuleType("tokens")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for code in re.findall(r"```python\n(.*?)```", (GUIDES / "tokens.md").read_text(), re.DOTALL):
        exec(compile(code, module.__name__, "exec"), vars(module))
    client = module.app.test_client()
    (address,) = re.findall(r'EventSource\("(.*?)"\)', client.get("/report").text)
    path = address.encode().decode("unicode_escape")
    run, token = path.split("/")[2], path.partition("token=")[2]
    assert module.headway.run(run, owner="ann").result(10) == {"pages": 3}
    assert "event: done" in client.get(path).text
    assert client.get(path.partition("?")[0]).status_code == 401
    assert client.get(f"/runs/{run}", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get(f"/runs?token={token}").status_code == 403
    module.headway.close()
