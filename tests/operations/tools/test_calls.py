"""Concurrent calls: each has an outcome, whatever the tool does."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.hosts import AllowedHosts
from operations.tools import Tool, tool
from operations.tools.calls import Call, Outcome, cut, run_concurrently
from operations.tools.context import CallContext
from operations.tools.web import Web
from tests.apps.agent_calls import add, explode, leave, refuse, wait


def run(*calls: tuple[Tool, dict[str, Any]], seconds: float = 20.0) -> dict[str, Outcome]:
    """The outcomes of the calls, in the order in which they end."""
    numbered = [Call(str(number), tool.name, tool, args) for number, (tool, args) in enumerate(calls, 1)]
    context = CallContext((), Web(AllowedHosts(frozenset())), time.monotonic() + seconds)
    return {call.id: outcome for call, outcome in run_concurrently(numbered, context)}


def outcome_of(tool: Tool, **arguments: Any) -> Outcome:
    """The outcome of one call."""
    return run((tool, arguments))["1"]


def test_calls_are_concurrent() -> None:
    """Ten calls that wait take as long as one, and each outcome is yielded when it is there."""
    start = time.monotonic()
    outcomes = run(*[(wait, {"seconds": 0.5})] * 10, (tool(add), {"a": 1}))
    assert time.monotonic() - start < 4
    assert all(outcome.ok for outcome in outcomes.values())
    assert next(iter(outcomes)) == "11"
    assert outcomes["1"].seconds >= 0.5


def test_a_call_that_takes_too_long_is_abandoned() -> None:
    """The others have their outcomes."""
    start = time.monotonic()
    outcomes = run((wait, {"seconds": 60}), (tool(add), {"a": 1}), seconds=0.3)
    assert time.monotonic() - start < 10
    assert (outcomes["2"].text, outcomes["1"].code) == ("2", "timeout")


def test_the_message_of_a_tool_error() -> None:
    """It is for the model and the viewers."""
    outcome = outcome_of(refuse)
    assert (outcome.ok, outcome.code, outcome.text) == (False, "closed", "The warehouse is closed on Sundays.")


@pytest.mark.parametrize("fatal", [explode, leave], ids=lambda fatal: fatal.name)
def test_other_exceptions_are_not_shown(fatal: Tool, caplog: pytest.LogCaptureFixture) -> None:
    """The exception is in the log, with the reference that is in the outcome."""
    with caplog.at_level(logging.ERROR):
        outcome = outcome_of(fatal)
    assert outcome.code == "failed"
    assert "swordfish" not in outcome.text
    [record] = [record for record in caplog.records if record.name == "headway"]
    assert record.exc_info
    assert str(record.args[1] if record.args else "") in outcome.text  # type: ignore[index]


def test_invalid_arguments_are_a_failure() -> None:
    """The outcome has their code."""
    assert outcome_of(tool(add), a="many").code == "invalid_arguments"


VALUES: list[tuple[Any, str]] = [
    ("text as it is\n", "text as it is\n"),
    ({"a": [1, None]}, '{"a":[1,null]}'),
    (date(2026, 11, 23), '"2026-11-23"'),
    (None, "null"),
    (float("nan"), "NaN"),
    ("ä", "ä"),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=repr)
def test_any_value_becomes_text(value: Any, text: str) -> None:
    """A string is unchanged, everything else is JSON."""

    @tool
    def give() -> Any:
        """Returns it."""
        return value

    assert outcome_of(give).text == text


def test_a_value_without_json() -> None:
    """The tool has failed."""

    @tool
    def give() -> Any:
        """Returns an object."""
        return object()

    assert outcome_of(give).code == "failed"


def test_no_calls() -> None:
    """There are no outcomes."""
    assert run() == {}


@given(st.text(max_size=30), st.integers(0, 40))
def test_a_cut_is_never_through_a_character(text: str, size: int) -> None:
    """The result is the longest beginning of the text that fits."""
    beginning = cut(text, size)
    assert text.startswith(beginning)
    assert len(beginning.encode()) <= size
    rest: Sequence[str] = text[len(beginning) :]
    assert not rest or len((beginning + rest[0]).encode()) > size


def test_a_lone_surrogate_is_no_error() -> None:
    """It has no UTF-8, and becomes a question mark."""
    assert cut("a\ud800b", 10) == "a?b"
