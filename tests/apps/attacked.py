"""The service's operations, and one that asks what its caller wants to be asked: for the bodies of strangers."""

from __future__ import annotations

from typing import Any

from flask import Flask
from pydantic import BaseModel, ConfigDict

from operations.agent import agent
from operations.analyze import analyze
from operations.extract import extract
from operations.simulate import simulate
from operations.think import think
from streaming import Headway, ask, operation


class Anything(BaseModel):
    """A model without any limit of its own."""

    model_config = ConfigDict(extra="forbid")

    numbers: list[int] = []
    tree: dict[str, Any] = {}


class Asked(BaseModel):
    """The schema of an answer."""

    of: dict[str, Any]


@operation
def anything(input: Anything) -> int:
    """Counts what it gets."""
    return len(input.numbers) + len(input.tree)


@operation(linger=60)
def asking(input: Asked) -> Any:
    """Asks one question."""
    answer = yield ask("Well?", schema=input.of)
    return len(str(answer))


app = Flask(__name__)
Headway(app, operations=[extract, think, agent, analyze, simulate, anything, asking], max_runs_per_client=100)
