"""`make fleet`: it serves, shows a takeover, ends all that it has started, and says in a sentence what is missing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import wait_until
from tests.servers import ROOT, environment, free_port, processes, program, scratch
from tools import fleet

LONGEST = 120.0
"""Seconds until the demonstration has shown what it shows."""


@contextlib.contextmanager
def demonstration(port: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The command, as `make fleet` runs it, and the file with its output."""
    with scratch() as folder:
        output = folder / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tools.fleet"],
                cwd=ROOT,
                env=environment({"PORT": str(port), "TMPDIR": str(folder)}),
                stdout=file,
                stderr=file,
            )
        try:
            yield process, output
        finally:
            process.terminate()
            process.wait(60)


def started_in(folder: Path) -> list[int]:
    """The processes that have this folder in their environment (proc(5))."""
    name = f"TMPDIR={folder}".encode()
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            if name in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process.pid)
    return found


@pytest.mark.live
def test_the_demonstration() -> None:
    """A newcomer sees the console's address, a killed worker and its takeover; Ctrl-C leaves nothing behind."""
    program("redis-server")
    port = free_port()
    with demonstration(port) as (process, output):

        def shows(text: str) -> bool:
            assert process.poll() is None, output.read_text()
            return text in output.read_text()

        wait_until(lambda: shows("Taken over after"), "the takeover is shown", LONGEST)
        assert f"The console is at http://127.0.0.1:{port}" in output.read_text()
        assert "kill -9 " in output.read_text()
        assert "read" in {
            each["name"] for each in httpx.get(f"http://127.0.0.1:{port}/operations").json()["operations"]
        }
        assert "Headway" in httpx.get(f"http://127.0.0.1:{port}/").text
        assert len(started_in(output.parent)) > 6
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert output.read_text().endswith("Ended.\n")
        assert started_in(output.parent) == []
        assert [path.name for path in output.parent.iterdir()] == ["output"]


def test_a_port_that_is_taken() -> None:
    """It is named, with the way out, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken, demonstration(taken.getsockname()[1]) as (process, output):
        assert process.wait(60) == 1
        assert output.read_text() == (
            f"make fleet: port {taken.getsockname()[1]} cannot be used (Address already in use): "
            "PORT=8001 make fleet takes another one\n"
        )


def test_a_redis_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with what installs it."""
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    with pytest.raises(fleet.Failed, match="tools/system-packages redis-server installs it"):
        fleet.check(free_port())
