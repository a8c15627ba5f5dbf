"""What a stranger tries on the service itself: pages of other sites in Chromium, names, proxies, and slow clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx
import pytest

from tests.console import Browser, Page
from tests.servers import Server, deployed, gunicorn, nginx

SETTINGS: Final = {"HEADWAY_STORE": "memory:", "HEADWAY_SIMULATE": "1"}
ASYNC: Final = {"Prefer": "respond-async"}
NAME: Final = "evil.test"
"""Chromium takes it for this machine, as a page does that rebinds its name."""


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """The service as it starts without any setting of its own: without keys, on a loopback address."""
    with gunicorn("app:app", env=SETTINGS) as server:
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


def test_behind_nginx_as_it_is_meant() -> None:
    """The name is served, its own pages may start runs, others may not, and clients are told apart."""
    told = {"HEADWAY_HOSTS": "shop.example", "HEADWAY_PROXIES": "1", "HEADWAY_MAX_RUNS_PER_CLIENT": "2"}
    with (
        gunicorn("app:app", env={**SETTINGS, **told}) as server,
        nginx(server, conf_template=deployed()) as proxy,
        httpx.Client(base_url=proxy.url, headers={"Host": "shop.example"}) as client,
    ):
        for origin, status in {"https://shop.example": 202, "https://evil.example": 403, "null": 403}.items():
            started = client.post("/operations/simulate", headers={**ASYNC, "Origin": origin})
            assert started.status_code == status
        forged = [{"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Prefix": "/x"} for number in range(3)]
        answers = [client.post("/operations/simulate", headers={**ASYNC, **each}) for each in forged]
        assert [answer.status_code for answer in answers] == [202, 429, 429]
        assert answers[0].headers["Location"].startswith("/runs/")
        assert (
            client.get("/runs", headers={"Host": "evil.example", "X-Forwarded-Host": "shop.example"}).status_code == 421
        )


def test_the_start_warns_of_an_open_service() -> None:
    """Without keys, on every address of the machine: one line from all workers together."""
    with gunicorn("app:app", workers=2, env=SETTINGS, args=["-b", "0.0.0.0:0"]) as server:
        httpx.get(f"{server.url}/health/live")
        log = server.log()
    assert log.count("HEADWAY_API_KEYS") == 1
    assert "0.0.0.0" in log
