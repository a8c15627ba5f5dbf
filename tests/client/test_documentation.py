"""The Python of `docs/clients.md` runs as it stands there; the first block runs against a service (`tests/live`)."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest

from streaming.client import core
from tests.client.service import STREAM, TIMESTAMP, frame
from tests.servers import ROOT

SECTION: Final = re.search(
    r"^## Python$(.*?)^## ", (ROOT / "docs" / "clients.md").read_text(), re.MULTILINE | re.DOTALL
)
BLOCKS: Final = re.findall(r"```python\n(.*?)```", SECTION[1] if SECTION else "", re.DOTALL)
RUN: Final = {"id": "r1", "operation": "x", "status": "running", "created": TIMESTAMP, "updated": TIMESTAMP}


def answer(request: httpx.Request) -> httpx.Response:
    """Answers as a service does whose operations all end at once."""
    match request.method, request.url.path:
        case "POST", "/operations/extract" if request.headers["content-type"] == "application/json":
            return httpx.Response(422, json={"errors": [{"loc": ["file"], "msg": "a file is sent as a form"}]})
        case "POST", _:
            body = frame(1, "start", {"run": "r1", "operation": "x"}) + frame(2, "result", {"result": {"pages": 3}})
            body += frame(3, "done", {"status": "succeeded"})
            return httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, content=body)
        case "GET", "/operations":
            schema = {"properties": {"file": {"type": "string", "format": "binary"}}}
            return httpx.Response(200, json={"operations": [{"name": "extract", "input": schema}]})
    return httpx.Response(200, json={"runs": [{**RUN, "last_event_id": 1}], "status": "ready"})


@pytest.mark.parametrize("number", range(1, len(BLOCKS)))
def test_a_block(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the names that the blocks before it import."""
    monkeypatch.chdir(tmp_path)
    for name in ("HEADWAY_URL", "HEADWAY_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(core, "open_http", lambda kind, url: kind(transport=httpx.MockTransport(answer)))
    Path("report.pdf").write_bytes(b"%PDF-1.7")
    imports = [line for block in BLOCKS[:number] for line in block.splitlines() if line.startswith("from ")]
    source = "\n".join([*imports, BLOCKS[number]])
    code = compile(source, "docs/clients.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    scope: dict[str, Any] = {"__name__": "documentation"}

    async def run() -> None:
        made = eval(code, scope)
        if inspect.isawaitable(made):
            await made

    anyio.run(run)
    assert "mine" not in capsys.readouterr().out


def test_there_are_blocks() -> None:
    """The section was found."""
    assert len(BLOCKS) > 4
