"""What the embedded server serves: the file of a setting, or the model for demonstration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from operations.llm import embedded, supervisor
from operations.settings import ServiceSettings
from streaming import OperationError, SettingError
from tests.servers import ROOT, environment

VARIABLES = {"FILE": "", "CONTEXT": "2048", "THREADS": "3", "TEMPLATE": "chatml"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What looks like a model, and is that of the settings."""
    file = tmp_path / "qwen-7b.gguf"
    file.write_bytes(b"GGUF and more")
    for name, value in (VARIABLES | {"FILE": str(file)}).items():
        monkeypatch.setenv(f"HEADWAY_MODEL_{name}", value)
    return file


def test_a_file_of_the_settings(file: Path) -> None:
    """It has the name of its file, and is no demonstration; context, threads and template are the setting's."""
    serving = embedded.serving()
    assert (serving.name, serving.demonstration) == ("qwen-7b", False)
    assert serving.arguments == [str(file), "qwen-7b", "2", "2048", "3", "chatml"]


def test_the_model_for_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is served where no other is set."""
    monkeypatch.delenv("HEADWAY_MODEL_FILE", raising=False)
    serving = embedded.serving()
    assert (serving.name, serving.demonstration) == (embedded.NAME, True)
    assert serving.arguments[2:] == ["2", "4096", "0", ""]


def test_another_file_has_another_server(file: Path) -> None:
    """Also one that was replaced under its name, and one that is served in another way."""
    before = embedded._folder(embedded.serving())
    assert embedded._folder(embedded.serving()) == before
    assert embedded._folder(embedded.serving()._replace(context=4096)) != before
    file.write_bytes(b"GGUF, a newer one")
    assert embedded._folder(embedded.serving()) != before


@pytest.mark.parametrize("text", [None, b"PK not a model", b""])
def test_what_is_no_model(file: Path, text: bytes | None) -> None:
    """The service does not start with it, and a run says which setting is wrong."""
    if text is None:
        file.unlink()
    else:
        file.write_bytes(text)
    with pytest.raises(SettingError, match=r"HEADWAY_MODEL_FILE is '.*qwen-7b.gguf'; it takes a GGUF file"):
        embedded.check_model_file(ServiceSettings.read(os.environ))
    with pytest.raises(OperationError, match="model_missing: HEADWAY_MODEL_FILE"):
        embedded.serving()


@pytest.mark.parametrize(("cores", "template", "expected"), [("0", "", None), ("3", "chatml", 3)])
def test_the_servers_parameters(cores: str, template: str, expected: int | None) -> None:
    """Without a number of threads it has half of the cores; without a template, its own."""
    parts: Any = {name: SimpleNamespace() for name in ("model", "cpuparams", "cpuparams_batch")}
    settings = SimpleNamespace(chat_template="own", **parts)
    supervisor.configure(settings, "key", "m.gguf", "m", "2", "2048", cores, template)
    assert (settings.n_parallel, settings.n_ctx, settings.chat_template) == (2, 4096, template or "own")
    assert settings.cpuparams.n_threads == (expected or supervisor.threads(len(os.sched_getaffinity(0))))


def test_a_template_in_a_file(tmp_path: Path) -> None:
    """It is read."""
    (tmp_path / "chat.jinja").write_text("{{ messages }}")
    parts: Any = {name: SimpleNamespace() for name in ("model", "cpuparams", "cpuparams_batch")}
    settings = SimpleNamespace(**parts)
    supervisor.configure(settings, "key", "m.gguf", "m", "2", "2048", "1", str(tmp_path / "chat.jinja"))
    assert settings.chat_template == "{{ messages }}"


ASK = """
import json
from operations.llm import Text, chat, connect, user
from streaming import Event

def drive(generator):
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, events

model, _ = drive(connect())
_, pieces = drive(chat(model, [user("Say yes.")], max_tokens=4))
used = [piece.data for piece in pieces if isinstance(piece, Event) and piece.name == "usage"]
print(json.dumps([model.described, used, "".join(piece.text for piece in pieces if isinstance(piece, Text))]))
"""


@pytest.mark.live
def test_a_file_is_served(tmp_path: Path) -> None:
    """llama.cpp serves any GGUF file, with these threads, this context and this template."""
    file = tmp_path / "any.gguf"
    file.symlink_to(embedded.serving().path)
    variables = {f"HEADWAY_MODEL_{name}": value for name, value in (VARIABLES | {"FILE": str(file)}).items()}
    env = environment(variables | {"TMPDIR": str(tmp_path), "HEADWAY_MODEL_THREADS": "1"})
    asked = subprocess.run(
        [sys.executable, "-c", ASK], env=env, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert asked.returncode == 0, asked.stderr
    model, (used,), text = json.loads(asked.stdout)
    assert model == {"name": "any", "demonstration": False}
    assert used["output_tokens"] >= 1
    assert text
