"""What a request has to pass: a host that is served, a page that may change something, limits of its client."""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

import click
import gevent
import pytest
from flask import Flask, Response, request, session
from flask.testing import FlaskClient
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from streaming import Headway, Observer, Operation, operation
from streaming.runs.observers import Refused
from tests.worlds import WORLDS, World, entered

EVIL = "https://evil.example"
ASYNC = {"Prefer": "respond-async"}


@operation(linger=None)
def idle() -> Any:
    """Returns at once."""
    yield from ()


@operation(runs_in="greenlet")
def patient() -> Any:
    """Waits until it is cancelled."""
    yield from ()
    gevent.sleep(60)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world is enough: what is tested here ends before the hub is asked."""
    with entered(WORLDS[0]) as world:
        yield world


class Site:
    """An application on the host `a.example`, or wherever the test says."""

    def __init__(self, config: dict[str, Any] | None = None, **options: Any) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "secret"
        self.app.config.update(config or {})
        operations: list[Operation] = [idle, patient]
        self.headway = Headway(self.app, operations=operations, **options)
        self.client: FlaskClient = self.app.test_client()

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, *, bind: str = "192.0.2.1", **environ: str
    ) -> TestResponse:
        """The answer to a request that arrives at the address `bind` of the server."""
        environ = {"SERVER_NAME": bind, "HTTP_HOST": "a.example", **environ}
        return self.client.open(path, method=method, headers=headers, environ_overrides=environ)

    def start(self, headers: dict[str, str] | None = None, operation: str = "idle", **options: str) -> TestResponse:
        """The answer to the start of a run."""
        return self.ask("POST", f"/operations/{operation}", {**ASYNC, **(headers or {})}, **options)

    def close(self) -> None:
        """Ends the runs."""
        self.headway.drain(0)
        self.headway.close()


@pytest.fixture
def sites(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes applications, and closes them."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)
    made: list[Site] = []

    def make(config: dict[str, Any] | None = None, **options: Any) -> Site:
        made.append(Site(config, **options))
        return made[-1]

    yield make
    for site in made:
        site.close()


class Refusals(Observer):
    """An observer that keeps the refusals."""

    def __init__(self) -> None:
        self.seen: list[Refused] = []

    def refused(self, record: Refused) -> None:
        self.seen.append(record)


def code(response: TestResponse) -> str | None:
    """The code of a refusal."""
    return (response.get_json(silent=True) or {}).get("code") if response.status_code >= 400 else None


# Hosts


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.0.0.5"])
def test_a_service_without_keys_on_loopback_serves_loopback_names(sites: Any, bind: str) -> None:
    """Every other name gets 421, on every path, and the detail names the setting; each refusal is counted once."""
    refusals = Refusals()
    site = sites(standalone=True, observers=[refusals])
    for host in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        assert site.ask("GET", "/operations", bind=bind, HTTP_HOST=host).status_code == 200
    for method, path in (("GET", "/runs"), ("POST", "/operations/idle"), ("GET", "/nothing"), ("GET", "/health/live")):
        refused = site.ask(method, path, bind=bind, HTTP_HOST="rebound.example:8000")
        assert (refused.status_code, code(refused)) == (421, "misdirected_request")
        assert "HEADWAY_HOSTS" in refused.get_json()["detail"]
        assert refused.content_type == "application/problem+json"
    assert refusals.seen == [Refused("misdirected_request", 421)] * 4


@pytest.mark.parametrize(
    ("bind", "config", "options"),
    [
        ("192.0.2.1", {}, {"standalone": True}),
        ("0.0.0.0", {}, {"standalone": True}),
        ("127.0.0.1", {"HEADWAY_API_KEYS": "ann:k1"}, {"standalone": True}),
        ("127.0.0.1", {}, {"standalone": True, "authorize": lambda request: "ann"}),
        ("127.0.0.1", {}, {}),
    ],
    ids=["other address", "any address", "keys", "authorize", "embedded"],
)
def test_elsewhere_any_name_is_served(sites: Any, bind: str, config: dict[str, Any], options: dict[str, Any]) -> None:
    """With keys, at another address, and inside an application, whose business it is."""
    headers = {"Authorization": "Bearer k1"}
    assert sites(config, **options).ask("GET", "/runs", headers, bind=bind, HTTP_HOST="any.example").status_code == 200


@pytest.mark.parametrize("options", [{}, {"standalone": True}], ids=["embedded", "service"])
def test_hosts_that_are_named(sites: Any, options: dict[str, Any]) -> None:
    """HEADWAY_HOSTS holds wherever it is set, with keys too; a request that names no host is served."""
    site = sites({"HEADWAY_HOSTS": "a.example,.b.example", "HEADWAY_API_KEYS": "ann:k1"}, **options)
    key = {"Authorization": "Bearer k1"}
    for host, status in {"a.example": 200, "x.b.example:1": 200, "localhost": 421, "c.example": 421, "": 200}.items():
        assert site.ask("GET", "/runs", key, HTTP_HOST=host).status_code == status


def test_only_the_host_of_a_trusted_proxy_counts(sites: Any) -> None:
    """`X-Forwarded-Host` is believed where HEADWAY_PROXIES says so, and takes the place of `Host`."""
    forwarded = {"X-Forwarded-Host": "a.example"}
    for proxies, status in {"0": 421, "1": 200}.items():
        site = sites({"HEADWAY_HOSTS": "a.example", "HEADWAY_PROXIES": proxies})
        assert site.ask("GET", "/runs", forwarded, HTTP_HOST="inner").status_code == status


def test_a_unix_socket_is_local(sites: Any) -> None:
    """A proxy is all that reaches it: names have to be allowed there, as on a loopback address."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        site = sites(standalone=True)
        environ = {"gunicorn.socket": ours}
        refused = site.client.get("/runs", base_url="http://any.example", environ_overrides=environ)
        assert refused.status_code == 421


# Pages of other sites


@pytest.mark.parametrize("options", [{}, {"standalone": True}], ids=["embedded", "service"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "https://a.example:8443"},
        {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://b.a.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_another_site_changes_nothing(sites: Any, headers: dict[str, str], options: dict[str, Any]) -> None:
    """No start, cancel or answer, and no method or content type is a way around; reading is for CORS to decide."""
    site = sites(**options)
    run = site.start().headers["Run-Id"]
    for method, path in (("POST", "/operations/idle"), ("DELETE", f"/runs/{run}"), ("POST", f"/runs/{run}/answer")):
        refused = site.ask(method, path, headers)
        assert (refused.status_code, code(refused)) == (403, "cross_site")
    assert site.ask("GET", f"/runs/{run}", headers).status_code == 200
    assert [each["id"] for each in site.ask("GET", "/runs").get_json()["runs"]] == [run]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://a.example"},
        {"Origin": "http://a.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://other.example"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://friend.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"},
    ],
    ids=str,
)
def test_who_may_change_something(sites: Any, headers: dict[str, str]) -> None:
    """Programs, pages of the same origin, what a person typed, and the origins that are allowed."""
    assert sites({"HEADWAY_CORS_ORIGINS": "https://friend.example"}).start(headers).status_code == 202


def test_every_origin_is_allowed_without_cookies(sites: Any) -> None:
    """`*` is for what anybody may do: a request with a cookie does it in somebody's name."""
    site = sites({"HEADWAY_CORS_ORIGINS": "*"})
    assert site.start({"Origin": EVIL}).status_code == 202
    site.client = site.app.test_client(use_cookies=False)
    assert code(site.start({"Origin": EVIL, "Cookie": "session=ann"})) == "cross_site"


def test_the_origin_behind_a_proxy(sites: Any) -> None:
    """It is compared with the host that the client asked the proxy for."""
    headers = {"Origin": "https://shop.example", "X-Forwarded-Host": "shop.example"}
    assert code(sites().start(headers)) == "cross_site"
    assert sites({"HEADWAY_PROXIES": 1}).start(headers).status_code == 202


def test_a_session_of_the_application_is_no_way_in(sites: Any) -> None:
    """A form on another page, sent with the session's cookie, changes nothing; the application's own page does."""
    site = sites(authorize=lambda request: session.get("user"))
    with site.client.session_transaction(base_url="http://a.example") as cookies:
        cookies["user"] = "ann"
    form = {"data": "x=1", "content_type": "application/x-www-form-urlencoded", "base_url": "http://a.example"}
    refused = site.client.post("/operations/idle", headers={"Origin": EVIL}, **form)
    own = site.client.post("/operations/idle", headers={"Origin": "http://a.example"}, **form)
    other = site.app.test_client().post("/operations/idle", headers={"Origin": "http://a.example"}, **form)
    assert [code(refused), own.status_code, other.status_code] == ["cross_site", 200, 401]
    assert len(site.client.get("/runs", base_url="http://a.example").get_json()["runs"]) == 1
    own.close()


# Proxies


def test_clients_behind_a_proxy_are_told_apart(sites: Any) -> None:
    """Each has its own limit of live runs; what a client writes before the proxy's word is not believed."""
    site = sites({"HEADWAY_PROXIES": 1, "HEADWAY_MAX_RUNS_PER_CLIENT": 1})
    for address in ("203.0.113.1", "203.0.113.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        assert site.start({"X-Forwarded-For": address}, "patient").status_code == 202
    for address in ("6.6.6.6, 203.0.113.1", "203.0.113.2:99", "2001:db8:0:1:ffff::9"):
        refused = site.start({"X-Forwarded-For": address}, "patient")
        assert (refused.status_code, code(refused), refused.headers["Retry-After"]) == (429, "too_many_runs", "5")


def test_without_proxies_nothing_is_believed(sites: Any) -> None:
    """The limit counts for the peer, whatever it says it is."""
    site = sites({"HEADWAY_MAX_RUNS_PER_CLIENT": 1})
    assert site.start({"X-Forwarded-For": "203.0.113.1"}, "patient").status_code == 202
    assert code(site.start({"X-Forwarded-For": "203.0.113.2"}, "patient")) == "too_many_runs"


def test_a_linger_that_was_asked_for_counts(sites: Any) -> None:
    """A run that lives on only because its caller asked for a linger is one of the caller's runs."""
    site = sites({"HEADWAY_MAX_RUNS_PER_CLIENT": 1})
    stream = site.ask("POST", "/operations/patient", {"Prefer": "linger=300"})
    assert next(stream.iter_encoded())
    stream.close()
    assert code(site.start(operation="patient")) == "too_many_runs"


def test_streams_of_a_client(sites: Any) -> None:
    """Past the limit 429, for each client by itself, on both routes; a stream that ends makes room."""
    site = sites({"HEADWAY_PROXIES": 1, "HEADWAY_MAX_STREAMS_PER_CLIENT": 2})
    ann, bob = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
    run = site.start(ann, "patient").headers["Run-Id"]
    streams = [site.ask("GET", f"/runs/{run}/events", ann), site.ask("POST", "/operations/patient", ann)]
    for stream in streams:
        next(stream.iter_encoded())
    for method, path in (("GET", f"/runs/{run}/events"), ("POST", "/operations/patient")):
        refused = site.ask(method, path, ann)
        assert (refused.status_code, code(refused), refused.headers["Retry-After"]) == (429, "too_many_streams", "5")
    assert site.start(ann, "patient").status_code == 202
    streams.append(site.ask("GET", f"/runs/{run}/events", bob))
    streams.pop(0).close()
    streams.append(site.ask("GET", f"/runs/{run}/events", ann))
    assert [stream.status_code for stream in streams] == [200] * 3
    for stream in streams:
        stream.close()


def test_a_refused_request_takes_no_seat(sites: Any) -> None:
    """Neither one whose input is wrong, nor HEAD, nor one whose stream the application throws away."""
    site = sites({"HEADWAY_MAX_STREAMS_PER_CLIENT": 1})
    site.app.after_request(lambda response: Response("instead") if "X-Replace" in request.headers else response)
    run = site.start(operation="patient").headers["Run-Id"]
    for _ in range(2):
        assert site.client.post("/operations/patient", data=b"{", content_type="application/json").status_code == 400
        assert site.ask("HEAD", f"/runs/{run}/events").status_code == 200
        assert site.ask("GET", f"/runs/{run}/events", {"X-Replace": "1"}).data == b"instead"
        gc.collect()
        gevent.sleep(0.01)
    stream = site.ask("GET", f"/runs/{run}/events")
    assert stream.status_code == 200
    stream.close()


def test_the_environ_of_the_application_stays_as_it_is(sites: Any) -> None:
    """Its own code sees what the server said, and its own routes too; `Location` has the proxy's prefix."""
    site = sites({"HEADWAY_PROXIES": 1})
    seen: list[Any] = []
    names = ("REMOTE_ADDR", "HTTP_HOST", "SCRIPT_NAME", "wsgi.url_scheme")
    site.app.teardown_request(lambda error: seen.append([request.environ[name] for name in names]))
    headers = {
        "X-Forwarded-For": "203.0.113.1",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/shop",
        "X-Forwarded-Proto": "https",
    }
    started = site.start(headers)
    assert started.headers["Location"] == f"/shop/runs/{started.headers['Run-Id']}"
    assert site.ask("GET", "/openapi.json", headers).get_json()["servers"] == [{"url": "/shop"}]
    assert seen == [["127.0.0.1", "a.example", "", "http"]] * 2


# Warnings


@pytest.mark.parametrize(
    ("addresses", "config", "options", "warned"),
    [
        (["127.0.0.1"], {}, {"standalone": True}, False),
        (["::1"], {}, {"standalone": True}, False),
        (["/run/headway.sock"], {}, {"standalone": True}, False),
        (["0.0.0.0"], {}, {"standalone": True}, True),
        (["127.0.0.1", "192.168.1.2"], {}, {"standalone": True}, True),
        (["::"], {}, {"standalone": True}, True),
        (["0.0.0.0"], {"HEADWAY_API_KEYS": "ann:k"}, {"standalone": True}, False),
        (["0.0.0.0"], {}, {"standalone": True, "authorize": lambda request: "ann"}, False),
        (["0.0.0.0"], {}, {}, False),
    ],
)
def test_a_service_that_anybody_reaches_warns(
    sites: Any,
    caplog: pytest.LogCaptureFixture,
    addresses: list[str],
    config: dict[str, Any],
    options: dict[str, Any],
    warned: bool,
) -> None:
    """Without keys, on any other address than loopback: one line at the start."""
    site = sites(config, **options)
    site.headway.gate.listens(addresses)
    site.headway.gate.listens(addresses)
    assert ["HEADWAY_API_KEYS" in record.getMessage() for record in caplog.records] == [True] * warned


def test_the_first_request_warns_too(sites: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not say where it listens shows it with its first request."""
    site = sites(standalone=True)
    for _ in range(2):
        site.ask("GET", "/runs", bind="192.0.2.1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "192.0.2.1" in record.getMessage()


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_flask_run_warns(sites: Any, caplog: pytest.LogCaptureFixture, host: str, warned: bool) -> None:
    """`flask run --host 0.0.0.0` says it as it starts."""
    with click.Context(click.Command("run"), info_name="run") as command:
        command.params["host"] = host
        sites(standalone=True)
    assert [host in record.getMessage() for record in caplog.records] == [True] * warned


def test_two_readers_of_the_proxies_headers_warn(sites: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With werkzeug's ProxyFix, HEADWAY_PROXIES does nothing, which the start says, or the first request."""
    for at_start in (True, False):
        caplog.clear()
        site = sites({"HEADWAY_PROXIES": 1})
        site.app.wsgi_app = ProxyFix(site.app.wsgi_app, x_prefix=1)
        if at_start:
            site.headway.gate.listens(["127.0.0.1"])
        started = site.start({"X-Forwarded-Prefix": "/shop"})
        assert started.headers["Location"].startswith("/shop/runs/")
        (record,) = caplog.records
        assert "ProxyFix" in record.getMessage()
