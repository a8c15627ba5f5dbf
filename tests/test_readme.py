"""The README's example is code that runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.clients import parse_frames

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client of the application in the README's Python block."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "readme_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    test_client = importlib.import_module("readme_example").app.test_client()
    assert isinstance(test_client, FlaskClient)
    return test_client


def test_the_embedding_example_offers_its_operation(client: FlaskClient) -> None:
    """The catalogue under the prefix names `count`, with the linger and the input that the example declares."""
    catalogue = client.get("/api/operations").json
    assert catalogue
    (count,) = catalogue["operations"]
    assert (count["name"], count["linger"]) == ("count", 30)
    assert count["input"]["properties"]["pages"]["default"] == 50


def test_the_embedding_example_streams_its_report(client: FlaskClient) -> None:
    """The route without runs streams the generator from `start` to `done`."""
    messages = parse_frames(client.get("/report").data)
    assert [message.event for message in messages] == ["start", "progress", "progress", "progress", "result", "done"]
    assert messages[-2].json["result"] == {"chapters": 3}
