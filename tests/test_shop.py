"""The guide for Flask, and its example: every block of the page is in the example, or runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from flask import Flask
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from streaming import Headway, operation
from tests.clients import Address
from tests.console import Browser
from tests.servers import ROOT, Server, answers_http, environment, free_port, launched, scratch

pytestmark = pytest.mark.live

GUIDE: Final = ROOT / "docs" / "guides" / "flask.md"
SHOP: Final = ROOT / "examples" / "shop"
BLOCK: Final = re.compile(r"^(?:(Before, )?`([\w/.]+)`:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of the guide: the file that it is a part of, if any, in the shop or in the shop before."""

    before: str
    file: str
    language: str
    text: str


BLOCKS: Final = [Block(*match.groups(default="")) for match in BLOCK.finditer(GUIDE.read_text())]

COMMANDS: Final = [
    line.removeprefix("$ ") for block in BLOCKS if block.language == "console" for line in block.text.splitlines()
]


@pytest.fixture(scope="module")
def shop() -> Iterator[Path]:
    """A copy of the example."""
    with scratch() as folder:
        yield Path(shutil.copytree(SHOP, folder / "shop", ignore=shutil.ignore_patterns("instance", "__pycache__")))


def variables(folder: Path) -> dict[str, str]:
    """The environment of its commands."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return environment(
        {"PATH": path, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "SHOP_TAX_SECONDS": "0", "SHOP_SEAL_ROUNDS": "1000"}
    )


def run(folder: Path, command: str) -> str:
    """The output of a command that succeeds."""
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=variables(folder), capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def server(shop: Path) -> Iterator[Server]:
    """The shop under gunicorn as the page starts it, on a free port."""
    init, serve = (next(line for line in COMMANDS if line.startswith(word)) for word in ("flask", "gunicorn"))
    run(shop, init)
    address = Address(port=free_port())
    words = shlex.split(serve.replace("127.0.0.1:8000", f"{address.host}:{address.port}"))
    words = [sys.executable, "-m", *words, "--chdir", str(shop), "--no-control-socket"]
    with launched("gunicorn", words, address, shop, ready=answers_http, env=variables(shop)) as server:
        yield server


def test_the_parts_of_files(shop: Path) -> None:
    """A block below the name of a file is a part of it, as the example has it, or had it before, or of the diff."""
    before = Path(shutil.copytree(shop, shop.parent / "before"))
    run(before, "git apply -R headway.diff")
    parts = [block for block in BLOCKS if block.file]
    assert len(parts) == 9
    for block in parts:
        name = "headway.diff" if block.language == "diff" else block.file
        assert block.text in ((before if block.before else shop) / name).read_text(), block.text


def test_the_shop_before() -> None:
    """It knows nothing of Headway, and the difference is small: few lines of Python, in two files."""
    with scratch() as folder:
        before = Path(shutil.copytree(SHOP / "shop", folder / "shop"))
        run(folder, f"git apply -R {SHOP / 'headway.diff'}")
        texts = [path.read_text() for path in before.rglob("*") if path.suffix in (".py", ".html", ".js")]
    assert len(texts) >= 8
    assert not [text for text in texts if re.search("headway|streaming", text, re.IGNORECASE)]
    changed: dict[str, list[str]] = {}
    for part in re.split(r"^\+\+\+ b/", (SHOP / "headway.diff").read_text(), flags=re.MULTILINE)[1:]:
        name, _, lines = part.partition("\n")
        changed[name] = re.findall(r"^\+(?!\+\+ ).*\S.*$", lines, re.MULTILINE)
    python = [line for name, lines in changed.items() if name.endswith(".py") for line in lines]
    assert {name for name in changed if name.endswith(".py")} == {"shop/__init__.py", "shop/orders.py"}
    assert len(python) <= 20


def test_the_commands(shop: Path, server: Server, long: bool) -> None:
    """Each of them runs, in the order of the page; in the short form pytest itself runs the tests of the shop."""
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] == "pip":
            assert all(metadata.version(re.sub(r"\[.*|.*/", "", name)) for name in words[2:])
        elif words[0] == "curl":
            assert httpx.get(words[-1].replace("http://127.0.0.1:8000", server.url)).status_code == 401
        elif "headway run" in command:
            assert json.loads(run(shop, command).splitlines()[-1])["data"]["status"] == "succeeded"
        elif words[0] not in ("cd", "gunicorn") and "init-db" not in words and (long or "pytest" not in words):
            run(shop, command)


@operation
def nothing() -> None:
    """Ends at once."""


def with_login(name: str, app: Flask | None = None) -> Flask:
    """An application in which nobody is logged in."""
    app = app or Flask(name)
    app.secret_key = "not secret"
    LoginManager(app).request_loader(lambda _: None)
    return app


def test_the_blocks_that_are_in_no_file() -> None:
    """Each runs, one after another, and does what the page says."""
    app = Flask(__name__)
    app.secret_key = "not secret"
    names: dict[str, Any] = {"app": app, "csrf": CSRFProtect(app), "__name__": "guide"}
    Headway(app, operations=[nothing])
    for block in BLOCKS:
        if block.language == "python" and not block.file:
            exec(block.text, names)
    client = app.test_client()
    assert client.post("/operations/nothing").status_code == 200
    assert app.test_client().get("/acme/api/jobs/operations").status_code == 404
    other = with_login("other")
    other.register_blueprint(names["api"])
    assert other.test_client().get("/acme/api/jobs/operations").status_code == 401
    with other.app_context():
        assert names["headway"].here is other.extensions["headway"]
    both = names["create_app"](nothing, names["tidy"])
    with_login("", both)
    assert both.test_client().get("/jobs/operations").status_code == 200
    assert both.test_client().get("/staff/operations").status_code == 401
    assert "headway-staff" in both.extensions
    assert "headway-staff" in both.cli.commands


# Under gunicorn


def token_of(page: httpx.Response) -> str:
    """The CSRF token of a page."""
    (token,) = re.findall(r'name="csrf-token" content="([^"]+)"', page.text)
    return str(token)


@contextlib.contextmanager
def logged_in(server: Server, name: str) -> Iterator[httpx.Client]:
    """A client in which somebody is logged in, with the token of the page."""
    with httpx.Client(base_url=server.url, timeout=15, follow_redirects=True) as client:
        form = {"name": name, "password": name, "csrf_token": token_of(client.get("/login"))}
        page = client.post("/login", data=form)
        assert "Chair 1" in page.text
        client.headers["X-CSRFToken"] = token_of(page)
        yield client


def test_the_shop_under_gunicorn(server: Server) -> None:
    """A stream that is cut goes on on whichever worker; another user sees nothing of it; both kinds of work end."""
    with logged_in(server, "ann") as ann, logged_in(server, "bob") as bob:
        sealing = ann.post("/jobs/operations/seal", headers={"Prefer": "respond-async"}).headers["Location"]
        with ann.stream("POST", "/jobs/operations/export") as stream:
            run_path = stream.headers["Location"]
            seen = next(line for line in stream.iter_lines() if line.startswith("id: 3"))
        rest = ann.get(f"{run_path}/events", headers={"Last-Event-ID": seen.removeprefix("id: ")}).text
        ids = [int(number) for number in re.findall(r"^id: (\d+)$", rest, re.MULTILINE)]
        assert ids == list(range(4, 44))  # start, 40 orders, the result, done
        assert bob.get(run_path).status_code == 404
        assert httpx.get(f"{server.url}{run_path}").status_code == 401
        events = ann.get(f"{sealing}/events").text
        assert events.endswith("\n\n")
        assert '"status":"succeeded"' in events
        assert ann.get("/").text.count("sealed") == 40


def test_the_page_in_a_browser(server: Server) -> None:
    """A click starts a run and shows its result, and a page that is loaded again shows it too."""
    with Browser() as browser, browser.open(server.url) as page:
        page.fill("[name=name]", "bob")
        page.fill("[name=password]", "bob")
        page.click("button")
        page.click("text=Export")
        page.see("text=/80,Chair 40,4000,760/")
        assert page.evaluate("() => sessionStorage.run") is None
        page.evaluate(
            "async () => { sessionStorage.run = '/jobs/runs/' + (await (await fetch('/jobs/runs')).json()).runs[0].id }"
        )
        page.reload()
        page.see("text=/80,Chair 40,4000,760/")
        page.see("progress[value='40']")
