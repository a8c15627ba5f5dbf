"""Pages without React in Chromium: examples/htmx by both versions of htmx, and examples/plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import wait_until
from tests.console import Browser, Page
from tests.proxy import Proxy
from tests.servers import ROOT, Server, gunicorn

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Sample:
    """A page of an example: where it is, and how its parts are found."""

    example: str
    path: str
    text: str
    bar: str
    yes: str
    done: str
    cancelled: str


HTMX = {
    "text": ".headway-text",
    "bar": ".headway-progress progress",
    "yes": 'role=button[name="Yes"]',
    "done": ".headway-succeeded, .headway-done:has-text('Done.')",
    "cancelled": "text=Cancelled.",
}
PAGES = [
    Sample("htmx/pages", "/", **HTMX),
    Sample("htmx/pages", "/4", **HTMX),
    Sample(
        *("plain/page", "/"),
        text="pre",
        bar="progress",
        yes='role=button[name="Yes"]',
        done="text=succeeded",
        cancelled="text=cancelled",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[str], Server]]:
    """Starts each example once."""
    started: dict[str, Server] = {}
    contexts = []

    def server(example: str) -> Server:
        if example not in started:
            folder, name = EXAMPLES / Path(example).parent, Path(example).name
            app = name if ":" in name else f"{name}:app"
            contexts.append(gunicorn(app, args=["--chdir", str(folder)], env={"HEADWAY_STORE": "memory:"}))
            started[example] = contexts[-1].__enter__()
        return started[example]

    yield server
    for context in contexts:
        context.__exit__(None, None, None)


def begin(page: Page, pages: int) -> None:
    """Starts a run by the form of the page."""
    page.fill('[name="pages"]', pages)
    if page.count('[name="pause"]'):
        page.fill('[name="pause"]', 0.02)
    page.click('role=button[name="Count"]')


def counted(pages: int) -> str:
    """The text of so many pages, as a browser shows it."""
    return " ".join(map(str, range(1, pages + 1)))


@pytest.mark.parametrize("sample", PAGES, ids=lambda sample: f"{sample.example}{sample.path}")
def test_a_page_follows_a_run(sample: Sample, serve: Callable[[str], Server], browser: Browser) -> None:
    """It shows progress, text and a question, loses nothing by a cut or a reload, answers, and shows the end."""
    with Proxy(serve(sample.example)) as proxy, browser.open(proxy.url + sample.path) as page:
        begin(page, 10)
        page.see(sample.yes)
        page.see(sample.bar)
        wait_until(lambda: page.text(sample.text).strip() == counted(5), "the text half way")
        proxy.cut_streams()
        wait_until(lambda: proxy.open, "the page has come back")
        page.reload()
        page.see(sample.yes)
        assert page.text(sample.text).strip() == counted(5)
        page.click(sample.yes)
        page.see(sample.done)
        assert page.text(sample.text).strip() == counted(10)
        page.miss(sample.yes)
        if sample.example.startswith("htmx"):
            page.complaints()  # both versions log each connection that was cut


@pytest.mark.parametrize("sample", PAGES, ids=lambda sample: f"{sample.example}{sample.path}")
def test_a_page_cancels_its_run(sample: Sample, serve: Callable[[str], Server], browser: Browser) -> None:
    """Its button does, and it shows the end, which no button survives."""
    with browser.open(serve(sample.example).url + sample.path) as page:
        begin(page, 10)
        page.click('role=button[name="Cancel"]')
        page.see(sample.cancelled)
        page.miss('role=button[name="Cancel"]')


@pytest.mark.long
def test_a_dash_application(serve: Callable[[str], Server], browser: Browser) -> None:
    """`dash_extensions.SSE` shows the whole text of a run in examples/dash, and knows its end."""
    with browser.open(serve("dash/dashboard:server").url) as page:
        page.click('role=button[name="Tell"]')
        page.see("text=The end.")
        assert page.text("pre").strip() == "Once upon a time there was a run that nobody had to wait for."
        page.complaints()  # React's, of components that are not ours
