"""Chromium, driven by Playwright in a Node.js process, for the tests of the console.

    with Browser() as browser, browser.open(server.url) as page:
        page.click('role=button[name="Start"]')
        page.see("text=Done")

Selectors are Playwright's. Every action and every `see` waits for its element, `TIMEOUT` seconds at most.
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

from tests.servers import program, scratch

DRIVER = Path(__file__).with_name("driver.mjs")
PACKAGE = Path(__file__).parents[2] / "node_modules" / "playwright-core"

TIMEOUT = 40.0
"""Seconds to wait for an element. Only a failing test takes them."""

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder that `Page.screenshot` writes to, such as `docs`; unset, it writes nothing."""

DESK = {"width": 1320, "height": 880}
PHONE = {"width": 390, "height": 844}

IGNORED = ("Failed to load resource",)
"""Beginnings of console messages that are no complaints: tests check themselves which requests may fail."""


class BrowserError(Exception):
    """An error of Playwright, mostly a timeout."""


class Browser:
    """The Node.js process and its browser; a context manager, which ends both. `arguments` are Chromium's own."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        node = shutil.which("node")
        if node is None or not PACKAGE.is_dir():
            pytest.fail("Node.js 20 or newer and the npm package playwright-core are needed here: run `make setup`")
        command = [node, str(DRIVER), program("chromium"), str(TIMEOUT * 1000), *self._arguments]
        self._scratch = scratch()  # what Chromium leaves there goes with it
        env = {**os.environ, "TMPDIR": str(self._scratch.__enter__())}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._process.communicate(timeout=60)  # closes its input: the browser and the process end
        finally:
            self._scratch.__exit__(None, None, None)

    def open(
        self,
        url: str,
        *,
        colors: Literal["light", "dark"] = "light",
        size: dict[str, int] = DESK,
        beside: Page | None = None,
        **options: Any,
    ) -> Page:
        """A page on `url`: in a new profile, or as another tab in the profile of the page `beside`."""
        context = {"viewport": size, "colorScheme": colors, **options}
        number = self.ask("open", options=context, **({} if beside is None else {"beside": beside.number}))
        page = Page(self, number)
        page.goto(url)
        return page

    def ask(self, command: str, **arguments: Any) -> Any:
        """The driver's answer to a command. Raises `BrowserError`."""
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
    """One page; a context manager, which closes its profile, and fails if the page has complaints."""

    def __init__(self, browser: Browser, number: int) -> None:
        self.browser = browser
        self.number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        complaints = self.complaints()
        self._ask("closeContext")
        assert kind is not None or complaints == []

    # Actions

    def goto(self, url: str) -> None:
        """Opens a URL."""
        self._ask("page", method="goto", args=[url])

    def reload(self) -> None:
        """Reloads the page."""
        self._ask("page", method="reload", args=[])

    def click(self, selector: str) -> None:
        """Clicks on the first match."""
        self._locate(selector, "click")

    def fill(self, selector: str, text: object) -> None:
        """Fills a field."""
        self._locate(selector, "fill", str(text))

    def choose(self, selector: str, value: str) -> None:
        """Chooses an option of a list."""
        self._locate(selector, "selectOption", value)

    def drop(self, selector: str, name: str, type: str, content: bytes) -> None:
        """Drops a file onto an element."""
        self._ask("drop", selector=selector, name=name, type=type, base64=b64encode(content).decode())

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            self._ask("press", keys=key)

    def offline(self, offline: bool) -> None:
        """Emulates a profile without a network, or ends that."""
        self._ask("offline", offline=offline)

    def colors(self, colors: Literal["light", "dark"], *, reduced_motion: bool = False) -> None:
        """Changes the system's preferences."""
        media = {"colorScheme": colors, "reducedMotion": "reduce" if reduced_motion else "no-preference"}
        self._ask("page", method="emulateMedia", args=[media])

    def close(self) -> None:
        """Closes this tab only."""
        self._ask("close")

    # Content

    def see(self, selector: str) -> None:
        """Waits until an element is visible."""
        self._locate(selector, "waitFor", {"state": "visible"})

    def miss(self, selector: str) -> None:
        """Waits until an element is hidden or gone."""
        self._locate(selector, "waitFor", {"state": "hidden"})

    def text(self, selector: str) -> str:
        """The text of an element."""
        return str(self._locate(selector, "innerText"))

    def texts(self, selector: str) -> list[str]:
        """The texts of all matches, without waiting for one."""
        return list(self._ask("all", selector=selector, method="allInnerTexts", args=[]))

    def count(self, selector: str) -> int:
        """The number of matches, without waiting for one."""
        return int(self._ask("all", selector=selector, method="count", args=[]))

    def value(self, selector: str) -> str:
        """The value of a field."""
        return str(self._locate(selector, "inputValue"))

    @property
    def url(self) -> str:
        """The URL, with its hash."""
        return str(self.evaluate("() => location.href"))

    @property
    def focus(self) -> str:
        """The id of the focused element, or its text if it has none."""
        return str(self.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()"))

    @property
    def busy(self) -> float:
        """The seconds of processor time that the page's main thread has taken since this was first asked for."""
        return float(self._ask("busy"))

    def evaluate(self, code: str, arg: Any = None) -> Any:
        """The return value of a JavaScript function that is called in the page."""
        return self._ask("evaluate", code=code, arg=arg)

    # Complaints

    def complaints(self) -> list[str]:
        """Exceptions, errors and warnings in the console, and violations of the policy, since the last call."""
        messages: list[str] = self._ask("complaints")
        return [message for message in messages if not any(f": {start}" in message for start in IGNORED)]

    def axe(self, *rules: str) -> list[str]:
        """The violations that axe (https://github.com/dequelabs/axe-core) finds; with `rules`, of these only."""
        return list(self._ask("axe", rules=rules))

    def screenshot(self, name: str) -> None:
        """Writes a screenshot of the visible part to the folder `SCREENSHOTS`, if it is set."""
        if SCREENSHOTS:
            self.picture(Path(SCREENSHOTS) / f"{name}.png", animations="disabled")

    def picture(self, path: Path, *, animations: Literal["allow", "disabled"] = "allow") -> bytes:
        """Writes a PNG of the visible part, and gives it."""
        self._ask("page", method="screenshot", args=[{"path": str(path), "animations": animations}])
        return path.read_bytes()

    def _locate(self, selector: str, method: str, *args: Any) -> Any:
        return self._ask("locator", selector=selector, method=method, args=list(args))

    def _ask(self, command: str, **arguments: Any) -> Any:
        return self.browser.ask(command, page=self.number, **arguments)
