"""Takes the moving picture of the README: the console while a document is read, at the speed at which it goes.

    python -m tools.write_picture

It needs what the tests of the console need: Chromium, Node.js and the package debian-policy, which has the document.
"""

from __future__ import annotations

import tempfile
import time
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Final

from PIL import Image

from tests import pdfs
from tests.console import Browser, Page
from tests.servers import ROOT, gunicorn, scratch

PICTURE: Final = ROOT / "docs" / "console.webp"
SIZE: Final = {"width": 1040, "height": 640}
SECONDS: Final = 20.0
STILL: Final = 2500
"""Milliseconds for which the last frame stays."""


def main() -> None:
    """Takes the frames of a run, and writes them as one file."""
    with (
        scratch() as folder,
        gunicorn("app:app", env={"HEADWAY_STORE": f"sqlite:///{folder}/runs.db"}) as server,
        Browser() as browser,
        browser.open(server.url, size=SIZE) as page,
    ):
        frames = take(page)
    images = [Image.open(BytesIO(content)).convert("RGB") for _, content in frames]
    times = [int((after - before) * 1000) for (before, _), (after, _) in pairwise(frames)]
    images[0].save(
        PICTURE,
        save_all=True,
        append_images=images[1:],
        duration=[*times, STILL],
        loop=0,
        quality=55,
        method=6,
    )


def take(page: Page) -> list[tuple[float, bytes]]:
    """The page from the start of a run to a moment after its end: PNGs, with the times at which they were taken."""
    frames: list[tuple[float, bytes]] = []
    page.click('role=link[name="Extract a PDF"]')
    page.drop(".drop", "policy.pdf", "application/pdf", pdfs.debian("policy.pdf"))
    page.see("text=policy.pdf")
    page.fill("#root_pages", "60-193")
    page.evaluate("() => scrollTo(0, 0)")
    page.click('role=button[name="Start"]')
    page.see(".page-button")
    end = time.monotonic() + SECONDS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.png"
        while time.monotonic() < end:
            frames.append((time.monotonic(), page.picture(file)))
            if page.count("text=/^Done in/"):
                end = min(end, time.monotonic() + 0.5)
    return frames


if __name__ == "__main__":
    main()
