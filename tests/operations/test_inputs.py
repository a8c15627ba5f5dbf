"""What the inputs of all operations have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from operations.agent import Agent
from operations.analyze import Analysis
from operations.extract import Extract
from operations.inputs import Input
from operations.simulate import Simulation
from operations.think import ThinkInput
from streaming import Upload

NO_FILE = Upload(Path("x"), "", "application/octet-stream", 0)
FILE = Upload(Path("x"), "x.pdf", "application/pdf", 1)

FILLED: list[tuple[type[Input], dict[str, Any]]] = [
    (Agent, {"goal": "x"}),
    (Analysis, {"sql": "SELECT 1"}),
    (Extract, {"file": FILE}),
    (Simulation, {}),
    (ThinkInput, {"prompt": "x"}),
]
INPUTS = pytest.mark.parametrize(("model", "filled"), FILLED, ids=[model.__name__ for model, _ in FILLED])


@INPUTS
@pytest.mark.parametrize(
    "blank", ["", " \t\n", [""], NO_FILE, [NO_FILE]], ids=["empty", "white", "list", "file", "files"]
)
def test_a_blank_field_counts_as_left_out(model: type[Input], filled: dict[str, Any], blank: Any) -> None:
    """Whatever its type is: a form sends all of its fields."""
    lists = {name for name, field in model.model_fields.items() if "list" in str(field.annotation)}
    others = lists if isinstance(blank, list) else set(model.model_fields)
    assert model.model_validate({**dict.fromkeys(others, blank), **filled}) == model.model_validate(filled)


@INPUTS
def test_an_unknown_field_is_an_error(model: type[Input], filled: dict[str, Any]) -> None:
    """Even a blank one: its name may be a mistake."""
    with pytest.raises(ValidationError) as failure:
        model.model_validate({**filled, "colour": ""})
    assert [error["loc"] for error in failure.value.errors()] == [("colour",)]


def test_a_file_that_is_empty_is_not_a_blank_field() -> None:
    """Its name says that somebody has chosen it."""
    empty = Upload(Path("x"), "x.csv", "text/csv", 0)
    assert Analysis(sql="SELECT 1", file=[empty, NO_FILE]).file == [empty]
