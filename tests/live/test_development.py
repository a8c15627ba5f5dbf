"""Flask's own commands around an application with Headway: `flask run` with its reloader, and `flask shell`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.clients import Address, wait_until
from tests.servers import ROOT, Server, answers_http, environment, free_port, launched, scratch

APP: Final = """
import os

from flask import Flask

from streaming import Headway, operation

VERSION = 1


@operation
def version():
    return VERSION


def create_app():
    with open(os.environ["CALLS"], "a") as calls:
        print(os.getpid(), file=calls)
    app = Flask(__name__)
    app.config["HEADWAY_STORE"] = "sqlite:///" + os.environ["STORE"]
    Headway(app, operations=[version], url_prefix="/api")
    return app
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with an application."""
    with scratch() as folder:
        (folder / "reloaded.py").write_text(APP)
        yield folder


def variables(folder: Path) -> dict[str, str]:
    """The environment of a command around the application."""
    path = f"{ROOT}{os.pathsep}{folder}"
    return {"PYTHONPATH": path, "CALLS": str(folder / "calls"), "STORE": str(folder / "runs.db")}


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open (proc(5))."""
    return any(link.resolve() == path.resolve() for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists())


def version_of(server: Server) -> int:
    """The result of a run, which reads the code that serves."""
    started = httpx.post(f"{server.url}/api/operations/version", headers={"Prefer": "respond-async"}, timeout=10)
    location = f"{server.url}{started.headers['Location']}"
    wait_until(lambda: httpx.get(location).json()["status"] == "succeeded", "the run is over")
    return int(httpx.get(location).json()["result"])


def test_the_reloader(folder: Path) -> None:
    """Only the process that serves opens the store, although both call the factory; a change loses no finished run."""
    address, store = Address(port=free_port()), folder / "runs.db"
    command = [sys.executable, "-m", "flask", "--app", "reloaded", "--debug", "run", "--port", str(address.port)]
    with launched("flask", command, address, folder, ready=answers_http, env=variables(folder)) as server:
        assert version_of(server) == 1
        (child,) = server.worker_pids()
        assert {server.pid, child} <= set(map(int, (folder / "calls").read_text().split()))
        assert (has_open(server.pid, store), has_open(child, store)) == (False, True)
        # Of another size: Python takes a source of the same size and second for the one that it has compiled.
        (folder / "reloaded.py").write_text(APP.replace("VERSION = 1", "VERSION = 200"))
        wait_until(lambda: server.worker_pids() not in ([], [child]), "the reloader has started another process")
        wait_until(lambda: answers_http(address), "it serves")
        assert version_of(server) == 200
        assert len(httpx.get(f"{server.url}/api/runs").json()["runs"]) == 2


def test_the_shell(folder: Path) -> None:
    """It has the extension of its application, and does not serve: it takes over no run, which would end with it."""
    lines = """
from flask import current_app
headway = current_app.extensions["headway"]
print(sorted(headway.runner.operations), headway.here is headway, headway.serving)
print(app.test_client().get("/api/runs").json)
"""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "reloaded", "shell"],
        cwd=folder,
        env=environment(variables(folder)),
        input=lines,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "['version'] True False" in done.stdout
    assert "{'runs': []}" in done.stdout
