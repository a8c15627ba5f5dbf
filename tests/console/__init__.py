"""Chromium, driven by Playwright in a Node process: what the tests of the console look at pages with.

    with Browser() as browser, browser.open(server.url) as page:
        page.click('role=button[name="Start"]')
        page.see("text=Done")

Selectors are Playwright's. Whatever is done or looked for is waited for, `PATIENCE` seconds at the most.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any, Literal, Self

import pytest

from tests.servers import program

DRIVER = Path(__file__).with_name("driver.mjs")
PACKAGE = Path(__file__).parents[2] / "node_modules" / "playwright-core"

PATIENCE = 40.0
"""Seconds that anything awaited may take; only a failure takes them."""

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder that `Page.picture` writes to, such as `docs`; unset, it writes nothing."""

DESK = {"width": 1320, "height": 880}
PHONE = {"width": 390, "height": 844}

NETWORK = ("Failed to load resource",)
"""How Chromium's console begins to tell of requests that failed: the tests say themselves which should not."""


class BrowserError(Exception):
    """What Playwright says: mostly that something was waited for in vain."""


class Browser:
    """The Node process and its browser; a context manager, which ends both."""

    def __enter__(self) -> Self:
        node = shutil.which("node")
        if node is None or not PACKAGE.is_dir():
            pytest.fail("Node.js 20 or newer and the npm package playwright-core are needed here: run `make setup`")
        command = [node, str(DRIVER), program("chromium"), str(PATIENCE * 1000)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=30)  # ends its input, and with that the browser and the process

    def open(
        self,
        url: str,
        *,
        colors: Literal["light", "dark"] = "light",
        size: dict[str, int] = DESK,
        beside: Page | None = None,
        **options: Any,
    ) -> Page:
        """A page on `url`: in a profile of its own, or as another tab `beside` a page."""
        context = {"viewport": size, "colorScheme": colors, **options}
        number = self.ask("open", options=context, **({} if beside is None else {"beside": beside.number}))
        page = Page(self, number)
        page.goto(url)
        return page

    def ask(self, command: str, **arguments: Any) -> Any:
        """What the driver answers. Raises `BrowserError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BrowserError("the browser's process has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]


class Page:
    """One page; a context manager, which closes its profile and fails where the page has complained of anything."""

    def __init__(self, browser: Browser, number: int) -> None:
        self.browser = browser
        self.number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        complaints = self.complaints()
        self._ask("leave")
        assert kind is not None or complaints == []

    # what a person does

    def goto(self, url: str) -> None:
        """Goes to an address."""
        self._ask("page", method="goto", args=[url])

    def reload(self) -> None:
        """Loads the page anew."""
        self._ask("page", method="reload", args=[])

    def click(self, selector: str) -> None:
        """Clicks on the first of what is found."""
        self._locate(selector, "click")

    def fill(self, selector: str, text: object) -> None:
        """Types into a field."""
        self._locate(selector, "fill", str(text))

    def choose(self, selector: str, value: str) -> None:
        """Chooses from a list."""
        self._locate(selector, "selectOption", value)

    def files(self, selector: str, *files: Path) -> None:
        """Chooses files for a field."""
        self._locate(selector, "setInputFiles", [str(file) for file in files])

    def drop(self, selector: str, name: str, kind: str, content: bytes) -> None:
        """Drops a file onto something."""
        self._ask("drop", selector=selector, name=name, type=kind, base64=b64encode(content).decode())

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other, wherever the focus is."""
        for key in keys:
            self._ask("press", keys=key)

    def offline(self, offline: bool) -> None:
        """Takes the profile's network away, or gives it back."""
        self._ask("offline", offline=offline)

    def resize(self, size: dict[str, int]) -> None:
        """Makes the window as large as that."""
        self._ask("page", method="setViewportSize", args=[size])

    def colors(self, colors: Literal["light", "dark"], *, still: bool = False) -> None:
        """What the system prefers from now on; `still`: reduced motion."""
        media = {"colorScheme": colors, "reducedMotion": "reduce" if still else "no-preference"}
        self._ask("page", method="emulateMedia", args=[media])

    # what a person sees

    def see(self, selector: str) -> None:
        """Waits until something is there to be seen."""
        self._locate(selector, "waitFor", {"state": "visible"})

    def miss(self, selector: str) -> None:
        """Waits until something is not to be seen any more."""
        self._locate(selector, "waitFor", {"state": "hidden"})

    def text(self, selector: str) -> str:
        """What stands in something."""
        return str(self._locate(selector, "innerText"))

    def texts(self, selector: str) -> list[str]:
        """What stands in each of what is found now."""
        return list(self._ask("all", selector=selector, method="allInnerTexts", args=[]))

    def count(self, selector: str) -> int:
        """How many there are now."""
        return int(self._ask("all", selector=selector, method="count", args=[]))

    def value(self, selector: str) -> str:
        """What stands in a field."""
        return str(self._locate(selector, "inputValue"))

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.evaluate("() => location.href"))

    @property
    def focus(self) -> str:
        """The id, or else the text, of what has the focus."""
        return str(self.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()"))

    def evaluate(self, code: str, arg: Any = None) -> Any:
        """What a function of JavaScript gives in the page."""
        return self._ask("evaluate", code=code, arg=arg)

    # what a person had rather not

    def complaints(self) -> list[str]:
        """Exceptions, errors and warnings of its console, and what its policy refused; since the last time asked."""
        found: list[str] = self._ask("complaints")
        return [told for told in found if not any(f": {words}" in told for words in NETWORK)]

    def axe(self, *rules: str) -> list[str]:
        """What axe has against it, as it stands: https://github.com/dequelabs/axe-core. `rules`: these alone."""
        return list(self._ask("axe", rules=rules))

    def picture(self, name: str) -> None:
        """Puts a screenshot of what is in sight into the folder `SCREENSHOTS`, if there is one."""
        if SCREENSHOTS:
            path = str(Path(SCREENSHOTS) / f"{name}.png")
            self._ask("page", method="screenshot", args=[{"path": path, "animations": "disabled"}])

    def close(self) -> None:
        """Closes this tab alone."""
        self._ask("close")

    def _locate(self, selector: str, method: str, *args: Any) -> Any:
        return self._ask("locator", selector=selector, method=method, args=list(args))

    def _ask(self, command: str, **arguments: Any) -> Any:
        return self.browser.ask(command, page=self.number, **arguments)
