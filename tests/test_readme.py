"""The README's example is code that runs, and what it shows is what comes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from streaming.client.cli.commands import cli
from tools import write_reference

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = (ROOT / "README.md").read_text()

VARYING: Final = [
    (r'"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '"timestamp":T'),
    (r'"run":"[A-Za-z][\w-]{23}"', '"run":R'),
    (r'"(eta|elapsed)":\d+\.\d+', r'"\1":N'),
]
"""What differs from run to run, by its form."""


def normal(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, sign in VARYING:
        text = re.sub(pattern, sign, text)
    return text


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the README's Python block; its waits are shortened, though not below what an eta takes."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "readme_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = importlib.import_module("readme_example")
    module.time = SimpleNamespace(sleep=lambda seconds: sleep(seconds / 5))
    return module


def test_the_output_is_what_comes(example: Any) -> None:
    """The answer to its `curl`, but for times and the id: a frame with another shape would be stale."""
    ((path, shown),) = re.findall(r"\$ curl -N -X POST http://127\.0\.0\.1:8000(\S+)\n(.*?)```", README, re.DOTALL)
    client: FlaskClient = example.app.test_client()
    response = client.post(path)
    assert normal(response.text).strip() == normal(shown).strip()
    assert {"Run-Id", "Location"} <= set(response.headers.keys())


def test_the_first_program_is_short() -> None:
    """It has twelve lines of code."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 12


def test_the_other_commands_are_routes(example: Any) -> None:
    """Each is answered as its comment says, for the run of the first one."""
    client: FlaskClient = example.app.test_client()
    started = client.post("/operations/count")
    assert started.text.endswith("\n\n")  # read to its end
    run = started.headers["Run-Id"]
    commands = re.findall(r"^\$ curl (.*?)http://127\.0\.0\.1:8000(\S+) +# (.*)$", README, re.MULTILINE)
    answers = []
    for options, path, _ in commands:
        method = "DELETE" if "-X DELETE" in options else "GET"
        headers = dict(re.findall(r"-H '([\w-]+): (.*?)'", options))
        answers.append(client.open(path.replace("$RUN", run), method=method, headers=headers))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[1].text.count("id: ") == 3
    assert "id: 4\n" in answers[1].text


def test_the_figures_are_those_of_the_benchmarks() -> None:
    """`make format` would write the same."""
    assert write_reference.readme() == README, "README.md is not up to date: run `make format`"


def test_the_commands_exist() -> None:
    """What it calls of `headway` is there."""
    assert {*re.findall(r"(?:\.venv/bin/|\$ )headway (\w+)", README)} <= {*cli.commands}


def test_the_picture_moves() -> None:
    """It is small, and has frames."""
    (name,) = re.findall(r"!\[.*?\]\((.*?)\)", README)
    content = (ROOT / name).read_bytes()
    assert len(content) < 500_000
    assert content.count(b"ANMF") > 10
