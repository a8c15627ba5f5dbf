"""The example of `docs/operations.md` is code that runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.apps.llm_fake import Reply, fake_model, finish, outcome, text

DOCS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def test_the_example_of_an_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the page streams a model's answer."""
    code = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[-1]
    (tmp_path / "own_operation.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_operation")
    texts: list[str] = []
    with fake_model(Reply(text("Roses ", "are red"), finish())) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        outcome(own.poem.fn(own.Poem(about="roses")), lambda event: texts.append(event.data.get("text", "")))
    assert texts[:2] == ["Roses ", "are red"]
    assert "roses" in fake.requests[0]["messages"][0]["content"]
