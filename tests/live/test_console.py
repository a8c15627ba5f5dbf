"""The console in Chromium: every operation, and reloads, lost connections and other events of a page."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streaming.http.console import BUILT
from tests import pdfs
from tests.apps.agent_model import Loose, ScriptedModel, answer, calls
from tests.clients import wait_until
from tests.console import PHONE, Browser, Page
from tests.figures import Figures
from tests.live.requests import JSON, ask
from tests.proxy import Proxy
from tests.servers import Server, gunicorn, nginx, scratch

START = 'role=button[name="Start"]'
CANCEL = 'role=button[name="Cancel"]'
DONE = "text=/^Done in/"
EVENTS = "role=link[name=/^Events/]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    """A model with scripted responses."""
    with ScriptedModel() as started:
        yield started


@pytest.fixture(scope="module")
def service(model: ScriptedModel) -> Iterator[Server]:
    """The service with all operations and a scripted model."""
    with scratch() as folder, gunicorn("app:app", env=settings(folder, **model.settings())) as server:
        yield server


def settings(folder: Path, **more: str) -> dict[str, str]:
    """The settings of a service whose runs are kept in `folder`."""
    return {
        "HEADWAY_STORE": f"sqlite:///{folder}/runs.db",
        "HEADWAY_SIMULATE": "1",
        "HEADWAY_MAX_RUNS_PER_CLIENT": "1000",
        **more,
    }


PICTURE_HEIGHT = "() => document.querySelector('.page-picture-sheet img').naturalHeight"


def open_form(page: Page, server: Server, name: str) -> None:
    """Opens the form of an operation."""
    page.goto(f"{server.url}/#/operations/{name}")
    page.see(START)


def simulate(page: Page, server: Server, **fields: object) -> str:
    """Starts a simulation; returns the run's id."""
    open_form(page, server, "simulate")
    for name, value in fields.items():
        page.fill(f"#root_{name}", value)
    page.click(START)
    return run_of(page)


def run_of(page: Page) -> str:
    """The id of the run on the page."""
    page.see(".run-id")
    return page.url.rpartition("/")[2]


def percent(page: Page) -> int:
    """The percentage that the page shows."""
    return int(page.text(".progress-percent").split("%")[0])


# Every operation


def test_extract(browser: Browser, service: Server) -> None:
    """The pages of a PDF that is dropped onto the form appear one by one, and can be opened."""
    with browser.open(service.url) as page:
        page.click('role=link[name="Extract a PDF"]')
        page.drop(".drop", "report.pdf", "application/pdf", pdfs.debian("fhs/fhs-3.0.pdf"))
        page.click('label:has-text("Thumbnails")')
        page.see("text=report.pdf")
        page.evaluate("() => scrollTo(0, 0)")
        page.screenshot("console-form")
        page.click(START)
        page.see('role=button[name="Page 3"]')
        page.screenshot("console-extract")
        page.see(DONE)
        page.see(".page-button >> nth=49")  # the pages of a fast run are shown a few times a second
        assert page.count(".page-button") == 50
        page.click('role=button[name="Page 9, with a table"]')
        page.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
        assert "This release is dedicated to" in page.text("article")
        assert "Filesystem Hierarchy Standard" in page.text(".result")
        assert page.texts(".ending .steps li") == ["Open", "Pages"]
        page.press("ArrowRight")
        assert page.text(".contents li >> nth=0") == "1. Introduction\n1"
        wait_until(lambda: page.evaluate(PICTURE_HEIGHT) == 1000, "the picture of the page is loaded")


def test_the_picture_of_a_page(browser: Browser, service: Server) -> None:
    """It is a file of the run, beside the text, with a frame where each table and pair stands."""
    with browser.open(service.url) as page:
        open_form(page, service, "extract")
        page.drop(".drop", "invoice.pdf", "application/pdf", pdfs.invoice(*pdfs.GRID))
        page.click('label:has-text("Thumbnails")')
        page.click(START)
        page.see(DONE)
        page.see(".page-picture-sheet img")
        wait_until(lambda: page.evaluate(PICTURE_HEIGHT) == 1000, "the picture is loaded")
        assert page.count(".files") == 0, "the page shows its picture: it is no other file"
        assert page.count(".place-table:not(span)") == 1
        assert page.count(".place-pair:not(span)") == 6
        table = """() => {
            const [sheet, table] = ['.page-picture-sheet', 'rect.place-table'].map((each) =>
                document.querySelector(each).getBoundingClientRect())
            return [(table.left - sheet.left) / sheet.width, (table.top - sheet.top) / sheet.height]
        }"""
        left, top = page.evaluate(table)
        (read,) = httpx.get(f"{service.url}/runs/{run_of(page)}").json()["result"]["pages"]
        box = read["tables"][0]["box"]
        assert abs(left - box[0] / read["width"]) < 0.02
        assert abs(top - box[1] / read["height"]) < 0.02
        page.evaluate("() => document.querySelector('.page-content').scrollIntoView()")
        page.screenshot("console-page")


def test_the_fields_of_a_page(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """Each has a frame, and that of the field that is chosen stands out."""
    model.unsent.append(json.dumps({"buyer": "Example Works Ltd", "total": 1651}))
    fields = {"type": "object", "properties": {"buyer": {"type": "string"}, "total": {"type": "number"}}}
    started = httpx.post(
        f"{service.url}/operations/extract",
        files={"file": ("invoice.pdf", pdfs.invoice(*pdfs.GRID), "application/pdf")},
        data={"render": "true", "fields": json.dumps(fields)},
        headers=UNWATCHED,
    )
    with browser.open(f"{service.url}/#/runs/{started.json()['id']}") as page:
        page.see(DONE)
        page.see(".field-names")
        assert page.texts(".field-names button") == ["Buyer", "Total"]
        assert page.count("rect.place-field") == 2
        page.click('.field-names button:has-text("Total")')
        assert page.evaluate("() => document.querySelector('rect.place-chosen').textContent") == "Total"
        page.evaluate("() => document.querySelector('.page-content').scrollIntoView()")
        page.screenshot("console-fields")


def test_simulate_and_a_question(browser: Browser, service: Server) -> None:
    """Progress has a message, a count, time left and time elapsed; a question holds it up until it is answered."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=12, interval=0.6, ask_at=10)
        facts = ("[1-9] of 12 steps", "left$|almost done", "elapsed$")
        page.see(".progress-facts" + "".join(f':has(:text-matches("{fact}"))' for fact in facts))
        page.see("text=Go on?")
        page.see('.badge:text-is("Waiting")')
        assert page.count("text=/ left$/") == 0
        page.screenshot("console-question")
        page.click('role=button[name="Yes"]')
        wait_until(lambda: page.focus == "progress", "the focus is where the question was")
        page.see(DONE)
        page.see("text=12 of 12 steps")


def test_analyze(browser: Browser, service: Server) -> None:
    """The SQL of an example gives a table in batches, and a chart that is drawn without `eval`."""
    with browser.open(service.url) as page:
        open_form(page, service, "analyze")
        page.click(".chip")
        assert page.value("#root_sql").startswith("SELECT")
        page.click(START)
        page.see(DONE)
        page.see(".chart canvas")
        assert page.texts(".partial tbody tr")[0].startswith("Amsterdam")
        drawn = """() => { const canvas = document.querySelector(".chart canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.some((value, index) => index % 4 === 3 && value > 0); }"""
        wait_until(lambda: page.evaluate(drawn), "the chart is drawn")
        page.screenshot("console-analyze")


def test_think(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """A model's thinking and its text are shown apart, and the thinking closes when the text begins."""
    model.unsent = [Loose(f"<think>{THOUGHTS}</think>{TEXT}", pause=0.01)]
    with browser.open(service.url) as page:
        open_form(page, service, "think")
        page.fill("#root_prompt", "Why is the sea blue?")
        page.click(START)
        page.see(DONE)
        page.miss(".thinking-text")
        page.click("role=button[name=/^Thoughts/]")
        assert "Water takes the red" in page.text(".thinking-text")
        page.see("text=/\\d+ read, \\d+ written/")
        page.screenshot("console-think")
        page.click(EVENTS)
        page.choose(".inspector select", "delta")
        assert page.count(".rows .row-button") > 5


def test_a_model_cannot_write_html(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """Markdown is rendered; HTML in it stays text, and an image becomes a link."""
    model.unsent = [Loose(f"<think>No.</think>{TEXT}{INJECTION}")]
    with browser.open(service.url) as page:
        open_form(page, service, "think")
        page.fill("#root_prompt", "Why is the sea blue?")
        page.click(START)
        page.see(DONE)
        assert page.texts(".output-text strong") == ["scatters"]
        assert page.count(".output-text tbody tr") == 2
        assert "<b onclick=alert(1)>depth</b>" in page.text(".output-text")
        assert page.count(".output-text img") == page.count(".output-text b") == 0
        assert page.evaluate("() => document.querySelector('.output-text a').rel") == "noopener noreferrer"


THOUGHTS = "The question is about light. Water takes the red part of it away first, and what is left looks blue."
TEXT = """Light that falls into water loses its red part first
and **scatters** the rest, so what comes back is blue.

| Colour | Reaches |
|---|---|
| red | 5 m |
| blue | 270 m |

"""
INJECTION = """
Seen from a boat, its <b onclick=alert(1)>depth</b> does the rest.

![a wave](https://example.org/wave.png)
"""


def test_agent(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """An agent's plan, and its tool calls with their observations, are listed; it asks before a call, and answers."""
    count = {"sql": "SELECT city, count(*) AS orders FROM orders GROUP BY city ORDER BY orders DESC"}
    queries = calls(("query", count), ("query", {"sql": "SELECT nothing"}))
    city = "max(o1, key=lambda each: each['orders'])['city']"
    model.unsent = [queries, answer("It is **{city}**.", city=city)]
    with browser.open(service.url) as page:
        open_form(page, service, "agent")
        page.fill("#root_goal", "Which city orders the most?")
        page.click('#root_tools .choice:has-text("query")')
        page.click('#root_approve .choice:has-text("query")')
        page.click(START)
        for sql in ("count(*)", "SELECT nothing"):
            page.see(f'.question:has-text("{sql}")')
            page.click('role=button[name="Yes"]')
        page.see(DONE)
        assert "Something is missing." in page.texts(".entry-plan")[0]
        assert "Amsterdam" in page.texts(".entry-tool_call .observation")[0]
        assert page.count(".entry-failed") == 1
        assert page.texts(".output-text strong") == ["Amsterdam"]
        page.screenshot("console-agent")


def test_the_fields_of_a_schema(browser: Browser, service: Server) -> None:
    """Fields are listed by name and type instead of in a schema, which is in the other tab; the focus follows them."""
    with browser.open(service.url) as page:
        open_form(page, service, "extract")
        page.click("text=Add a field")
        wait_until(lambda: "Name of field 1" in page.evaluate(LABEL), "the name has the focus")
        page.press("t", "o", "t", "a", "l")
        page.choose('[aria-label="Type of field 1"]', "number")
        page.fill('[aria-label="Description of field 1"]', "With tax")
        schema = {"type": "object", "properties": {"total": {"type": "number", "description": "With tax"}}}
        assert json.dumps({"fields": schema}, separators=(",", ":")) in page.text(".terminal pre")
        page.click('role=tab[name="List"]')
        page.press("ArrowRight")
        assert json.loads(page.value("#root_fields")) == schema
        page.fill("#root_fields", json.dumps({**schema, "required": ["total"]}))
        page.press("Shift+Tab", "ArrowLeft")
        page.see("text=This schema has more than a list of fields can show")
        page.press("ArrowLeft")
        page.fill("#root_fields", json.dumps(schema))
        page.click('role=tab[name="List"]')
        assert page.value('[aria-label="Name of field 1"]') == "total"
        page.click('role=button[name="Remove field 1"]')
        wait_until(lambda: page.focus == "root_fields", "the button that adds one has the focus")
        assert "fields" not in page.text(".terminal pre")


def test_fields_within_fields(browser: Browser, service: Server) -> None:
    """A field is one of some values, an object or a list of objects; the list shows what the JSON tab has."""
    with browser.open(service.url) as page:
        open_form(page, service, "extract")
        page.click("text=Add a field")
        page.fill('[aria-label="Name of field 1"]', "currency")
        page.choose('[aria-label="Type of field 1"]', "choice")
        page.fill('[aria-label="Values of field 1"]', "EUR, USD")
        page.click("#root_fields")
        page.fill('[aria-label="Name of field 2"]', "items")
        page.choose('[aria-label="Type of field 2"]', "objects")
        page.click('role=button[name="Add a field to field 2"]')
        wait_until(lambda: "Name of field 2.1" in page.evaluate(LABEL), "the name has the focus")
        page.press("p", "r", "i", "c", "e")
        page.choose('[aria-label="Type of field 2.1"]', "number")
        items = {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}}
        schema = {
            "type": "object",
            "properties": {"currency": {"type": "string", "enum": ["EUR", "USD"]}, "items": items},
        }
        assert json.dumps({"fields": schema}, separators=(",", ":")) in page.text(".terminal pre")
        assert violations(page) == []
        page.screenshot("console-fields")
        page.click('role=tab[name="JSON"]')
        assert json.loads(page.value("#root_fields")) == schema
        page.click('role=tab[name="List"]')
        assert page.value('[aria-label="Name of field 2.1"]') == "price"
        assert page.value('[aria-label="Values of field 1"]') == "EUR, USD"


LABEL = "() => document.activeElement.ariaLabel ?? ''"


# Refusals and failures


def test_a_refused_input(browser: Browser, service: Server) -> None:
    """The service's error is shown at its field, which gets the focus; once corrected, the form starts the run."""
    with browser.open(service.url) as page:
        open_form(page, service, "simulate")
        page.fill("#root_steps", "-3")
        page.click(START)
        page.see("text=Input should be greater than or equal to 0")
        wait_until(lambda: page.focus == "root_steps", "the field has the focus")
        page.fill("#root_steps", 1)
        page.fill("#root_interval", 0)
        page.click(START)
        page.see(DONE)


def test_a_failed_run(browser: Browser, service: Server) -> None:
    """The page shows the code and the message of the run's error."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=3, interval=0, fail_at=2)
        page.see("text=/^Failed after/")
        page.see("text=The simulation fails at step 2")
        page.see("text=simulated_failure")


def test_a_run_that_does_not_exist(browser: Browser, service: Server) -> None:
    """The page says that the run was not found."""
    with browser.open(f"{service.url}/#/runs/nothing-here") as page:
        page.see("text=Run not found")


# Reloads, lost connections, several tabs


def test_reload_in_the_middle(browser: Browser, service: Server) -> None:
    """After a reload the page shows the same run with all of its events, and goes on."""
    with browser.open(service.url) as page:
        run = simulate(page, service, steps=30, interval=0.25)
        wait_until(lambda: percent(page) >= 10, "it is under way")
        before = percent(page)
        page.reload()
        assert run_of(page) == run
        page.see(".progress-percent")
        assert percent(page) >= before
        page.see(DONE)
        page.click(EVENTS)
        page.see("text=done")
        page.see('.tiles dd:text-is("33")')


def test_offline_and_online(browser: Browser, service: Server) -> None:
    """Without a network the page says so; with one again it reads the events that it missed."""
    with Proxy(service) as proxy, browser.open(proxy.url) as page:
        page.click('role=link[name="Simulate a run"]')
        page.fill("#root_steps", 40)
        page.fill("#root_interval", 0.1)
        page.click(START)
        page.see(".progress-percent")
        page.offline(True)
        proxy.unplug()
        page.see("text=You are offline")
        proxy.plug()
        page.offline(False)
        page.miss("text=You are offline")
        page.see(DONE)
        page.click(EVENTS)
        page.see('.tiles dd:text-is("43")')


def test_a_proxy_that_strips_a_path(browser: Browser, service: Server) -> None:
    """Behind a proxy that strips a path without telling the service, the page goes on from its own address."""
    with nginx(service, conf_template=STRIPPED) as proxy, browser.open(f"{proxy.url}/tools/headway/") as page:
        page.click('role=link[name="Simulate a run"]')
        page.fill("#root_steps", 4)
        page.fill("#root_interval", 0.1)
        page.fill("#root_ask_at", 2)
        assert f"{proxy.url}/tools/headway/operations/simulate" in page.text(".terminal pre")
        page.click(START)
        page.click('role=button[name="Yes"]')
        page.see(DONE)
        page.reload()
        page.see(DONE)
        assert page.url.startswith(f"{proxy.url}/tools/headway/#/runs/")


@pytest.fixture(scope="module")
def bursting() -> Iterator[Server]:
    """The console with an operation that yields a thousand events a second."""
    with gunicorn("tests.apps.burst:app") as server:
        yield server


def test_a_proxy_that_names_its_path(browser: Browser, bursting: Server) -> None:
    """Behind a proxy whose `X-Forwarded-Prefix` the application trusts (ProxyFix), the page works as without one."""
    directives = 'proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Prefix "/tools/headway";'
    with (
        nginx(bursting, directives=directives, conf_template=STRIPPED) as proxy,
        browser.open(f"{proxy.url}/tools/headway/") as page,
    ):
        page.click('role=link[name="Burst"]')
        page.fill("#root_events", 20)
        assert f"{proxy.url}/tools/headway/operations/burst" in page.text(".terminal pre")
        page.click(START)
        page.see(DONE)
        page.reload()
        page.see(DONE)
        assert page.url.startswith(f"{proxy.url}/tools/headway/#/runs/")
        answer = httpx.post(f"{proxy.url}/tools/headway/operations/burst", json={"events": 1}, headers=UNWATCHED)
        assert answer.headers["Location"].startswith("/tools/headway/runs/")


UNWATCHED = {"Prefer": "respond-async"}


STRIPPED = """
server {
    listen 127.0.0.1:@port@;
    location /tools/headway/ {
        proxy_pass http://@upstream@/;
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_read_timeout @read_timeout@;
        @directives@
    }
}
"""


def test_server_restarted_in_the_middle(browser: Browser) -> None:
    """While a killed server is away the page says so; once it is back, the page shows how the run ended."""
    with scratch() as folder, gunicorn("app:app", env=settings(folder)) as server, browser.open(server.url) as page:
        simulate(page, server, steps=1000, interval=0.1)
        page.see(".progress-percent")
        server.kill()
        page.see("text=The connection was interrupted")
        with gunicorn("app:app", env=settings(folder), args=["-b", f"127.0.0.1:{server.port}"]):
            page.see("text=/^Failed after/")
            page.see("text=producer_lost")
            page.see("text=Running it again may succeed.")
            page.miss("text=The connection was interrupted")


def test_cancel(browser: Browser, service: Server) -> None:
    """Cancel ends the run, and the page says why it ended."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=1000, interval=0.1)
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")
        page.see("text=Somebody cancelled it.")


def test_two_tabs(browser: Browser, service: Server) -> None:
    """Two tabs show the same run; a cancel in one of them is shown in the other."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=1000, interval=0.1)
        page.see(".progress-percent")
        tab = browser.open(page.url, beside=page)
        tab.see(".progress-percent")
        tab.see('dt:text-is("Viewers") + dd:text-is("2")')
        tab.click(CANCEL)
        page.see("text=/^Cancelled after/")
        tab.see("text=/^Cancelled after/")
        assert page.text(".ending") == tab.text(".ending")
        tab.close()


def test_runs_in_several_tabs(browser: Browser, service: Server, figures: Figures, long: bool) -> None:
    """A tab reads all of its runs on one connection, of the six that all tabs have: Cancel still gets through."""
    tabs, runs = list[Page](), list[str]()
    with browser.open(service.url) as page:
        for _ in range(4 if long else 2):
            tabs.append(browser.open(service.url, beside=page) if tabs else page)
            runs += [simulate(tabs[-1], service, steps=2000, interval=0.5) for _ in range(4)]
            tabs[-1].see(".progress-percent")
        wait_until(lambda: all(ask(service, "GET", f"/runs/{run}")["viewers"] == 1 for run in runs), "all are watched")
        began = time.monotonic()
        tabs[0].click(CANCEL)
        wait_until(lambda: ask(service, "GET", f"/runs/{runs[3]}")["status"] == "cancelled", "it is cancelled")
        figures.times(f"Cancel in one of {len(tabs)} tabs with four live runs each", [time.monotonic() - began])
        tabs[0].see("text=/^Cancelled after/")
        for run in runs:
            ask(service, "DELETE", f"/runs/{run}")
        for tab in tabs:
            tab.see("text=/^Cancelled after/")


def test_run_again(browser: Browser, service: Server) -> None:
    """What was asked is on the page of a run, and fills the form again."""
    with browser.open(service.url) as page:
        run = simulate(page, service, steps=3, interval=0)
        page.see(DONE)
        page.click(".details-input summary")
        assert '"steps": 3' in page.text(".details-input")
        page.click('role=link[name="Run again"]')
        page.see(START)
        assert page.url.endswith(f"#/operations/simulate?run={run}")
        assert (page.value("#root_steps"), page.value("#root_interval")) == ("3", "0")
        page.click(START)
        page.see(DONE)
        assert run_of(page) != run


# A service with API keys


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A service with API keys."""
    with scratch() as folder:
        env = settings(folder, HEADWAY_API_KEYS="ada:sesame")
        with gunicorn("app:app", env=env) as server:
            yield server


def test_a_key(browser: Browser, guarded: Server) -> None:
    """The page asks for a key, and keeps it over reloads, in the tab only."""
    with browser.open(guarded.url) as page:
        page.see("text=This service needs an API key")
        page.screenshot("console-key")
        assert page.axe() == []
        page.fill("#key", "guess")
        page.press("Enter")
        page.see("text=The service refused this key.")
        page.fill("#key", "sesame")
        page.press("Enter")
        simulate(page, guarded, steps=2, interval=0)
        page.see(DONE)
        page.reload()
        page.see(DONE)
        assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 1]
        page.click("text=Forget the key")
        page.see("text=This service needs an API key")


def test_a_link_with_a_token(browser: Browser, guarded: Server) -> None:
    """It opens a run to somebody without a key, and is out of the address at once; it permits what it says."""
    run = begin(guarded, steps=1000, interval=0.1)
    with browser.open(f"{guarded.url}/#/runs/{run}?token={token_for(guarded, run, 'watch')}") as page:
        page.see(".progress-percent")
        assert page.url == f"{guarded.url}/#/runs/{run}"
        page.miss(CANCEL)
        page.reload()
        page.see(".progress-percent")
        assert page.complaints() == []
        page.click('role=link[name="Runs"]')
        page.see("text=This service needs an API key")
        page.goto(f"{guarded.url}/#/runs/{run}?token={token_for(guarded, run, 'watch', 'cancel')}")
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")
        assert page.evaluate("() => location.hash") == f"#/runs/{run}"


def test_a_link_with_a_token_shows_pictures(browser: Browser, guarded: Server) -> None:
    """They are files, which the token opens; and where the browser has no clipboard, nothing was copied."""
    started = httpx.post(
        f"{guarded.url}/operations/extract",
        files={"file": ("invoice.pdf", pdfs.invoice(), "application/pdf")},
        data={"render": "true"},
        headers={**UNWATCHED, "Authorization": "Bearer sesame"},
    )
    run = started.json()["id"]
    with browser.open(f"{guarded.url}/#/runs/{run}?token={token_for(guarded, run, 'watch')}") as page:
        page.see(".page-picture-sheet img")
        wait_until(lambda: page.evaluate(PICTURE_HEIGHT) == 1000, "the picture is loaded")
        page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.click("text=Copy the id")
        assert page.count("text=/^Copied$/") == 0


def test_a_stock_event_source_with_a_token(browser: Browser, guarded: Server) -> None:
    """The browser's own `EventSource` watches with `?token=`; with one that has expired it gives up."""
    run = begin(guarded, steps=3)
    code = """(url) => new Promise((resolve) => {
      const source = new EventSource(url), seen = []
      const close = () => { source.close(); resolve(seen) }
      for (const name of ["start", "progress", "result"]) source.addEventListener(name, () => seen.push(name))
      source.addEventListener("done", () => { seen.push("done"); close() })
      source.onerror = () => { if (source.readyState === EventSource.CLOSED) { seen.push("closed"); close() } }
    })"""
    with browser.open(guarded.url) as page:
        token = token_for(guarded, run, "watch")
        seen = page.evaluate(code, f"{guarded.url}/runs/{run}/events?token={token}")
        assert (seen[0], seen[-2:]) == ("start", ["result", "done"])
        assert page.evaluate(code, f"{guarded.url}/runs/{run}/events?token={token}x") == ["closed"]
    assert token not in guarded.log()


def token_for(server: Server, run: str, *may: str) -> str:
    """A token for a run of ada."""
    body = json.dumps({"seconds": 600, "may": may}).encode()
    return str(ask(server, "POST", f"/runs/{run}/tokens", {**JSON, "Authorization": "Bearer sesame"}, body)["token"])


def test_think_with_the_embedded_model(browser: Browser, guarded: Server) -> None:
    """The page shows the answer of the embedded model."""
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        open_form(page, guarded, "think")
        page.fill("#root_prompt", "Name two colours of the sea.")
        page.fill("#root_max_thinking_tokens", 12)
        page.fill("#root_max_tokens", 12)
        page.click(START)
        page.see(DONE)
        page.see("text=/SmolLM2.* is a model for demonstration/")
        page.see("text=export HEADWAY_LLM_BASE_URL")
        assert len(page.text(".output-text")) > 0


def test_a_run_stays_watched_on_other_pages(browser: Browser, guarded: Server) -> None:
    """A run keeps its viewer on every page of the console, until the tab is closed."""
    key = {"Authorization": "Bearer sesame"}
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        run = simulate(page, guarded, steps=600, interval=0.1)
        page.see("text=Stops 60 s after the last viewer leaves.")
        page.click('role=link[name="Simulate a run"]')
        page.see(START)
        assert ask(guarded, "GET", f"/runs/{run}", key)["viewers"] == 1
    wait_until(lambda: ask(guarded, "GET", f"/runs/{run}", key)["viewers"] == 0, "its viewer has gone")
    assert ask(guarded, "DELETE", f"/runs/{run}", key)["status"] == "cancelling"


# The list of runs, and the events of one


def test_list_of_runs(browser: Browser, guarded: Server) -> None:
    """Runs are listed a page at a time, newest first, and can be filtered by operation and status."""
    for number in range(23):
        begin(guarded, **({"fail_at": 1} if number == 0 else {}))
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        page.goto(f"{guarded.url}/#/runs")
        page.see(".runs tbody tr >> nth=19")
        assert "Last message" in page.texts(".runs th")
        assert page.count(".runs tbody tr") == 20
        page.click("text=Older runs")
        page.see(".runs tbody tr >> nth=22")
        page.miss("text=Older runs")
        page.choose("select >> nth=1", "failed")
        page.miss(".runs tbody tr >> nth=1")
        assert page.url.endswith("#/runs?status=failed")
        page.choose("select >> nth=0", "extract")
        page.see("text=No runs match.")
        page.choose("select >> nth=0", "simulate")
        page.click(".runs a")
        page.see("text=simulated_failure")


def begin(server: Server, **input: object) -> str:
    """Starts a run of one step without the console; returns its id."""
    headers = {**JSON, "Prefer": "respond-async, linger=60", "Authorization": "Bearer sesame"}
    body = json.dumps({"steps": 1, "interval": 0, **input}).encode()
    return str(ask(server, "POST", "/operations/simulate", headers, body)["id"])


def test_inspector(browser: Browser, service: Server) -> None:
    """Each event has a gap and a delay; of three thousand events only the visible rows are in the page."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=3_000, interval=0)
        page.see(DONE)
        page.click(EVENTS)
        page.see("text=done")
        assert page.count(".rows tbody tr") < 80
        last = page.texts(".rows tbody tr:not(.spacer-row)")[-1].split("\t")
        assert (last[0].strip(), last[1]) == ("3003", "done")
        assert all(re.fullmatch(r"[\d.]+ m?s", cell) for cell in last[2:4])
        page.choose(".inspector select", "start")
        page.click('role=button[name="Event 1"]')
        page.see("text=Event 1: start")
        assert '"operation": "simulate"' in page.text("pre")


def test_a_thousand_events_a_second(browser: Browser, service: Server) -> None:
    """The page of the events of a fast run works for a part of the time only."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=100_000, interval=0.001)
        page.click(EVENTS)
        page.see('.tiles dd:text-matches("^[1-9],")')
        before, since = page.busy, time.monotonic()
        page.see('.tiles dd:text-matches("^[2-9],")')
        assert page.busy - before < 0.6 * (time.monotonic() - since)
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")


def test_a_thousand_custom_events_a_second(browser: Browser, bursting: Server) -> None:
    """So does the page of its output: of many events only the visible lines are in the page, and each can be opened."""
    with browser.open(bursting.url) as page:
        open_form(page, bursting, "burst")
        page.click(START)
        page.see('.activity p:text-matches("^[1-9],")')
        before, since = page.busy, time.monotonic()
        page.see('.activity p:text-matches("^([2-9]|[1-9][0-9]),")')
        assert page.busy - before < 0.6 * (time.monotonic() - since)
        assert page.count("main *") < 900
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")
        page.click(".activity .row-button >> nth=-1")
        page.see(".activity .entry-reading")
        page.screenshot("console-activity")
        assert violations(page) == []


def test_events_are_shown_with_their_gaps(browser: Browser, service: Server) -> None:
    """A silence of the run is the longest gap, also after a reload, where all events are replayed and have no delay."""
    with browser.open(service.url) as page:
        run = simulate(page, service, steps=8, interval=0.1, silent=2.2)
        page.see(DONE)
        page.click(EVENTS)
        page.see(".gap-long")
        assert 2.2 <= float(page.text(".gap-long").split()[0]) < 4
        page.screenshot("console-events")
        page.goto(f"{service.url}/#/runs/{run}/events")
        page.reload()
        page.see(".gap-long")
        assert page.count("text=replayed") == page.count(".rows tbody tr")


# The size of the page


def test_the_page_is_small(service: Server) -> None:
    """Compressed, the first page loads less than 600 kB, half of it fonts; only a chart loads more."""
    assets = BUILT / "assets"
    for compressed in assets.glob("*.gz"):
        assert gzip.decompress(compressed.read_bytes()) == compressed.with_suffix("").read_bytes(), compressed
    first_load = [*assets.glob("index-*.gz"), *assets.glob("*.woff2")]
    assert sum(file.stat().st_size for file in first_load) < 600_000
    assert sum(file.stat().st_size for file in assets.glob("index-*.gz")) < 270_000


# Accessibility

PAGES = ("", "#/operations/extract", "#/operations/simulate", "#/runs", "#/nowhere")


def test_axe(browser: Browser, service: Server) -> None:
    """axe finds no violation on any page, in the light and the dark theme."""
    with browser.open(service.url, reducedMotion="reduce") as page:
        for place in PAGES:
            page.goto(f"{service.url}/{place}")
            page.see("h1")
            assert (place, violations(page)) == (place, [])
        simulate(page, service, steps=5, interval=0, ask_at=4)
        page.see("text=Go on?")
        assert violations(page) == []
        page.click('role=button[name="No"]')
        page.see(DONE)
        assert violations(page) == []
        page.click(EVENTS)
        page.click('role=button[name="Event 1"]')
        assert violations(page) == []


def violations(page: Page) -> list[str]:
    """The violations that axe finds on a page, those of its dark colours included."""
    light = page.axe()
    page.colors("dark", reduced_motion=True)
    dark = page.axe("color-contrast")
    page.colors("light", reduced_motion=True)
    return light + dark


def test_axe_on_a_phone(browser: Browser, service: Server) -> None:
    """axe finds no violation in pages of a document, tables and charts, on a phone."""
    with browser.open(service.url, size=PHONE) as page:
        open_form(page, service, "analyze")
        page.click(".chip")
        page.click(START)
        page.see(".chart canvas")
        page.see(DONE)
        assert violations(page) == []
        assert fits(page)
        open_form(page, service, "extract")
        page.drop(".drop", "invoice.pdf", "application/pdf", pdfs.invoice())
        page.click(START)
        page.see(DONE)
        assert violations(page) == []
        assert fits(page)
        page.screenshot("console-phone")


def fits(page: Page) -> bool:
    """Whether a page is no wider than its window."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"))


def test_themes_of_the_first_pages(browser: Browser, service: Server) -> None:
    """The first page and the list of runs are shown in both themes."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=1, interval=0)
        page.see(DONE)
    for colors in ("light", "dark"):
        with browser.open(service.url, colors="dark" if colors == "dark" else "light") as page:
            page.see(".card-link")
            page.see(".sidebar-run")
            page.screenshot(f"console-{colors}")
            page.goto(f"{service.url}/#/runs")
            page.see(".runs tbody tr")
            if colors == "light":
                page.screenshot("console-runs")


def test_phone(browser: Browser, service: Server) -> None:
    """No page is wider than the screen of a phone."""
    with browser.open(service.url, size=PHONE) as page:
        for place in PAGES:
            page.goto(f"{service.url}/{place}")
            page.see("h1")
            assert (place, fits(page)) == (place, True)
        simulate(page, service, steps=1000, interval=0.1)
        page.see(".progress-percent")
        assert fits(page)
        page.click(EVENTS)
        page.see(".rows")
        assert fits(page)
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")


def test_keyboard(browser: Browser, service: Server) -> None:
    """A run is started, watched and cancelled with the keyboard only; a new page gets the focus."""
    with browser.open(service.url) as page:
        page.see(".card-link")
        page.press("Tab")
        assert page.focus == "Skip to the content"
        page.press("Enter")
        assert page.focus == "main"
        tab_to(page, "Simulate")
        page.press("Enter")
        page.see(START)
        wait_until(lambda: page.focus == "main", "the focus is on the new page")
        tab_to(page, "root_steps")
        page.press("Control+A", "9", "9", "9", "Enter")
        page.see(CANCEL)
        wait_until(lambda: page.focus == "main", "the focus is on the run")
        tab_to(page, "Cancel")
        page.press("Enter")
        page.see("text=/^Cancelled after/")
        wait_until(lambda: page.focus == "run-again", "the focus is where Cancel was")


def tab_to(page: Page, start: str) -> None:
    """Presses Tab until the id or the text of the focused element begins with `start`."""
    for _ in range(40):
        page.press("Tab")
        if page.focus.startswith(start):
            return
    raise AssertionError(f"no {start!r} within forty presses")


def test_announcements_are_few(browser: Browser, service: Server) -> None:
    """For a hundred steps a screen reader announces the start, the quarters and the end."""
    observe = """() => { window.announcements = []; new MutationObserver(() => {
        const text = document.querySelector("[data-testid=announcer]")?.textContent;
        if (text && text !== window.announcements.at(-1)) window.announcements.push(text);
        }).observe(document, {childList: true, characterData: true, subtree: true}); }"""
    with browser.open(service.url) as page:
        page.evaluate(observe)  # before the start: on a busy machine the run is over a moment later
        simulate(page, service, steps=100, interval=0.02)
        page.see(DONE)
        announcements = page.evaluate("() => window.announcements")
        assert 2 <= len(announcements) <= 8
        assert announcements[-1].startswith("Succeeded after")


def test_reduced_motion(browser: Browser, service: Server) -> None:
    """With reduced motion nothing is animated."""
    animations = "() => document.getAnimations().length"
    with browser.open(service.url, reducedMotion="reduce") as page:
        simulate(page, service, steps=1000, interval=0.05)
        page.see(".progress-percent")
        assert page.evaluate(animations) == 0
        page.colors("light", reduced_motion=False)
        wait_until(lambda: page.evaluate(animations) > 0, "the bar is animated without it")
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")


def test_forced_colors(browser: Browser, service: Server) -> None:
    """With the system's colours only, what is on, current or done is still told from what is not."""
    background = "(selector) => getComputedStyle(document.querySelector(selector)).backgroundColor"
    with browser.open(service.url, forcedColors="active") as page:
        open_form(page, service, "extract")
        page.see('role=tab[name="JSON"]')
        assert violations(page) == []
        toggles = [page.evaluate(background, f"#root_{name} + .toggle-track") for name in ("tables", "render")]
        tabs = [page.evaluate(background, f"[role=tab][aria-selected={on}]") for on in ("true", "false")]
        simulate(page, service, steps=1000, interval=0.05)
        page.see(".bar-fill")
        bar = [page.evaluate(background, selector) for selector in (".bar-fill", ".bar")]
        assert all(one != other for one, other in (toggles, tabs, bar))
        assert violations(page) == []
        page.screenshot("console-forced-colors")
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")


def test_theme(browser: Browser, service: Server) -> None:
    """The user's theme holds after a reload, whatever the system's is."""
    background = "() => getComputedStyle(document.documentElement).backgroundColor"
    with browser.open(service.url, colors="light") as page:
        light = page.evaluate(background)
        page.click('.theme-switch label[title="Dark"]')
        dark = page.evaluate(background)
        page.reload()
        assert page.evaluate(background) == dark != light
        page.click('.theme-switch label[title="System"]')
        assert page.evaluate(background) == light
        page.colors("dark")
        assert page.evaluate(background) == dark


def test_the_page_loads_nothing_from_elsewhere(browser: Browser, service: Server) -> None:
    """All requests of the page go to its own origin."""
    hosts = "() => [...new Set(performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host))]"
    with browser.open(service.url) as page:
        open_form(page, service, "analyze")
        page.click(".chip")
        page.click(START)
        page.see(".chart canvas")
        assert page.evaluate(hosts) == [f"{service.host}:{service.port}"]
