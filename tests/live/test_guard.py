"""What a stranger tries on the service itself: pages of other sites in Chromium, names, proxies, and slow clients."""

from __future__ import annotations

import json
import re
import resource
import select
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.clients import Connection, Cut, request_bytes, wait_until
from tests.console import Browser, Page
from tests.figures import Figures
from tests.servers import Server, deployed, flask_run, gunicorn, nginx

SETTINGS: Final = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1"}
PAGE: Final = resource.getpagesize()
ASYNC: Final = {"Prefer": "respond-async"}
STRICT: Final = {
    "HEADWAY_HOSTS": "shop.example,127.0.0.0/8,localhost",
    "HEADWAY_PROXIES": "1",
    "HEADWAY_MAX_RUNS_PER_CLIENT": "2",
    "HEADWAY_BODY_TIMEOUT": "0.7",
    "HEADWAY_SEND_TIMEOUT": "1",
}
WITH_SECRETS: Final = {"Authorization": "Bearer s3cret", "Referer": "http://localhost/?token=s3cret"}
DEFAULT_FORMAT: Final = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
"""That of gunicorn's access log."""

NAME: Final = "evil.test"
"""Chromium takes it for this machine, as a page does that rebinds its name."""


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """The service without keys, on a loopback address, and for one test on all addresses too."""
    with gunicorn("app:app", env=SETTINGS, args=["-b", "0.0.0.0:0"]) as server:
        yield server


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """The service with a name, a proxy in front, and little patience."""
    log = ["--access-logfile", "-", "--access-logformat", f"{DEFAULT_FORMAT} %({{authorization}}i)s %({{raw_uri}}e)s"]
    with gunicorn("app:app", env={**SETTINGS, **STRICT}, args=log) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with Browser(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as started:
        yield started


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The URL of an empty page of another site."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><iframe name=frame></iframe>")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{NAME}:{server.server_port}/"
        server.shutdown()


def runs(server: Server) -> list[Any]:
    """The runs of the service."""
    return list(httpx.get(f"{server.url}/runs").json()["runs"])


def evaluate(page: Page, code: str, arg: Any = None) -> Any:
    """What a function in the page gives; refusals are no complaints of the page."""
    value = page.evaluate(code, arg)
    page.complaints()
    return value


def test_a_page_of_another_site_starts_nothing(browser: Browser, service: Server, evil: str) -> None:
    """Neither by a form nor by `fetch` without CORS: Chromium sends both, and the service refuses them."""
    url = f"{service.url}/operations/simulate"
    before = refused(service)
    with browser.open(evil) as page:
        evaluate(page, "url => fetch(url, {method: 'POST', mode: 'no-cors', body: '{}'}).then(() => null)", url)
        form = """url => new Promise((resolve) => {
          const form = document.createElement('form');
          Object.assign(form, {action: url, method: 'POST', target: 'frame'});
          document.body.append(form);
          document.querySelector('iframe').addEventListener('load', () => resolve(null));
          form.submit();
        })"""
        evaluate(page, form, url)
    assert refused(service) - before == 2
    assert runs(service) == []


def refused(server: Server) -> float:
    """How many requests of other sites were refused, by the service's own count."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'code="cross_site"' in line and "_total{" in line)


def test_a_page_that_rebinds_its_name_reads_nothing(browser: Browser, service: Server) -> None:
    """To the browser it is the same site, and the name that it has is refused, for its page and for every request."""
    ask = """(path, method) => fetch(path[0], {method: path[1]})
      .then((answer) => answer.json()).then(({status, code}) => [status, code])"""
    refusal = [421, "misdirected_request"]
    with browser.open(f"http://{NAME}:{service.port}/") as page:
        for request in (["/runs", "GET"], ["/operations", "GET"], ["/operations/simulate", "POST"]):
            assert evaluate(page, ask, request) == refusal
        page.complaints()
    assert runs(service) == []


def test_the_services_own_page_works(browser: Browser, service: Server) -> None:
    """The same request from its own origin starts a run."""
    start = "headers => fetch('operations/simulate', {method: 'POST', headers}).then((answer) => answer.status)"
    with browser.open(service.url) as page:
        assert evaluate(page, start, ASYNC) == 202


def test_behind_nginx_under_a_name(service: Server) -> None:
    """nginx passes the name on, and a service that was not told of it says which setting names it."""
    with nginx(service, conf_template=deployed()) as proxy:
        answer = httpx.get(f"{proxy.url}/operations", headers={"Host": "shop.example"})
        assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")
        assert "HEADWAY_HOSTS" in answer.json()["detail"]
        forged = {"Host": "shop.example", "X-Forwarded-Host": "localhost"}
        assert httpx.get(f"{proxy.url}/operations", headers=forged).status_code == 421


def test_behind_nginx_as_it_is_meant(strict: Server) -> None:
    """The name is served, its own pages may start runs, others may not, and clients are told apart."""
    with (
        nginx(strict, conf_template=deployed()) as proxy,
        httpx.Client(base_url=proxy.url, headers={"Host": "shop.example"}) as client,
    ):
        origins = {"https://shop.example": 202, "https://evil.example": 403, "null": 403}
        starts = [client.post("/operations/simulate", headers={**ASYNC, "Origin": origin}) for origin in origins]
        assert [answer.status_code for answer in starts] == list(origins.values())
        forged = [{"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Prefix": "/x"} for number in range(3)]
        answers = [client.post("/operations/simulate", headers={**ASYNC, **each}) for each in forged]
        assert [answer.status_code for answer in answers] == [202, 429, 429]
        assert answers[0].headers["Location"].startswith("/runs/")
        other = client.get("/runs", headers={"Host": "evil.example", "X-Forwarded-Host": "shop.example"})
        assert other.status_code == 421
        client.get("/runs/r1", params={"token": "s3cret"}, headers=WITH_SECRETS)
        log = (proxy.log_path.parent / "access.log").read_text()
        for answer in (*starts, *answers):
            client.delete(answer.headers.get("Location", "/runs/none"))
    assert '"GET /runs/r1 HTTP/1.1"' in log
    assert "s3cret" not in log


def test_the_start_warns_of_an_open_service(service: Server) -> None:
    """Without keys, on an address that others reach: one line, which names the way out."""
    (line,) = [line for line in service.log().splitlines() if "HEADWAY_API_KEYS" in line]
    assert "0.0.0.0" in line


# Bodies that do not come

HEAD: Final = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
FRAMINGS: Final = {"length": "Content-Length: 1000", "chunks": "Transfer-Encoding: chunked"}
BODIES: Final = {
    "application/json": b'{"steps": ',
    "application/x-www-form-urlencoded": b"steps=",
    "multipart/form-data; boundary=b": b'--b\r\nContent-Disposition: form-data; name="steps"\r\n\r\n',
}


def slow_post(
    server: Server, kind: str, framing: str, path: str = "/operations/simulate", more: str = ""
) -> Connection:
    """A post whose body stops in its middle; `more` are header lines."""
    sender = Connection(server)
    body = BODIES[kind] if framing == "length" else b"%x\r\n%b\r\n" % (len(BODIES[kind]), BODIES[kind])
    sender.send(HEAD.format(path=path, kind=kind, framing=FRAMINGS[framing] + more).encode() + body)
    return sender


def assert_timed_out(sender: Connection) -> None:
    """The sender has got a problem document, and the connection is closed."""
    with sender:
        assert sender.response("POST").status == 408
        assert json.loads(sender.body())["code"] == "body_timeout"
        with pytest.raises((Cut, OSError)):
            sender.response()


def test_bodies_that_stop(strict: Server) -> None:
    """JSON, forms and multipart, with a length or in chunks, to both routes that take one: 408, at the deadline."""
    began = time.monotonic()
    senders = [slow_post(strict, kind, framing) for kind in BODIES for framing in FRAMINGS]
    for sender in senders:
        assert_timed_out(sender)
    assert 0.5 < time.monotonic() - began < 7


def test_a_body_that_drips(strict: Server) -> None:
    """A byte now and then does not move the deadline."""
    sender = slow_post(strict, "application/json", "length")
    began = time.monotonic()
    while not select.select([sender.socket], [], [], 0.1)[0]:
        sender.send(b" ")
        assert time.monotonic() - began < 7
    assert_timed_out(sender)


def test_many_slow_posts(strict: Server, figures: Figures) -> None:
    """Two hundred at once end together, and a body that is in time is served meanwhile."""
    began = time.monotonic()
    senders = [slow_post(strict, "application/json", "length") for _ in range(200)]
    assert httpx.post(f"{strict.url}/operations/simulate", headers=ASYNC, json={"steps": 1}).status_code == 202
    for sender in senders:
        assert_timed_out(sender)
    figures.add("slow posts of 200 that are open after the deadline", "0")
    assert time.monotonic() - began < 15


def test_bodies_that_the_application_reads() -> None:
    """Its own functions, which read a body ahead of the route, do not wait for ever either; here on threads."""
    path = "/operations/echoed"
    with flask_run("tests.apps.readers:reading()", env={"HEADWAY_BODY_TIMEOUT": "0.5"}) as server:
        senders = [slow_post(server, kind, framing, path) for kind in BODIES for framing in FRAMINGS]
        senders += [
            slow_post(server, "application/json", "length", path, f"\r\n{header}: {reader}")
            for header in ("X-Reader", "X-Authorize")
            for reader in ("form", "json", "data", "get-data", "stream")
        ]
        for sender in senders:
            assert_timed_out(sender)


# Answers that nobody reads


def test_answers_that_nobody_reads(strict: Server, figures: Figures) -> None:
    """A client that asks and asks, and reads nothing, is cut: of routes, and of the console's files."""
    script = re.search(r'assets/[^"]+\.js', httpx.get(f"{strict.url}/").text)
    assert script
    before = resident(strict)
    began = time.monotonic()
    clients = [Connection(strict, receive_buffer=4096) for _ in range(24)]
    for number, client in enumerate(clients):
        client.send(request_bytes("GET", ["/openapi.json", f"/{script[0]}"][number % 2]) * 300)
    wait_until(lambda: all(map(is_cut, clients)), "every client is cut", 20)
    figures.add(
        "24 clients that ask 300 times each and read nothing are cut after", f"{time.monotonic() - began:.1f} s"
    )
    assert resident(strict) - before < 100_000_000
    wait_until(lambda: "headway_clients_cut_total 24.0" in httpx.get(f"{strict.url}/metrics").text, "all are counted")
    for client in clients:
        client.socket.close()


def is_cut(client: Connection) -> bool:
    """Whether the server has reset the connection."""
    poll = select.poll()
    poll.register(client.socket, 0)
    return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))


def resident(server: Server) -> int:
    """The bytes of memory that its worker has."""
    (worker,) = server.worker_pids()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * PAGE


# Logs


def test_no_secret_is_in_the_access_log(strict: Server) -> None:
    """Neither a run token nor a key, in the path, the Referer or a header; and the run is."""
    httpx.get(f"{strict.url}/runs/r1", params={"a": "1", "token": "s3cret"}, headers=WITH_SECRETS)
    wait_until(lambda: "/runs/r1?a=1&token=*** HTTP" in strict.log(), "the request is logged")
    assert "s3cret" not in strict.log()
    assert " run=r1\n" in strict.log()
