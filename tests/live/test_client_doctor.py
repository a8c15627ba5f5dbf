"""`python -m streaming doctor`: it finds what is wrong with a deployment, and nothing where nothing is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

import httpx
import pytest

from streaming.client.cli.doctor import Finding, examine, report
from tests.servers import HTTP_1_1, Server, deployed, environment, gunicorn, nginx

SIMULATE: Final = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1", "HEADWAY_HEARTBEAT": "1"}
GZIP: Final = "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any; gzip_http_version 1.0;"
CHANGES: Final = 'proxy_hide_header Cache-Control; proxy_set_header Last-Event-ID "";'


Found = dict[str, list[dict[str, Any]]]
"""Findings by their check."""

PROXIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "deployed": ("beating", {"conf_template": deployed()}),
    "buffering": ("beating", {"directives": "proxy_ignore_headers X-Accel-Buffering;"}),
    "changing": ("beating", {"directives": HTTP_1_1 + GZIP + CHANGES}),
    "cutting": ("quiet", {"directives": HTTP_1_1, "read_timeout": 2}),
    "keeping": ("quiet", {"directives": HTTP_1_1 + "proxy_ignore_client_abort on;"}),
}
"""Behind a service with a quick heartbeat or a slow one, an nginx with these arguments of `tests.servers.nginx`."""


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Server]]:
    """The service, with the operation that the checks need."""
    with (
        gunicorn("app:app", env=SIMULATE) as beating,
        gunicorn("app:app", env={**SIMULATE, "HEADWAY_HEARTBEAT": "60"}) as quiet,
    ):
        yield {"beating": beating, "quiet": quiet}


@pytest.fixture(scope="module")
def examined(upstreams: dict[str, Server]) -> dict[str, tuple[int, Found]]:
    """What the doctor says of each proxy; they are examined side by side, for it mostly waits."""

    def examine(name: str) -> tuple[int, Found]:
        upstream, arguments = PROXIES[name]
        with nginx(upstreams[upstream], **arguments) as proxy:
            return doctor(proxy.url, "--silence", "6" if name == "cutting" else "2")

    with ThreadPoolExecutor(len(PROXIES)) as pool:
        return dict(zip(PROXIES, pool.map(examine, PROXIES), strict=True))


def doctor(url: str, *options: str) -> tuple[int, Found]:
    """The exit code, and the findings by their check."""
    command = [sys.executable, "-m", "streaming", "doctor", url, "--output", "json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, env=environment(None))
    assert done.stderr == ""
    found: Found = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        found.setdefault(finding["check"], []).append(finding)
    return done.returncode, found


def outcomes(found: Found) -> dict[str, str]:
    """The first outcome of each check."""
    return {check: findings[0]["outcome"] for check, findings in found.items()}


Examined = dict[str, tuple[int, Found]]


def test_a_deployment_in_order(examined: Examined) -> None:
    """Behind the nginx that is deployed with us nothing is wrong."""
    code, found = examined["deployed"]
    assert code == 0, found
    assert outcomes(found) == {
        "reachable": "ok",
        "http": "note",
        "headers": "ok",
        "compressed": "ok",
        "buffered": "ok",
        "resume": "ok",
        "disconnect": "ok",
        "cancel": "ok",
        "idle": "ok",
        "heartbeat": "ok",
    }
    assert len(found["headers"]) == 1, "X-Accel-Buffering is passed on"


def test_a_proxy_that_buffers(examined: Examined) -> None:
    """It is named, and what to change. (nginx only holds back what its upstream sends with HTTP/1.0.)"""
    code, found = examined["buffering"]
    assert code == 1
    assert found["buffered"][0]["outcome"] == "wrong"
    assert "proxy_buffering off" in found["buffered"][0]["advice"]
    assert "proxy_pass_header X-Accel-Buffering" in found["headers"][1]["advice"]
    assert outcomes(found)["compressed"] == outcomes(found)["resume"] == "ok"


def test_a_proxy_that_compresses(examined: Examined) -> None:
    """It is named, and what to change."""
    code, found = examined["changing"]
    assert code == 1
    assert found["compressed"][0]["outcome"] == "wrong"
    assert "gzip_types" in found["compressed"][0]["advice"]
    assert outcomes(found)["buffered"] == "ok", "whoever asks for no compression gets none"


def test_a_proxy_that_cuts_what_is_silent(examined: Examined, upstreams: dict[str, Server]) -> None:
    """It says after how long, and what to change, and leaves no run behind."""
    code, found = examined["cutting"]
    (idle,) = found["idle"]
    assert (code, idle["outcome"]) == (1, "wrong")
    assert 1 < float(idle["found"].split()[2]) < 5
    assert "proxy_read_timeout" in idle["advice"]
    assert "HEADWAY_HEARTBEAT" in idle["advice"]
    runs = httpx.get(f"{upstreams['quiet'].url}/runs?limit=100").json()["runs"]
    assert {run["status"] for run in runs} == {"succeeded", "cancelled"}


def test_a_proxy_that_keeps_the_disconnect_to_itself(examined: Examined) -> None:
    """It is named, and what to change."""
    code, found = examined["keeping"]
    assert code == 1
    assert found["disconnect"][0]["outcome"] == "wrong"
    assert "proxy_ignore_client_abort" in found["disconnect"][0]["advice"]
    assert outcomes(found)["cancel"] == "ok"


def test_a_proxy_that_changes_headers(examined: Examined) -> None:
    """What a stream says of caching has to arrive, and what it says of where it was read up to."""
    code, found = examined["changing"]
    assert code == 1
    assert found["headers"][0]["outcome"] == "wrong"
    assert "Cache-Control" in found["headers"][0]["found"]
    assert found["resume"][0]["outcome"] == "wrong"
    assert "Last-Event-ID" in found["resume"][0]["advice"]


def by_check(findings: Iterable[Finding]) -> Found:
    """Findings as the command line writes them."""
    found: Found = {}
    for finding in findings:
        found.setdefault(finding.check, []).append(asdict(finding))
    return found


def test_without_simulate_it_says_what_it_can_check() -> None:
    """The run that is over is read again; what takes a run that lasts is left open, with the way to have it."""
    with gunicorn("tests.apps.durable:app") as server:
        found = by_check(examine(server.url))
        assert set(outcomes(found).values()) == {"ok", "note", "unchecked"}
        assert httpx.post(f"{server.url}/operations/counting", json={"count": 2}).is_success
        found = by_check(examine(server.url))
    kinds = outcomes(found)
    assert kinds["headers"] == kinds["compressed"] == kinds["resume"] == "ok"
    assert kinds["buffered"] == kinds["disconnect"] == kinds["idle"] == "unchecked"
    assert "HEADWAY_SIMULATE=1" in found["idle"][0]["advice"]


def test_what_is_no_service(upstreams: dict[str, Server]) -> None:
    """Nobody there, or something else there: the last finding says so, and the exit code that something is wrong."""
    assert doctor("http://127.0.0.1:1")[0] == 1
    assert outcomes(by_check(examine("http://127.0.0.1:1"))) == {"reachable": "wrong"}
    *_, last = examine(f"{upstreams['quiet'].url}/elsewhere")
    assert (last.check, last.outcome) == ("reachable", "wrong")


def test_a_key_that_is_missing() -> None:
    """It is asked for; with it the checks go on."""
    with gunicorn("app:app", env={**SIMULATE, "HEADWAY_API_KEYS": "ann:a-key"}) as guarded:
        *_, last = examine(guarded.url)
        assert (last.check, last.outcome) == ("key", "wrong")
        checks = [finding.check for finding, _ in zip(examine(guarded.url, key="a-key"), range(4), strict=False)]
    assert checks == ["reachable", "http", "headers", "compressed"]


def test_a_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each check, and under what is wrong what to change; the exit code says whether something is."""
    fine = [Finding("reachable", "ok", "answers"), Finding("http", "note", "HTTP/1.1", "offer HTTP/2")]
    assert report(iter(fine), as_lines=False) == 0
    assert report(iter([*fine, Finding("idle", "wrong", "cut", "wait longer")]), as_lines=False) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        " " * 15 + "-> offer HTTP/2",
        "✓ reachable    answers",
        "! http         HTTP/1.1",
        " " * 15 + "-> offer HTTP/2",
        "✗ idle         cut",
        " " * 15 + "-> wait longer",
    ]
