"""The console in Chromium, as a person meets it: every operation, and everything that happens to a page meanwhile."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import console
from tests import pdfs
from tests.apps.agent_model import Loose, ScriptedModel, answer, calls
from tests.clients import wait_until
from tests.console import PHONE, Browser, Page
from tests.console.proxy import Proxy
from tests.live.asking import JSON, ask
from tests.servers import Server, gunicorn, scratch

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
    """A model that says what a test has written down."""
    with ScriptedModel() as started:
        yield started


@pytest.fixture(scope="module")
def service(model: ScriptedModel) -> Iterator[Server]:
    """The service with everything that it offers, and a scripted model; runs outlive a reload."""
    with scratch() as folder, gunicorn("app:app", env=settings(folder, **model.settings())) as server:
        yield server


def settings(folder: Path, **more: str) -> dict[str, str]:
    """Settings of a service that keeps its runs in a folder, and lets them go on for a while without viewers."""
    return {
        "HEADWAY_STORE": f"sqlite:///{folder}/runs.db",
        "HEADWAY_SIMULATE": "1",
        "HEADWAY_MAX_RUNS_PER_CLIENT": "1000",
        **more,
    }


def operation(page: Page, server: Server, name: str) -> None:
    """Goes to the form of an operation."""
    page.goto(f"{server.url}/#/operations/{name}")
    page.see(START)


def simulate(page: Page, server: Server, **fields: object) -> str:
    """Starts a simulation; gives its run's id."""
    operation(page, server, "simulate")
    for name, value in fields.items():
        page.fill(f"#root_{name}", value)
    page.click(START)
    return run_of(page)


def run_of(page: Page) -> str:
    """The run whose page is shown."""
    page.see(".run-id")
    return page.url.rpartition("/")[2]


def percent(page: Page) -> int:
    """How far the run is said to be."""
    return int(page.text(".progress-percent").split("%")[0])


# Every operation


def test_extract(browser: Browser, service: Server) -> None:
    """A PDF that is dropped onto the page is read before one's eyes, page by page, and can be leafed through."""
    with browser.open(service.url) as page:
        page.click('role=link[name="Extract a PDF"]')
        page.drop(".drop", "report.pdf", "application/pdf", pdfs.debian("fhs/fhs-3.0.pdf"))
        page.click('label:has-text("Thumbnails")')
        page.see("text=report.pdf")
        page.evaluate("() => scrollTo(0, 0)")
        page.picture("console-form")
        page.click(START)
        page.see('role=button[name="Page 3"]')
        page.picture("console-extract")
        page.see(DONE)
        assert page.count(".spine") == 50
        page.click('role=button[name="Page 9, with a table"]')
        page.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
        assert "This release is dedicated to" in page.text("article")
        assert "Filesystem Hierarchy Standard" in page.text(".result")
        assert page.evaluate("() => document.querySelector('.leaf-picture').naturalWidth") > 50


def test_simulate_and_a_question(browser: Browser, service: Server) -> None:
    """Progress shows step, count, what is left and what has passed; a question stops it until it is answered."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=12, interval=0.15, ask_at=10)
        page.see("text=/[1-9] of 12 steps/")
        page.see("text=/left$|almost there/")
        page.see("text=/elapsed$/")
        page.see("text=Go on?")
        page.see("text=Waiting for you")
        assert page.count("text=/ left$/") == 0
        page.picture("console-question")
        page.click('role=button[name="Yes"]')
        page.see(DONE)
        page.see("text=12 of 12 steps")


def test_analyze(browser: Browser, service: Server) -> None:
    """SQL from an example gives a table that grows by batches, and a chart that is drawn without `eval`."""
    with browser.open(service.url) as page:
        operation(page, service, "analyze")
        page.click(".chip")
        assert page.value("#root_sql").startswith("SELECT")
        page.click(START)
        page.see(DONE)
        page.see(".chart canvas")
        assert page.texts(".piece tbody tr")[0].startswith("Amsterdam")
        drawn = """() => { const canvas = document.querySelector(".chart canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.some((value, index) => index % 4 === 3 && value > 0); }"""
        wait_until(lambda: page.evaluate(drawn), "the chart is drawn")
        page.picture("console-analyze")


def test_think(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """What a model thinks and what it says come apart, as it is written, and the thoughts fold away."""
    model.unsent = [Loose(f"<think>{THOUGHTS}</think>{SAID}", pause=0.01)]
    with browser.open(service.url) as page:
        operation(page, service, "think")
        page.fill("#root_prompt", "Why is the sea blue?")
        page.click(START)
        page.see(DONE)
        page.miss(".thinking-text")
        page.click("role=button[name=/^Thought/]")
        assert "Water takes the red" in page.text(".thinking-text")
        page.picture("console-think")
        page.click(EVENTS)
        page.choose(".inspector select", "delta")
        assert page.count(".rows .row-button") > 5


def test_a_model_cannot_write_html(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """Markdown is shown as such; HTML in it stays text, and a picture is a link that nobody has to follow."""
    model.unsent = [Loose(f"<think>No.</think>{SAID}{SMUGGLED}")]
    with browser.open(service.url) as page:
        operation(page, service, "think")
        page.fill("#root_prompt", "Why is the sea blue?")
        page.click(START)
        page.see(DONE)
        assert page.texts(".output-text strong") == ["scatters"]
        assert page.count(".output-text tbody tr") == 2
        assert "<b onclick=alert(1)>depth</b>" in page.text(".output-text")
        assert page.count(".output-text img") == page.count(".output-text b") == 0
        assert page.evaluate("() => document.querySelector('.output-text a').rel") == "noopener noreferrer"


THOUGHTS = "The question is about light. Water takes the red part of it away first, and what is left looks blue."
SAID = """Light that falls into water loses its red part first
and **scatters** the rest, so what comes back is blue.

| Colour | Reaches |
|---|---|
| red | 5 m |
| blue | 270 m |

"""
SMUGGLED = """
Seen from a boat, its <b onclick=alert(1)>depth</b> does the rest.

![a wave](https://example.org/wave.png)
"""


def test_agent(browser: Browser, service: Server, model: ScriptedModel) -> None:
    """An agent's plan and its calls, with what came of each, stand in a line; it asks before a call, and answers."""
    counted = {"sql": "SELECT city, count(*) AS orders FROM orders GROUP BY city ORDER BY orders DESC"}
    asked = calls(("query", counted), ("query", {"sql": "SELECT nothing"}))
    model.unsent = [asked, answer("Most orders come from **Amsterdam**.")]
    with browser.open(service.url) as page:
        operation(page, service, "agent")
        page.fill("#root_goal", "Which city orders the most?")
        page.click('#root_tools .choice:has-text("query")')
        page.click('#root_approve .choice:has-text("query")')
        page.click(START)
        for sql in ("count(*)", "SELECT nothing"):
            page.see(f'.question:has-text("{sql}")')
            page.click('role=button[name="Yes"]')
        page.see(DONE)
        assert "Something is missing." in page.texts(".doing-plan")[0]
        assert "Amsterdam" in page.texts(".doing-tool_call .outcome")[0]
        assert page.count(".doing-failed") == 1
        assert page.texts(".output-text strong") == ["Amsterdam"]
        page.picture("console-agent")


# What is refused


def test_a_refused_input(browser: Browser, service: Server) -> None:
    """The service's complaint stands at its field, which gets the focus; mended, the same form starts the run."""
    with browser.open(service.url) as page:
        operation(page, service, "simulate")
        page.fill("#root_steps", "-3")
        page.click(START)
        page.see("text=Input should be greater than or equal to 0")
        wait_until(lambda: page.focus == "root_steps", "the field has the focus")
        page.fill("#root_steps", 1)
        page.fill("#root_interval", 0)
        page.click(START)
        page.see(DONE)


def test_a_failed_run(browser: Browser, service: Server) -> None:
    """It shows the run's own code and message."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=3, interval=0, fail_at=2)
        page.see("text=/^Failed after/")
        page.see("text=The simulation fails at step 2")
        page.see("text=simulated_failure")


def test_a_run_that_is_not_kept(browser: Browser, service: Server) -> None:
    """A link to nothing says so."""
    with browser.open(f"{service.url}/#/runs/nothing-here") as page:
        page.see("text=This run is not kept any more")


# What happens to a page


def test_reload_in_the_middle(browser: Browser, service: Server) -> None:
    """The address of a run survives a reload: everything is there again, and goes on."""
    with browser.open(service.url) as page:
        run = simulate(page, service, steps=30, interval=0.1)
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
    """Without a network the page says so, and catches up with everything once there is one."""
    with Proxy(service.address).serving() as proxy, browser.open(proxy.url) as page:
        page.click('role=link[name="Simulate a run"]')
        page.fill("#root_steps", 40)
        page.fill("#root_interval", 0.1)
        page.click(START)
        page.see(".progress-percent")
        page.offline(True)
        proxy.plugged.clear()
        page.see("text=You are offline")
        proxy.plugged.set()
        page.offline(False)
        page.miss("text=You are offline")
        page.see(DONE)
        page.click(EVENTS)
        page.see('.tiles dd:text-is("43")')


def test_server_restarted_in_the_middle(browser: Browser) -> None:
    """A server that is killed is told of, and once it is back the page goes on to the end that the run has found."""
    with scratch() as folder, gunicorn("app:app", env=settings(folder)) as server, browser.open(server.url) as page:
        simulate(page, server, steps=1000, interval=0.1)
        page.see(".progress-percent")
        server.kill()
        page.see("text=The line was cut")
        with gunicorn("app:app", env=settings(folder), args=["-b", f"127.0.0.1:{server.port}"]):
            page.see("text=/^Failed after/")
            page.see("text=producer_lost")
            page.see("text=Another try may succeed.")
            page.miss("text=The line was cut")


def test_cancel(browser: Browser, service: Server) -> None:
    """Cancel ends the work, and the page says that it was asked for."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=1000, interval=0.1)
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")
        page.see("text=Somebody asked for it to end.")


def test_two_tabs(browser: Browser, service: Server) -> None:
    """Two tabs on one run see the same; what one of them does, the other one shows."""
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


# A service that wants keys


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A service with API keys."""
    with scratch() as folder:
        env = settings(folder, HEADWAY_API_KEYS="ada:sesame")
        with gunicorn("app:app", env=env) as server:
            yield server


def test_a_key(browser: Browser, guarded: Server) -> None:
    """Without a key there is a field for it; it survives a reload, and is gone with its tab."""
    with browser.open(guarded.url) as page:
        page.see("text=This service wants a key")
        page.picture("console-key")
        assert page.axe() == []
        page.fill("#key", "guess")
        page.press("Enter")
        page.see("text=The service does not know that key.")
        page.fill("#key", "sesame")
        page.press("Enter")
        simulate(page, guarded, steps=2, interval=0)
        page.see(DONE)
        page.reload()
        page.see(DONE)
        assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 1]
        page.click("text=Forget the key")
        page.see("text=This service wants a key")


def test_think_with_the_embedded_model(browser: Browser, guarded: Server) -> None:
    """The model that ships writes its thoughts and its answer to the page."""
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        operation(page, guarded, "think")
        page.fill("#root_prompt", "Name two colours of the sea.")
        page.fill("#root_max_thinking_tokens", 12)
        page.fill("#root_max_tokens", 12)
        page.click(START)
        page.see(DONE)
        assert len(page.text(".output-text")) > 3


def test_looking_elsewhere_is_not_leaving(browser: Browser, guarded: Server) -> None:
    """A run keeps its viewer while its page is open anywhere in the console, and once that is closed it has none."""
    key = {"Authorization": "Bearer sesame"}
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        run = simulate(page, guarded, steps=600, interval=0.1)
        page.see("text=Goes on for 1 min without you.")
        page.click('role=link[name="Simulate a run"]')
        page.see(START)
        assert ask(guarded, "GET", f"/runs/{run}", key)["viewers"] == 1
    wait_until(lambda: ask(guarded, "GET", f"/runs/{run}", key)["viewers"] == 0, "its viewer has gone")
    assert ask(guarded, "DELETE", f"/runs/{run}", key)["status"] == "cancelling"


# The list, and the raw events


def test_list_of_runs(browser: Browser, guarded: Server) -> None:
    """Runs are listed a page at a time, newest first, and narrowed by operation and status."""
    for number in range(23):
        begin(guarded, **({"fail_at": 1} if number == 0 else {}))
    with browser.open(guarded.url) as page:
        page.fill("#key", "sesame")
        page.press("Enter")
        page.goto(f"{guarded.url}/#/runs")
        page.see(".runs tbody tr >> nth=19")
        assert page.count(".runs tbody tr") == 20
        page.click("text=Older runs")
        page.see(".runs tbody tr >> nth=22")
        page.miss("text=Older runs")
        page.choose("select >> nth=1", "failed")
        page.miss(".runs tbody tr >> nth=1")
        assert page.url.endswith("#/runs?status=failed")
        page.choose("select >> nth=0", "extract")
        page.see("text=No run fits.")
        page.choose("select >> nth=0", "simulate")
        page.click(".runs a")
        page.see("text=simulated_failure")


def begin(server: Server, **input: object) -> str:
    """Starts a simulation of no length, without the console; gives its id."""
    headers = {**JSON, "Prefer": "respond-async", "Authorization": "Bearer sesame"}
    body = json.dumps({"steps": 1, "interval": 0, **input}).encode()
    return str(ask(server, "POST", "/operations/simulate", headers, body)["id"])


def test_inspector(browser: Browser, service: Server) -> None:
    """Every event stands there with its gap and its delay; three thousand of them are some rows of the page."""
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


def test_events_are_shown_with_their_gaps(browser: Browser, service: Server) -> None:
    """A silence of the run is the longest gap, whoever looks; delays are those of the events that came meanwhile."""
    with browser.open(service.url) as page:
        run = simulate(page, service, steps=8, interval=0.1, silent=2.2)
        page.see(DONE)
        page.click(EVENTS)
        page.see(".gap-long")
        assert 2.2 <= float(page.text(".gap-long").split()[0]) < 4
        page.picture("console-events")
        page.goto(f"{service.url}/#/runs/{run}/events")
        page.reload()
        page.see(".gap-long")
        assert page.count("text=replayed") == page.count(".rows tbody tr")


# What is loaded


def test_the_page_is_light(service: Server) -> None:
    """Compressed, all that the first page loads is under 600 kB, half of it letters; charts come when there is one."""
    assets = Path(console.DIST, "assets")
    for twin in assets.glob("*.gz"):
        assert gzip.decompress(twin.read_bytes()) == twin.with_suffix("").read_bytes(), twin
    loaded = [*assets.glob("index-*.gz"), *assets.glob("*.woff2")]
    assert sum(file.stat().st_size for file in loaded) < 600_000
    assert sum(file.stat().st_size for file in assets.glob("index-*.gz")) < 270_000


# For everybody

PAGES = ("", "#/operations/extract", "#/operations/simulate", "#/runs", "#/nowhere")


def test_axe(browser: Browser, service: Server) -> None:
    """axe has nothing against any page, and nothing against its colours by night."""
    with browser.open(service.url, reducedMotion="reduce") as page:
        for place in PAGES:
            page.goto(f"{service.url}/{place}")
            page.see("h1")
            assert (place, pleases_axe(page)) == (place, [])
        simulate(page, service, steps=5, interval=0, ask_at=4)
        page.see("text=Go on?")
        assert pleases_axe(page) == []
        page.click('role=button[name="No"]')
        page.see(DONE)
        assert pleases_axe(page) == []
        page.click(EVENTS)
        page.click('role=button[name="Event 1"]')
        assert pleases_axe(page) == []


def pleases_axe(page: Page) -> list[str]:
    """What axe has against a page by day, and against its colours by night."""
    found = page.axe()
    page.colors("dark", still=True)
    found += page.axe("color-contrast")
    page.colors("light", still=True)
    return found


def test_results_of_all_shapes_please_axe(browser: Browser, service: Server) -> None:
    """Neither has it against pages of a document, tables and charts, on a phone too."""
    with browser.open(service.url, size=PHONE) as page:
        operation(page, service, "analyze")
        page.click(".chip")
        page.click(START)
        page.see(".chart canvas")
        page.see(DONE)
        assert pleases_axe(page) == []
        assert fits(page)
        operation(page, service, "extract")
        page.drop(".drop", "invoice.pdf", "application/pdf", pdfs.invoice())
        page.click(START)
        page.see(DONE)
        assert pleases_axe(page) == []
        assert fits(page)
        page.picture("console-phone")


def fits(page: Page) -> bool:
    """Whether nothing of a page lies beyond its right edge."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"))


def test_pictures(browser: Browser, service: Server) -> None:
    """The first page and the list of runs, by day and by night; for the documentation, where it is asked for."""
    with browser.open(service.url) as page:
        simulate(page, service, steps=1, interval=0)
        page.see(DONE)
    for colors in ("light", "dark"):
        with browser.open(service.url, colors="dark" if colors == "dark" else "light") as page:
            page.see(".card-link")
            page.see(".side-run")
            page.picture(f"console-{colors}")
            page.goto(f"{service.url}/#/runs")
            page.see(".runs tbody tr")
            if colors == "light":
                page.picture("console-runs")


def test_phone(browser: Browser, service: Server) -> None:
    """On a phone no page is wider than the screen."""
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
    """A run is started, watched and cancelled with the keyboard alone; a change of page moves the focus to it."""
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


def tab_to(page: Page, words: str) -> None:
    """Presses Tab until something has the focus whose id or text begins like that."""
    for _ in range(40):
        page.press("Tab")
        if page.focus.startswith(words):
            return
    raise AssertionError(f"no {words!r} within forty presses")


def test_screen_reader_is_not_flooded(browser: Browser, service: Server) -> None:
    """Of a hundred steps a screen reader is told the quarters, the beginning and the end."""
    watch = """() => { window.said = []; const at = document.querySelector("[data-testid=announcer]");
        new MutationObserver(() => window.said.push(at.textContent)).observe(at, {childList: true, characterData: true,
        subtree: true}); }"""
    with browser.open(service.url) as page:
        simulate(page, service, steps=100, interval=0.02)
        page.evaluate(watch)
        page.see(DONE)
        said = page.evaluate("() => window.said")
        assert 2 <= len(said) <= 8
        assert said[-1].startswith("Succeeded after")


def test_reduced_motion(browser: Browser, service: Server) -> None:
    """Who wants less motion gets none."""
    moving = "() => document.getAnimations().length"
    with browser.open(service.url, reducedMotion="reduce") as page:
        simulate(page, service, steps=1000, interval=0.05)
        page.see(".progress-percent")
        assert page.evaluate(moving) == 0
        page.colors("light", still=False)
        wait_until(lambda: page.evaluate(moving) > 0, "the bar moves for everybody else")
        page.click(CANCEL)
        page.see("text=/^Cancelled after/")


def test_theme(browser: Browser, service: Server) -> None:
    """A theme that was chosen holds after a reload, whatever the system's is."""
    paper = "() => getComputedStyle(document.documentElement).backgroundColor"
    with browser.open(service.url, colors="light") as page:
        day = page.evaluate(paper)
        page.click('.theme-switch label[title="Dark"]')
        night = page.evaluate(paper)
        page.reload()
        assert page.evaluate(paper) == night != day
        page.click('.theme-switch label[title="As the system"]')
        assert page.evaluate(paper) == day
        page.colors("dark")
        assert page.evaluate(paper) == night


def test_nothing_comes_from_elsewhere(browser: Browser, service: Server) -> None:
    """The page loads its own files and asks its own service, and nobody else."""
    hosts = "() => [...new Set(performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host))]"
    with browser.open(service.url) as page:
        operation(page, service, "analyze")
        page.click(".chip")
        page.click(START)
        page.see(".chart canvas")
        assert page.evaluate(hosts) == [f"{service.host}:{service.port}"]
