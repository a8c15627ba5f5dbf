"""The blocks of Python in the guides are code that runs."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Final

import gevent
import pytest

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
