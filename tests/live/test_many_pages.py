"""A document of many pages with pictures, through every client and a gateway.

The short form has few pages, and bounds that these exceed; the long one has as many as a run may have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from operations import long_results
from operations.extract import MAX_PAGES
from streaming.client import Client, Result, Run, held
from tests.command_line import CommandLine
from tests.pdfs import report
from tests.servers import Server, free_port, gunicorn
from tests.test_typescript import built, node

__all__ = ["built"]

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

FEW: int = 6
SMALL: int = 3_000
"""Bytes of an event in the short form: more than a page has, and fewer than they have together."""

BESIDES: int = 1_000
"""Bytes of an event besides what the bound is for."""

SCRIPT = """
const [index, url] = process.argv.slice(1)
const {watchRun} = await import(index)
process.stdout.write(JSON.stringify(await watchRun(url).result))
"""


@dataclass(frozen=True)
class Document:
    """The document, the service, and the runs that have read it there: one by itself, and one through a gateway."""

    pages: int
    most: int
    pdf: Path
    server: Server
    runs: dict[str, str] = field(default_factory=dict)

    def run(self, operation: str) -> str:
        """The id of a run that has succeeded."""
        if operation not in self.runs:
            with Client(self.server.url) as client, client.start(operation, self.input) as run:
                run.result()
                self.runs[operation] = run.id
        return self.runs[operation]

    @property
    def input(self) -> dict[str, Any]:
        """The document, whose pages are to be pictures too."""
        return {"file": self.pdf, "render": True}

    def check(self, result: Any) -> None:
        """Every page is there, with its text and the name of its picture."""
        numbers = range(1, self.pages + 1)
        assert [page["page"] for page in result["pages"]] == [*numbers]
        assert [page["thumbnail"] for page in result["pages"]] == [f"page-{number}.jpg" for number in numbers]
        assert all(f"Chapter number {page['page']}" in page["text"] for page in result["pages"])


@pytest.fixture(scope="module")
def document(long: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Document]:
    """A service with `extract`, and with `far`, a gateway to its own second address."""
    folder = tmp_path_factory.mktemp("pages")
    pages, most = (MAX_PAGES, long_results.MOST) if long else (FEW, SMALL)
    (pdf := folder / "long.pdf").write_bytes(report(pages))
    second = f"127.0.0.1:{free_port()}"
    env = {
        "HEADWAY_STORE": f"sqlite:///{folder}/runs.db",
        "UPSTREAM": f"http://{second}",
        "MOST": str(most),
    }
    with gunicorn("tests.apps.many_pages:app", env=env, args=["-b", second]) as server:
        yield Document(pages, most, pdf, server)


WAYS = pytest.mark.parametrize("operation", ["extract", "far"])


@WAYS
def test_the_python_client(document: Document, operation: str, long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event is longer than the bound, and the result refers to its pages, all of which the client has."""
    if not long:
        monkeypatch.setattr(held, "HELD_BYTES", document.most)  # the client reads the pages once more
    with (
        Client(document.server.url) as client,
        client.start(operation, document.input) as run,
    ):
        events = list(run)
        document.check(run.result())
        document.runs[operation] = run.id
        assert max(long_results.size(event.data) for event in events) < document.most + BESIDES
        (result,) = (event.result for event in events if isinstance(event, Result))
        assert result["pages"][-1] == {"$partial": f"page-{document.pages}"}
        pictures(document, client, run)


def pictures(document: Document, client: Client, run: Run) -> None:
    """Every page's picture is there: they are files of this run."""
    files = {file["name"]: file for file in client.snapshot(run.id).files or ()}
    assert set(files) == {f"page-{number}.jpg" for number in range(1, document.pages + 1)}
    for number in (1, document.pages):
        content = run.file(name := f"page-{number}.jpg")
        assert content.startswith(b"\xff\xd8")
        assert len(content) == files[name]["size"]


@WAYS
def test_the_snapshot(document: Document, operation: str) -> None:
    """It has the values in place of the references."""
    with Client(document.server.url) as client:
        document.check(client.snapshot(document.run(operation)).result)


@WAYS
def test_the_command_line(document: Document, operation: str) -> None:
    """`result` prints the whole result."""
    shell = CommandLine("python -m streaming", {"HEADWAY_URL": document.server.url})
    printed = shell.run("result", document.run(operation))
    assert printed.code == 0, printed.err
    document.check(json.loads(printed.out))


@WAYS
def test_the_typescript_client(document: Document, operation: str, built: Path) -> None:
    """Its `result` has every page."""
    url = f"{document.server.url}/runs/{document.run(operation)}"
    document.check(json.loads(node("--input-type=module", "-e", SCRIPT, built / "index.js", url)))
