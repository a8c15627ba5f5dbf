"""The terminal output of the command line, drawn into memory."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streaming.client.cli.output import Screen, cleaned, print_all, printable
from streaming.protocol.typed import make_event


def drawn(*events: tuple[str, dict[str, Any]], width: int = 60) -> str:
    """What stands on the screen in the end."""
    out = io.StringIO()
    with Screen(Console(file=out, width=width, height=30, force_terminal=False)) as screen:
        for number, (name, data) in enumerate(events, 1):
            screen.show(make_event(number, name, data))
    return out.getvalue()


def deltas(text: str, *, size: int = 3, channel: str = "text") -> list[tuple[str, dict[str, Any]]]:
    """The deltas of a text, in small pieces."""
    return [("delta", {"text": text[at : at + size], "channel": channel}) for at in range(0, len(text), size)]


def test_text_is_written_line_by_line() -> None:
    """Words are kept whole, and so are line breaks."""
    text = "Let me think about it for a while, because it is a long line of thought.\n\nYes, [bold]42[/bold]."
    assert drawn(*deltas(text)).splitlines()[:4] == [
        "Let me think about it for a while, because it is a long line",
        "of thought.",
        "",
        "Yes, [bold]42[/bold].",
    ]


@given(st.text(st.sampled_from("ab \n文😀"), max_size=200), st.integers(1, 50))
def test_no_text_is_lost(text: str, size: int) -> None:
    """Whatever the pieces, every character but space is written once, in order."""
    shown = drawn(*deltas(text, size=size), width=12)
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", text)


def test_each_kind_of_event() -> None:
    """Finished lines stand at the top, then the bars, and the status at the end."""
    shown = drawn(
        ("start", {"run": "r1", "operation": "extract"}),
        ("progress", {"step": "open", "message": "Opening"}),
        ("progress", {"step": "pages", "message": "Page 2", "done": 2, "total": 4, "unit": "pages", "eta": 1.5}),
        ("partial", {"key": "page-1", "value": {"text": "x" * 100}}),
        ("note", {"timestamp": "now", "colour": "blue"}),
        ("result", {"result": {"pages": 4}}),
        ("done", {"status": "succeeded", "elapsed": 2}),
    )
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[0] == "extract  run r1"
    assert lines[1].startswith('● page-1  {"text":"xxx')
    assert lines[1].endswith("x…")
    assert lines[2] == 'note  {"colour":"blue"}'
    assert lines[3:6] == ["{", '  "pages": 4', "}"]
    assert any(line.startswith("✓ Opening") for line in lines[6:])
    assert any("Page 2" in line and "2/4" in line for line in lines[6:])
    assert lines[-1] == "succeeded in 2.0 s"


def test_a_new_attempt_removes_the_bars() -> None:
    """The progress of the attempt before no longer counts."""
    shown = drawn(
        ("progress", {"step": "old", "message": "An old step", "done": 1, "total": 2}),
        ("attempt", {"attempt": 2, "reason": "producer_lost"}),
        ("error", {"code": "broken", "message": "It broke."}),
        ("done", {"status": "failed", "elapsed": 0}),
    )
    assert "attempt 2 starts: producer_lost" in shown
    assert "An old step" not in shown
    assert "✗ broken: It broke." in shown


def test_a_reset() -> None:
    """The status of its snapshot is shown."""
    assert "the status of the run is succeeded" in drawn(("reset", {"snapshot": {"status": "succeeded"}}))


@pytest.mark.parametrize("name", ["file", "warning", "usage", "chart"])
def test_the_data_of_an_event_without_a_form_of_its_own(name: str) -> None:
    """It is shown as JSON, whether the client has a class for it or not."""
    data = {"name": "a", "size": 1, "sha256": "b", "code": "c"}
    assert f'{name}  {{"name":"a","size":1,"sha256":"b","code":"c"}}' in drawn((name, data))


def test_a_step_that_is_a_number() -> None:
    """It has a bar like any other."""
    assert "2" in drawn(("progress", {"step": 2, "done": 1, "total": 2}), ("done", {"status": "failed", "elapsed": 0}))


def test_a_long_result_is_cut() -> None:
    """A note says how to see the rest."""
    shown = drawn(("result", {"result": list(range(100))}))
    assert "62 more lines; `--output json` shows all of them" in shown


@pytest.mark.parametrize("name", ["delta", "progress", "partial", "error", "result", "note", "start"])
def test_escape_sequences_are_removed(name: str) -> None:
    """The text of a service cannot move the cursor, set the title or ring the bell."""
    evil = "a\x1b]0;title\x07\x9b2Jb\r"
    data = {"text": evil, "message": evil, "key": evil, "value": evil, "code": evil, "operation": evil, "run": evil}
    data["result"] = evil
    shown = drawn((name, data), ("done", {"status": "failed"}))
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\r"}
    assert printable(evil) == "a\ufffd]0;title\ufffd\ufffd2Jb"


def test_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as wide as the terminal, and the id of a run is whole; elsewhere each entry is a line of JSON."""
    monkeypatch.setenv("COLUMNS", "60")
    entries: list[dict[str, Any]] = [
        {"id": "r" * 24, "title": "x" * 80, "size": 0},
        {"id": "r2", "description": "\x1b[2J", "size": None},
    ]
    columns = {"Run": ("id",), "Text": ("description", "title"), "Size": ("size",)}
    print_all(entries, columns, screen=True)
    shown = capsys.readouterr().out
    assert "r" * 24 in shown
    assert "\x1b" not in shown
    assert {len(line) for line in shown.splitlines()} == {60}
    print_all(entries, columns, screen=False)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == entries


def test_json_of_a_service_is_cleaned() -> None:
    """Names and values, at any depth."""
    assert cleaned({"\x1b": ["\x07", {"a": "\x9b", "n": 1}], "b": None}) == {
        "\ufffd": ["\ufffd", {"a": "\ufffd", "n": 1}],
        "b": None,
    }
    assert printable("a\udcffb") == "a\ufffdb"
