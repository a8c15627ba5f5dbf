"""`python -m streaming doctor`: it finds what is wrong with a deployment, and nothing in a correct one."""

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

SIMULATE: Final = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1", "HEADWAY_HEARTBEAT": "1", "HEADWAY_HOSTS": "*"}
GZIP: Final = "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any; gzip_http_version 1.0;"
CHANGES: Final = 'proxy_hide_header Cache-Control; proxy_set_header Last-Event-ID "";'

Findings = dict[str, list[dict[str, Any]]]
"""Findings by check."""

PROXIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "deployed": ("fast", {"conf_template": deployed()}),
    "buffering": ("fast", {"directives": "proxy_ignore_headers X-Accel-Buffering;"}),
    "changing": ("fast", {"directives": HTTP_1_1 + GZIP + CHANGES}),
    "cutting": ("slow", {"directives": HTTP_1_1, "read_timeout": 2}),
    "keeping": ("slow", {"directives": HTTP_1_1 + "proxy_ignore_client_abort on;"}),
}
"""By name: the upstream, with fast or slow heartbeats, and the arguments of `tests.servers.nginx` in front of it."""


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Server]]:
    """The service with `simulate`, which the checks need."""
    with (
        gunicorn("app:app", env=SIMULATE) as fast,
        gunicorn("app:app", env={**SIMULATE, "HEADWAY_HEARTBEAT": "60"}) as slow,
    ):
        yield {"fast": fast, "slow": slow}


@pytest.fixture(scope="module")
def examined(upstreams: dict[str, Server]) -> dict[str, tuple[int, Findings]]:
    """The exit code and findings for each proxy. They are examined in parallel: the doctor mostly waits."""

    def examine(name: str) -> tuple[int, Findings]:
        upstream, arguments = PROXIES[name]
        with nginx(upstreams[upstream], **arguments) as proxy:
            return doctor(proxy.url, "--silence", "6" if name == "cutting" else "2")

    with ThreadPoolExecutor(len(PROXIES)) as pool:
        return dict(zip(PROXIES, pool.map(examine, PROXIES), strict=True))


def doctor(url: str, *options: str) -> tuple[int, Findings]:
    """The exit code and the findings of the command."""
    command = [sys.executable, "-m", "streaming", "doctor", url, "--output", "json", *options]
    process = subprocess.run(command, capture_output=True, text=True, timeout=55, env=environment(None))
    assert process.stderr == ""
    return process.returncode, by_check(json.loads(line) for line in process.stdout.splitlines())


def by_check(findings: Iterable[dict[str, Any]]) -> Findings:
    """Findings by check, in their order."""
    checks: Findings = {}
    for finding in findings:
        checks.setdefault(finding["check"], []).append(finding)
    return checks


def outcomes(findings: Findings) -> dict[str, str]:
    """The first outcome of each check."""
    return {check: same[0]["outcome"] for check, same in findings.items()}


Examined = dict[str, tuple[int, Findings]]


def test_a_deployment_in_order(examined: Examined) -> None:
    """Behind our own nginx configuration nothing is wrong."""
    code, findings = examined["deployed"]
    assert code == 0, findings
    assert outcomes(findings) == {
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
    assert len(findings["headers"]) == 1, "X-Accel-Buffering is passed on"


def test_a_proxy_that_buffers(examined: Examined) -> None:
    """The doctor names it, and what to change. (nginx buffers a stream only where its upstream sends HTTP/1.0.)"""
    code, findings = examined["buffering"]
    assert code == 1
    assert findings["buffered"][0]["outcome"] == "wrong"
    assert "proxy_buffering off" in findings["buffered"][0]["advice"]
    assert "proxy_pass_header X-Accel-Buffering" in findings["headers"][1]["advice"]
    assert outcomes(findings)["compressed"] == outcomes(findings)["resume"] == "ok"


def test_a_proxy_that_compresses(examined: Examined) -> None:
    """The doctor names it, and what to change."""
    code, findings = examined["changing"]
    assert code == 1
    assert findings["compressed"][0]["outcome"] == "wrong"
    assert "gzip_types" in findings["compressed"][0]["advice"]
    assert outcomes(findings)["buffered"] == "ok", "a client that accepts no compression gets none"


def test_a_proxy_that_cuts_silent_streams(examined: Examined, upstreams: dict[str, Server]) -> None:
    """The doctor says after how long, and what to change, and leaves no run behind."""
    code, findings = examined["cutting"]
    (idle,) = findings["idle"]
    assert (code, idle["outcome"]) == (1, "wrong")
    assert 1 < float(idle["message"].split()[2]) < 5
    assert "proxy_read_timeout" in idle["advice"]
    assert "HEADWAY_HEARTBEAT" in idle["advice"]
    runs = httpx.get(f"{upstreams['slow'].url}/runs?limit=100").json()["runs"]
    assert {run["status"] for run in runs} == {"succeeded", "cancelled"}


def test_a_proxy_that_hides_disconnects(examined: Examined) -> None:
    """The doctor names it, and what to change."""
    code, findings = examined["keeping"]
    assert code == 1
    assert findings["disconnect"][0]["outcome"] == "wrong"
    assert "proxy_ignore_client_abort" in findings["disconnect"][0]["advice"]
    assert outcomes(findings)["cancel"] == "ok"


def test_a_proxy_that_changes_headers(examined: Examined) -> None:
    """`Cache-Control` must reach the client, and `Last-Event-ID` the service."""
    code, findings = examined["changing"]
    assert code == 1
    assert findings["headers"][0]["outcome"] == "wrong"
    assert "Cache-Control" in findings["headers"][0]["message"]
    assert findings["resume"][0]["outcome"] == "wrong"
    assert "Last-Event-ID" in findings["resume"][0]["advice"]


def test_without_simulate() -> None:
    """A finished run is read again; checks that need a live run are unchecked, with the setting that enables them."""
    with gunicorn("tests.apps.durable:app") as server:
        findings = by_check(map(asdict, examine(server.url)))
        assert set(outcomes(findings).values()) == {"ok", "note", "unchecked"}
        assert httpx.post(f"{server.url}/operations/counting", json={"count": 2}).is_success
        findings = by_check(map(asdict, examine(server.url)))
    checks = outcomes(findings)
    assert checks["headers"] == checks["compressed"] == checks["resume"] == "ok"
    assert checks["buffered"] == checks["disconnect"] == checks["idle"] == "unchecked"
    assert "HEADWAY_SIMULATE=1" in findings["idle"][0]["advice"]


def test_a_url_without_a_service(upstreams: dict[str, Server]) -> None:
    """Where nothing or something else answers, the last finding says so, and the exit code is 1."""
    assert doctor("http://127.0.0.1:1")[0] == 1
    assert outcomes(by_check(map(asdict, examine("http://127.0.0.1:1")))) == {"reachable": "wrong"}
    *_, last = examine(f"{upstreams['slow'].url}/elsewhere")
    assert (last.check, last.outcome) == ("reachable", "wrong")


def test_a_key_that_is_missing() -> None:
    """The doctor asks for it; with it the checks go on."""
    with gunicorn("app:app", env={**SIMULATE, "HEADWAY_API_KEYS": "ann:a-key"}) as guarded:
        *_, last = examine(guarded.url)
        assert (last.check, last.outcome) == ("key", "wrong")
        checks = [finding.check for finding, _ in zip(examine(guarded.url, key="a-key"), range(4), strict=False)]
    assert checks == ["reachable", "http", "headers", "compressed"]


def test_the_report_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each check, with the advice below it; the exit code is 1 where something is wrong."""
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
